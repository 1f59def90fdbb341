//! Which services are wanted: libtest's rules for filters.

use crate::config::settings::Selection;
use crate::model::service::Service;

/// Whether the filters select this service. As with libtest-mimic, a filter may also be written with the kind in front
/// (`[live] media::jellyfin`), which is how `--list` prints the name.
pub fn is_selected(selection: &Selection, service: &Service) -> bool {
    let name = service.name.to_string();
    let listed = format!("[live] {name}");
    let hit = |filter: &String| {
        if selection.exact { *filter == name || *filter == listed } else { listed.contains(filter.as_str()) }
    };
    let asked = selection.only.as_ref().is_none_or(|names| names.contains(&name));
    asked && (selection.filters.is_empty() || selection.filters.iter().any(hit)) && !selection.skip.iter().any(hit)
}

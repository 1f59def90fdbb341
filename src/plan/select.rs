//! Which services are wanted: libtest's rules for filters.

use crate::config::settings::Selection;
use crate::model::service::ServiceName;
use crate::model::settings::ServiceSettings;
use crate::model::source::{LIVE, SourcePlace};

/// Whether the filters select the service of this name. As with libtest-mimic, a filter may also be written with the kind in
/// front (`[tar] media::jellyfin`), which is how `--list` prints the name and how nextest hands it back.
pub fn is_selected(selection: &Selection, name: &ServiceName, rehearsal: &ServiceSettings) -> bool {
    selects(selection, name, &[kind(rehearsal)])
}

/// As [`is_selected`], while it is not known yet where the service's data comes from: any kind may stand in front.
pub fn may_be_selected(selection: &Selection, name: &ServiceName) -> bool {
    selects(selection, name, &[&[LIVE], SourcePlace::KINDS.as_slice()].concat())
}

/// The libtest kind of a service: where its data comes from.
pub fn kind(rehearsal: &ServiceSettings) -> &'static str {
    rehearsal.source.as_ref().map_or(LIVE, |spec| spec.place.kind())
}

fn selects(selection: &Selection, name: &ServiceName, kinds: &[&str]) -> bool {
    let name = name.to_string();
    let listed: Vec<String> = kinds.iter().map(|kind| format!("[{kind}] {name}")).collect();
    let hit = |filter: &String| {
        if selection.exact {
            *filter == name || listed.contains(filter)
        } else {
            listed.iter().any(|listed| listed.contains(filter.as_str()))
        }
    };
    let asked = selection.only.as_ref().is_none_or(|names| names.contains(&name));
    asked && (selection.filters.is_empty() || selection.filters.iter().any(hit)) && !selection.skip.iter().any(hit)
}

//! Why nothing is selected, by all filters or by one of them, for the person who typed it.

use crate::config::labels;
use crate::config::settings::{IgnoredMode, Selection, Settings};
use crate::config::values::suggest::suggestion;
use crate::model::event::NoTests;
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::plan::{self, Inputs};

/// Why none of these services of the host is selected, and what to type instead.
pub fn reason(services: &[(Service, ServiceSettings)], selection: &Selection) -> String {
    if services.is_empty() {
        return "No service runs on this Docker host, so there is nothing to rehearse. `rehearsa demo` brings one along."
            .to_owned();
    }
    taken_away(services, selection).unwrap_or_else(|| missed(services, selection))
}

/// For each filter that finds nothing while another does: why, and what to type instead. What `--skip`, a partition and the like
/// take away was found before.
pub fn missed_filters(services: &[(Service, ServiceSettings)], selection: &Selection) -> Vec<String> {
    let alone = |filter: &String| Selection {
        filters: vec![filter.clone()],
        exact: selection.exact,
        ignored: IgnoredMode::Include,
        ..Selection::default()
    };
    let reasons = selection.filters.iter().map(alone).filter(|alone| selected(services, alone).is_empty());
    reasons.map(|alone| reason(services, &alone)).collect()
}

/// What it means that none of these services is selected: what was asked for, except that a part of a partition may well be
/// empty when other parts are not.
pub fn meaning(services: &[(Service, ServiceSettings)], settings: &Settings) -> NoTests {
    let selection = &settings.selection;
    let whole = Selection { partition: None, ..selection.clone() };
    let empty_part = selection.partition.is_some() && !selected(services, &whole).is_empty();
    if empty_part && settings.no_tests == NoTests::Fail { NoTests::Warn } else { settings.no_tests }
}

/// What a flag beside the filters, or the service itself, keeps from being selected.
fn taken_away(services: &[(Service, ServiceSettings)], selection: &Selection) -> Option<String> {
    let any_mode = IgnoredMode::Include;
    let found = |selection: Selection| Some(selected(services, &selection)).filter(|names| !names.is_empty());
    let skips = || {
        let filters: Vec<String> = selection.skip.iter().map(|filter| format!("--skip {filter}")).collect();
        filters.join(" and ")
    };
    let there = if selection.filters.is_empty() { "runs" } else { "is there" };
    if let Some(partition) = selection.partition
        && let Some(names) = found(Selection { partition: None, ..selection.clone() })
    {
        return Some(format!("{} {there}, but in another part of the partition than {partition}.", shown(&names)));
    }
    if let Some(only) = &selection.only {
        if only.is_empty() {
            return Some("Everything was green in that report, so there is nothing to run again.".to_owned());
        }
        if found(Selection { only: None, ..selection.clone() }).is_some() {
            return Some(format!("None of what was not green in that report is selected: {}.", only.join(", ")));
        }
    }
    if let Some(names) = found(Selection { skip: Vec::new(), ..selection.clone() }) {
        return Some(format!("{} {there}, but {} takes it away.", shown(&names), skips()));
    }
    if let Some(names) = found(Selection { ignored: any_mode, ..selection.clone() }) {
        return Some(format!(
            "{} {there}, but it is not ignored, and --ignored selects only what is; leave out --ignored to rehearse it.",
            shown(&names)
        ));
    }
    if let Some(names) = found(Selection { skip: Vec::new(), ignored: any_mode, ..selection.clone() }) {
        return Some(format!(
            "{} {there}, but it is not ignored, and --ignored selects only what is; {} takes it away as well.",
            shown(&names),
            skips()
        ));
    }
    let hidden = services.iter().find(|(service, settings)| plan::is_selected(selection, &service.name, settings))?;
    let hidden = &hidden.0;
    let why = if hidden.running {
        format!("its label {} keeps it from being listed", labels::IGNORE)
    } else {
        "it does not run".to_owned()
    };
    Some(format!("{} is there, but {why}.", hidden.name))
}

/// No name fits.
fn missed(services: &[(Service, ServiceSettings)], selection: &Selection) -> String {
    let names: Vec<String> = services.iter().map(|(service, _)| service.name.to_string()).collect();
    let of_host = if names.len() == 1 {
        "The one service of this host is not".to_owned()
    } else {
        format!("None of the {} services of this host is", names.len())
    };
    let list = "`rehearsa test --list` shows what there is.";
    if selection.filters.is_empty() {
        return format!("{of_host} selected; {list}");
    }
    let near = selection.filters.iter().find_map(|filter| suggestion(filter, names.iter().map(String::as_str)));
    let hint = near.unwrap_or_else(|| list.to_owned());
    let how = if selection.exact { "called" } else { "called anything with" };
    let filters: Vec<String> = selection.filters.iter().map(|filter| format!("`{filter}`")).collect();
    format!("{of_host} {how} {}; {hint}", filters.join(" or "))
}

fn selected(services: &[(Service, ServiceSettings)], selection: &Selection) -> Vec<String> {
    plan::plan(Inputs { services: services.to_vec(), selection })
        .cases()
        .map(|case| case.service.name.to_string())
        .collect()
}

/// One name, or the first and how many more.
fn shown(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first, more @ ..] => format!("{first} (and {} more)", more.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::partition::{Partition, Sharing};
    use crate::model::sample;
    use crate::model::service::ServiceName;

    fn services(names: &[&str]) -> Vec<(Service, ServiceSettings)> {
        names.iter().map(|name| (sample::service(ServiceName::lone(*name)), ServiceSettings::default())).collect()
    }

    fn exactly(filter: &str) -> Selection {
        Selection { filters: vec![filter.to_owned()], exact: true, ..Selection::default() }
    }

    #[test]
    fn an_empty_host_is_told_from_a_filter_that_finds_nothing() {
        let typo = Selection { exact: false, ..exactly("jelyfin") };
        assert!(reason(&[], &typo).starts_with("No service runs on this Docker host"));
        assert_eq!(
            reason(&services(&["jellyfin", "immich"]), &typo),
            "None of the 2 services of this host is called anything with `jelyfin`; did you mean `jellyfin`?"
        );
        assert!(
            reason(&services(&["jellyfin"]), &exactly("x"))
                .starts_with("The one service of this host is not called `x`;")
        );
    }

    #[test]
    fn one_filter_of_several_that_finds_nothing_is_named() {
        let mut there = services(&["jellyfin", "immich", "resting"]);
        there[2].0.running = false;
        let asked = |filters: &[&str]| Selection {
            filters: filters.iter().map(|&filter| filter.to_owned()).collect(),
            ..Selection::default()
        };
        assert_eq!(missed_filters(&there, &asked(&["jelly", "immich"])), Vec::<String>::new());
        assert_eq!(
            missed_filters(&there, &asked(&["jellyfin", "imich"])),
            ["None of the 3 services of this host is called anything with `imich`; did you mean `immich`?"]
        );
        let exact = Selection { exact: true, ..asked(&["jelly", "immich", "resting"]) };
        assert_eq!(
            missed_filters(&there, &exact),
            [
                "None of the 3 services of this host is called `jelly`; did you mean `jellyfin`?",
                "resting is there, but it does not run."
            ]
        );
    }

    #[test]
    fn what_is_taken_away_after_a_filter_found_it_is_not_missed() {
        let there = services(&["jellyfin", "immich"]);
        let asked = |selection| Selection { filters: vec!["jellyfin".to_owned(), "immich".to_owned()], ..selection };
        let partition = Some(Partition { sharing: Sharing::Slice, index: 2, total: 2 });
        for selection in [
            Selection { skip: vec!["immich".to_owned()], ..Selection::default() },
            Selection { partition, ..Selection::default() },
            Selection { only: Some(vec!["jellyfin".to_owned()]), ..Selection::default() },
            Selection { ignored: IgnoredMode::Only, ..Selection::default() },
        ] {
            assert_eq!(missed_filters(&there, &asked(selection)), Vec::<String>::new());
        }
    }

    #[test]
    fn an_empty_part_is_no_mistake_but_an_empty_whole_is() {
        let partition = Some(Partition { sharing: Sharing::Slice, index: 2, total: 2 });
        let selection = Selection { partition, ..exactly("jellyfin") };
        let mut settings = Settings { selection, ..Settings::default() };
        let there = services(&["jellyfin"]);
        assert_eq!(meaning(&there, &settings), NoTests::Warn);
        assert_eq!(
            reason(&there, &settings.selection),
            "jellyfin is there, but in another part of the partition than slice:2/2."
        );
        settings.selection.filters = vec!["immich".to_owned()];
        assert_eq!(meaning(&there, &settings), NoTests::Fail);
    }

    #[test]
    fn a_report_without_failures_is_not_a_missing_service() {
        let selection = Selection { only: Some(Vec::new()), ..Selection::default() };
        assert!(reason(&services(&["jellyfin"]), &selection).starts_with("Everything was green"));
        let selection = Selection { only: Some(vec!["immich".to_owned()]), ..Selection::default() };
        assert!(reason(&services(&["jellyfin"]), &selection).ends_with("is selected: immich."));
    }

    #[test]
    fn a_service_that_is_not_ignored_is_not_called_missing() {
        let selection = Selection { ignored: IgnoredMode::Only, ..exactly("jellyfin") };
        assert_eq!(
            reason(&services(&["jellyfin"]), &selection),
            "jellyfin is there, but it is not ignored, and --ignored selects only what is; leave out --ignored to rehearse it."
        );
        let unfiltered = Selection { ignored: IgnoredMode::Only, ..Selection::default() };
        assert!(reason(&services(&["a", "b"]), &unfiltered).starts_with("a (and 1 more) runs, but it is not ignored"));
    }

    #[test]
    fn what_skip_takes_away_is_not_called_missing() {
        let selection = Selection { skip: vec!["fin".to_owned()], exact: false, ..exactly("jelly") };
        assert_eq!(reason(&services(&["jellyfin"]), &selection), "jellyfin is there, but --skip fin takes it away.");
        let both = Selection { ignored: IgnoredMode::Only, ..selection };
        let said = reason(&services(&["jellyfin"]), &both);
        assert!(said.contains("--ignored") && said.contains("--skip fin"), "{said}");
    }

    #[test]
    fn a_service_that_hides_itself_or_does_not_run_is_not_called_missing() {
        let mut hidden = services(&["jellyfin"]);
        hidden[0].1.ignore = true;
        assert_eq!(
            reason(&hidden, &exactly("jellyfin")),
            "jellyfin is there, but its label rehearsa.ignore keeps it from being listed."
        );
        let mut stopped = services(&["jellyfin"]);
        stopped[0].0.running = false;
        assert_eq!(reason(&stopped, &exactly("jellyfin")), "jellyfin is there, but it does not run.");
    }
}

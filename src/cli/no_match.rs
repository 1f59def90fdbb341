//! Explains an empty selection, or a filter that selects nothing, to the person who typed it.
//!
//! The selection already says of each service why it is left out; the explanations are folds over these reasons.

use crate::config::declared;
use crate::config::settings::{Selection, Settings};
use crate::config::values::suggest::nearest;
use crate::discover::StoppedContainer;
use crate::model::event::NoTests;
use crate::plan::{LeftOutReason, ServiceSelection};

/// Where the services come from.
#[derive(Debug, Clone, Copy)]
pub enum ServiceOrigin<'a> {
    /// The host, which has these other containers that do not run.
    Host(&'a [StoppedContainer]),
    /// Files of a project, named by these flags: `-f compose.yaml`.
    Files(&'a str),
}

impl<'a> ServiceOrigin<'a> {
    fn stopped(self) -> &'a [StoppedContainer] {
        match self {
            ServiceOrigin::Host(stopped) => stopped,
            ServiceOrigin::Files(_) => &[],
        }
    }

    /// What lists the services.
    fn list(self, count: usize) -> String {
        let services = if count == 1 { "the one service".to_owned() } else { format!("the {count} services") };
        match self {
            ServiceOrigin::Host(_) => format!("`rehearsa test --list` shows {services} of this host."),
            ServiceOrigin::Files(flags) => {
                format!("`rehearsa test --list {flags}` shows {services} of the Compose files.")
            }
        }
    }
}

/// Explains why no service is selected, with a suggestion.
pub fn reason(services: &[ServiceSelection], origin: ServiceOrigin<'_>, selection: &Selection) -> String {
    let is_hit = |index: &usize| services.iter().any(|service| service.hit_by.contains(index));
    let mut unhit = selection.filters.iter().enumerate().filter(|(index, _)| !is_hit(index));
    if let Some(told) = unhit.find_map(|(_, filter)| is_stopped(origin.stopped(), filter, selection.exact)) {
        return told;
    }
    if services.is_empty() {
        return "No service runs on this Docker host, so there is nothing to rehearse. `rehearsa demo` starts its own."
            .to_owned();
    }
    left_out_by_flag(services, selection)
        .or_else(|| services.iter().find_map(|service| hidden(service, origin)))
        .unwrap_or_else(|| no_name_fits(services, origin, selection))
}

/// Explains each filter that finds nothing while another filter finds a service. Only filters count here: services
/// that `--skip`, a partition and the like leave out were found before.
pub fn missed_filters(services: &[ServiceSelection], origin: ServiceOrigin<'_>, selection: &Selection) -> Vec<String> {
    let mut missed = Vec::new();
    for (index, filter) in selection.filters.iter().enumerate() {
        let hit = || services.iter().filter(move |service| service.hit_by.contains(&index));
        if hit().any(ServiceSelection::is_offered) {
            continue;
        }
        let alone = Selection { filters: vec![filter.clone()], exact: selection.exact, ..Selection::default() };
        let told = hit().find_map(|service| why_not_offered(service, origin));
        let told = told.or_else(|| is_stopped(origin.stopped(), filter, selection.exact));
        missed.push(told.unwrap_or_else(|| no_name_fits(services, origin, &alone)));
    }
    missed
}

/// Explains each `--skip` that leaves out nothing.
pub fn idle_skips(services: &[ServiceSelection], origin: ServiceOrigin<'_>, selection: &Selection) -> Vec<String> {
    let is_idle = |index: &usize| services.iter().all(|service| !service.skipped_by.contains(index));
    let idle = selection.skip.iter().enumerate().filter(|(index, _)| is_idle(index));
    idle.map(|(_, filter)| {
        let alone = Selection { filters: vec![filter.clone()], exact: selection.exact, ..Selection::default() };
        format!("--skip {filter} leaves out nothing. {}", no_name_fits(services, origin, &alone))
    })
    .collect()
}

/// Explains that a filter names a container that does not run.
fn is_stopped(stopped: &[StoppedContainer], filter: &str, exact: bool) -> Option<String> {
    let is_meant = |of: &&StoppedContainer| {
        let names = [of.name.to_string(), of.container_name.clone()];
        names.iter().any(|name| if exact { name == filter } else { name.contains(filter) })
    };
    stopped.iter().find(is_meant).map(|of| told_to_start(&of.name.to_string(), &of.container_name))
}

fn told_to_start(name: &str, container: &str) -> String {
    format!(
        "{name} exists but is stopped, and only running services are rehearsed. `docker start {container}` starts it."
    )
}

/// Whether an empty selection is a failure: a part of a partition may be empty if other parts are not; otherwise the
/// user decides.
pub fn meaning(services: &[ServiceSelection], settings: &Settings) -> NoTests {
    let empty_part = services.iter().any(|service| service.reasons() == [LeftOutReason::Partition]);
    if empty_part && settings.no_tests == NoTests::Fail { NoTests::Warn } else { settings.no_tests }
}

/// Explains which flag besides the filters leaves out services that would be selected.
fn left_out_by_flag(services: &[ServiceSelection], selection: &Selection) -> Option<String> {
    let left_out_for = |reasons: &[LeftOutReason]| -> Option<String> {
        let services = services.iter().filter(|service| service.reasons() == reasons);
        first_and_more(&services.map(|service| service.service.to_string()).collect::<Vec<_>>())
    };
    if let (Some(partition), Some(names)) = (selection.partition, left_out_for(&[LeftOutReason::Partition])) {
        return Some(format!("{names} belongs to another part of the partition than {partition}."));
    }
    if let Some(only) = &selection.only {
        if only.is_empty() {
            return Some("Everything was green in that report, so there is nothing to run again.".to_owned());
        }
        if left_out_for(&[LeftOutReason::RerunList]).is_some() {
            let not_green = only.join(", ");
            return Some(format!("No service that was not green in that report is selected: {not_green}."));
        }
    }
    let skip = || {
        let filters: Vec<String> = selection.skip.iter().map(|filter| format!("--skip {filter}")).collect();
        filters.join(" and ")
    };
    if let Some(names) = left_out_for(&[LeftOutReason::Skip]) {
        return Some(format!("{} leaves out {names}.", skip()));
    }
    let not_ignored = |names: &str| format!("--ignored selects only ignored services, and {names} is not ignored");
    if let Some(names) = left_out_for(&[LeftOutReason::NotIgnored]) {
        return Some(format!("{}. Remove --ignored to rehearse it.", not_ignored(&names)));
    }
    let names = left_out_for(&[LeftOutReason::Skip, LeftOutReason::NotIgnored])?;
    Some(format!("{}; {} leaves it out as well.", not_ignored(&names), skip()))
}

/// Explains why a service that the command line selects is no test case.
fn hidden(service: &ServiceSelection, origin: ServiceOrigin<'_>) -> Option<String> {
    let by_command_line =
        [LeftOutReason::FilterMissed, LeftOutReason::RerunList, LeftOutReason::Skip, LeftOutReason::Partition];
    let is_named = !service.reasons().iter().any(|reason| by_command_line.contains(reason));
    is_named.then(|| why_not_offered(service, origin)).flatten()
}

/// Explains why the command line cannot select a service.
fn why_not_offered(service: &ServiceSelection, origin: ServiceOrigin<'_>) -> Option<String> {
    let name = &service.service;
    if service.reasons().contains(&LeftOutReason::NotRunning) {
        Some(match origin {
            ServiceOrigin::Host(_) => told_to_start(&name.to_string(), &service.container),
            ServiceOrigin::Files(_) => {
                format!(
                    "{name} is a job whose end other services wait for. It runs with them, and is no case of its own."
                )
            }
        })
    } else if service.reasons().contains(&LeftOutReason::IgnoreLabel) {
        Some(format!("{name} is not listed, because it has the label {}.", declared::IGNORE))
    } else {
        None
    }
}

fn no_name_fits(services: &[ServiceSelection], origin: ServiceOrigin<'_>, selection: &Selection) -> String {
    let names: Vec<String> = services.iter().map(|service| service.service.to_string()).collect();
    let list = origin.list(names.len());
    if selection.filters.is_empty() {
        return format!("No service is selected. {list}");
    }
    let similar: Vec<&str> = selection.filters.iter().flat_map(|filter| similar_to(filter, services, &names)).collect();
    let similar: Vec<String> = similar.into_iter().map(|name| format!("`{name}`")).collect();
    let hint = if similar.is_empty() { list } else { format!("Did you mean {}?", similar.join(" or ")) };
    let filters: Vec<String> = selection.filters.iter().map(|filter| format!("`{filter}`")).collect();
    let filters = filters.join(" or ");
    if selection.exact {
        format!("No service is named {filters}. {hint}")
    } else {
        format!("No service name contains {filters}. {hint}")
    }
}

/// The services whose names, or whose containers' names, are near to a filter.
fn similar_to<'a>(filter: &str, services: &'a [ServiceSelection], names: &'a [String]) -> Vec<&'a str> {
    let containers = services.iter().map(|service| service.container.as_str());
    let near = nearest(filter, names.iter().map(String::as_str).chain(containers));
    let mut found = Vec::new();
    for near in near {
        let of = names.iter().zip(services).find(|(name, service)| *name == near || service.container == near);
        let name = of.map_or(near, |(name, _)| name.as_str());
        if !found.contains(&name) {
            found.push(name);
        }
    }
    found
}

/// One name, or the first and how many more; `None` when there is none.
fn first_and_more(names: &[String]) -> Option<String> {
    match names {
        [] => None,
        [one] => Some(one.clone()),
        [first, more @ ..] => Some(format!("{first} (and {} more)", more.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::IgnoredMode;
    use crate::model::partition::{Partition, Sharing};
    use crate::model::sample;
    use crate::model::service::{Service, ServiceName};
    use crate::model::settings::ServiceSettings;
    use crate::plan::draft;

    const HOST: ServiceOrigin<'_> = ServiceOrigin::Host(&[]);

    fn services(names: &[&str]) -> Vec<(Service, ServiceSettings)> {
        names.iter().map(|name| (sample::service(ServiceName::lone(*name)), ServiceSettings::default())).collect()
    }

    fn selected(services: &[(Service, ServiceSettings)], selection: &Selection) -> Vec<ServiceSelection> {
        draft(services.to_vec(), selection).selection
    }

    fn why(services: &[(Service, ServiceSettings)], selection: &Selection) -> String {
        reason(&selected(services, selection), HOST, selection)
    }

    fn missed(services: &[(Service, ServiceSettings)], selection: &Selection) -> Vec<String> {
        missed_filters(&selected(services, selection), HOST, selection)
    }

    fn exactly(filter: &str) -> Selection {
        Selection { filters: vec![filter.to_owned()], exact: true, ..Selection::default() }
    }

    #[test]
    fn an_empty_host_is_told_from_a_filter_that_finds_nothing() {
        let typo = Selection { exact: false, ..exactly("jelyfin") };
        assert!(why(&[], &typo).starts_with("No service runs on this Docker host"));
        assert_eq!(
            why(&services(&["jellyfin", "immich"]), &typo),
            "No service name contains `jelyfin`. Did you mean `jellyfin`?"
        );
        assert_eq!(
            why(&services(&["jellyfin"]), &exactly("x")),
            "No service is named `x`. `rehearsa test --list` shows the one service of this host."
        );
    }

    #[test]
    fn services_of_files_are_listed_with_the_flags_that_name_the_files() {
        let mut there = services(&["web", "db", "migrate"]);
        there[2].0.running = false;
        let files = ServiceOrigin::Files("-f 'my stack.yaml'");
        let why = |filter: &str| reason(&selected(&there, &exactly(filter)), files, &exactly(filter));
        let told = "No service is named `zzzzzz`. `rehearsa test --list -f 'my stack.yaml'` shows the 3 services of \
                    the Compose files.";
        assert_eq!(why("zzzzzz"), told);
        assert!(why("migrate").starts_with("migrate is a job whose end other services wait for"), "{}", why("migrate"));
        let asked = Selection { filters: vec!["web".to_owned(), "zzzzzz".to_owned()], ..exactly("") };
        assert_eq!(missed_filters(&selected(&there, &asked), files, &asked), [told]);
    }

    #[test]
    fn one_filter_of_several_that_finds_nothing_is_named() {
        let mut there = services(&["jellyfin", "immich", "resting"]);
        there[2].0.running = false;
        let asked = |filters: &[&str]| Selection {
            filters: filters.iter().map(|&filter| filter.to_owned()).collect(),
            ..Selection::default()
        };
        assert_eq!(missed(&there, &asked(&["jelly", "immich"])), Vec::<String>::new());
        assert_eq!(
            missed(&there, &asked(&["jellyfin", "imich"])),
            ["No service name contains `imich`. Did you mean `immich`?"]
        );
        let exact = Selection { exact: true, ..asked(&["jelly", "immich", "resting"]) };
        assert_eq!(
            missed(&there, &exact),
            [
                "No service is named `jelly`. Did you mean `jellyfin`?",
                "resting exists but is stopped, and only running services are rehearsed. `docker start resting` starts \
                 it."
            ]
        );
    }

    #[test]
    fn what_is_left_out_after_a_filter_found_it_is_not_missed() {
        let there = services(&["jellyfin", "immich"]);
        let asked = |selection| Selection { filters: vec!["jellyfin".to_owned(), "immich".to_owned()], ..selection };
        let partition = Some(Partition { sharing: Sharing::Slice, index: 2, total: 2 });
        for selection in [
            Selection { skip: vec!["immich".to_owned()], ..Selection::default() },
            Selection { partition, ..Selection::default() },
            Selection { only: Some(vec!["jellyfin".to_owned()]), ..Selection::default() },
            Selection { ignored: IgnoredMode::Only, ..Selection::default() },
        ] {
            assert_eq!(missed(&there, &asked(selection)), Vec::<String>::new());
        }
    }

    #[test]
    fn a_container_that_is_stopped_is_not_called_missing() {
        let there = selected(&services(&["immich"]), &Selection::default());
        let name = ServiceName::of_stack("media", "jellyfin");
        let stopped = [StoppedContainer { name, container_name: "media-jellyfin-1".to_owned() }];
        for filter in ["media::jellyfin", "media-jellyfin-1"] {
            let told = reason(&there, ServiceOrigin::Host(&stopped), &exactly(filter));
            assert!(told.starts_with("media::jellyfin exists but is stopped"), "{told}");
            assert!(told.contains("`docker start media-jellyfin-1`"), "{told}");
        }
        let part = Selection { exact: false, ..exactly("jellyfin") };
        assert!(reason(&there, ServiceOrigin::Host(&stopped), &part).contains("is stopped"));
        assert!(missed_filters(&there, ServiceOrigin::Host(&stopped), &part)[0].contains("is stopped"));
        assert!(reason(&there, ServiceOrigin::Host(&stopped), &exactly("jellyfin")).starts_with("No service is named"));
    }

    #[test]
    fn a_container_is_suggested_by_its_name_and_told_as_its_service() {
        let there = vec![(sample::service(ServiceName::of_stack("media", "tv")), ServiceSettings::default())];
        for exact in [true, false] {
            let typo = Selection { exact, ..exactly("media-tv-11") };
            assert!(why(&there, &typo).ends_with("Did you mean `media::tv`?"), "{}", why(&there, &typo));
        }
        assert!(selected(&there, &exactly("media-tv-1"))[0].is_selected());
        assert!(selected(&there, &Selection { exact: false, ..exactly("media-tv") })[0].is_selected());
    }

    #[test]
    fn a_skip_that_leaves_out_nothing_is_told() {
        let there = services(&["jellyfin", "immich"]);
        let selection = Selection { skip: vec!["imich".to_owned(), "jelly".to_owned()], ..Selection::default() };
        assert_eq!(
            idle_skips(&selected(&there, &selection), HOST, &selection),
            ["--skip imich leaves out nothing. No service name contains `imich`. Did you mean `immich`?"]
        );
    }

    #[test]
    fn an_empty_part_is_no_mistake_but_an_empty_whole_is() {
        let partition = Some(Partition { sharing: Sharing::Slice, index: 2, total: 2 });
        let selection = Selection { partition, ..exactly("jellyfin") };
        let mut settings = Settings { selection, ..Settings::default() };
        let there = services(&["jellyfin"]);
        assert_eq!(meaning(&selected(&there, &settings.selection), &settings), NoTests::Warn);
        assert_eq!(
            why(&there, &settings.selection),
            "jellyfin belongs to another part of the partition than slice:2/2."
        );
        settings.selection.filters = vec!["immich".to_owned()];
        assert_eq!(meaning(&selected(&there, &settings.selection), &settings), NoTests::Fail);
    }

    #[test]
    fn a_report_without_failures_is_not_a_missing_service() {
        let selection = Selection { only: Some(Vec::new()), ..Selection::default() };
        assert!(why(&services(&["jellyfin"]), &selection).starts_with("Everything was green"));
        let selection = Selection { only: Some(vec!["immich".to_owned()]), ..Selection::default() };
        assert!(why(&services(&["jellyfin"]), &selection).ends_with("is selected: immich."));
    }

    #[test]
    fn a_service_that_is_not_ignored_is_not_called_missing() {
        let selection = Selection { ignored: IgnoredMode::Only, ..exactly("jellyfin") };
        assert_eq!(
            why(&services(&["jellyfin"]), &selection),
            "--ignored selects only ignored services, and jellyfin is not ignored. Remove --ignored to rehearse it."
        );
        let unfiltered = Selection { ignored: IgnoredMode::Only, ..Selection::default() };
        assert!(why(&services(&["a", "b"]), &unfiltered).contains("a (and 1 more) is not ignored"));
    }

    #[test]
    fn what_skip_leaves_out_is_not_called_missing() {
        let selection = Selection { skip: vec!["fin".to_owned()], exact: false, ..exactly("jelly") };
        assert_eq!(why(&services(&["jellyfin"]), &selection), "--skip fin leaves out jellyfin.");
        let both = Selection { ignored: IgnoredMode::Only, ..selection };
        let said = why(&services(&["jellyfin"]), &both);
        assert!(said.contains("--ignored") && said.contains("--skip fin"), "{said}");
    }

    #[test]
    fn a_service_that_hides_itself_or_does_not_run_is_not_called_missing() {
        let mut hidden = services(&["jellyfin"]);
        hidden[0].1.ignore = true;
        assert_eq!(
            why(&hidden, &exactly("jellyfin")),
            "jellyfin is not listed, because it has the label rehearsa.ignore."
        );
        let mut stopped = services(&["jellyfin"]);
        stopped[0].0.running = false;
        assert!(why(&stopped, &exactly("jellyfin")).starts_with("jellyfin exists but is stopped"));
        let elsewhere = Selection { skip: vec!["fin".to_owned()], ..Selection::default() };
        assert!(why(&stopped, &elsewhere).starts_with("No service is selected."));
    }
}

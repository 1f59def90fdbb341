//! Stack and name of a container, from its labels alone.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::plain_text::is_invisible;
use crate::model::service::ServiceName;

const PROJECT: &str = "com.docker.compose.project";
const SERVICE: &str = "com.docker.compose.service";
const NUMBER: &str = "com.docker.compose.container-number";
const ONEOFF: &str = "com.docker.compose.oneoff";
const SWARM_STACK: &str = "com.docker.stack.namespace";
const SWARM_SERVICE: &str = "com.docker.swarm.service.name";
const SWARM_TASK: &str = "com.docker.swarm.task.name";

/// A container's position in a stack, from its labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComposeLabels {
    /// Name of the stack; `None`: a lone container.
    pub stack: Option<String>,
    /// Name of the container's service.
    pub service: String,
    /// Number of the container among those of its service, from 1.
    pub number: u32,
}

/// A name out of a label as it is used everywhere. Whoever makes a container through the engine's API chooses its
/// labels freely, and a name with a line break would forge lines of the output. What a reader does not see, or what
/// moves other text, is written as an escape, and a backslash twice, so that two names stay two.
pub fn escape(name: &str) -> String {
    let is_plain = |c: char| c != '\\' && !c.is_control() && !is_invisible(c);
    let mut shown = String::with_capacity(name.len());
    for c in name.chars() {
        if is_plain(c) { shown.push(c) } else { shown.extend(c.escape_default()) }
    }
    shown
}

/// Reads the position of the container called `container`. Its names are escaped.
pub fn read_labels(container: &str, labels: &BTreeMap<String, String>) -> ComposeLabels {
    let label = |key: &str| labels.get(key).map(String::as_str).filter(|value| !value.is_empty());
    let lone = |service: &str, number| ComposeLabels { stack: None, service: escape(service), number };
    if let (Some(project), Some(service)) = (label(PROJECT), label(SERVICE)) {
        // `docker compose run` makes a container for one command, which is not the stack's service.
        if label(ONEOFF).is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return lone(container, 1);
        }
        let number = label(NUMBER).and_then(|text| text.parse().ok()).unwrap_or(1);
        return ComposeLabels { stack: Some(escape(project)), service: escape(service), number };
    }
    if let Some(service) = label(SWARM_SERVICE) {
        // A task is called `stack_service.2.<id>`; in a global service the id of a node takes the number's place.
        let task = label(SWARM_TASK).and_then(|task| task.strip_prefix(service)?.strip_prefix('.'));
        let number = task.and_then(|rest| rest.split('.').next()?.parse().ok()).unwrap_or(1);
        return match label(SWARM_STACK) {
            Some(stack) => {
                let own = service.strip_prefix(stack).and_then(|rest| rest.strip_prefix('_')).unwrap_or(service);
                ComposeLabels { stack: Some(escape(stack)), service: escape(own), number }
            }
            None => lone(service, number),
        };
    }
    lone(container, 1)
}

/// A unique name for each container, in the same order. `containers` has each container's own name and its position.
///
/// The first container of a service gets the service's name, others `service-2` and so on. Names that still clash are
/// replaced by the container's own name, which is unique in the engine.
pub fn assign_names(containers: &[(&str, ComposeLabels)]) -> Vec<ServiceName> {
    let wanted: Vec<ServiceName> = containers.iter().map(|(_, place)| wanted_name(place)).collect();
    let firsts: BTreeSet<&ServiceName> =
        containers.iter().zip(&wanted).filter(|((_, place), _)| place.number <= 1).map(|(_, name)| name).collect();
    let mut taken = BTreeSet::new();
    let mut result = vec![None; containers.len()];
    // First containers choose before replicas: `web-2` may be a service's own name.
    for replicas in [false, true] {
        for (i, (container, place)) in containers.iter().enumerate() {
            if (place.number > 1) != replicas {
                continue;
            }
            let name = if taken.contains(&wanted[i]) || (replicas && firsts.contains(&wanted[i])) {
                fallback_name(container, place, &taken)
            } else {
                wanted[i].clone()
            };
            taken.insert(name.clone());
            result[i] = Some(name);
        }
    }
    result.into_iter().map(|name| name.expect("every container is either a first one or a replica")).collect()
}

/// The name that the container of this position gets unless it is taken.
pub fn wanted_name(place: &ComposeLabels) -> ServiceName {
    let service = if place.number > 1 { format!("{}-{}", place.service, place.number) } else { place.service.clone() };
    ServiceName { stack: place.stack.clone(), service }
}

fn fallback_name(container: &str, place: &ComposeLabels, taken: &BTreeSet<ServiceName>) -> ServiceName {
    let own = ServiceName { stack: place.stack.clone(), service: container.to_owned() };
    if !taken.contains(&own) {
        return own;
    }
    (2u32..)
        .map(|n| ServiceName { stack: place.stack.clone(), service: format!("{container}-{n}") })
        .find(|name| !taken.contains(name))
        .expect("fewer names are taken than there are numbers")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn compose(project: &str, service: &str, number: &str) -> BTreeMap<String, String> {
        labels(&[(PROJECT, project), (SERVICE, service), (NUMBER, number), (ONEOFF, "False")])
    }

    fn named(containers: &[(&str, BTreeMap<String, String>)]) -> Vec<String> {
        let places: Vec<(&str, ComposeLabels)> =
            containers.iter().map(|(name, labels)| (*name, read_labels(name, labels))).collect();
        assign_names(&places).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn compose_containers_are_named_by_stack_and_service() {
        let named = named(&[
            ("media_jellyfin_1", compose("media", "jellyfin", "1")),
            ("media-sonarr-2", compose("media", "sonarr", "2")),
            ("lonely", labels(&[])),
        ]);
        assert_eq!(named, ["media::jellyfin", "media::sonarr-2", "lonely"]);
    }

    #[test]
    fn names_that_would_forge_lines_are_escaped_and_stay_two() {
        let forged = "a\ntest [live] shop::db ... ok\r\u{2028}\u{202e}\u{85}\u{200b}";
        let plain = r"a\ntest [live] shop::db ... ok\r\u{2028}\u{202e}\u{85}\u{200b}";
        let named = named(&[("x", compose("p\nq", forged, "1")), ("y", compose(r"p\nq", plain, "2"))]);
        let doubled = plain.replace('\\', r"\\");
        assert_eq!(named, [format!(r"p\nq::{plain}"), format!(r"p\\nq::{doubled}-2")]);
        let task = labels(&[(SWARM_SERVICE, "s\n_web\n"), (SWARM_STACK, "s\n"), (SWARM_TASK, "s\n_web\n.2.x")]);
        assert_eq!(read_labels("c", &task).stack.as_deref(), Some(r"s\n"));
        assert_eq!(wanted_name(&read_labels("c", &task)).service, r"web\n-2");
        assert_eq!(escape("büro-ß 日本 🦀"), "büro-ß 日本 🦀");
    }

    #[test]
    fn one_off_containers_are_no_part_of_their_stack() {
        let mut run = compose("media", "jellyfin", "1");
        run.insert(ONEOFF.to_owned(), "True".to_owned());
        assert_eq!(named(&[("media_jellyfin_run_1a2b", run)]), ["media_jellyfin_run_1a2b"]);
    }

    #[test]
    fn names_that_clash_fall_back_to_the_containers() {
        let named = named(&[
            ("media-web-2", compose("media", "web", "2")),
            ("media-web-2-1", compose("media", "web-2", "1")),
            ("a", compose("media", "web", "1")),
            ("b", compose("media", "web", "1")),
        ]);
        assert_eq!(named, ["media::media-web-2", "media::web-2", "media::web", "media::b"]);
    }

    #[test]
    fn swarm_tasks_are_named_by_stack_and_service() {
        let task = |service: &str, task: &str, stack: &[(&str, &str)]| {
            let mut all = labels(&[(SWARM_SERVICE, service), (SWARM_TASK, task)]);
            all.extend(labels(stack));
            all
        };
        let named = named(&[
            ("shop_web.1.abc", task("shop_web", "shop_web.1.abc", &[(SWARM_STACK, "shop")])),
            ("shop_web.2.def", task("shop_web", "shop_web.2.def", &[(SWARM_STACK, "shop")])),
            ("agent.node9.x", task("agent", "agent.node9.x", &[])),
        ]);
        assert_eq!(named, ["shop::web", "shop::web-2", "agent"]);
    }

    #[test]
    fn empty_labels_name_no_stack() {
        assert_eq!(named(&[("c", compose("", "web", "1"))]), ["c"]);
    }
}

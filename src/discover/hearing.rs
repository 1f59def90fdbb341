//! Which labels of a container are heard: those that the container itself has.
//!
//! The engine gives the labels of an image to each of its containers and does not say which are whose. Whoever makes an
//! image would else choose what Rehearsa reads, runs and skips on every host that runs the image. So a label whose key
//! and value are also the image's is not heard. Compose and Swarm write their labels to each container; an image that
//! was committed from such a container has the same ones, and a label that only the engine's tools write (a mark) tells
//! that they wrote them again.

use std::collections::BTreeMap;

use crate::docker::labels;

/// Labels by their keys.
pub type Labels = BTreeMap<String, String>;

/// The labels of a tool that makes containers.
struct Family {
    /// All keys start with this.
    prefix: &'static str,
    /// The tool gives this label to each container, and its value to no two of them that differ.
    mark: &'static str,
    /// Keys that name files of this machine: heard only if their values are not the image's.
    files: &'static [&'static str],
}

const FAMILIES: [Family; 3] = [
    Family {
        prefix: "com.docker.compose.",
        mark: "com.docker.compose.config-hash",
        files: &["com.docker.compose.project.config_files", "com.docker.compose.project.working_dir"],
    },
    Family { prefix: "com.docker.stack.", mark: "com.docker.swarm.task.id", files: &[] },
    Family { prefix: "com.docker.swarm.", mark: "com.docker.swarm.task.id", files: &[] },
];

/// What the settings of a service begin with.
const SETTINGS: &str = "rehearsa.";

/// Whether Rehearsa reads some labels of these, so that it matters whose they are.
pub fn are_read(labels: &Labels) -> bool {
    labels.keys().any(|key| is_read(key))
}

fn is_read(key: &str) -> bool {
    let mut prefixes = FAMILIES.iter().map(|family| family.prefix).chain([SETTINGS]);
    labels::ALL.contains(&key) || prefixes.any(|prefix| key.starts_with(prefix))
}

/// Takes out of the labels of a container those that are not heard, and returns them. `of_image`: the labels of its
/// image; `None`: the image is gone, so nobody knows whose the labels are.
pub fn take_unheard(labels: &mut Labels, of_image: Option<&Labels>) -> Labels {
    let is_of_image = |key: &str, value: &str| match of_image {
        Some(image) => image.get(key).is_some_and(|of| of == value),
        None => is_dangerous(key),
    };
    let is_marked = |family: &Family| {
        let mark = labels.get(family.mark);
        mark.is_some_and(|value| !is_of_image(family.mark, value))
    };
    let marked: Vec<&'static str> =
        FAMILIES.iter().filter(|family| is_marked(family)).map(|family| family.prefix).collect();
    let is_unheard = |key: &str, value: &str| {
        let is_told = marked.iter().any(|prefix| key.starts_with(prefix)) && !names_files(key);
        is_read(key) && is_of_image(key, value) && !is_told
    };
    let unheard: Labels = labels
        .iter()
        .filter(|(key, value)| is_unheard(key, value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    labels.retain(|key, _| !unheard.contains_key(key));
    unheard
}

/// Whether a label decides more than the name of a service. The container of an image that is gone cannot be rehearsed,
/// and is still told by its name.
fn is_dangerous(key: &str) -> bool {
    names_files(key) || key.starts_with(SETTINGS)
}

fn names_files(key: &str) -> bool {
    FAMILIES.iter().any(|family| family.files.contains(&key))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROJECT: (&str, &str) = ("com.docker.compose.project", "shop");
    const SERVICE: (&str, &str) = ("com.docker.compose.service", "web");
    const HASH: (&str, &str) = ("com.docker.compose.config-hash", "1f");
    const FILES: (&str, &str) = ("com.docker.compose.project.config_files", "/srv/compose.yaml");
    const SOURCE: (&str, &str) = ("rehearsa.source", "dir:/etc");
    const OTHER: (&str, &str) = ("traefik.enable", "true");

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    /// The keys that are not heard.
    fn unheard(own: &[(&str, &str)], image: Option<&[(&str, &str)]>) -> Vec<String> {
        let mut own = labels(own);
        let image = image.map(labels);
        let all = own.clone();
        let taken = take_unheard(&mut own, image.as_ref());
        assert!(all.iter().all(|(key, value)| own.get(key).or(taken.get(key)) == Some(value)), "{own:?} {taken:?}");
        assert!(taken.keys().all(|key| !own.contains_key(key)));
        taken.into_keys().collect()
    }

    #[test]
    fn labels_of_the_container_are_heard() {
        assert!(unheard(&[PROJECT, SERVICE, FILES, SOURCE, OTHER], Some(&[])).is_empty());
        assert!(unheard(&[SOURCE], Some(&[("rehearsa.source", "live")])).is_empty(), "the container says otherwise");
        for unread in [OTHER, ("io.rehearsa.worker", "1f")] {
            assert!(unheard(&[unread], Some(&[unread])).is_empty(), "nobody reads it");
        }
    }

    #[test]
    fn labels_of_the_image_are_not_heard_whatever_they_say() {
        let all = [PROJECT, SERVICE, FILES, SOURCE, ("rehearsa.skip", "yes"), ("io.rehearsa.session", "s"), OTHER];
        assert_eq!(
            unheard(&all, Some(&all)),
            [PROJECT.0, FILES.0, SERVICE.0, "io.rehearsa.session", "rehearsa.skip", SOURCE.0]
        );
        assert!(are_read(&labels(&all)) && !are_read(&labels(&[OTHER])));
    }

    #[test]
    fn compose_that_runs_an_image_committed_from_its_container_is_heard_but_for_the_files() {
        let own = [PROJECT, SERVICE, HASH, FILES, SOURCE];
        let image = [PROJECT, SERVICE, ("com.docker.compose.config-hash", "0e"), FILES, SOURCE];
        assert_eq!(unheard(&own, Some(&image)), [FILES.0, SOURCE.0]);
        assert_eq!(unheard(&own, Some(&own)), [HASH.0, PROJECT.0, FILES.0, SERVICE.0, SOURCE.0], "run by hand");
    }

    #[test]
    fn a_container_whose_image_is_gone_keeps_its_name_only() {
        assert_eq!(unheard(&[PROJECT, SERVICE, FILES, SOURCE], None), [FILES.0, SOURCE.0]);
    }
}

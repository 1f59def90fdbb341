//! Labels that keep other agents on the host away from our containers.
//!
//! No label of the live container is copied. Two things remain. Some agents act on every container that does not opt
//! out. And the engine gives the labels of an image to each container that is created from it: they can be overridden
//! but not removed, so they are set to the empty text. An agent that acts on the mere presence of such a label still
//! sees it (caddy-docker-proxy takes a bare `caddy` label for a block of global options).

use std::collections::HashMap;

use crate::model::sandbox::ObjectLabels;

use super::labels;

/// The opt-outs, each honoured by the agent named beside it.
const OPT_OUTS: &[(&str, &str)] = &[
    // Watchtower: "exclude containers", containrrr.dev/watchtower/container-selection
    ("com.centurylinklabs.watchtower.enable", "false"),
    // Podman auto-update: anything but `registry` and `local` leaves the container alone, podman-auto-update(1)
    ("io.containers.autoupdate", "disabled"),
    // Traefik: `exposedByDefault` is true unless configured, doc.traefik.io, Docker provider
    ("traefik.enable", "false"),
    // autoheal: acts on `true`, README of willfarrell/docker-autoheal
    ("autoheal", "False"),
    // Diun: `watchByDefault` may be set, crazymax.dev/diun/providers/docker
    ("diun.enable", "false"),
    // What's up Docker: `watchByDefault` is true, getwud.github.io, Docker watcher
    ("wud.watch", "false"),
    // Ofelia: acts on containers with `true` only, README of mcuadros/ofelia
    ("ofelia.enabled", "false"),
    // Sablier stops idle containers that opt in, sablierapp.dev
    ("sablier.enable", "false"),
    // docker-volume-backup stops the containers that carry `true`, offen.github.io/docker-volume-backup
    ("docker-volume-backup.stop-during-backup", "false"),
    // Glance shows every container unless hidden, README of glanceapp/glance
    ("glance.hide", "true"),
];

/// All labels of a container: our own and the opt-outs with their values, the image's labels with the empty text.
pub(super) fn labels(marks: &ObjectLabels, image_labels: &[String]) -> HashMap<String, String> {
    let mut all: HashMap<String, String> = image_labels.iter().map(|key| (key.clone(), String::new())).collect();
    all.extend(OPT_OUTS.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
    all.extend(labels::write(marks));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_image_lose_their_value_but_ours_win() {
        let marks = ObjectLabels {
            session: "s".into(),
            stack: "a".into(),
            host: "h".into(),
            process: "1.2".into(),
            expires: 3,
        };
        let image = ["traefik.enable", "com.docker.compose.project", "io.rehearsa.session"].map(str::to_owned);
        let labels = labels(&marks, &image);
        assert_eq!(labels["traefik.enable"], "false");
        assert_eq!(labels["com.docker.compose.project"], "");
        assert_eq!(labels["io.rehearsa.session"], "s");
        assert_eq!(labels["com.centurylinklabs.watchtower.enable"], "false");
    }
}

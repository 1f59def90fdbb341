//! Labels that keep other agents on the host away from our containers.
//!
//! None of the live container's labels are ever copied. Two things remain: agents that act on every container unless told
//! not to, and labels that the *image* carries, which the engine gives to each container made from it. The latter can be
//! overridden but not removed, so they are set to nothing. An agent that acts on the mere presence of a label in an image
//! (caddy-docker-proxy takes a bare `caddy` key for a block of global options) still sees the key.

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

/// Every label of a container of ours: marks and opt-outs as they are, the image's own set to nothing.
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

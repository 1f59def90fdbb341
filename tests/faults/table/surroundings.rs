//! Services that are well on their data and need something beside it: a neighbour, a dependency, a port that they use.

use std::path::Path;

use Form::{Dir, Live, Tar};
use Kind::Small;

use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;
use crate::support::backup::{data_of, kept, sh, tar};
use crate::support::{Live as Running, Rehearsal, Stack, Wanted, rehearse, service};

pub fn faults() -> Vec<Fault> {
    [ports(), neighbours(), dependencies()].into_iter().flatten().collect()
}

/// More ports than the image exposes, and no healthcheck.
const EXPOSED: [&str; 5] = ["--no-healthcheck", "--expose", "443", "--expose", "5671"];

fn ports() -> Vec<Fault> {
    vec![
        fault(45, "exposes ports that it does not use", Small, Tar)
            .instead(|small| small.instead("cat /mounted/note >/dev/null; exec behave listens 8080").options(&EXPOSED))
            .harmless(),
        fault(45, "listens on no port", Small, Dir)
            .instead(|small| small.instead("cat /mounted/note >/dev/null; exec sleep 300").options(&EXPOSED))
            .with(&["--timeout", "4s"])
            .failed("health/timeout", &["any of its exposed TCP ports (443, 5671, 8080)"]),
    ]
}

fn neighbours() -> Vec<Fault> {
    vec![
        fault(45, "a neighbour on its network is not there", Small, Live)
            .own(|_| beside(false))
            .errored("order/neighbour-missing", &["not in the sandbox", "bad address"]),
        fault(45, "a neighbour on its network is brought along", Small, Live).own(|_| beside(true)).harmless(),
    ]
}

/// A lone service that asks a neighbour for something before it is healthy.
fn beside(brought: bool) -> Rehearsal {
    let network = Stack::new("beside");
    let in_network = |wanted: Wanted| wanted.options(&["--network", &network.name]);
    let neighbour = in_network(service("broken")).command(&["listens"]).start();
    let script = format!(
        "cat /mounted/note && wget -q -O /dev/null http://{}:8080/ || exit 9; exec behave healthy",
        neighbour.name
    );
    // The search for a name that is not there takes some seconds.
    let app = in_network(service("broken")).volume("/mounted").file("/mounted/note", "kept");
    let app = app.options(&["--health-retries", "60"]).rehearsed_as(&script).start();
    let with = ["--with", &neighbour.name];
    rehearse(&[&app.name], if brought { &with } else { &[] })
}

fn dependencies() -> Vec<Fault> {
    vec![
        fault(45, "a service that it depends on is not in the backup", Small, Tar)
            .own(|folder| of_two(folder, false))
            .warned("restore/dependency-live", &["holds nothing for its volume", "copy of its live data"]),
        fault(45, "a service that it depends on is in the backup", Small, Dir)
            .own(|folder| of_two(folder, true))
            .harmless(),
    ]
}

/// A service and another that it depends on; the backup holds the data of the first, or of both.
fn of_two(folder: &Path, both: bool) -> Rehearsal {
    let stack = Stack::new("two");
    let db = kept().of(&stack, "db").start();
    let app = kept().of(&stack, "app").depends_on("db:service_healthy:false").start();
    let volume = |live: &Running| live.first_volume().to_owned();
    let (of_app, of_db) = (volume(&app), volume(&db));
    let from = if both {
        let script = "mkdir all && cp -a \"$1\" \"all/$2\" && cp -a \"$3\" \"all/$4\"";
        sh(folder, script, &[&data_of(&of_app), &of_app, &data_of(&of_db), &of_db]);
        format!("dir:{}", crate::support::shown(&folder.join("all")))
    } else {
        sh(folder, "tar -C \"$1\" -cf x.tar .", &[&data_of(&of_app)]);
        tar(folder.join("x.tar"))
    };
    rehearse(&[&stack.service("app")], &["--from", &from])
}

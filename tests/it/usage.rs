//! A service is green only on the data of what it depends on. Services that do not use their own data are in the fault
//! table. Needs a Docker engine with the fixture images.

use crate::support::{Live, Stack, rehearse, service};

/// A stack's Redis, whose data came back and which runs this command in the rehearsal.
fn redis(stack: &Stack, rehearsed_as: &str) -> Live {
    let live = "[ -e /only-live ] && exec redis-server --dir /data --appendonly no";
    let live = service("redis")
        .of(stack, "db")
        .volume("/data")
        .healthy_when("[ \"$(redis-cli ping)\" = PONG ]")
        .script(&format!("{live}; exec {rehearsed_as}"))
        .file("/only-live", "")
        .start();
    live.until(&["redis-cli", "set", "note", "kept"]);
    live.exec(&["redis-cli", "save"]);
    live
}

#[test]
#[ignore = "nightly: the fault table has a trial of it"]
fn a_service_is_not_green_beside_a_database_that_does_not_use_its_data() {
    for (hint, command, is_used) in [
        ("used", "redis-server --dir /data --appendonly no", true),
        ("unused", "redis-server --dir /tmp --appendonly no", false),
    ] {
        let stack = Stack::new(hint);
        let _db = redis(&stack, command);
        let _app =
            service("broken").of(&stack, "app").depends_on("db:service_healthy:false").command(&["healthy"]).start();
        let rehearsal = rehearse(&[&stack.service("app")], &["--settle", "1s"]);
        if is_used {
            rehearsal.is_green("healthy");
        } else {
            rehearsal.failed("data/unused");
            let message = rehearsal.message();
            assert!(message.contains(&format!("depends on {}", stack.service("db"))), "{rehearsal}");
            assert!(message.contains("redis-server runs") && message.contains("dump.rdb"), "{rehearsal}");
        }
    }
}

//! Backups in reports and plans.

use crate::support::backup::{keeper, tar};
use crate::support::{rehearsa, rehearse, shown};

#[test]
fn reports_say_which_snapshot_of_what() {
    let (live, dir) = keeper("tar -C \"$1\" -czf app-2026-11-03T04-05-06.tar.gz .; touch -d 2026-01-01 app-*.tar.gz");
    let junit = dir.path().join("junit.xml");
    let rehearsal =
        rehearse(&[&live.name], &["--from", &tar(dir.path().join("app-*.tar.gz")), "--junit", &shown(&junit)]);
    rehearsal.is_green("healthy");
    let case = rehearsal.case();
    assert_eq!(case["source"], "tar", "{rehearsal}");
    assert_eq!(case["snapshot"]["id"], "app-2026-11-03T04-05-06.tar.gz", "{rehearsal}");
    assert_eq!(case["snapshot"]["time"], "2026-11-03T04:05:06Z", "{rehearsal}");
    assert!(rehearsal.restore()["source"].as_str().is_some_and(|from| from.starts_with("tar:")), "{rehearsal}");
    let junit = std::fs::read_to_string(junit).unwrap();
    assert!(junit.contains("app-2026-11-03T04-05-06.tar.gz"), "{junit}");
}

#[test]
fn a_plan_shows_the_part_that_belongs_to_a_mount() {
    let (live, dir) = keeper("mkdir backup; cp -a \"$1\" \"backup/$2\"; mkdir backup/other; tar -czf x.tgz backup");
    let from = tar(dir.path().join("x.tgz"));
    let plan = |format: &[&str]| {
        let output = rehearsa(&["plan", "--exact", &live.name, "--from", &from]).args(format).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let part = format!("backup/{}", live.first_volume());
    let json: serde_json::Value = serde_json::from_str(&plan(&["--format", "json"])).expect("it is JSON");
    assert!(json.to_string().contains(&format!("\"{part}\"")), "{json:#}");
    let text = plan(&[]);
    assert!(text.contains(&part), "{text}");
}

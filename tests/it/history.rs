//! The profiles of green runs: what is kept, and what is not. Losses are in the fault table. Needs root, a Docker
//! engine on this machine and the fixture images.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::backup::{data_of, folder, sh};
use crate::support::{Live, rehearsa, rehearse, service, shown, text};

/// A secret of the service, which is also the name of a folder of its data.
const SECRET: &str = "fixture-history-secret";

fn live() -> Live {
    service("broken")
        .options(&["--env", &format!("APP_PASSWORD={SECRET}")])
        .volume("/mounted")
        .rehearsed_as("cat /mounted/*/* >/dev/null; exec behave healthy")
        .start()
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn profile(args: &[&str]) -> (Option<i32>, String, String) {
    let output = rehearsa(&["profile"]).args(args).output().expect("rehearsa starts");
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_green_run_on_a_backup_keeps_its_profile_and_others_keep_none() {
    let (live, dir) = (live(), folder());
    let make = "mkdir -p data/pictures \"data/$1\"; for n in $(seq 9); do echo $n >data/pictures/$n; done; \
        : >data/pictures/empty; echo x >\"data/$1/x\"; tar -C data -cf x.tar .";
    sh(dir.path(), make, &[SECRET]);
    let history = dir.path().join("history");
    let (kept_in, from) = (shown(&history), format!("tar:{}", shown(&dir.path().join("x.tar"))));
    sh(dir.path(), "cp -a data/. \"$1\"", &[&data_of(live.first_volume())]);
    rehearse(&[&live.name], &["--history", &kept_in]).is_green("healthy");
    assert_eq!(files(&history), [""; 0].map(PathBuf::from), "a copy of live data is no backup");

    let args = ["--from", &from, "--history", &kept_in, "--exclude", "**"];
    let first = rehearse(&[&live.name], &args);
    first.is_green("healthy");
    assert_eq!(first.case()["profile"]["earlier"], Value::Null);
    assert_eq!(first.case()["profile"]["has_history"], true);
    let mount = &first.case()["profile"]["held"]["mounts"][0];
    assert_eq!(
        (&mount["mount"], &mount["files"], &mount["empty"]),
        (&"/mounted".into(), &11.into(), &1.into()),
        "{first}"
    );
    let kept = files(&history);
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(std::fs::metadata(&kept[0]).unwrap().permissions().mode() & 0o777, 0o600);
    let written = std::fs::read_to_string(&kept[0]).unwrap();
    assert!(written.contains("pictures") && !written.contains(SECRET), "{written}");

    // A file of somebody else's is named and no reason for red.
    let foreign = kept[0].with_file_name("20991231T000000000Z-foreign.json");
    std::fs::write(&foreign, "{}").unwrap();
    let second = rehearse(&[&live.name], &args);
    second.is_green("healthy");
    assert!(second.stderr.contains("left out") && second.stderr.contains("-foreign.json"), "{second}");
    assert_eq!(second.case()["profile"]["earlier"]["snapshot"], "x.tar", "{second}");
    assert_eq!(files(&history).len(), 3);

    sh(dir.path(), "rm data/pictures/*; tar -C data -cf x.tar .", &[]);
    for _ in 0..2 {
        let third = rehearse(&[&live.name], &args);
        third.failed("data/shrunk");
        let message = third.message();
        assert!(message.contains("pictures of /mounted has 0 files with content instead of 9"), "{third}");
        assert!(third.case()["diagnosis"]["remedy"].as_str().unwrap().contains("--tolerance 'files=100%'"), "{third}");
        let missing = format!("tar:{}", shown(&dir.path().join("none.tar")));
        let errored = rehearse(&[&live.name], &["--from", &missing, "--history", &kept_in]);
        assert_eq!(errored.case()["verdict"], "errored", "{errored}");
        assert_eq!(files(&history).len(), 3, "what is not green is not kept, and changes nothing");
    }
    // A loss that is meant is allowed once.
    rehearse(&[&live.name], &[&args[..], &["--tolerance", "100%"]].concat()).is_green("healthy");
    let after = rehearse(&[&live.name], &args);
    after.is_green("healthy");
    assert_eq!(files(&history).len(), 5);

    let (code, said, told) = profile(&["--history", &kept_in, &live.name]);
    assert_eq!(code, Some(0), "{told}");
    assert!(said.contains("/mounted: 1 file") && said.contains("Before, 3 green runs:"), "{said}");
    assert!(told.contains("-foreign.json"), "{told}");
    let (_, said, _) = profile(&["--history", &kept_in, "--format", "json", &live.name]);
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!(said.as_array().map(Vec::len), Some(4));
    assert_eq!(said[0]["service"], live.name.as_str());
    let (code, _, told) = profile(&["--history", &kept_in, "nobody"]);
    assert!(code == Some(2) && told.contains("no profile of `nobody`"), "{told}");
    std::fs::set_permissions(&history, std::fs::Permissions::from_mode(0o777)).unwrap();
    let open =
        rehearsa(&["test", &live.name, "--from", &from, "--history", &kept_in]).output().expect("rehearsa starts");
    assert_eq!((open.status.code(), text(&open.stderr).contains("everybody may write")), (Some(2), true), "{open:?}");
    let (code, _, told) = profile(&["nobody"]);
    assert!(code == Some(2) && told.contains("no history is named"), "{told}");
}

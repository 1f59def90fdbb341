//! Many stacks from their Compose files and one backup, in one run. Needs Docker Compose, a Docker engine and the
//! fixture images.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Rehearsal, rehearsa, rehearse_by, shown, unique};

/// A stack whose service is healthy only with its own data, its own folder, its own secret and its own configuration.
/// All stacks have the same names for them.
fn stack(name: &str) -> String {
    let has = |path| format!("grep -q {name} {path}");
    let test = ["/www/index", "/own/file", "/page", "/run/secrets/token"].map(has).join(" && ");
    format!(
        "services:\n  web:\n    image: rehearsa-fixture/busybox:latest\n    entrypoint: [sh, -c, 'sleep 1000']\n    \
         init: true\n    configs: [page]\n    secrets: [token]\n    volumes: ['web:/www', './own:/own']\n    \
         healthcheck: {{test: '{test}', interval: 1s}}\n\
         configs: {{page: {{content: 'page of {name}'}}}}\nsecrets: {{token: {{file: ./token.txt}}}}\n\
         volumes: {{web: }}\n"
    )
}

/// A folder with a checkout (`stacks`) and a backup (`b.tar`) of two stacks, and with one that Compose refuses.
struct Stacks {
    dir: tempfile::TempDir,
    names: [String; 2],
}

impl Stacks {
    fn new() -> Stacks {
        let stacks = Stacks { dir: tempfile::tempdir().expect("a folder"), names: [unique("alpha"), unique("beta")] };
        for name in &stacks.names {
            for folder in [format!("stacks/{name}"), format!("b/opt/stacks/{name}")] {
                stacks.put(&format!("{folder}/compose.yaml"), &stack(name));
                stacks.put(&format!("{folder}/token.txt"), &format!("token of {name}"));
            }
            stacks.put(&format!("b/opt/stacks/{name}/own/file"), name);
            stacks.put(&format!("b/var/lib/docker/volumes/{name}_web/_data/index"), name);
        }
        let refused = "services:\n  x: {image: 'x:1', env_file: gone.env}\n";
        stacks.put("stacks/refused/compose.yaml", refused);
        let tar = Command::new("tar").args(["-cf", "b.tar", "-C", "b", "."]).current_dir(stacks.path()).status();
        assert!(tar.expect("tar is there").success());
        stacks
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn put(&self, path: &str, content: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        fs::write(path, content).expect("written");
    }

    fn rehearse(&self, args: &[&str]) -> Rehearsal {
        let mut command = rehearsa(&[]);
        command.current_dir(self.path());
        rehearse_by(command, &[], &[args, &["--from", "tar:b.tar"]].concat())
    }

    /// The cases with their verdicts.
    fn verdicts(rehearsal: &Rehearsal) -> Vec<String> {
        let cases = rehearsal.cases().iter();
        cases.map(|case| format!("{} {}", case["name"], case["verdict"]).replace('"', "")).collect()
    }
}

#[test]
fn two_stacks_come_back_from_two_files_and_one_backup_beside_one_that_compose_refuses() {
    let stacks = Stacks::new();
    let [alpha, beta] = &stacks.names;
    let rehearsal = stacks.rehearse(&["-f", "stacks/*/compose.yaml"]);
    assert_eq!(rehearsal.code, Some(101), "{rehearsal}");
    let expected = ["refused::x failed".to_owned(), format!("{alpha}::web passed"), format!("{beta}::web passed")];
    assert_eq!(Stacks::verdicts(&rehearsal), expected, "{rehearsal}");
    assert!(rehearsal.stderr.contains("config/compose-stops") || rehearsal.stdout.contains("gone.env"), "{rehearsal}");
    rehearsal.nothing_is_left();
}

#[test]
#[ignore = "nightly: tests/offline/many_stacks.rs plans the same at every push"]
fn every_stack_of_a_backup_comes_back_without_a_checkout() {
    let stacks = Stacks::new();
    let [alpha, beta] = &stacks.names;
    fs::remove_dir_all(stacks.path().join("stacks")).expect("removed");
    let rehearsal = stacks.rehearse(&["--stack", "/opt/stacks/*", "--test-threads", "2"]);
    assert_eq!(rehearsal.code, Some(0), "{rehearsal}");
    assert_eq!(Stacks::verdicts(&rehearsal), [format!("{alpha}::web passed"), format!("{beta}::web passed")]);
    let place = format!("tar:b.tar /opt/stacks/{alpha}/compose.yaml:3:5: the image");
    assert!(rehearsal.stderr.contains(&place), "{place}: {rehearsal}");
    let temporary = shown(&std::env::temp_dir());
    assert!(!rehearsal.stderr.contains(&format!("{temporary}/rehearsa")), "a place of a copy is shown: {rehearsal}");
    rehearsal.nothing_is_left();
}

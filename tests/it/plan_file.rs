//! The plan file on a live host: written by `rehearsa init`, checked by `plan --check`, and used by `rehearsa plan`.
//! Needs a Docker engine with the fixture images.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::{Live, Stack, rehearsa, restic, service, text};
use serde_json::Value;

/// Runs rehearsa in a folder.
fn run(folder: &Path, args: &[&str]) -> Output {
    rehearsa(args).current_dir(folder).output().expect("rehearsa starts")
}

/// What rehearsa prints to standard output when all is well.
#[track_caller]
fn printed(folder: &Path, args: &[&str]) -> String {
    let output = run(folder, args);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("WARN"), "{args:?}: {}", text(&output.stderr));
    text(&output.stdout)
}

/// A service of a stack with a volume, and its full name.
fn live() -> (Stack, Live, String) {
    let stack = Stack::new("planned");
    let live = service("tiny").of(&stack, "web").volume("/data").start();
    let name = format!("{}::web", stack.name);
    (stack, live, name)
}

fn plan_of(folder: &Path, name: &str) -> Value {
    let json = printed(folder, &["plan", "--exact", name, "--no-sizes", "--format", "json"]);
    serde_json::from_str(&json).expect("the plan is JSON")
}

#[test]
fn what_init_writes_holds_on_the_host() {
    let (stack, live, name) = live();
    let folder = tempfile::tempdir().expect("a folder");
    printed(folder.path(), &["init", &stack.name]);
    let file = folder.path().join("rehearsa.toml");
    let written = std::fs::read_to_string(&file).expect("it was written");
    assert!(written.contains(&format!("[services.\"{name}\"]\n")), "{written}");
    assert!(written.contains(&format!("# mounts.\"/data\".path = \"…\" # volume {}-v0\n", live.name)), "{written}");
    let told = printed(folder.path(), &["plan", "--check"]);
    assert_eq!(told, "rehearsa.toml is valid: 0 sources, 0 stacks, 1 service\n");

    // Nobody's file is lost.
    let output = run(folder.path(), &["init", &stack.name]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("rehearsa.toml is there already"), "{}", text(&output.stderr));
    std::fs::write(folder.path().join("app.tar"), "").expect("written");
    printed(folder.path(), &["init", &stack.name, "--from", "tar:app.tar", "--force"]);
    let written = std::fs::read_to_string(&file).expect("it was written");
    assert!(written.contains("source = \"backup\"\n") && written.contains("from = \"tar:app.tar\"\n"), "{written}");
    assert!(printed(folder.path(), &["plan", "--check"]).contains("1 source, 0 stacks, 1 service"));

    // To standard output and into another folder, from where the source is found too.
    std::fs::create_dir(folder.path().join("etc")).expect("made");
    assert_eq!(printed(folder.path(), &["init", &stack.name, "--from", "tar:app.tar", "--output", "-"]), written);
    printed(folder.path(), &["init", &stack.name, "--from", "tar:app.tar", "--output", "etc/plan.toml"]);
    assert!(printed(folder.path(), &["plan", "--check", "--plan", "etc/plan.toml"]).contains("etc/plan.toml is valid"));

    let output = run(folder.path(), &["init", "nobody-is-called-that", "--output", "none.toml"]);
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(!folder.path().join("none.toml").exists());
}

/// An archive of a folder `root` with these files, by their paths.
fn archive(folder: &Path, name: &str, files: &[&str]) {
    for file in files {
        let path = folder.join("root").join(file);
        std::fs::create_dir_all(path.parent().expect("it is in a folder")).expect("made");
        std::fs::write(path, "fixture").expect("written");
    }
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(folder.join("root")).args(["-czf", name, "."]).current_dir(folder);
    assert!(tar.status().expect("tar starts").success());
    std::fs::remove_dir_all(folder.join("root")).expect("removed");
}

#[test]
fn init_writes_down_what_it_finds_in_a_backup_and_a_rehearsal_goes_by_it() {
    let (stack, _live, name) = live();
    let folder = tempfile::tempdir().expect("a folder");
    archive(folder.path(), "app.tar.gz", &["data/a", "data/b"]);
    printed(folder.path(), &["init", &stack.name, "--from", "tar:app.tar.gz"]);
    let written = std::fs::read_to_string(folder.path().join("rehearsa.toml")).expect("it was written");
    assert!(written.contains("\nmounts.\"/data\".path = \"data\" # volume "), "{written}");
    assert!(printed(folder.path(), &["plan", "--check"]).contains("1 source, 0 stacks, 1 service"));
    let plan = printed(folder.path(), &["plan", "--exact", &name, "--no-sizes"]);
    assert!(plan.contains("at /data: restored from data (as you mapped it), 2 files"), "{plan}");
    let plan = printed(folder.path(), &["plan", "--plan", "/dev/null", "--from", "tar:app.tar.gz", "--exact", &name]);
    assert!(plan.contains("at /data: restored from data (by its path in the container), 2 files"), "{plan}");
    printed(folder.path(), &["test", "--exact", &name, "--settle", "0s"]);

    // What is not in it is left to be filled in, and said.
    archive(folder.path(), "other.tar.gz", &["etc/d"]);
    let output = run(folder.path(), &["init", &stack.name, "--from", "tar:other.tar.gz", "--output", "-"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("holds nothing for volume"), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("\n# mounts.\"/data\".path = \"…\""), "{}", text(&output.stdout));
}

#[test]
fn init_writes_down_how_a_repository_is_opened_and_a_rehearsal_goes_by_it() {
    let (stack, _live, name) = live();
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("opt");
    std::fs::create_dir_all(tree.join("data")).expect("made");
    std::fs::write(tree.join("data/a"), "fixture").expect("written");
    restic::keep(folder.path(), "repo", &tree, &[]);
    std::fs::write(folder.path().join("pw"), restic::PASSWORD).expect("written");
    std::fs::create_dir(folder.path().join("etc")).expect("made");
    let init = ["init", &stack.name, "--from", "restic:repo", "--passphrase-file", "pw", "--output", "etc/plan.toml"];
    printed(folder.path(), &init);
    let written = std::fs::read_to_string(folder.path().join("etc/plan.toml")).expect("it was written");
    assert!(!written.contains(restic::PASSWORD), "{written}");
    assert!(written.contains("\nmounts.\"/data\".path = \"data\" # volume "), "{written}");
    printed(folder.path(), &["test", "--plan", "etc/plan.toml", "--exact", &name, "--settle", "0s"]);

    // Without the password nothing is known of the repository, and nothing is written.
    let output = run(folder.path(), &["init", &stack.name, "--from", "restic:repo", "--output", "none.toml"]);
    assert_eq!(output.status.code(), Some(102), "{}", text(&output.stderr));
    assert!(!folder.path().join("none.toml").exists());
}

#[test]
fn a_plan_file_is_heard_and_what_it_names_in_vain_is_told() {
    let (stack, _live, name) = live();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rehearsa.toml");
    let strategy = |plan: &Value| plan.to_string().contains("\"empty\"");
    assert!(!strategy(&plan_of(folder.path(), &name)));
    std::fs::write(&file, format!("[stacks.{}.mounts.\"/data\"]\nstrategy = \"empty\"\n", stack.name))
        .expect("written");
    let plan = plan_of(folder.path(), &name);
    assert!(strategy(&plan), "{plan:#}");

    let wrong = format!("[services.\"{}::webb\"]\n[services.\"{name}\".mounts.\"/dta\"]\npath = \"x\"\n", stack.name);
    std::fs::write(&file, wrong).expect("written");
    let output = run(folder.path(), &["test", "--list", "--exact", &name]);
    assert_eq!(output.status.code(), Some(2), "a mount that the service lacks: {}", text(&output.stderr));
    let output_of_check = run(folder.path(), &["plan", "--check"]);
    assert_eq!(output_of_check.status.code(), Some(2));
    for told in [text(&output.stderr), text(&output_of_check.stderr)] {
        // Other tests' services have names that are near, too.
        let service = format!("no service of this host is called `{}::webb`; did you mean `", stack.name);
        assert!(told.contains(&service) && told.contains(&format!("`{name}`")), "{told}");
        assert!(told.contains(&format!("{name} has no mount `/dta`; did you mean `/data`")), "{told}");
    }
}

#[test]
fn a_skip_of_the_plan_file_is_told_with_its_reason_and_a_label_takes_it_back() {
    let stack = Stack::new("skipped");
    let _app = service("tiny").of(&stack, "app").start();
    let _web = service("tiny").of(&stack, "web").options(&["--label", "rehearsa.skip=false"]).start();
    let folder = tempfile::tempdir().expect("a folder");
    let plan = format!("[stacks.{}]\nskip = \"it moves\"\n", stack.name);
    std::fs::write(folder.path().join("rehearsa.toml"), plan).expect("written");
    let listed = printed(folder.path(), &["test", "--list", "--ignored", &stack.name]);
    assert!(listed.contains(&format!("{}::app", stack.name)) && !listed.contains("::web"), "{listed}");
    let shown = printed(folder.path(), &["plan", &stack.name, "--no-sizes"]);
    assert!(shown.contains("the plan file says: it moves"), "{shown}");
}

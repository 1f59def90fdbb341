//! The files for CI systems as these systems read them, without an engine; tests/it/ci runs them. And `ci/get`, which
//! brings Rehearsa into a job.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::support::ci_files::{document, jenkins_scripts, lines, path, read, yaml};
use crate::support::{shown, text};

const WORKFLOWS: [&str; 2] = ["ci/github/rehearse.yml", "ci/gitea/rehearse.yml"];

/// The steps of the action and of all jobs of the workflows, each with the file it is in.
fn steps() -> Vec<(&'static str, Value)> {
    let of = |steps: &Value| steps.as_array().expect("steps").clone();
    let mut steps: Vec<(&str, Value)> =
        of(&document("action.yml")["runs"]["steps"]).into_iter().map(|step| ("action.yml", step)).collect();
    for file in WORKFLOWS {
        for job in document(file)["jobs"].as_object().expect("jobs").values() {
            steps.extend(of(&job["steps"]).into_iter().map(|step| (file, step)));
        }
    }
    steps
}

/// Every script of every file, and the shell that runs it.
fn scripts() -> Vec<(&'static str, &'static str, String)> {
    let mut scripts = Vec::new();
    for (file, step) in steps() {
        scripts.extend(step["run"].as_str().map(|script| (file, "bash", script.to_owned())));
    }
    for job in ["rehearse", "rehearse:merge"] {
        for part in ["before_script", "script", "after_script"] {
            let script = lines(&yaml("ci/gitlab/rehearse.yml")[1][job][part]).join("\n");
            scripts.push(("ci/gitlab/rehearse.yml", "bash", script.replace("$[[", "[[")));
        }
    }
    for step in document("ci/woodpecker/rehearse.yaml")["steps"].as_array().expect("steps") {
        scripts.push(("ci/woodpecker/rehearse.yaml", "sh", lines(&step["commands"]).join("\n")));
    }
    let jenkins = jenkins_scripts("ci/jenkins/Jenkinsfile").into_iter();
    scripts.extend(jenkins.map(|script| ("ci/jenkins/Jenkinsfile", "sh", script)));
    scripts
}

#[test]
fn every_script_is_one_for_its_shell() {
    for (file, shell, script) in scripts() {
        let script = script.replace("${{", "$((").replace("}}", "))");
        let output = Command::new(shell).args(["-n", "-c", &script]).output().unwrap();
        assert!(output.status.success(), "{file}: {}\n{script}", text(&output.stderr));
    }
}

#[test]
fn rehearsals_start_by_exec_from_a_backup_and_an_empty_selection_is_red() {
    let rehearses = |line: &str| line.contains("rehearsa\" test ") || line.contains("rehearsa test ");
    let mut files = Vec::new();
    for (file, _, script) in scripts() {
        for line in script.replace("\\\n", "").lines().filter(|line| rehearses(line)) {
            assert!(line.trim_start().starts_with("exec "), "{file}: {line}");
            assert!(line.contains(" --from ") && line.contains(" --report-dir "), "{file}: {line}");
            assert!(line.contains(" --max-age ") && !line.contains("--no-tests"), "{file}: {line}");
            files.push(file);
        }
    }
    files.sort_unstable();
    files.dedup();
    let own =
        ["ci/gitea/rehearse.yml", "ci/gitlab/rehearse.yml", "ci/jenkins/Jenkinsfile", "ci/woodpecker/rehearse.yaml"];
    assert_eq!(files, own, "GitHub has the action");
    assert!(read("action.yml").contains("exec \"$PROGRAM\" \"${arguments[@]}\""));
}

#[test]
fn other_peoples_actions_are_pinned_by_their_commit() {
    let mut seen = 0;
    for (file, step) in steps() {
        let Some(uses) = step["uses"].as_str().filter(|uses| *uses != "./rehearsa") else { continue };
        let (_, commit) = uses.split_once('@').unwrap_or_else(|| panic!("{file}: {uses}"));
        assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{file}: {uses}");
        let line = format!("{uses} # v");
        assert!(read(file).contains(&line), "{file}: the version is not said of {uses}");
        seen += 1;
    }
    assert!(seen > 5);
}

#[test]
fn every_file_has_a_schedule_a_time_limit_and_a_cache_and_few_rights() {
    for file in WORKFLOWS {
        let workflow = document(file);
        assert!(workflow["on"]["schedule"][0]["cron"].is_string(), "{file}");
        assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "{file}");
        for (name, job) in workflow["jobs"].as_object().expect("jobs") {
            assert!(job["timeout-minutes"].is_u64() && job["permissions"].is_null(), "{file}: {name}");
        }
        assert!(read(file).contains("actions/cache@"), "{file}");
    }
    for job in ["rehearse", "rehearse:merge"] {
        let job = &yaml("ci/gitlab/rehearse.yml")[1][job];
        assert!(job["timeout"].is_string() && job["cache"]["paths"].is_array(), "{job}");
        assert!(job["rules"][0]["if"].as_str().is_some_and(|rule| rule.contains("schedule")), "{job}");
    }
    let woodpecker = document("ci/woodpecker/rehearse.yaml");
    assert_eq!(woodpecker["when"][0]["event"], "cron");
    assert!(read("ci/woodpecker/rehearse.yaml").contains("--global-timeout 90m"));
    let jenkins = read("ci/jenkins/Jenkinsfile");
    assert!(jenkins.contains("cron('H 4 * * *')") && jenkins.contains("timeout(time: 90"));
}

#[test]
fn gitlabs_job_has_an_engine_over_tls_and_shows_its_reports() {
    let job = &yaml("ci/gitlab/rehearse.yml")[1]["rehearse"];
    assert_eq!(job["services"][0]["alias"], "docker");
    let variables = &job["variables"];
    assert_eq!(
        (&variables["DOCKER_HOST"], &variables["DOCKER_TLS_VERIFY"]),
        (&"tcp://docker:2376".into(), &"1".into())
    );
    assert_eq!(job["artifacts"]["when"], "always");
    assert_eq!(job["artifacts"]["reports"]["junit"], "reports/*/junit.xml");
    assert!(job["parallel"].as_str().is_some_and(|parts| parts.contains("inputs.parts")));
    assert!(lines(&job["after_script"]).iter().any(|line| line.ends_with("rehearsa clean --spare-kept")));
}

#[test]
fn compose_reads_the_runners_of_gitea() {
    for file in ["ci/gitea/runner-socket.yaml", "ci/gitea/runner-dind.yaml"] {
        let mut command = Command::new("docker");
        command.args(["compose", "--file"]).arg(path(file)).args(["config", "--format", "json"]);
        command.env("GITEA_INSTANCE_URL", "https://gitea.invalid").env("GITEA_RUNNER_REGISTRATION_TOKEN", "token");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{file}: {}", text(&output.stderr));
        let read: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(read["services"]["runner"].is_object(), "{file}");
    }
}

/// A copy of `ci/get` with a small source beside it, and a stub of cargo that writes down that it builds.
struct Source {
    dir: tempfile::TempDir,
}

impl Source {
    fn new() -> Self {
        let source = Self { dir: tempfile::tempdir().unwrap() };
        for folder in ["source/ci", "source/src", "bin", "releases/v1.2.3"] {
            fs::create_dir_all(source.path(folder)).unwrap();
        }
        fs::copy(path("ci/get"), source.path("source/ci/get")).unwrap();
        for file in ["Cargo.toml", "Cargo.lock", "src/main.rs"] {
            fs::write(source.path("source").join(file), "first").unwrap();
        }
        let calls = shown(&source.path("calls"));
        let cargo = format!(
            "#!/bin/sh\necho build >>{calls}\nmkdir -p \"$6/bin\"\necho built >\"$6/bin/rehearsa\"\n\
             chmod +x \"$6/bin/rehearsa\"\n"
        );
        source.program("bin/cargo", &cargo);
        source
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        fs::write(self.path(name), script).unwrap();
        let done = Command::new("chmod").arg("+x").arg(self.path(name)).status().unwrap();
        assert!(done.success());
    }

    fn get(&self, args: &[&str]) -> Output {
        let path = format!("{}:{}", shown(&self.path("bin")), std::env::var("PATH").unwrap());
        let releases = format!("file://{}", shown(&self.path("releases")));
        let mut command = Command::new(self.path("source/ci/get"));
        command.args(args).env("PATH", path).env("RELEASES", releases).current_dir(self.dir.path());
        command.stdin(Stdio::null()).output().unwrap()
    }

    fn builds(&self) -> usize {
        fs::read_to_string(self.path("calls")).unwrap_or_default().lines().count()
    }

    /// A release whose executable has this content, with its checksums.
    fn release(&self, content: &str) {
        self.program("rehearsa", content);
        let archive = format!("rehearsa-1.2.3-linux-{}.tar.gz", std::env::consts::ARCH);
        let script = "tar -czf \"$1\" -C .. rehearsa && cd \"$2\" && sha256sum rehearsa-* >SHA256SUMS";
        let folder = self.path("releases/v1.2.3");
        let archive = folder.join(archive);
        let mut command = Command::new("sh");
        command.args(["-ec", &script.replace("..", &shown(self.dir.path())), "sh"]).arg(archive).arg(&folder);
        assert!(command.status().unwrap().success());
    }
}

fn content(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn a_job_builds_rehearsa_once_for_each_source() {
    let source = Source::new();
    for expected in [1, 1] {
        let output = source.get(&["cache"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert_eq!(source.builds(), expected);
    }
    assert_eq!(content(&source.path("cache/rehearsa")), "built\n");
    fs::write(source.path("source/src/main.rs"), "second").unwrap();
    assert!(source.get(&["cache"]).status.success());
    assert_eq!(source.builds(), 2, "another source is another executable");
    fs::remove_file(source.path("cache/made-from")).unwrap();
    assert!(source.get(&["cache"]).status.success());
    assert_eq!(source.builds(), 3, "nobody knows of what the executable was made");
    assert_eq!(source.get(&[]).status.code(), Some(1));
    assert_eq!(source.get(&[""]).status.code(), Some(1));
}

#[test]
fn a_release_is_taken_only_with_the_right_checksum() {
    let source = Source::new();
    source.release("#!/bin/sh\necho right\n");
    let output = source.get(&["cache", "1.2.3"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(content(&source.path("cache/rehearsa")), "#!/bin/sh\necho right\n");
    assert_eq!(source.builds(), 0);

    // What was taken stays, whatever becomes of the release.
    let sums = content(&source.path("releases/v1.2.3/SHA256SUMS"));
    source.release("#!/bin/sh\necho other\n");
    fs::write(source.path("releases/v1.2.3/SHA256SUMS"), sums).unwrap();
    assert!(source.get(&["cache", "1.2.3"]).status.success());
    let output = source.get(&["other-cache", "1.2.3"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("is not the file that the checksums"), "{}", text(&output.stderr));
    assert!(!source.path("other-cache/rehearsa").exists());
    let output = source.get(&["other-cache", "9.9.9"]);
    assert!(text(&output.stderr).contains("cannot be downloaded"), "{}", text(&output.stderr));
    assert!(!source.path("other-cache/rehearsa").exists());
}

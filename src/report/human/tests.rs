//! The wording of the whole output, by whole texts.

use std::io;

use indicatif::{ProgressDrawTarget, TermLike};

use super::*;
use crate::model::check::CheckSummary;
use crate::model::diagnosis::Code;
use crate::model::event::CaseInfo;
use crate::report::sample::{self, Paper};

fn told(events: &[Event], style: HumanStyle) -> String {
    let paper = Paper::default();
    let mut human = HumanReporter::new(Box::new(paper.clone()), style, ProgressDrawTarget::hidden());
    sample::play(events, &mut human);
    paper.text()
}

fn plainly(events: &[Event]) -> String {
    told(events, HumanStyle::default())
}

/// What is said of the one that passed.
const PROVEN: &str = "Proof: started again from a live copy; no backup was read \
                      (healthy; 412 files, 38 MB copied; its healthcheck passed)
More: a backup instead of the live copy: --from SOURCE, as in --from tar:FILE
";

/// The first line of the result of one that passed on a live copy.
const LIVE: &str = "Restore Simulation: SUCCESS, started again from a live copy; no backup was read\n";

#[test]
fn one_passed_case_reads_like_the_first_page_of_the_manual() {
    assert_eq!(
        plainly(&sample::one_passed()),
        "\
✔ Cloning volume jellyfin_config … 412 files, 38 MB
✔ Creating sandbox network
✔ Booting container
✔ Healthcheck passed

Restore Simulation: SUCCESS, started again from a live copy; no backup was read
Time: 18.4s
Proof: started again from a live copy; no backup was read (healthy; 412 files, 38 MB copied; its healthcheck passed)
More: a backup instead of the live copy: --from SOURCE, as in --from tar:FILE
"
    );
}

#[test]
fn a_rehearsal_of_a_backup_is_told_as_its_proof() {
    let text = plainly(&sample::of_backup(sample::one_passed()));
    let result = "\
Restore Simulation: SUCCESS
Time: 18.4s
Proof: healthy (412 files, 38 MB restored; its healthcheck passed)
More: a check of yours that only the data can pass: exec, sql, sqlite, http or file
";
    assert!(text.ends_with(result), "{text}");
    let text = plainly(&sample::of_backup(sample::mixed()));
    assert!(text.contains("SUCCESS in 18.4s\n") && !text.contains("live copy"), "{text}");
}

#[test]
fn a_missing_part_is_counted_in_the_result() {
    let text = plainly(&sample::part_missing());
    assert!(text.contains(" skipped, and a part of the run is missing"), "{text}");
}

#[test]
fn verbose_tells_every_step() {
    let style = HumanStyle { verbose: true, ..HumanStyle::default() };
    assert_eq!(
        told(&sample::one_passed(), style),
        "\
Session k3x9 on Docker 20.10.24 on nas
✔ Starting worker
✔ Cloning volume jellyfin_config … 412 files, 38 MB
✔ Creating sandbox network
✔ Sandbox is isolated
✔ Booting container
✔ Healthcheck passed
✔ Stayed healthy for 3s
✔ Removed sandbox

Restore Simulation: SUCCESS, started again from a live copy; no backup was read
Time: 18.4s
Proof: started again from a live copy; no backup was read (healthy; 412 files, 38 MB copied; its healthcheck passed)
More: a backup instead of the live copy: --from SOURCE, as in --from tar:FILE
"
    );
}

#[test]
fn quiet_tells_the_result() {
    let style = HumanStyle { quiet: true, ..HumanStyle::default() };
    assert_eq!(told(&sample::one_passed(), style), format!("\n{LIVE}Time: 18.4s\n{PROVEN}"));
}

#[test]
fn one_failed_case_says_what_happened_what_it_means_and_what_to_do() {
    assert_eq!(
        plainly(&sample::one_failed()),
        "\
✔ Cloning volume sonarr_config … 1 file, 1.2 GB
! files changed while they were copied: logs.db
✘ Booting container … the service exited

Restore Simulation: FAILED
Time: 4.1s

boot/exited: the service exited
  sonarr exited with 1 after 2.1 s
Known cause: the database file is damaged
  │ sqlite3.DatabaseError: database disk image is malformed
What it means: The container stopped while it should have been starting or running on the restored data.
What to do: Restore config.db from an older backup.
Last log lines:
  │ starting
  │ sqlite3.DatabaseError: database disk image is malformed
  │ bye
Changed in the sandbox:
  mount /var/run/docker.sock: left out (live: /var/run/docker.sock)
"
    );
}

#[test]
fn several_cases_have_their_names_and_a_table() {
    assert_eq!(
        plainly(&sample::left_behind()),
        "\
media::jellyfin  ✔ Cloning volume jellyfin_config … 412 files, 38 MB
media::jellyfin  ✔ Creating sandbox network
media::jellyfin  ✔ Booting container
media::jellyfin  ✔ Healthcheck passed
media::jellyfin  SUCCESS in 18.4s, started again from a live copy; no backup was read
media::sonarr    ✔ Cloning volume sonarr_config … 1 file, 1.2 GB
media::sonarr    ! files changed while they were copied: logs.db
media::sonarr    ✘ Booting container … the service exited
media::sonarr    FAILED in 4.1s
    boot/exited: the service exited
      sonarr exited with 1 after 2.1 s
    Known cause: the database file is damaged
      │ sqlite3.DatabaseError: database disk image is malformed
    What it means: The container stopped while it should have been starting or running on the restored data.
    What to do: Restore config.db from an older backup.
    Last log lines:
      │ starting
      │ sqlite3.DatabaseError: database disk image is malformed
      │ bye
    Changed in the sandbox:
      privileged: left out (live: true)
    ! files changed while they were copied: logs.db
paperless::web   ✔ Creating sandbox network
paperless::web   ✘ Cloning volume paperless_data … no room for the restored data
paperless::web   ERROR in 0.6s
    restore/no-space: no room for the restored data
      volume paperless_data holds 80 GB, 12 GB are free
    What it means: The data needs more space or files (inodes) than are free on the file system of the engine's volumes.
    What to do: Free some space, or use another strategy for the mount: readonly, overlay, empty or omit.
✘ something of the sandbox is left: volume rehearsa-k3x9-1: the engine says it is in use
  What to do: Run `rehearsa clean` when the engine answers again. The message names what is left.

case             verdict  proof            time    data  sandbox  restore  boot  check
media::jellyfin  SUCCESS  healthy (live)  18.4s   38 MB     1.0s    12.0s  1.1s   4.3s
media::sonarr    FAILED   -                4.1s  1.2 GB        -     2.0s  2.1s      -
paperless::web   ERROR    -                0.6s     0 B     0.2s     0.4s     -      -
watchtower       SKIPPED  -                   -       -        -        -     -      -
total                                     23.1s  1.2 GB     1.2s    14.4s  3.2s   4.3s

Skipped watchtower: it needs the Docker socket
Restore Simulation: 1 passed, 1 failed, 1 errored, 1 skipped (2 filtered out)
Started again from a live copy; no backup was read
Time: 23.1s
More than healthy (1 service): a backup instead of the live copy: --from SOURCE, as in --from tar:FILE
"
    );
}

#[test]
fn a_narrow_terminal_gets_a_narrow_table() {
    let style = HumanStyle { width: Some(50), quiet: true, ..HumanStyle::default() };
    let text = told(&sample::mixed(), style);
    assert!(text.contains("\ncase             verdict  proof            time    data\n"), "{text}");
}

#[test]
fn an_interrupted_run_says_so() {
    let text = plainly(&sample::interrupted());
    assert!(text.contains("\n! Interrupted by SIGINT, cleaning up\n"), "{text}");
    assert!(text.contains("\nmedia::sonarr    - Cloning volume sonarr_config … stopped\n"), "{text}");
    assert!(text.contains("\nmedia::radarr    ERROR in 0.0s\n    run/cancelled: the run was interrupted\n"), "{text}");
    assert!(text.contains(
        "\nRestore Simulation: 1 passed, 0 failed, 2 errored, 0 skipped (2 filtered out)\n\
         Started again from a live copy; no backup was read\nTime: 19.4s\nMore than healthy (1"
    ));
}

#[test]
fn nothing_selected_is_told() {
    assert_eq!(plainly(&sample::nothing()), "Nothing was selected (2 filtered out)\n");
}

#[test]
fn checks_and_dependencies_have_their_words() {
    let (app, db) = (sample::name("shop", "app"), sample::name("shop", "db"));
    let info = CaseInfo { changes: vec![sample::notable("ports", "80", "not published")], ..sample::info(&app) };
    let mut script = sample::Script::run(vec![info]);
    let tcp = |service: &ServiceName, ports: &[u16]| Step::Check {
        service: service.clone(),
        check: CheckSummary::Tcp { ports: ports.to_vec() },
    };
    let running = Step::Check { service: app.clone(), check: CheckSummary::Running };
    script
        .begin(&app)
        .step(&app, Step::Boot { service: db.clone() }, 0.5, StepResult::done())
        .step(&app, tcp(&db, &[5432]), 0.1, StepResult::done())
        .step(&app, Step::Boot { service: app.clone() }, 0.5, StepResult::done())
        .step(&app, tcp(&app, &[80, 443]), 0.1, StepResult::done())
        .step(&app, running, 0.1, StepResult::done())
        .step(&app, Step::Settle { service: app.clone() }, 3.0, StepResult::done())
        .step(&app, Step::Teardown, 1.0, sample::broke(&Diagnosis::new(Code::SandboxLeftBehind, "volume x")))
        .end(&app)
        .fact(Fact::SandboxKept {
            stack: "shop".to_owned(),
            hints: vec![
                ("docker exec -it r sh".to_owned(), "look into it".to_owned()),
                ("rehearsa clean".to_owned(), "remove it".to_owned()),
            ],
        });
    let text = told(&script.over(), HumanStyle { verbose: true, ..HumanStyle::default() });
    assert_eq!(
        text,
        "\
Session k3x9 on Docker 20.10.24 on nas
✔ Booting dependency db
✔ Dependency db: Listening on 5432
✔ Booting container
✔ Listening on one of 80, 443
✔ Kept running (no healthcheck, no port to wait for)
✔ Stayed up for 3s
✘ Removing sandbox … something of the sandbox is left
The sandbox of shop is kept:
  docker exec -it r sh  look into it
  rehearsa clean        remove it

Restore Simulation: ERROR
Time: 5.3s

sandbox/left-behind: something of the sandbox is left
  volume x
What it means: Objects of this run could not be removed.
What to do: Run `rehearsa clean` when the engine answers again. The message names what is left.
Changed in the sandbox:
  ports: not published (live: 80)
"
    );
}

#[test]
fn one_skipped_case_has_its_reason_and_a_passed_one_what_was_taken_from_it() {
    let case = ServiceName::lone("traefik");
    let ignored = CaseInfo { ignored: Some("it needs the Docker socket".to_owned()), ..sample::info(&case) };
    assert_eq!(
        plainly(&sample::Script::run(vec![ignored]).over()),
        "\nRestore Simulation: SKIPPED\nReason: it needs the Docker socket\n"
    );
    let changed = CaseInfo { changes: vec![sample::notable("devices", "/dev/dri", "left out")], ..sample::info(&case) };
    let mut script = sample::Script::run(vec![changed]);
    sample::pass(&mut script, &case);
    let text = plainly(&script.over());
    assert!(text.ends_with(&format!(
        "✔ Healthcheck passed\n! Changed in the sandbox: devices: left out (live: /dev/dri)\n\n\
         {LIVE}Time: 18.4s\n{PROVEN}"
    )));
}

#[test]
fn foreign_text_commands_neither_terminal_nor_ci() {
    let text = plainly(&sample::hostile());
    for line in text.lines() {
        assert!(!line.trim_start().starts_with("::"), "{line}");
        assert!(!line.contains("##["), "{line}");
        assert!(line.chars().count() < 1200, "a line of {} characters", line.chars().count());
    }
    assert!(!text.contains(['\u{1b}', '\0', '\u{ffff}', '\r']));
    assert!(text.contains("  │ ::error::last"), "after a bar it is only text: {text}");
    assert!(text.contains("🦀"));
}

#[test]
fn colours_are_used_only_when_asked_for() {
    assert!(!plainly(&sample::mixed()).contains('\u{1b}'));
    let text = told(&sample::one_passed(), HumanStyle { color: true, ..HumanStyle::default() });
    assert!(text.starts_with("\u{1b}[32m✔\u{1b}[0m Cloning"), "{text}");
    assert!(text.contains("Restore Simulation: \u{1b}[32mSUCCESS\u{1b}[0m, started again"), "{text}");
}

#[test]
fn what_was_flaky_is_named() {
    let text = plainly(&sample::everything());
    assert!(text.contains("\nFlaky, as it passed only at a later attempt: files::nextcloud\n"), "{text}");
    assert!(!plainly(&sample::mixed()).contains("Flaky"));
}

/// A long copy, with progress every half minute.
fn long_copy() -> Vec<Event> {
    let case = sample::name("media", "jellyfin");
    let mut script = sample::Script::run(vec![sample::info(&case)]);
    script.begin(&case);
    let id = script.open(&[&case], sample::clone_of("movies"));
    for part in 1..=4 {
        let amount = Amount { files: part, bytes: part * 1_000_000_000 };
        let total = Some(Amount { files: 8, bytes: 8_000_000_000 });
        script.wait(30.0).fact(Fact::StepProgress { id, amount, total });
    }
    script.killed()
}

#[test]
fn a_long_step_gives_a_sign_of_life_without_a_terminal() {
    let doing = "  Cloning volume movies … ";
    assert_eq!(
        plainly(&long_copy()),
        format!(
            "{doing}1 file, 1.0 GB of 8.0 GB so far\n{doing}2 files, 2.0 GB of 8.0 GB so far\n\
             {doing}3 files, 3.0 GB of 8.0 GB so far\n{doing}4 files, 4.0 GB of 8.0 GB so far\n"
        )
    );
}

/// A terminal that remembers what is on its last line.
#[derive(Debug, Clone, Default)]
struct LastLine(std::sync::Arc<std::sync::Mutex<String>>);

impl LastLine {
    fn text(&self) -> String {
        self.0.lock().expect("unpoisoned").trim().to_owned()
    }
}

impl TermLike for LastLine {
    fn width(&self) -> u16 {
        120
    }
    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }
    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }
    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.lock().expect("unpoisoned").push_str(text);
        Ok(())
    }
    fn clear_line(&self) -> io::Result<()> {
        self.0.lock().expect("unpoisoned").clear();
        Ok(())
    }
    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_terminal_shows_a_bar_and_it_goes() {
    let term = LastLine::default();
    let target = ProgressDrawTarget::term_like(Box::new(term.clone()));
    let style = HumanStyle { progress: true, ..HumanStyle::default() };
    let paper = Paper::default();
    let mut human = HumanReporter::new(Box::new(paper.clone()), style, target);
    let mut outcome = sample::play(&long_copy(), &mut human);
    // When it is drawn is the terminal's pace; the words and the bar's end are ours.
    assert!(term.text().starts_with("Cloning volume movies …"), "{}", term.text());
    assert_eq!(paper.text(), "", "no plain signs of life beside a bar");
    let result = sample::restored(8, 8_000_000_000);
    let event = Event { at: sample::at(200.0), fact: Fact::StepFinished { id: 1, result } };
    outcome.apply(&event);
    human.event(&event, &outcome).expect("written");
    assert_eq!(term.text(), "", "the bar is gone");
    assert_eq!(paper.text(), "✔ Cloning volume movies … 8 files, 8.0 GB\n");
}

#[test]
fn a_reader_that_went_away_is_no_lost_report_but_a_full_disk_is() {
    struct Broken(io::ErrorKind);
    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let outcome = |kind| {
        let human = HumanReporter::new(Box::new(Broken(kind)), HumanStyle::default(), ProgressDrawTarget::hidden());
        let (sink, dispatcher) = crate::report::Dispatcher::start(vec![Box::new(human)], || sample::at(0.0));
        sample::one_passed().into_iter().for_each(|event| sink.send(event.fact));
        dispatcher.finish()
    };
    assert_eq!(outcome(io::ErrorKind::BrokenPipe).lost_reports, Vec::<String>::new());
    assert_eq!(outcome(io::ErrorKind::StorageFull).lost_reports.len(), 1);
}

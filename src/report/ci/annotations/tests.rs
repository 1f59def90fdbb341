//! What GitHub reads, read as its runner does.

use super::*;
use crate::model::diagnosis::Code;
use crate::model::event::CaseInfo;
use crate::model::service::ServiceName;
use crate::report::sample::{self, Paper};

fn told(events: &[Event]) -> String {
    let paper = Paper::default();
    sample::play(events, &mut AnnotationReporter::new(Box::new(paper.clone())));
    paper.text()
}

/// Level, properties and message of a line, unescaped.
type Told = (String, Vec<(String, String)>, String);

/// What the lines say. Every line must be a command.
fn read(log: &str) -> Vec<Told> {
    let unescaped = |value: &str| {
        value.replace("%0D", "\r").replace("%0A", "\n").replace("%3A", ":").replace("%2C", ",").replace("%25", "%")
    };
    log.lines()
        .map(|line| {
            let (command, message) = line.strip_prefix("::").and_then(|rest| rest.split_once("::")).expect("a command");
            let (level, properties) = command.split_once(' ').expect("properties");
            let properties = properties.split(',').map(|property| {
                let (name, value) = property.split_once('=').expect("a value");
                (name.to_owned(), unescaped(value))
            });
            (level.to_owned(), properties.collect(), unescaped(message))
        })
        .collect()
}

/// Levels and titles.
fn titles(log: &str) -> Vec<String> {
    let title = |properties: &[(String, String)]| properties.last().expect("a title").1.clone();
    read(log).iter().map(|(level, properties, _)| format!("{level} {}", title(properties))).collect()
}

#[test]
fn a_failure_is_annotated_where_the_service_is_declared() {
    let case = sample::name("media", "sonarr");
    let declared = Some(Location { file: "stacks/a,b:c%.yaml".to_owned(), line: 7 });
    let mut script = sample::Script::run(vec![CaseInfo { declared, ..sample::info(&case) }]);
    script.begin(&case).step(&case, sample::clone_of("v"), 1.0, sample::broke(&sample::exited())).end(&case);
    assert_eq!(
        told(&script.over()),
        "::error file=stacks/a%2Cb%3Ac%25.yaml,line=7,title=media%3A%3Asonarr%3A failed%2C boot/exited::\
         boot/exited: the service exited%0A  sonarr exited with 1 after 2.1 s%0A\
         Known cause: the database file is damaged%0A  │ sqlite3.DatabaseError: database disk image is malformed%0A\
         What it means: The container stopped while it should have been starting or running on the restored data.%0A\
         What to do: Restore config.db from an older backup.\n"
    );
}

#[test]
fn what_failed_comes_first_and_what_was_cancelled_is_told_once() {
    assert_eq!(
        titles(&told(&sample::everything())),
        [
            "error media::sonarr: failed, boot/exited",
            "error files::office: failed, boot/exited",
            "error paperless::web: errored, restore/no-space",
            "error Left behind",
            "warning Interrupted",
            "warning files::nextcloud: flaky",
            "warning media::sonarr: data/torn-copy",
        ]
    );
    let interrupted = read(&told(&sample::interrupted()));
    assert_eq!(interrupted.len(), 1);
    assert_eq!(interrupted[0].2, "SIGINT ended the run; rehearsals that were cancelled: 2.");
}

#[test]
fn a_green_run_says_nothing_and_an_empty_one_does() {
    assert_eq!(told(&sample::one_passed()), "");
    assert_eq!(titles(&told(&sample::nothing())), ["error Nothing was selected"]);
    let mut outcome = sample::outcome(&sample::nothing());
    outcome.no_tests = NoTests::Warn;
    assert_eq!(titles(&lines(&outcome)), ["warning Nothing was selected"]);
    outcome.no_tests = NoTests::Pass;
    assert_eq!(lines(&outcome), "");
    assert_eq!(told(&sample::killed()), "", "its end was never told");
}

#[test]
fn what_belongs_to_no_service_is_an_error_of_the_run() {
    let mut outcome = sample::outcome(&sample::one_passed());
    outcome.timed_out = Some(60);
    outcome.lost_reports.push("JUnit report x.xml: disk full\n::error::x".to_owned());
    assert_eq!(titles(&lines(&outcome)), ["error Timed out", "error A report is lost"]);
    assert_eq!(titles(&told(&sample::part_missing())), ["error A part is missing"]);
    assert_eq!(read(&lines(&outcome))[1].2, "JUnit report x.xml: disk full\n: :error::x");
}

/// A run of so many cases, each failed and warned of.
fn many(count: usize, message: &str) -> Vec<Event> {
    let names: Vec<ServiceName> = (0..count).map(|nth| sample::name("s", &nth.to_string())).collect();
    let mut script = sample::Script::run(names.iter().map(sample::info).collect());
    for name in &names {
        let torn = Diagnosis::new(Code::DataTornCopy, "x.db");
        let failed = Diagnosis::new(Code::BootExited, message);
        script
            .begin(name)
            .fact(Fact::Warned { cases: vec![name.clone()], diagnosis: torn })
            .step(name, sample::clone_of("v"), 1.0, sample::broke(&failed))
            .end(name);
    }
    script.over()
}

#[test]
fn there_are_never_more_than_ten_of_a_level() {
    for (count, lines, last) in
        [(9, 9, None), (10, 10, Some("and 1 more error;")), (40, 10, Some("and 31 more errors;"))]
    {
        let told = read(&told(&many(count, "why")));
        let errors: Vec<_> = told.iter().filter(|(level, ..)| level == "error").collect();
        assert_eq!(errors.len(), lines);
        assert_eq!(told.iter().filter(|(level, ..)| level == "warning").count(), lines);
        if let Some(last) = last {
            assert!(errors[9].2.starts_with(last), "{}", errors[9].2);
        }
    }
}

#[test]
fn a_message_is_cut_where_github_would_cut_it() {
    for message in ["line 🦀\n".repeat(5_000), "x".repeat(400) + "\n" + &"é\n".repeat(10_000)] {
        let told = read(&told(&many(1, &message)));
        let units = told[0].2.encode_utf16().count();
        assert!((4095..=4096).contains(&units), "{units}");
        assert!(told[0].2.ends_with('…'));
    }
    let whole = "x".repeat(MESSAGE);
    assert_eq!(cut(&whole), whole);
}

#[test]
fn hostile_text_is_no_second_command() {
    let log = told(&sample::hostile());
    let told = read(&log);
    assert_eq!(told.iter().map(|(level, ..)| level.as_str()).collect::<Vec<_>>(), ["error", "warning"]);
    assert!(!log.contains("##[") && !log.contains('\u{1b}') && !log.contains('\r'), "{log}");
    let evil = ServiceName::of_stack("::stop-commands::x\n::error::y", "a,file=/etc/passwd::z");
    let mut script = sample::Script::run(vec![sample::info(&evil)]);
    script.begin(&evil).step(&evil, sample::clone_of("v"), 1.0, sample::broke(&sample::exited())).end(&evil);
    let told = read(&self::told(&script.over()));
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].1.len(), 1, "no property of its own: {:?}", told[0].1);
}

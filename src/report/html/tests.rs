//! What is in the page, without a browser.

use std::collections::BTreeMap;

use super::Html;
use crate::model::diagnosis::{Code, Diagnosis, KnownCause};
use crate::model::event::{CaseInfo, Event, Fact, Step, StepResult};
use crate::model::outcome::Outcome;
use crate::report::sample::html::{hostile_to_html, page};
use crate::report::sample::{self, Script, at, info, name};

/// The services of the table, with their results.
fn told(page: &str) -> BTreeMap<String, String> {
    let rows = page.split("<tr class=\"case ").skip(1);
    rows.map(|row| {
        let row = row.split("</tr>").next().expect("a row ends");
        let after = |text: &str| row.split(text).nth(1).expect("it is there").split('<').next().map(str::to_owned);
        let name = row.split("<a href=").nth(1).expect("a link").split(['>', '<']).nth(1).expect("a name").to_owned();
        (name, after("<span class=\"badge ").expect("a badge").split('>').nth(1).expect("a word").to_owned())
    })
    .collect()
}

#[test]
fn the_page_tells_what_the_outcome_tells() {
    for (_, events) in sample::ended() {
        let outcome = sample::outcome(&events);
        let expected: BTreeMap<String, String> =
            outcome.cases.iter().map(|case| (case.info.name.to_string(), case.verdict().name().to_owned())).collect();
        let page = page(&events);
        assert_eq!(told(&page), expected);
        assert!(page.contains(&format!("Exit code <b>{}</b>", outcome.exit_code().number())));
        assert!(!page.contains("while the run went on"));
        assert_eq!(page.matches("<h4>What was shown</h4>").count(), outcome.counts().passed);
    }
}

#[test]
fn what_a_killed_run_had_not_done_is_not_called_an_error() {
    let page = page(&sample::killed());
    let expected = [("media::jellyfin", "passed"), ("media::radarr", "waiting"), ("media::sonarr", "running")];
    assert_eq!(told(&page), expected.map(|(name, word)| (name.to_owned(), word.to_owned())).into());
    assert!(page.contains("This report was written while the run went on."));
    assert!(page.contains("Cloning volume sonarr_config … running"));
    assert!(page.contains("there is no exit code yet") && !page.contains("Exit code"));
    assert!(page.contains("Rehearsing: 1 of 3 services done"));
}

#[test]
fn foreign_text_stays_text() {
    let page = page(&hostile_to_html());
    let evil_bits = ["<script", "<img", "<!--", "\"onload=", "\u{202e}", "\u{1b}"];
    for bit in evil_bits {
        assert!(!page.contains(bit), "{bit}");
    }
    assert!(page.contains("&lt;script&gt;console.error(1)&lt;/script&gt;]]&gt;&quot;onload=&quot;alert(1)&quot;"));
    assert!(page.contains("&amp;lt; {{7*7}}"));
}

#[test]
fn what_is_bad_comes_first_and_is_unfolded() {
    let page = page(&sample::everything());
    let order: Vec<&str> =
        page.split("<details class=\"case ").skip(1).filter_map(|c| c.split(['"', ' ']).next()).collect();
    let expected = ["failed", "failed", "errored", "errored", "passed", "passed", "skipped", "skipped"];
    assert_eq!(order, expected);
    assert_eq!(page.matches("<details class=\"case failed\" open>").count(), 1);
    assert_eq!(page.matches("<details class=\"case failed warned\" open>").count(), 1);
    assert_eq!(page.matches("<details class=\"case errored\" open>").count(), 2);
    assert_eq!(page.matches("<details class=\"case passed").count(), 2);
    assert!(!page.contains("<details class=\"case passed\" open>"));
}

#[test]
fn a_failure_is_explained_with_what_to_do_and_its_log() {
    let page = page(&sample::one_failed());
    for words in [
        "<h4>The service exited <code>boot/exited</code></h4>",
        "sonarr exited with 1 after 2.1 s",
        "the database file is damaged",
        "<dt>What to do</dt><dd>Restore config.db from an older backup.</dd>",
        "<details class=\"log\" open>",
        "starting\n<mark>sqlite3.DatabaseError: database disk image is malformed</mark>\nbye\n",
        "Files changed while they were copied: logs.db",
        "mount /var/run/docker.sock <span class=\"matters\">may matter</span>",
        "8989:8989/tcp",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn steps_are_drawn_to_scale() {
    let page = page(&sample::one_passed());
    // 12 s of 19 s, after half a second.
    assert!(page.contains("<title>From 0.5s, for 12.0s</title><rect x=\"2.63%\" width=\"63.16%\""), "{page}");
    assert!(page.contains("<title>Time axis from 0s to 19s, a mark every 5s</title>"));
    assert!(page.contains("Cloning volume jellyfin_config … 412 files, 38 MB"));
    assert!(page.contains("Stayed healthy for 3s"));
}

#[test]
fn earlier_attempts_are_told_with_their_reason() {
    let page = page(&sample::everything());
    for words in [
        "It passed only at attempt 2.",
        "Attempt 1 of 2: errored",
        "Attempt 2 of 2: passed",
        "Attempt 1 of 2: failed",
        "the worker&#39;s container ended with 137",
        "Starting worker … the worker failed",
        "only at attempt 2",
        "(1 only at a later attempt)",
        "restic <code>4f1c09d2</code>",
        "2026-01-01 03:04:05 UTC",
        "slice:1/2",
    ] {
        assert!(page.contains(words) || page.contains(&words.replace("&#39;", "'")), "{words}");
    }
}

#[test]
fn trouble_of_the_run_itself_is_told() {
    let case = name("media", "jellyfin");
    let mut script = Script::run(vec![info(&case)]);
    script.fact(Fact::TimedOut { seconds: 90 });
    let hints = vec![("rehearsa clean --session k3x9".to_owned(), "removes it".to_owned())];
    script.fact(Fact::SandboxKept { stack: "media".to_owned(), hints });
    let mut events = script.over();
    let left = Diagnosis::new(Code::SandboxLeftBehind, "volume rehearsa-k3x9-1");
    events.insert(1, Event { at: at(0.0), fact: Fact::LeftBehind { diagnosis: left } });
    let page = page(&events);
    for words in [
        "The time for the run was over before its end.",
        "The limit was 1m 30s.",
        "The sandbox of media is kept.",
        "<code>rehearsa clean --session k3x9</code>",
        "Something of the sandbox is left",
        "volume rehearsa-k3x9-1",
        "Run <code>rehearsa clean</code> when the engine answers again",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(self::page(&sample::interrupted()).contains("SIGINT ended the run."));
}

#[test]
fn a_lost_report_is_told() {
    let mut outcome = sample::outcome(&sample::one_passed());
    outcome.lost_reports.push("JUnit report out/junit.xml: disk full".to_owned());
    let page = sample::rendered(&outcome, at(20.0), &Html::default());
    assert!(page.contains("JUnit report out/junit.xml: disk full"));
    assert!(page.contains("No service failed, but the run itself had a problem"));
}

#[test]
fn the_headline_says_it_in_one_sentence() {
    let title = |events: &[Event]| {
        let page = page(events);
        page.split("<h1>").nth(1).and_then(|rest| rest.split('<').next()).expect("a headline").to_owned()
    };
    assert_eq!(title(&sample::one_passed()), "The service passed. Started again from a live copy; no backup was read");
    assert_eq!(title(&sample::of_backup(sample::one_passed())), "The service came back");
    assert_eq!(title(&sample::one_failed()), "The service did not come back");
    assert_eq!(title(&sample::mixed()), "1 of 4 services did not come back");
    assert_eq!(title(&sample::nothing()), "No service was selected");
    assert_eq!(title(&sample::interrupted()), "Interrupted by SIGINT before the end");
}

#[test]
fn nothing_is_loaded_and_no_script_is_there() {
    let page = page(&sample::everything());
    assert!(page.contains(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline';"
    ));
    for outside in ["http:", "https:", "src=", "url(", "@import", "<script", "<link"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

#[test]
fn on_a_stream_the_page_is_written_once() {
    let page = sample::written(&sample::mixed(), Html::default());
    assert_eq!(page.matches("<!DOCTYPE html>").count(), 1);
    assert!(page.ends_with("</html>"));
}

fn many(cases: usize, log: &str) -> Outcome {
    let names: Vec<_> = (0..cases).map(|nth| name(&format!("stack{}", nth / 4), &format!("service{nth}"))).collect();
    let mut script = Script::run(names.iter().map(info).collect());
    for (nth, case) in names.iter().enumerate() {
        if nth % 10 > 0 {
            sample::pass(&mut script, case);
            continue;
        }
        let diagnosis = Diagnosis { log_tail: vec![log.to_owned()], ..sample::exited() };
        let broke = StepResult::Broke { diagnosis };
        script.begin(case).step(case, Step::Boot { service: case.clone() }, 1.0, broke).end(case);
    }
    sample::outcome(&script.over())
}

fn size(outcome: &Outcome) -> usize {
    sample::rendered(outcome, at(1e6), &Html::default()).len()
}

#[test]
fn the_size_of_the_page_grows_with_the_cases_and_no_faster() {
    let (small, large) = (size(&many(500, "x")), size(&many(5000, "x")));
    assert!(large < small * 11, "{small} {large}");
    assert!(large < 25_000_000, "{large}: a browser has to open it");
}

#[test]
fn many_long_logs_do_not_make_the_page_too_large() {
    let log = "x".repeat(10_000);
    let one = size(&many(1, &log)) - size(&many(1, ""));
    assert!(one >= 10_000, "where there is room a log is kept: {one}");
    let all = size(&many(5000, &log)) - size(&many(5000, ""));
    assert!(all < 2_000_000, "500 logs of 10 kB: {all}");
}

#[test]
fn no_text_is_longer_than_a_reader_can_take() {
    let long = "y".repeat(1_000_000);
    let case = name("media", "jellyfin");
    let cause = KnownCause { meaning: long.clone(), line: long.clone() };
    let diagnosis =
        Diagnosis { cause: Some(cause), remedy: Some(long.clone()), ..Diagnosis::new(Code::BootExited, long.clone()) };
    let mut script = Script::run(vec![CaseInfo { source: long.clone(), ..info(&case) }]);
    script.fact(Fact::LeftBehind { diagnosis: diagnosis.clone() });
    script.begin(&case).step(&case, sample::clone_of(&long), 1.0, sample::restored(1, 1));
    script.fact(Fact::Warned { cases: vec![case.clone()], diagnosis: diagnosis.clone() });
    script.step(&case, Step::Boot { service: case.clone() }, 1.0, sample::broke(&diagnosis)).end(&case);
    let page = page(&script.over());
    assert!(page.len() < 60_000, "{}", page.len());
}

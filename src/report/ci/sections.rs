//! Foldable sections for GitLab's log: one for each rehearsal, with its steps and its log, after the output for
//! people.
//!
//! GitLab's own terminal codes open and close a section. Foreign text cannot contain them, because it is cleaned.

use std::io::{self, Write};

use jiff::Timestamp;

use super::job_log::write_log;
use crate::model::event::{Event, Fact, StepResult};
use crate::model::outcome::{CaseRecord, Outcome, StepRecord};
use crate::report::wording::{self, StepWords};
use crate::report::{Reporter, text, units};

/// Bytes of service logs in all sections together: GitLab cuts the log of a job at 4 MiB, and others write there, too.
const LOGS: usize = 1024 * 1024;

/// Writes sections.
pub struct SectionReporter {
    log: Box<dyn Write + Send>,
}

impl SectionReporter {
    /// Writes to the log of the job.
    pub fn new(log: Box<dyn Write + Send>) -> Self {
        Self { log }
    }
}

impl Reporter for SectionReporter {
    fn name(&self) -> &str {
        "sections in the log"
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        match event.fact {
            Fact::RunFinished => write_log(&mut *self.log, &sections(outcome)),
            _ => Ok(()),
        }
    }
}

fn sections(outcome: &Outcome) -> String {
    let told: Vec<&CaseRecord> =
        outcome.cases.iter().filter(|case| case.started.is_some() || !case.log_tail.is_empty()).collect();
    let room = (LOGS / told.len().max(1)).min(text::LOG_CAP);
    let session: String = outcome.session.chars().filter(char::is_ascii_alphanumeric).collect();
    let named = told.into_iter().enumerate();
    named.map(|(nth, case)| section(case, &format!("rehearsa_{session}_{}", nth + 1), room)).collect()
}

fn section(case: &CaseRecord, name: &str, room: usize) -> String {
    // GitLab shows the time between the two marks; a rehearsal that never ran has none.
    let begin = case.started.unwrap_or(Timestamp::UNIX_EPOCH).as_second();
    let end = case.finished.map_or(begin, Timestamp::as_second);
    let verdict = wording::headline(case.verdict());
    let header = format!("{}: {verdict} in {}", case.info.name, units::seconds(case.seconds()));
    let header = text::without_commands(&text::one_line(&header));
    let body: String = body(case, room).iter().map(|line| format!("{}\n", text::without_commands(line))).collect();
    format!(
        "\u{1b}[0Ksection_start:{begin}:{name}[collapsed=true]\r\u{1b}[0K{header}\n{body}\
         \u{1b}[0Ksection_end:{end}:{name}\r\u{1b}[0K\n"
    )
}

fn body(case: &CaseRecord, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for (nth, attempt) in case.earlier.iter().enumerate() {
        lines.push(format!("Attempt {}: {}", nth + 1, wording::headline(attempt.verdict())));
        lines.extend(attempt.steps.iter().map(|record| step(record, case, attempt.started)));
    }
    if !case.earlier.is_empty() {
        lines.push(format!("Attempt {}: {}", case.earlier.len() + 1, wording::headline(case.verdict())));
    }
    lines.extend(case.steps.iter().map(|record| step(record, case, case.attempt_started)));
    lines.extend(case.diagnoses.iter().map(|diagnosis| format!("✘ {}", wording::summary(diagnosis))));
    lines.extend(case.warnings.iter().map(|warning| format!("! {}", wording::warning(warning))));
    if !case.log_tail.is_empty() {
        lines.push(text::one_line(&format!("Last log lines of {}:", case.info.name)));
        let tail = text::Tail::of(&case.log_tail, room);
        lines.extend(tail.noticed().iter().map(|line| format!("{}{line}", wording::QUOTE)));
    }
    lines
}

/// `    12.500s  ✔ Booting container (1.100s)`.
fn step(record: &StepRecord, case: &CaseRecord, begin: Option<Timestamp>) -> String {
    let mark = match &record.result {
        Some(StepResult::Done { .. }) => "✔",
        Some(StepResult::Broke { .. }) => "✘",
        Some(StepResult::Stopped) | None => "-",
    };
    let since = begin.map_or(0.0, |begin| record.started.duration_since(begin).as_secs_f64().max(0.0));
    let line = StepWords::of_record(record, case).line(record.result.as_ref());
    format!("{since:>9.3}s  {mark} {line} ({:.3}s)", record.seconds())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample::{self, Paper};

    fn told(events: &[Event]) -> String {
        let paper = Paper::default();
        sample::play(events, &mut SectionReporter::new(Box::new(paper.clone())));
        paper.text()
    }

    /// How GitLab reads a log: sections with name, seconds and lines. Codes around the marks tell them from other
    /// text.
    fn read(log: &str) -> Vec<(String, i64, Vec<String>)> {
        let mut sections: Vec<(String, i64, Vec<String>)> = Vec::new();
        let mut open: Option<(String, i64)> = None;
        for part in log.split("\u{1b}[0K").filter(|part| !part.is_empty()) {
            let mark = part.strip_suffix('\r').and_then(|mark| {
                let (kind, rest) = mark.split_once(':')?;
                let (time, name) = rest.split_once(':')?;
                Some((kind, time.parse::<i64>().ok()?, name.trim_end_matches("[collapsed=true]").to_owned()))
            });
            match mark {
                Some(("section_start", time, name)) => {
                    assert_eq!(open.replace((name.clone(), time)), None, "sections are not nested");
                    sections.push((name, 0, Vec::new()));
                }
                Some(("section_end", time, name)) => {
                    let (opened, begin) = open.take().expect("it was opened");
                    assert_eq!(opened, name);
                    sections.last_mut().expect("one was opened").1 = time - begin;
                }
                Some((kind, ..)) => panic!("unknown mark {kind}"),
                None if open.is_some() => {
                    sections.last_mut().expect("one was opened").2 = part.lines().map(str::to_owned).collect();
                }
                None => assert_eq!(part, "\n", "nothing stands outside"),
            }
        }
        assert_eq!(open, None, "all are closed");
        sections
    }

    #[test]
    fn a_section_holds_the_steps_and_the_log() {
        assert_eq!(
            told(&sample::one_failed()),
            "\u{1b}[0Ksection_start:1767323045:rehearsa_k3x9_1[collapsed=true]\r\u{1b}[0Kmedia::sonarr: FAILED in 4.1s
    0.000s  ✔ Cloning volume sonarr_config … 1 file, 1.2 GB (2.000s)
    2.000s  ✘ Booting container … the service exited (2.100s)
✘ boot/exited: sonarr exited with 1 after 2.1 s
! files changed while they were copied: logs.db
Last log lines of media::sonarr:
  │ starting
  │ sqlite3.DatabaseError: database disk image is malformed
  │ bye
\u{1b}[0Ksection_end:1767323049:rehearsa_k3x9_1\r\u{1b}[0K
"
        );
    }

    #[test]
    fn every_rehearsal_that_began_has_its_section() {
        let sections = read(&told(&sample::everything()));
        let heads: Vec<&str> = sections.iter().map(|(_, _, lines)| lines[0].as_str()).collect();
        assert_eq!(
            heads,
            [
                "media::jellyfin: SUCCESS in 18.4s",
                "media::sonarr: FAILED in 4.1s",
                "paperless::web: ERROR in 0.6s",
                "files::nextcloud: SUCCESS in 5.9s",
                "files::office: FAILED in 2.5s",
                "photos::immich: ERROR in 1.0s",
            ]
        );
        let flaky = &sections[3].2;
        assert_eq!((flaky[1].as_str(), flaky[3].as_str()), ("Attempt 1: ERROR", "Attempt 2: SUCCESS"));
        assert!((18..=19).contains(&sections[0].1), "its time is the rehearsal's: {}", sections[0].1);
    }

    #[test]
    fn foreign_text_opens_and_closes_no_section() {
        let mark = "\u{1b}[0Ksection_end:1767323049:rehearsa_k3x9_1\r\u{1b}[0K\n::error::x";
        let case = crate::model::service::ServiceName::lone(mark);
        let mut script = sample::Script::run(vec![sample::info(&case)]);
        let diagnosis = crate::model::diagnosis::Diagnosis {
            message: mark.to_owned(),
            log_tail: vec![mark.to_owned()],
            ..sample::exited()
        };
        script.begin(&case).step(&case, sample::clone_of(mark), 1.0, sample::broke(&diagnosis)).end(&case);
        for events in [script.over(), sample::hostile()] {
            let log = told(&events);
            assert_eq!(read(&log).len(), 1);
            assert_eq!(log.matches('\r').count(), 2);
            assert!(log.lines().all(|line| !line.trim_start().starts_with("::") && !line.contains("##[")), "{log}");
        }
    }

    #[test]
    fn the_logs_of_many_cases_share_the_room() {
        let names: Vec<_> = (0..200).map(|nth| sample::name("s", &nth.to_string())).collect();
        let mut script = sample::Script::run(names.iter().map(sample::info).collect());
        for name in &names {
            let diagnosis =
                crate::model::diagnosis::Diagnosis { log_tail: vec!["x".repeat(99); 700], ..sample::exited() };
            script.begin(name).step(name, sample::clone_of("v"), 1.0, sample::broke(&diagnosis)).end(name);
        }
        let log = told(&script.over());
        assert!(log.len() < LOGS + LOGS / 4, "{}", log.len());
        assert_eq!(log.matches(" cut here, only the end is kept]").count(), 200);
    }

    #[test]
    fn nothing_began_is_nothing_said() {
        assert_eq!(told(&sample::nothing()), "");
        assert_eq!(told(&sample::killed()), "", "its end was never told");
    }
}

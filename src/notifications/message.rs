//! What a notification says, and the form of it for each kind of receiver.

use serde_json::json;

use crate::model::outcome::{CaseRecord, ExitCode, Outcome, Verdict};
use crate::report::comparison::{self, Change};
use crate::report::{text, units, wording};

/// Services that are named; the others are counted.
const NAMED: usize = 10;

/// What the message is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A run begins.
    Begun,
    /// It is over, and is a success.
    Success,
    /// It is over, or never began, and is no success.
    NoSuccess,
}

/// A notification, in words and for programs.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it is about.
    pub kind: MessageKind,
    /// Whether something is other than in the last run; true where the last run is not known.
    pub is_change: bool,
    /// The process may not live long.
    pub is_hurried: bool,
    title: String,
    lines: Vec<String>,
    facts: serde_json::Value,
}

impl Message {
    /// A run begins on this host.
    pub fn begun(host: &str) -> Self {
        let title = format!("Restore rehearsal on {}: begins", text::one_line(host));
        let facts = json!({ "event": "run-started" });
        Self { kind: MessageKind::Begun, is_change: false, is_hurried: false, title, lines: Vec::new(), facts }
    }

    /// No rehearsal began, for this reason.
    pub fn never_began(host: &str, exit: ExitCode, reason: &str) -> Self {
        let title = format!("Restore rehearsal on {}: could not begin", text::one_line(host));
        let reason = text::shortened(&text::one_line(reason), wording::QUOTED_CHARS);
        let facts = json!({ "event": "run-not-begun", "exit_code": exit.number(), "reason": reason });
        Self {
            kind: MessageKind::NoSuccess,
            is_change: true,
            is_hurried: matches!(exit, ExitCode::Interrupted | ExitCode::Terminated),
            title,
            lines: vec![reason],
            facts,
        }
    }

    /// The run is over.
    pub fn ended(host: &str, outcome: &Outcome) -> Self {
        let exit = outcome.exit_code();
        let kind = if exit == ExitCode::Passed { MessageKind::Success } else { MessageKind::NoSuccess };
        let changes = comparison::changes(outcome);
        let is_change = match &changes {
            Some(changes) => changes.iter().any(Change::is_of_verdict),
            None => true,
        };
        Self {
            kind,
            is_change,
            is_hurried: outcome.interrupted.is_some(),
            title: format!("Restore rehearsal on {}: {}", text::one_line(host), headline(outcome)),
            lines: lines(outcome, changes.as_deref()),
            facts: facts(outcome, changes.as_deref()),
        }
    }

    /// The title and all lines.
    pub fn text(&self) -> String {
        let mut text = self.title.clone();
        for line in &self.lines {
            text.push('\n');
            text.push_str(line);
        }
        text
    }

    /// What follows the address of a ping.
    pub(super) fn ping_path(&self) -> &'static str {
        match self.kind {
            MessageKind::Begun => "/start",
            MessageKind::Success => "",
            MessageKind::NoSuccess => "/fail",
        }
    }

    /// For a webhook; `text` is what Slack, Mattermost and others show.
    pub(super) fn json(&self) -> String {
        let mut facts = self.facts.clone();
        facts["version"] = json!(1);
        facts["title"] = json!(self.title);
        facts["text"] = json!(self.text());
        facts.to_string()
    }

    /// For ntfy. As JSON, since a header takes no UTF-8.
    pub(super) fn ntfy(&self, topic: &str) -> String {
        let (priority, tag) = match self.kind {
            MessageKind::NoSuccess => (4, "rotating_light"),
            MessageKind::Begun | MessageKind::Success => (3, "white_check_mark"),
        };
        let message = if self.lines.is_empty() { self.title.clone() } else { self.lines.join("\n") };
        json!({ "topic": topic, "title": self.title, "message": message, "priority": priority, "tags": [tag] })
            .to_string()
    }

    /// A whole mail.
    pub(super) fn mail(&self, to: &str) -> String {
        // An encoded word may have 75 characters; the name of a host may be any text.
        let words = || chunks(&self.title, 20).into_iter().map(encoded_word).collect::<Vec<_>>().join("\n ");
        let subject = if self.title.is_ascii() { self.title.clone() } else { words() };
        let head = "MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\
                    Auto-Submitted: auto-generated";
        format!("To: {to}\nSubject: {subject}\n{head}\n\n{}\n", self.text())
    }
}

/// Pieces of at most so many bytes, between characters.
fn chunks(text: &str, most: usize) -> Vec<&str> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while rest.len() > most {
        let (piece, after) = rest.split_at(rest.floor_char_boundary(most));
        pieces.push(piece);
        rest = after;
    }
    pieces.push(rest);
    pieces
}

fn encoded_word(text: &str) -> String {
    let bytes: String = text.bytes().map(|byte| format!("={byte:02X}")).collect();
    format!("=?utf-8?Q?{bytes}?=")
}

/// `1 failed, 2 passed`.
fn headline(outcome: &Outcome) -> String {
    let counts = outcome.counts();
    let counted = [
        (counts.failed, "failed"),
        (counts.errored, "errored"),
        (counts.passed, "passed"),
        (counts.skipped, "skipped"),
    ];
    let counted: Vec<String> =
        counted.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    let counted = if counted.is_empty() { "nothing was rehearsed".to_owned() } else { counted.join(", ") };
    match (outcome.interrupted, outcome.exit_code()) {
        (Some(_), _) => format!("interrupted ({counted})"),
        (None, ExitCode::Errored) if counts.errored == 0 => format!("ended with an error ({counted})"),
        _ => counted,
    }
}

fn lines(outcome: &Outcome, changes: Option<&[Change]>) -> Vec<String> {
    let red: Vec<&CaseRecord> = outcome.cases.iter().filter(|case| is_red(case)).collect();
    let mut lines: Vec<String> = red.iter().take(NAMED).map(|case| of_case(case)).collect();
    if red.len() > NAMED {
        lines.push(format!("and {} more that are not green", red.len() - NAMED));
    }
    lines.extend(crate::report::problem::run_problems(outcome).iter().map(|problem| wording::summary(&problem.first)));
    let changes = changes.unwrap_or_default();
    // What is red now is in the list already.
    let told: Vec<&Change> = changes.iter().filter(|change| !change.is_red()).collect();
    lines.extend(told.iter().take(NAMED).map(|change| change.line()));
    if told.len() > NAMED {
        lines.push(format!("and {} more changes since the last run", told.len() - NAMED));
    }
    let flaky: Vec<String> = outcome.cases.iter().filter(|case| case.is_flaky()).map(name).take(NAMED).collect();
    if !flaky.is_empty() {
        lines.push(format!("Green only at a later attempt: {}", flaky.join(", ")));
    }
    lines.extend(wording::run_caveat(outcome));
    lines.push(format!("It took {}.", units::seconds(outcome.seconds())));
    lines
}

fn is_red(case: &CaseRecord) -> bool {
    matches!(case.verdict(), Verdict::Failed | Verdict::Errored)
}

fn name(case: &CaseRecord) -> String {
    text::one_line(&case.info.name.to_string())
}

/// `media::sonarr FAILED: boot/exited: sonarr exited with 1`.
fn of_case(case: &CaseRecord) -> String {
    let why = text::shortened(&wording::summary(&wording::deciding(case)), wording::QUOTED_CHARS);
    format!("{} {}: {why}", name(case), wording::headline(case.verdict()))
}

fn facts(outcome: &Outcome, changes: Option<&[Change]>) -> serde_json::Value {
    let counts = outcome.counts();
    let cases: Vec<_> = outcome
        .cases
        .iter()
        .map(|case| {
            let deciding = is_red(case).then(|| wording::deciding(case));
            json!({
                "name": name(case),
                "verdict": case.verdict(),
                "flaky": case.is_flaky(),
                "code": deciding.as_ref().map(|deciding| deciding.code.as_str()),
                "message": deciding.as_ref().map(|deciding| text::first_line(&deciding.message)),
            })
        })
        .collect();
    let changes = changes.map(|changes| {
        changes
            .iter()
            .map(|change| json!({ "name": change.name, "change": change.kind.name(), "text": change.line() }))
            .collect::<Vec<_>>()
    });
    json!({
        "event": "run-finished",
        "session": outcome.session,
        "exit_code": outcome.exit_code().number(),
        "counts": {
            "passed": counts.passed, "failed": counts.failed, "errored": counts.errored, "skipped": counts.skipped,
            "flaky": counts.flaky,
        },
        "seconds": units::thousandths(outcome.seconds()),
        "cases": cases,
        "changes": changes,
    })
}

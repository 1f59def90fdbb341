//! What is other than in the earlier run that the run is compared with (`--baseline`), for people and programs. It
//! changes no verdict.

use std::collections::BTreeMap;

use super::wording::Progress;
use super::{text, units};
use crate::model::baseline::{Baseline, EarlierCase};
use crate::model::outcome::{CaseRecord, Outcome, Verdict};
use crate::model::score::facts::ready_after;

/// A restore that takes this many times as long is told, if it is [`SLOWER_BY`] seconds as well.
const SLOWER: f64 = 1.5;
/// Seconds below which a slower restore is noise.
const SLOWER_BY: f64 = 2.0;
/// A difference of the restored bytes is told from this share on.
const BYTES: f64 = 0.2;

/// What is other about a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ChangeKind {
    /// It is failed or errored now, and was not.
    NewlyRed,
    /// It is failed where it was errored, or the other way round.
    OtherRed,
    /// It is green now, and was failed or errored.
    Mended,
    /// It was rehearsed, and is skipped now.
    NoLongerRehearsed,
    /// It was not in the earlier run.
    New,
    /// It is not in this run.
    Gone,
    /// It is ready later after its restore began.
    Slower,
    /// More or less was restored.
    Bytes,
}

impl ChangeKind {
    /// The word for programs.
    pub fn name(self) -> &'static str {
        match self {
            ChangeKind::NewlyRed => "newly-failing",
            ChangeKind::OtherRed => "other-verdict",
            ChangeKind::Mended => "mended",
            ChangeKind::NoLongerRehearsed => "no-longer-rehearsed",
            ChangeKind::New => "new",
            ChangeKind::Gone => "gone",
            ChangeKind::Slower => "slower",
            ChangeKind::Bytes => "bytes",
        }
    }

    /// The word for people.
    pub fn title(self) -> &'static str {
        match self {
            ChangeKind::NewlyRed => "Newly failing",
            ChangeKind::OtherRed => "Other verdict",
            ChangeKind::Mended => "Mended",
            ChangeKind::NoLongerRehearsed => "No longer rehearsed",
            ChangeKind::New => "New",
            ChangeKind::Gone => "Not in this run",
            ChangeKind::Slower => "Slower",
            ChangeKind::Bytes => "Size",
        }
    }
}

/// What is other about one service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What.
    pub kind: ChangeKind,
    /// The service, as one line.
    pub name: String,
    /// Now and before, in words; may be empty.
    pub detail: String,
}

impl Change {
    /// Whether it is about a verdict, and not about a number.
    pub fn is_of_verdict(&self) -> bool {
        !matches!(self.kind, ChangeKind::Slower | ChangeKind::Bytes)
    }

    /// Whether the service is failed or errored now.
    pub fn is_red(&self) -> bool {
        matches!(self.kind, ChangeKind::NewlyRed | ChangeKind::OtherRed)
    }

    /// `Newly failing: media::sonarr (failed, was passed)`.
    pub fn line(&self) -> String {
        let detail = if self.detail.is_empty() { String::new() } else { format!(" ({})", self.detail) };
        format!("{}: {}{detail}", self.kind.title(), self.name)
    }
}

/// The result of this run, which later ones are compared with.
pub fn baseline_of(outcome: &Outcome) -> Baseline {
    let cases = outcome.cases.iter().map(|case| EarlierCase {
        name: case.info.name.to_string(),
        verdict: case.verdict(),
        ready_after: ready_after(case),
        bytes: case.restored().bytes,
    });
    let exit_code = outcome.finished.map(|_| outcome.exit_code().number());
    Baseline { started: outcome.started, exit_code, cases: cases.collect() }
}

/// All that is other, the gravest first; `None`: the run is compared with none.
pub fn changes(outcome: &Outcome) -> Option<Vec<Change>> {
    let baseline = outcome.baseline.as_ref()?;
    let mut earlier: BTreeMap<&str, &EarlierCase> =
        baseline.cases.iter().map(|case| (case.name.as_str(), case)).collect();
    let mut changes = Vec::new();
    for case in &outcome.cases {
        let name = case.info.name.to_string();
        let before = earlier.remove(name.as_str());
        let Progress::Ended(verdict) = Progress::of(case, outcome) else { continue };
        of_case(case, verdict, before, |kind, detail| {
            changes.push(Change { kind, name: text::one_line(&name), detail });
        });
    }
    for gone in baseline.cases.iter().filter(|case| earlier.contains_key(case.name.as_str())) {
        let detail = format!("was {}", gone.verdict.name());
        changes.push(Change { kind: ChangeKind::Gone, name: text::one_line(&gone.name), detail });
    }
    changes.sort_by_key(|change| change.kind);
    Some(changes)
}

fn of_case(case: &CaseRecord, now: Verdict, before: Option<&EarlierCase>, mut tell: impl FnMut(ChangeKind, String)) {
    let is_red = |verdict| matches!(verdict, Verdict::Failed | Verdict::Errored);
    let Some(before) = before else {
        let kind = if is_red(now) { ChangeKind::NewlyRed } else { ChangeKind::New };
        return tell(kind, format!("{}, was not in the last run", now.name()));
    };
    let kind = match (is_red(before.verdict), is_red(now)) {
        _ if now == before.verdict => None,
        (false, true) => Some(ChangeKind::NewlyRed),
        (true, true) => Some(ChangeKind::OtherRed),
        (_, false) if now == Verdict::Skipped => Some(ChangeKind::NoLongerRehearsed),
        (true, false) => Some(ChangeKind::Mended),
        (false, false) => Some(ChangeKind::New),
    };
    if let Some(kind) = kind {
        return tell(kind, format!("{}, was {}", now.name(), before.verdict.name()));
    }
    if now != Verdict::Passed {
        return;
    }
    if let (Some(now), Some(then)) = (ready_after(case), before.ready_after)
        && now >= then * SLOWER
        && now - then >= SLOWER_BY
    {
        let times = if then > 0.0 { format!(", {:.1} times as long", now / then) } else { String::new() };
        tell(ChangeKind::Slower, format!("ready after {}, was {}{times}", units::seconds(now), units::seconds(then)));
    }
    let (now, then) = (case.restored().bytes, before.bytes);
    if now.abs_diff(then) as f64 > then as f64 * BYTES {
        tell(ChangeKind::Bytes, format!("{} restored, was {}", units::bytes(now), units::bytes(then)));
    }
}

/// `Since the run of 2026-01-02 03:04 UTC: 1 newly failing, 1 mended`, and a line for each change.
pub fn headline(outcome: &Outcome) -> Option<String> {
    let baseline = outcome.baseline.as_ref()?;
    let changes = changes(outcome)?;
    let mut counted: BTreeMap<ChangeKind, usize> = BTreeMap::new();
    for change in &changes {
        *counted.entry(change.kind).or_default() += 1;
    }
    let counted: Vec<String> =
        counted.iter().map(|(kind, count)| format!("{count} {}", kind.title().to_lowercase())).collect();
    let counted = if counted.is_empty() { "nothing is other".to_owned() } else { counted.join(", ") };
    Some(format!("Since the run{}: {counted}", of_time(baseline)))
}

fn of_time(baseline: &Baseline) -> String {
    baseline.started.map_or_else(String::new, |at| format!(" of {}", at.strftime("%Y-%m-%d %H:%M UTC")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn lines(mut outcome: Outcome, change: impl FnOnce(&mut Baseline)) -> Vec<String> {
        let mut baseline = baseline_of(&outcome);
        change(&mut baseline);
        outcome.baseline = Some(baseline);
        changes(&outcome).expect("compared").iter().map(Change::line).collect()
    }

    #[test]
    fn a_run_is_as_itself() {
        for (name, events) in sample::ended() {
            assert_eq!(lines(sample::outcome(&events), |_| ()), [""; 0], "{name}");
        }
        assert_eq!(changes(&sample::outcome(&sample::mixed())), None, "compared with none");
    }

    #[test]
    fn each_change_is_told_once_the_gravest_first() {
        let told = lines(sample::outcome(&sample::mixed()), |baseline| {
            let of = |name: &str, verdict| EarlierCase { name: name.to_owned(), verdict, ready_after: None, bytes: 0 };
            baseline.cases = vec![
                of("media::jellyfin", Verdict::Failed),
                of("media::sonarr", Verdict::Passed),
                of("paperless::web", Verdict::Failed),
                of("old::one", Verdict::Passed),
            ];
        });
        let expected = [
            "Newly failing: media::sonarr (failed, was passed)",
            "Other verdict: paperless::web (errored, was failed)",
            "Mended: media::jellyfin (passed, was failed)",
            "New: watchtower (skipped, was not in the last run)",
            "Not in this run: old::one (was passed)",
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_service_that_is_slower_or_smaller_is_told_and_noise_is_not() {
        let outcome = sample::outcome(&sample::one_passed());
        let ready = ready_after(&outcome.cases[0]).expect("it was ready");
        let bytes = outcome.cases[0].restored().bytes;
        let change = |after: f64, bytes| {
            lines(outcome.clone(), |baseline| {
                baseline.cases[0].ready_after = Some(after);
                baseline.cases[0].bytes = bytes;
            })
        };
        assert_eq!(change(ready - 1.0, bytes + 1), [""; 0]);
        assert_eq!(change(ready + 100.0, bytes), [""; 0], "faster is fine");
        let told = change(ready / 2.0, bytes * 10).join("\n");
        assert!(told.contains("Slower: ") && told.contains(" times as long") && told.contains("Size: "), "{told}");
    }
}

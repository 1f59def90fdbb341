//! Keeps the profile of each green run in the history (`--history`).

use std::io;

use super::Reporter;
use crate::history::{KeptProfile, ProfileHistory};
use crate::model::check::DataOrigin;
use crate::model::event::{Event, Fact};
use crate::model::outcome::{CaseRecord, Outcome, Verdict};

/// Writes the profiles.
pub struct ProfileKeeper {
    history: ProfileHistory,
}

impl ProfileKeeper {
    /// Keeps the profiles in this history.
    pub fn new(history: ProfileHistory) -> Self {
        Self { history }
    }
}

impl Reporter for ProfileKeeper {
    fn name(&self) -> &str {
        "history of profiles"
    }

    fn event(&mut self, event: &Event, outcome: &Outcome) -> io::Result<()> {
        let Fact::CaseFinished { case } = &event.fact else { return Ok(()) };
        let Some(record) = outcome.case(case) else { return Ok(()) };
        match kept(record, outcome, event) {
            Some(kept) => self.history.keep(case, &kept),
            None => Ok(()),
        }
    }
}

/// The profile to keep of a case; `None` for a case that is not green, was green only when it was tried again, or read
/// no backup.
fn kept(record: &CaseRecord, outcome: &Outcome, event: &Event) -> Option<KeptProfile> {
    let is_kept =
        record.verdict() == Verdict::Passed && record.earlier.is_empty() && record.data_origin() == DataOrigin::Backup;
    let profile = record.profile.as_ref().filter(|_| is_kept)?;
    let snapshot = record.info.snapshot.as_ref();
    Some(KeptProfile {
        profile_version: KeptProfile::VERSION,
        service: record.info.name.to_string(),
        at: event.at,
        session: outcome.session.clone(),
        source: record.info.source.clone(),
        snapshot: snapshot.map(|snapshot| snapshot.id.clone()),
        snapshot_time: snapshot.and_then(|snapshot| snapshot.time),
        image: record.info.image.id.clone(),
        profile: profile.profile.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::diagnosis::{Code, Diagnosis};
    use crate::model::profile::Profile;
    use crate::model::service::ServiceName;
    use crate::report::sample;

    /// The sessions of the profiles that are kept of a run with these facts before the end of its case.
    fn sessions(events: Vec<Event>, more: impl Fn(&ServiceName) -> Vec<Fact>) -> Vec<String> {
        let dir = tempfile::tempdir().expect("a folder");
        let history = ProfileHistory::in_folder(dir.path(), &[]);
        let mut keeper = ProfileKeeper::new(history.clone());
        let mut outcome = Outcome::new();
        for event in events {
            let more = match &event.fact {
                Fact::CaseFinished { case } => more(case),
                _ => Vec::new(),
            };
            for fact in more.into_iter().chain([event.fact]) {
                let event = Event { at: event.at, fact };
                outcome.apply(&event);
                keeper.event(&event, &outcome).expect("kept");
            }
        }
        history.all(|_| true).found.into_iter().map(|kept| format!("{} {}", kept.service, kept.session)).collect()
    }

    fn profiled(case: &ServiceName) -> Vec<Fact> {
        let profile = Box::new(Profile { keys: Some(1), ..Profile::default() });
        vec![Fact::CaseProfiled {
            case: case.clone(),
            profile,
            earlier: None,
            not_compared: Vec::new(),
            has_history: true,
        }]
    }

    #[test]
    fn only_what_is_green_at_once_and_from_a_backup_is_kept() {
        let green = sample::of_backup(sample::one_passed());
        let kept = sessions(green.clone(), profiled);
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(sessions(green.clone(), |_| Vec::new()), [""; 0], "no profile");
        let fails = |case: &ServiceName| {
            let diagnosis = Diagnosis::new(Code::DataShrunk, "less");
            [profiled(case), vec![Fact::CaseAborted { case: case.clone(), diagnosis }]].concat()
        };
        assert_eq!(sessions(green.clone(), fails), [""; 0]);
        assert_eq!(sessions(sample::one_passed(), profiled), [""; 0], "a live copy");
    }
}

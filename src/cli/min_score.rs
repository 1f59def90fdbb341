//! Refuses a least score that no run of the command can give: a run that must fail tells nothing.

use super::exit::Failure;
use crate::model::plan::{Plan, ServicePlan};
use crate::model::score::Ceiling;
use crate::model::score::weights::{Cap, ScoredBy};

/// Refuses the plan if `min_score` of a service lies above the ceiling of the command with the service's settings.
/// A service that cannot be rehearsed is left out: its own diagnosis tells more.
pub fn refuse(plan: &Plan, command: ScoredBy) -> Result<(), Failure> {
    let judged = plan.cases().filter(|case| case.ignored.is_none() && case.blocked.is_none());
    let refused: Vec<String> = judged.filter_map(|case| refusal(case, command)).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let name = match command {
        ScoredBy::Test => "test",
        ScoredBy::Score => "score",
    };
    Err(Failure::usage(refused.join("\n")).hint(format!(
        "require less for `rehearsa {name}` (--min-score N; 0 requires nothing), or give what opens more; \
         nothing was done"
    )))
}

fn refusal(case: &ServicePlan, command: ScoredBy) -> Option<String> {
    let required = case.score_basis.min_score.filter(|_| !case.score_basis.mounts.is_empty())?;
    let Ceiling { points, cap, next } = Ceiling::of(&case.score_basis, command);
    let name = &case.service.name;
    (required > points).then(|| {
        let without = cap.map_or("in one rehearsal", Cap::without);
        let opened = cap
            .filter(|_| next > points)
            .map(|cap| format!("; {} more would be opened by {}", next - points, cap.lifted_by()));
        format!(
            "min_score of {name} is {required}, and {points} is the most that can be had {without}{}",
            opened.unwrap_or_default()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Selection;
    use crate::model::mount::{Mount, MountOrigin};
    use crate::model::sample;
    use crate::model::service::ServiceName;
    use crate::model::settings::ServiceSettings;
    use crate::plan::{draft, resolve};

    fn refused(min_score: u8, control: bool, command: ScoredBy) -> Option<String> {
        let origin = MountOrigin::Volume { name: "data".to_owned(), driver: "local".to_owned() };
        let mut service = sample::service(ServiceName::lone("app"));
        service.mounts = vec![Mount { target: "/data".to_owned(), origin, read_only: false }];
        let settings = ServiceSettings { min_score: Some(min_score), control, ..ServiceSettings::default() };
        let draft = draft(vec![(service, settings)], &Selection::default());
        let mut plan = resolve(draft, Vec::new(), jiff::Timestamp::UNIX_EPOCH);
        let basis = &mut plan.stacks[0].services[0].score_basis;
        basis.mounts.iter_mut().for_each(|mount| mount.found = Some(crate::model::score::basis::FoundBy::Name));
        basis.has_data_check = true;
        refuse(&plan, command).err().map(|failure| failure.error.to_string())
    }

    #[test]
    fn what_the_command_can_give_may_be_required_and_no_more() {
        assert_eq!(refused(80, false, ScoredBy::Test), None);
        let words = refused(81, false, ScoredBy::Test).expect("refused");
        assert!(words.starts_with("min_score of app is 81, and 80 is the most"), "{words}");
        assert!(words.contains("without a negative control; 12 more would be opened by --control"), "{words}");
        assert_eq!(refused(92, true, ScoredBy::Test), None);
        assert!(refused(93, true, ScoredBy::Test).is_some());
        assert_eq!(refused(50, true, ScoredBy::Score), None);
        let words = refused(51, true, ScoredBy::Score).expect("refused");
        assert!(words.contains("50 is the most that can be had without booting"), "{words}");
    }
}

//! The negative control: a green service is booted once more on empty mounts, with the same checks. Checks that pass
//! there, too, have shown only that the program starts.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::check::CheckSummary;
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::event::{Fact, Step, StepResult};
use crate::model::mount::{MountOrigin, Strategy};
use crate::model::plan::{DataSource, MountPlan, StackPlan};
use crate::model::service::ServiceName;

use crate::rehearse::attempt::alone;
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::validate::checks::misses_table;

/// Shortest time to come up for a service without its data: initialising takes longer than starting.
const LEAST: Duration = Duration::from_secs(30);
/// Factor by which it may take longer than with its data.
const LONGER: u32 = 3;

/// The checks of the second boot, recorded from its facts.
#[derive(Default)]
pub(in crate::rehearse) struct Recorded {
    /// Running checks, by the id of their step.
    open: BTreeMap<u64, CheckSummary>,
    /// Checks that passed, in words for a message.
    pub passed: Vec<String>,
    /// Names of the user's checks among them.
    pub own: Vec<String>,
}

impl Recorded {
    /// Records one fact of the second boot of `case`.
    pub fn record(&mut self, case: &ServiceName, fact: &Fact) {
        match fact {
            Fact::StepStarted { id, step: Step::Check { service, check }, .. } if service == case => {
                self.open.insert(*id, check.clone());
            }
            Fact::StepFinished { id, result } => {
                if let (Some(check), StepResult::Done { .. }) = (self.open.remove(id), result) {
                    self.passed.push(called(&check));
                    if let CheckSummary::Own { name, .. } = check {
                        self.own.push(name);
                    }
                }
            }
            _ => {}
        }
    }
}

fn called(check: &CheckSummary) -> String {
    match check {
        CheckSummary::Health => "its healthcheck".to_owned(),
        CheckSummary::Tcp { .. } => "that it listens".to_owned(),
        CheckSummary::Running => "that it runs".to_owned(),
        CheckSummary::Own { name, .. } => format!("the check {name}"),
    }
}

/// Result of the boot without data.
pub(in crate::rehearse) enum ControlResult<'a> {
    /// It passed, as with its data.
    Passed,
    /// It did not come up, or a check failed or missed its table.
    Failed(&'a Diagnosis),
    /// Another error occurred, so nothing is known.
    Unknown(&'a Diagnosis),
}

/// Judges the end of the second boot.
pub(in crate::rehearse) fn control_result(result: &Diagnosed<()>) -> ControlResult<'_> {
    match result {
        Ok(()) => ControlResult::Passed,
        Err(diagnosis) if diagnosis.severity() == Severity::Failed => ControlResult::Failed(diagnosis),
        // The sandbox lacks something that the service uses, but the service came up with its data in the same
        // sandbox.
        Err(diagnosis) if diagnosis.code == Code::SandboxWithheld => ControlResult::Failed(diagnosis),
        // With the data the database has answered the same query.
        Err(diagnosis) if misses_table(diagnosis) => ControlResult::Failed(diagnosis),
        Err(diagnosis) => ControlResult::Unknown(diagnosis),
    }
}

/// The stack with this service as its only case, and with all mounts empty that its services write to; `None`: they
/// write to none. Read-only mounts, such as a configuration, stay as they are: few programs start without them.
pub(in crate::rehearse) fn without_data(stack: &StackPlan, case: &ServiceName, took: Duration) -> Option<StackPlan> {
    let mut plan = alone(stack, case, "control");
    let mut emptied = false;
    // A dump is data, too: it is not loaded.
    for service in plan.services.iter_mut().filter(|service| service.load.is_some()) {
        service.load = None;
        emptied = true;
        let is_dump = |mount: &&mut MountPlan| matches!(mount.mount.origin, MountOrigin::Dump { .. });
        for mount in service.mounts.iter_mut().filter(is_dump) {
            mount.restore = None;
            mount.strategy = Strategy::Omit;
        }
    }
    for restore in plan.restores.iter_mut().filter(|restore| matches!(restore.mount.origin, MountOrigin::Dump { .. })) {
        restore.strategy = Strategy::Omit;
        restore.supply = DataSource::Live;
    }
    for (index, restore) in plan.restores.iter_mut().enumerate() {
        // The first boot has compared the contents.
        restore.verify_content = false;
        let mounts = plan.services.iter().flat_map(|service| &service.mounts);
        let is_written = mounts.filter(|mount| mount.restore == Some(index)).any(|mount| !mount.mount.read_only);
        if is_written && restore.strategy != Strategy::Empty {
            emptied = true;
            restore.strategy = Strategy::Empty;
            restore.supply = DataSource::Live;
            restore.part = None;
        }
    }
    for service in &mut plan.services {
        for mount in &mut service.mounts {
            if let Some(restore) = mount.restore.and_then(|index| plan.restores.get(index)) {
                mount.strategy = restore.strategy;
            }
        }
        let longest = (took * LONGER).max(LEAST);
        service.settings.timeout = Some(service.settings.timeout.map_or(longest, |timeout| timeout.min(longest)));
        service.settings.max_rto = None;
        service.settings.settle = Duration::ZERO;
    }
    emptied.then_some(plan)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::settings::Selection;
    use crate::model::mount::{Mount, MountOrigin};
    use crate::model::sample;
    use crate::model::service::Service;
    use crate::model::settings::ServiceSettings;
    use crate::plan::{draft, resolve};
    use crate::rehearse::validate::checks::without_table;

    fn planned(mounts: Vec<Mount>) -> StackPlan {
        let service = Service { mounts, ..sample::service(ServiceName::of_stack("s", "app")) };
        let selection = Selection::default();
        let draft = draft(vec![(service, ServiceSettings::default())], &selection);
        resolve(draft, Vec::new(), jiff::Timestamp::UNIX_EPOCH).stacks.remove(0)
    }

    fn volume(name: &str, read_only: bool) -> Mount {
        let origin = MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() };
        Mount { target: format!("/{name}"), origin, read_only }
    }

    #[test]
    fn what_is_written_to_is_emptied_and_a_configuration_stays() {
        let case = ServiceName::of_stack("s", "app");
        let mut plan = planned(vec![volume("data", false), volume("config", true)]);
        plan.restores[1].verify_content = true;
        let empty = without_data(&plan, &case, Duration::from_secs(20)).expect("there is something to take away");
        let strategies: Vec<_> = empty.restores.iter().map(|restore| restore.strategy).collect();
        assert_eq!(strategies, [Strategy::Empty, plan.restores[1].strategy]);
        assert!(empty.restores.iter().all(|restore| !restore.verify_content));
        assert_eq!(empty.services[0].settings.timeout, Some(Duration::from_secs(60)));
        assert_eq!(empty.name, "s@app.control");
        assert!(without_data(&planned(vec![volume("config", true)]), &case, Duration::ZERO).is_none());
        assert!(without_data(&planned(Vec::new()), &case, Duration::ZERO).is_none());
    }

    #[test]
    fn what_could_not_be_found_out_is_no_sign_of_anything() {
        let of = |code| Diagnosis::new(code, "");
        assert!(matches!(control_result(&Ok(())), ControlResult::Passed));
        assert!(matches!(control_result(&Err(of(Code::BootExited))), ControlResult::Failed(_)));
        assert!(matches!(control_result(&Err(of(Code::CheckFailed))), ControlResult::Failed(_)));
        assert!(matches!(control_result(&Err(of(Code::WorkerFailed))), ControlResult::Unknown(_)));
        assert!(matches!(control_result(&Err(of(Code::CheckCannotAsk))), ControlResult::Unknown(_)));
        let no_table = without_table(of(Code::CheckCannotAsk), "notes", "no such table: notes".to_owned());
        assert!(matches!(control_result(&Err(no_table)), ControlResult::Failed(_)), "the data had the table");
    }
}

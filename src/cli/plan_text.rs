//! The plan for people, service by service.

use std::fmt::Write as _;

use super::plan_view::{is_too_large, size_of};
use crate::config::values::duration;
use crate::model::check::{CheckSummary, one_of_ports};
use crate::model::mount::{MountOrigin, Strategy};
use crate::model::plan::{DataSource, MountPlan, Plan, ServicePlan, StackPlan};
use crate::model::pluralize::pluralize;
use crate::model::service::Condition;
use crate::model::source::MatchRule;
use crate::rehearse::survey::sizes::Sizes;
use crate::report::units;
use crate::worker::protocol::Scan;

/// The plan as people read it.
pub fn render(plan: &Plan, sizes: &Sizes, threads: usize) -> String {
    let mut text = String::new();
    for (i, stack) in plan.stacks.iter().enumerate() {
        for (place, service) in stack.services.iter().enumerate() {
            let order = (stack.services.len() > 1).then_some((place + 1, stack.services.len()));
            text.push_str(&service_text(plan, stack, service, order, sizes.get(i)));
            text.push('\n');
        }
    }
    let cases = plan.cases().count();
    let blocked = plan.cases().filter(|case| case.blocked.is_some() || case.ignored.is_some()).count();
    text.push_str(&summary(cases, blocked, plan.filtered_out, threads));
    text
}

fn summary(cases: usize, not_run: usize, filtered_out: usize, threads: usize) -> String {
    let mut line =
        format!("{} selected, {filtered_out} filtered out, {threads} at a time", pluralize(cases, "service"));
    if not_run > 0 {
        let _ = write!(line, "; {not_run} of them will not be rehearsed");
    }
    if cases == 0 {
        return format!("{line}.\n");
    }
    format!("{line}. Nothing was created; `rehearsa test` carries it out.\n")
}

/// Writing to a string cannot fail, so the results of `writeln!` are ignored.
fn service_text(
    whole: &Plan,
    stack: &StackPlan,
    plan: &ServicePlan,
    order: Option<(usize, usize)>,
    sizes: Option<&Vec<Option<Scan>>>,
) -> String {
    let service = &plan.service;
    let mut text = format!("{}", service.name);
    if let Some((place, of)) = order {
        let _ = write!(text, "  (boots {place} of {of})");
    }
    if !plan.selected {
        text.push_str("  (started only as a dependency; not a test)");
    }
    text.push('\n');
    let id = match short_id(&service.image.id) {
        // No engine was asked.
        "" => String::new(),
        id => format!(" ({id})"),
    };
    let _ = writeln!(text, "  image    {}{id}", service.image.reference);
    if let Some(source) = plan.source.and_then(|index| whole.sources.get(index)) {
        let snapshot = plan.snapshot.as_ref().map(|snapshot| match snapshot.time {
            Some(time) => format!(", snapshot {} of {}", snapshot.id, units::minute(time)),
            None => format!(", snapshot {}", snapshot.id),
        });
        let _ = writeln!(text, "  source   {}{}", source.place, snapshot.unwrap_or_default());
    }
    if let Some(reason) = &plan.ignored {
        let _ = writeln!(text, "  ignored  {reason}");
    }
    if let Some(diagnosis) = &plan.blocked {
        let _ = writeln!(
            text,
            "  blocked  {}: {}\n           {}",
            diagnosis.code,
            indented(&diagnosis.message),
            diagnosis.remedy()
        );
    }
    for (i, mount) in plan.mounts.iter().enumerate() {
        let head = if i == 0 { "mounts" } else { "" };
        let _ = writeln!(text, "  {head:<8} {}", mount_text(stack, plan, mount, sizes));
    }
    if plan.mounts.is_empty() {
        text.push_str("  mounts   none: there is no data to restore\n");
    }
    for (i, need) in plan.needs.iter().enumerate() {
        let head = if i == 0 { "needs" } else { "" };
        let _ = writeln!(text, "  {head:<8} {} {}", need.service, condition(need.condition));
    }
    let checks = if is_awaited_job(stack, plan) { "ends with exit code 0".to_owned() } else { checks(plan) };
    let _ = writeln!(text, "  checks   {checks}");
    for (i, change) in plan.changes.iter().enumerate() {
        let head = if i == 0 { "sandbox" } else { "" };
        let mark = if change.notable { "! " } else { "" };
        let _ = writeln!(text, "  {head:<8} {mark}{}: {} → {}", change.field, change.live, change.sandbox);
    }
    for warning in &plan.warnings {
        let _ = writeln!(text, "  warning  {}: {}", warning.code, indented(&warning.message));
    }
    text
}

fn mount_text(stack: &StackPlan, of: &ServicePlan, plan: &MountPlan, sizes: Option<&Vec<Option<Scan>>>) -> String {
    let max_copy = of.settings.max_copy;
    let restore = plan.restore.and_then(|index| stack.restores.get(index));
    let from = |what: String| format!("{}: {what}", plan.mount.place());
    let rule =
        restore.and_then(|restore| restore.part.as_ref()).map(|part| found_by(part.rule, of, plan)).unwrap_or_default();
    if let MountOrigin::Dump { .. } = plan.mount.origin {
        let holds = match restore.map(|restore| &restore.supply) {
            Some(DataSource::Archive { holds, .. }) => format!(", {}", units::bytes(holds.amount.bytes)),
            _ => String::new(),
        };
        return from(format!("loaded once the service accepts connections{holds}"));
    }
    match restore.map(|restore| (&restore.supply, &restore.ask)) {
        // A file of a project: no part of a backup was looked for.
        Some((DataSource::Archive { holds, .. }, _)) if restore.is_some_and(|of| of.part.is_none()) => {
            return from(format!("sent from this machine, {}", units::amount(holds.amount)));
        }
        Some((DataSource::Archive { path, holds, .. }, _)) => {
            let path =
                if path.is_empty() { "all of it".to_owned() } else { String::from_utf8_lossy(path).into_owned() };
            return from(format!("restored from {path}{rule}, {}", units::amount(holds.amount)));
        }
        Some((DataSource::HostTree(tree), _)) => {
            let how = if plan.strategy == Strategy::Overlay { ", through an overlay" } else { "" };
            return from(format!("restored from {}{rule}{how}", tree.path));
        }
        Some((DataSource::Live, _)) if restore.is_some_and(|of| !of.has_live && !of.is_new()) => {
            return from("no backup is named".to_owned());
        }
        Some((DataSource::Live, Some(ask))) if ask.required => return from("not restored".to_owned()),
        Some((DataSource::Live, _)) | None => {}
    }
    let what = match plan.strategy {
        Strategy::Copy => "copied",
        Strategy::Readonly => "mounted read-only",
        Strategy::Overlay => "mounted through an overlay",
        Strategy::Empty => "empty in the sandbox",
        Strategy::Omit => "left out",
    };
    let size = size_of(plan, sizes).map(|scan| {
        let at_least = if scan.complete { "" } else { "more than " };
        let bound = match is_too_large(plan, max_copy, scan) {
            true => format!(" (too large: --max-copy is {})", units::bytes(max_copy)),
            false => String::new(),
        };
        format!(", {at_least}{}{bound}", units::amount(scan.amount))
    });
    format!("{}: {what}{}", plan.mount.place(), size.unwrap_or_default())
}

/// The rule by which a part was found, so that the reader can judge the choice.
fn found_by(rule: MatchRule, of: &ServicePlan, plan: &MountPlan) -> &'static str {
    let said = || of.settings.maps.iter().rev().find(|rule| rule.applies(&of.service.name, &plan.mount));
    match rule {
        MatchRule::Explicit if said().is_some_and(|rule| rule.of_lock) => " (as the lock has it)",
        MatchRule::Explicit => " (as you mapped it)",
        MatchRule::Name => " (by its name)",
        MatchRule::Suffix => " (by the end of its path)",
        MatchRule::Target => " (by its path in the container)",
        MatchRule::OnlyCandidate => " (the only candidate)",
    }
}

/// Whether the service is booted only for others that wait for its end.
fn is_awaited_job(stack: &StackPlan, plan: &ServicePlan) -> bool {
    let mut needs = stack.services.iter().flat_map(|service| &service.needs);
    !plan.selected
        && needs
            .any(|need| need.service == plan.service.name && need.condition == Condition::ServiceCompletedSuccessfully)
}

fn checks(plan: &ServicePlan) -> String {
    let mut parts: Vec<String> = plan.checks.iter().map(check).collect();
    parts.extend(plan.settings.checks.iter().map(|question| check(&question.check())));
    if !plan.settings.settle.is_zero() {
        parts.push(format!("stays well for {}", duration::show(plan.settings.settle)));
    }
    if let Some(timeout) = plan.settings.timeout {
        parts.push(format!("ready within {}", duration::show(timeout)));
    }
    parts.join(", ")
}

fn check(check: &CheckSummary) -> String {
    match check {
        CheckSummary::Health => "its healthcheck passes".to_owned(),
        CheckSummary::Tcp { ports } => {
            format!("listens on {}", one_of_ports(ports))
        }
        CheckSummary::Own { name, asks, .. } if name == asks => asks.clone(),
        CheckSummary::Own { name, asks, .. } => format!("{name} ({asks})"),
        CheckSummary::Running => "keeps running".to_owned(),
    }
}

/// A dependency's condition in words.
pub fn condition(condition: Condition) -> &'static str {
    match condition {
        Condition::ServiceStarted => "started",
        Condition::ServiceHealthy => "healthy",
        Condition::ServiceCompletedSuccessfully => "completed successfully",
    }
}

/// `sha256:0123456789ab…` as Docker shows it.
pub fn short_id(id: &str) -> &str {
    let digest = id.strip_prefix("sha256:").unwrap_or(id);
    digest.get(..12).unwrap_or(digest)
}

fn indented(message: &str) -> String {
    message.replace('\n', "\n           ")
}

#[cfg(test)]
#[path = "plan_text_tests.rs"]
mod tests;

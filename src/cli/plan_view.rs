//! The plan as JSON: types of its own, so the plan's internals can change without the output.

use serde::Serialize;

use crate::model::check::CheckSummary;
use crate::model::diagnosis::Diagnosis;
use crate::model::event::{Change, Snapshot};
use crate::model::mount::{MountOrigin, Strategy};
use crate::model::plan::{DataSource, MountPlan, Plan, ServicePlan, StackPlan};
use crate::model::question::Check;
use crate::model::service::{Condition, Image};
use crate::model::source::MatchRule;
use crate::rehearse::survey::sizes::Sizes;
use crate::worker::protocol::{RootKind, Scan};

/// Version of the JSON output: raised when a field goes or changes its meaning, not for new fields.
const SCHEMA_VERSION: u32 = 1;

/// The whole plan.
#[derive(Debug, Serialize)]
pub struct PlanView<'a> {
    schema_version: u32,
    rehearsa_version: &'static str,
    /// Rehearsals at a time.
    threads: usize,
    /// Services that the filters left out.
    filtered_out: usize,
    stacks: Vec<StackView<'a>>,
}

#[derive(Debug, Serialize)]
struct StackView<'a> {
    name: &'a str,
    /// Dependencies first.
    services: Vec<ServiceView<'a>>,
}

#[derive(Debug, Serialize)]
struct ServiceView<'a> {
    name: String,
    container: &'a str,
    image: &'a Image,
    /// Where its data comes from: `live`, or a source as it is written.
    source: String,
    /// The point in time of the source that would be restored; `null` for a live one.
    snapshot: Option<&'a Snapshot>,
    /// Whether the service is a test case; otherwise it is booted as a dependency.
    selected: bool,
    /// Why the service is skipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<&'a str>,
    /// Why the service cannot be rehearsed.
    #[serde(skip_serializing_if = "Option::is_none")]
    blocked: Option<&'a Diagnosis>,
    mounts: Vec<MountView<'a>>,
    checks: Vec<CheckSummary>,
    /// Time to become ready; `null` for 2 minutes, or what the healthcheck allows when that is longer.
    timeout_seconds: Option<f64>,
    settle_seconds: f64,
    /// Bytes a mount may copy; 0 for no bound.
    max_copy: u64,
    /// Bytes of memory, when the service has no limit of its own.
    memory: Option<u64>,
    needs: Vec<NeedView>,
    changes: &'a [Change],
    warnings: &'a [Diagnosis],
}

#[derive(Debug, Serialize)]
struct MountView<'a> {
    target: &'a str,
    origin: &'a MountOrigin,
    read_only: bool,
    strategy: &'static str,
    /// `null` where nothing is restored, or where it was not measured.
    size: Option<SizeView>,
    /// The part of the backup that is restored to it, a path in the backup; `null` where the live data is used.
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<PartView>,
}

#[derive(Debug, Serialize)]
struct PartView {
    /// Path within the backup, or on the engine's host where the backup lies there; bytes that are no text are
    /// replaced.
    path: String,
    /// Entries that are no folders; `null` where they are not counted.
    files: Option<u64>,
    bytes: Option<u64>,
    /// The rule by which the part was found.
    rule: Option<MatchRule>,
}

#[derive(Debug, Serialize)]
struct SizeView {
    root: RootKind,
    files: u64,
    bytes: u64,
    /// Whether everything was counted; otherwise the sizes are lower bounds.
    complete: bool,
    /// More than `max_copy`, so the rehearsal would end as errored.
    too_large: bool,
}

#[derive(Debug, Serialize)]
struct NeedView {
    service: String,
    condition: Condition,
}

/// The plan as programs see it.
pub fn view<'a>(plan: &'a Plan, sizes: &Sizes, threads: usize) -> PlanView<'a> {
    PlanView {
        schema_version: SCHEMA_VERSION,
        rehearsa_version: env!("CARGO_PKG_VERSION"),
        threads,
        filtered_out: plan.filtered_out,
        stacks: plan.stacks.iter().enumerate().map(|(i, stack)| stack_view(plan, stack, sizes.get(i))).collect(),
    }
}

fn stack_view<'a>(plan: &'a Plan, stack: &'a StackPlan, sizes: Option<&Vec<Option<Scan>>>) -> StackView<'a> {
    StackView {
        name: &stack.name,
        services: stack.services.iter().map(|service| service_view(plan, stack, service, sizes)).collect(),
    }
}

fn service_view<'a>(
    whole: &'a Plan,
    stack: &'a StackPlan,
    plan: &'a ServicePlan,
    sizes: Option<&Vec<Option<Scan>>>,
) -> ServiceView<'a> {
    let source = plan.source.and_then(|index| whole.sources.get(index));
    let needs = plan.needs.iter();
    ServiceView {
        name: plan.service.name.to_string(),
        container: &plan.service.container_name,
        image: &plan.service.image,
        source: source.map_or_else(|| "live".to_owned(), |spec| spec.place.to_string()),
        snapshot: plan.snapshot.as_ref(),
        selected: plan.selected,
        ignored: plan.ignored.as_deref(),
        blocked: plan.blocked.as_ref(),
        mounts: plan.mounts.iter().map(|mount| mount_view(stack, mount, plan.settings.max_copy, sizes)).collect(),
        checks: plan.checks.iter().cloned().chain(plan.settings.checks.iter().map(Check::check)).collect(),
        timeout_seconds: plan.settings.timeout.map(|timeout| timeout.as_secs_f64()),
        settle_seconds: plan.settings.settle.as_secs_f64(),
        max_copy: plan.settings.max_copy,
        memory: plan.settings.memory,
        needs: needs.map(|need| NeedView { service: need.service.to_string(), condition: need.condition }).collect(),
        changes: &plan.changes,
        warnings: &plan.warnings,
    }
}

fn mount_view<'a>(
    stack: &'a StackPlan,
    plan: &'a MountPlan,
    max_copy: u64,
    sizes: Option<&Vec<Option<Scan>>>,
) -> MountView<'a> {
    let restore = plan.restore.and_then(|index| stack.restores.get(index));
    let supply = restore.map(|restore| &restore.supply);
    let rule = restore.and_then(|restore| restore.part.as_ref()).map(|part| part.rule);
    let part = match supply {
        // A file of a project comes from no backup.
        Some(DataSource::Archive { .. })
            if rule.is_none() && !matches!(plan.mount.origin, MountOrigin::Dump { .. }) =>
        {
            None
        }
        Some(DataSource::Archive { path, holds, .. }) => Some(PartView {
            path: String::from_utf8_lossy(path).into_owned(),
            files: Some(holds.amount.files),
            bytes: Some(holds.amount.bytes),
            rule,
        }),
        Some(DataSource::HostTree(tree)) => Some(PartView { path: tree.path.clone(), files: None, bytes: None, rule }),
        Some(DataSource::Live) | None => None,
    };
    let size = size_of(plan, sizes).map(|scan| SizeView {
        root: scan.root,
        files: scan.amount.files,
        bytes: scan.amount.bytes,
        complete: scan.complete,
        too_large: is_too_large(plan, max_copy, scan),
    });
    MountView {
        target: &plan.mount.target,
        origin: &plan.mount.origin,
        read_only: plan.mount.read_only,
        strategy: plan.strategy.name(),
        size,
        part,
    }
}

/// What a mount was measured to hold.
pub fn size_of<'s>(mount: &MountPlan, sizes: Option<&'s Vec<Option<Scan>>>) -> Option<&'s Scan> {
    sizes?.get(mount.restore?)?.as_ref()
}

/// Whether a mount holds more than may be copied of it.
pub fn is_too_large(mount: &MountPlan, max_copy: u64, scan: &Scan) -> bool {
    mount.strategy == Strategy::Copy && max_copy > 0 && scan.amount.bytes > max_copy
}

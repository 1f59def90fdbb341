//! Tests of the plan as people and programs see it.

use super::*;
use crate::cli::plan_view;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::{Amount, Change};
use crate::model::mount::{Mount, MountOrigin};
use crate::model::plan::{BackupPart, DataSource, Need, RestorePlan, StackPlan};
use crate::model::sample;
use crate::model::sampled::Sampled;
use crate::model::service::ServiceName;
use crate::model::settings::ServiceSettings;
use crate::model::source::{ContentTally, MapRule};
use crate::worker::protocol::RootKind;

fn volume(name: &str, target: &str) -> Mount {
    let origin = MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() };
    Mount { target: target.to_owned(), origin, read_only: false }
}

fn service(name: &str, selected: bool) -> ServicePlan {
    ServicePlan {
        service: sample::service(ServiceName::of_stack("media", name)),
        selected,
        ignored: None,
        changes: Vec::new(),
        mounts: Vec::new(),
        checks: vec![CheckSummary::Running],
        settings: ServiceSettings { max_copy: 0, ..ServiceSettings::default() },
        kind: "live",
        source: None,
        snapshot: None,
        load: None,
        needs: Vec::new(),
        neighbours: Vec::new(),
        blocked: None,
        warnings: Vec::new(),
        score_basis: Default::default(),
    }
}

fn plan() -> (Plan, Sizes) {
    let mut jellyfin = service("jellyfin", true);
    let config = volume("media_config", "/config");
    jellyfin.mounts = vec![
        MountPlan { mount: config.clone(), strategy: Strategy::Copy, restore: Some(0) },
        MountPlan { mount: volume("media_cache", "/cache"), strategy: Strategy::Omit, restore: None },
    ];
    jellyfin.needs = vec![Need { service: ServiceName::of_stack("media", "db"), condition: Condition::ServiceHealthy }];
    jellyfin.checks = vec![CheckSummary::Health, CheckSummary::Tcp { ports: vec![80, 443] }];
    jellyfin.changes = vec![Change {
        field: "network_mode".to_owned(),
        live: "host".to_owned(),
        sandbox: "the sandbox network".to_owned(),
        notable: true,
    }];
    jellyfin.warnings = vec![Diagnosis::new(Code::ConfigImageDrift, "app:1 is another image now")];
    let restore = RestorePlan {
        mount: config,
        strategy: Strategy::Copy,
        cases: Vec::new(),
        max_copy: 0,
        witness: Default::default(),
        verify_content: false,
        ask: None,
        part: None,
        supply: DataSource::Live,
        has_live: true,
    };
    let stack =
        StackPlan { name: "media".to_owned(), services: vec![service("db", false), jellyfin], restores: vec![restore] };
    let scan = Scan {
        root: RootKind::Folder,
        amount: Amount { files: 412, bytes: 38_000_000 },
        allocated: 38_100_000,
        folders: 3,
        special_files: Sampled::default(),
        complete: true,
        free_bytes: 0,
        file_system: "ext4".to_owned(),
        mounts_below: 0,
    };
    (Plan { stacks: vec![stack], filtered_out: 4, sources: Vec::new() }, vec![vec![Some(scan)]])
}

#[test]
fn a_plan_says_what_would_be_done_service_by_service() {
    let (plan, sizes) = plan();
    assert_eq!(
        render(&plan, &sizes, 2),
        "\
media::db  (boots 1 of 2)  (started only as a dependency; not a test)
  image    app:1 (0123456789ab)
  mounts   none: there is no data to restore
  checks   keeps running, stays well for 3s

media::jellyfin  (boots 2 of 2)
  image    app:1 (0123456789ab)
  mounts   volume media_config at /config: copied, 412 files, 38 MB
           volume media_cache at /cache: left out
  needs    media::db healthy
  checks   its healthcheck passes, listens on one of 80, 443, stays well for 3s
  sandbox  ! network_mode: host → the sandbox network
  warning  config/image-drift: app:1 is another image now

1 service selected, 4 filtered out, 2 at a time. Nothing was created; `rehearsa test` carries it out.
"
    );
}

#[test]
fn a_service_that_cannot_be_rehearsed_says_why_and_what_to_do() {
    let (mut plan, sizes) = plan();
    plan.stacks[0].services[1].blocked = Some(Diagnosis::new(Code::OrderCycle, "media::db needs media::jellyfin"));
    let text = render(&plan, &sizes, 2);
    assert!(
        text.contains(
            "  blocked  order/cycle: media::db needs media::jellyfin\n           Break the circle in the stack's \
             depends_on.\n"
        ),
        "{text}"
    );
    assert!(text.contains("; 1 of them will not be rehearsed"), "{text}");
}

#[test]
fn a_size_that_was_not_counted_to_the_end_is_a_lower_bound() {
    let (plan, mut sizes) = plan();
    if let Some(scan) = &mut sizes[0][0] {
        scan.complete = false;
    }
    assert!(render(&plan, &sizes, 2).contains("copied, more than 412 files, 38 MB"));
    let unmeasured = crate::rehearse::survey::sizes::unknown(&plan);
    assert!(render(&plan, &unmeasured, 2).contains("/config: copied\n"));
}

#[test]
fn a_mount_that_is_too_large_is_told_before_anything_is_tried() {
    let (mut plan, sizes) = plan();
    plan.stacks[0].services[1].settings.max_copy = 1_000_000;
    let text = render(&plan, &sizes, 2);
    assert!(text.contains("copied, 412 files, 38 MB (too large: --max-copy is 1.0 MB)\n"), "{text}");
    plan.stacks[0].services[1].mounts[0].strategy = Strategy::Readonly;
    assert!(!render(&plan, &sizes, 2).contains("too large"), "what is not copied has no bound");
}

#[test]
fn programs_get_the_same_plan_with_a_version() {
    let (plan, sizes) = plan();
    let json = serde_json::to_value(plan_view::view(&plan, &sizes, 2)).expect("it serializes");
    assert_eq!(json["schema_version"], 1);
    let jellyfin = &json["stacks"][0]["services"][1];
    assert_eq!(jellyfin["name"], "media::jellyfin");
    assert_eq!(jellyfin["mounts"][0]["size"]["bytes"], 38_000_000);
    assert_eq!(jellyfin["mounts"][0]["origin"]["kind"], "volume");
    assert_eq!(jellyfin["mounts"][1]["strategy"], "omit");
    assert!(jellyfin["mounts"][1]["size"].is_null());
    assert_eq!(jellyfin["needs"][0]["condition"], "service_healthy");
    assert_eq!(json["stacks"][0]["services"][0]["selected"], false);
}

#[test]
fn a_part_that_the_lock_names_is_not_called_the_users() {
    let (mut plan, sizes) = plan();
    let stack = &mut plan.stacks[0];
    let (path, holds) = (b"files".to_vec(), ContentTally::default());
    let part = BackupPart { path: path.clone(), rule: MatchRule::Explicit, sidecars: 0, holds: holds.clone() };
    let (max_entries, max_window, root_of_live) = (0, 0, false);
    stack.restores[0].part = Some(part);
    stack.restores[0].supply = DataSource::Archive { source: 0, path, holds, max_entries, max_window, root_of_live };
    let rule = |of_lock| {
        let (mount, path) = ("/config".to_owned(), "files".to_owned());
        MapRule { service: Some("jellyfin".to_owned()), mount, path, of_lock }
    };
    for (of_lock, words) in [(true, "(as the lock has it)"), (false, "(as you mapped it)")] {
        plan.stacks[0].services[1].settings.maps = vec![rule(of_lock)];
        let text = render(&plan, &sizes, 2);
        assert!(text.contains(&format!("restored from files {words}")), "{text}");
    }
}

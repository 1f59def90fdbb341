//! Tests of the plan's decisions.

use std::collections::BTreeMap;

use super::isolate::{SandboxPlacement, isolate, network_sysctls};
use super::{draft, resolve};
use crate::config::settings::{IgnoredMode, Selection, Settings};
use crate::model::check::CheckSummary;
use crate::model::diagnosis::Code;
use crate::model::mount::{Mount, MountOrigin, Strategy};
use crate::model::plan::{Plan, StackPlan};
use crate::model::question::{Check, CheckSpec};
use crate::model::sample;
use crate::model::sandbox::{HealthcheckSpec, LoopbackIpv6, MountSource, NetworkSpec};
use crate::model::secret::Secret;
use crate::model::service::{
    Attachment, Condition, Dependency, EnvVar, Healthcheck, NetworkMode, Port, Privileges, Restart, Service,
    ServiceName, Setting,
};
use crate::model::settings::{ServiceSettings, StrategyRule};
use crate::model::source::{Keys, SourcePlace, SourceSpec};
use crate::model::source_kind::SourceKind;

fn service(name: ServiceName) -> Service {
    Service {
        env: vec![EnvVar { name: "TOKEN".to_owned(), value: Some(Secret::new("t0k3n")) }],
        hostname: "host".to_owned(),
        mounts: vec![volume("data", "/data", false)],
        ..sample::service(name)
    }
}

fn volume(name: &str, target: &str, read_only: bool) -> Mount {
    let origin = MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() };
    Mount { target: target.to_owned(), origin, read_only }
}

fn bind(source: &str, target: &str, read_only: bool) -> Mount {
    Mount { target: target.to_owned(), origin: MountOrigin::Bind { source: source.to_owned() }, read_only }
}

fn needs(service: &str, condition: Condition) -> Dependency {
    Dependency { service: service.to_owned(), condition, required: true }
}

fn in_stack(stack: &str, name: &str) -> Service {
    service(ServiceName::of_stack(stack, name))
}

fn unsurveyed(services: Vec<(Service, ServiceSettings)>, selection: &Selection) -> Plan {
    resolve(draft(services, selection), Vec::new(), jiff::Timestamp::UNIX_EPOCH)
}

fn plan_all(services: Vec<Service>, selection: &Selection) -> Plan {
    let settings = Settings::default();
    let with_settings = |service: Service| {
        let rehearsal = settings.for_service(&service).expect("its labels are right");
        (service, rehearsal)
    };
    unsurveyed(services.into_iter().map(with_settings).collect(), selection)
}

fn filters(filters: &[&str]) -> Selection {
    Selection { filters: filters.iter().map(|f| (*f).to_owned()).collect(), ..Selection::default() }
}

fn names(plan: &Plan) -> Vec<String> {
    plan.cases().map(|case| case.service.name.to_string()).collect()
}

/// The container for a lone service, all its mounts on new volumes.
fn sandboxed(service: &Service) -> crate::model::plan::Isolated {
    let plan = plan_all(vec![service.clone()], &Selection::default());
    let place = SandboxPlacement {
        network: "sandbox".to_owned(),
        sources: &|index, _| Some(MountSource::Volume(format!("new-{index}"))),
        network_owner: None,
        extra_aliases: Vec::new(),
        taken_aliases: Vec::new(),
        default_memory: Some(1 << 30),
        default_pids: 500,
    };
    isolate(service, &plan.stacks[0].services[0].mounts, &place)
}

fn is_notable(service: &Service, field: &str) -> bool {
    sandboxed(service).changes.iter().any(|change| change.field == field && change.notable)
}

#[test]
fn several_filters_are_ored_and_skip_wins() {
    let services = || vec![in_stack("media", "jellyfin"), in_stack("media", "sonarr"), in_stack("docs", "paperless")];
    let both = filters(&["jelly", "paper"]);
    assert_eq!(names(&plan_all(services(), &both)), ["docs::paperless", "media::jellyfin"]);
    let skipping = Selection { skip: vec!["sonarr".to_owned()], ..filters(&["media"]) };
    let planned = plan_all(services(), &skipping);
    assert_eq!(names(&planned), ["media::jellyfin"]);
    assert_eq!(planned.filtered_out, 2);
}

#[test]
fn exact_means_the_whole_name_also_as_listed() {
    let services = || vec![in_stack("media", "jellyfin"), in_stack("media", "jellyfin-2")];
    for filter in ["media::jellyfin", "[live] media::jellyfin"] {
        let exact = Selection { exact: true, ..filters(&[filter]) };
        assert_eq!(names(&plan_all(services(), &exact)), ["media::jellyfin"]);
    }
    let exact = Selection { exact: true, ..filters(&["jellyfin"]) };
    assert!(names(&plan_all(services(), &exact)).is_empty());
}

/// nextest hands back what `--list` printed, and `--list` prints the kind of the service's source.
#[test]
fn the_kind_in_a_filter_is_that_of_the_source() {
    let from = |place| ServiceSettings {
        source: Some(SourceSpec { place, snapshot: None, keys: Keys::default() }),
        ..ServiceSettings::default()
    };
    let services = vec![
        (in_stack("media", "jellyfin"), from(SourcePlace::at_path(SourceKind::Tar, "a.tar"))),
        (in_stack("media", "sonarr"), from(SourcePlace::on_host("/srv"))),
        (in_stack("media", "db"), from(SourcePlace::stdin(SourceKind::Dump))),
        (in_stack("media", "radarr"), ServiceSettings::default()),
    ];
    let listed = ["[dump] media::db", "[tar] media::jellyfin", "[live] media::radarr", "[dir] media::sonarr"];
    let planned = |selection: &Selection| unsurveyed(services.clone(), selection);
    let all = planned(&Selection::default());
    let printed: Vec<String> = all.cases().map(|case| format!("[{}] {}", case.kind, case.service.name)).collect();
    assert_eq!(printed, listed);
    for (nth, listed) in listed.into_iter().enumerate() {
        let exact = Selection { exact: true, ..filters(&[listed]) };
        assert_eq!(names(&planned(&exact)), [names(&all)[nth].clone()], "{listed}");
        assert!(SourceKind::labels().any(|label| label == all.cases().nth(nth).expect("four").kind) || nth == 2);
    }
    assert_eq!(names(&planned(&filters(&["[tar]"]))), ["media::jellyfin"]);
    assert!(names(&planned(&Selection { exact: true, ..filters(&["[live] media::jellyfin"]) })).is_empty());
}

#[test]
fn ignore_is_obeyed_however_its_yes_is_written() {
    for yes in ["true", "yes", "on", "1", "YES"] {
        let mut hidden = service(ServiceName::lone("hidden"));
        hidden.labels = vec![("rehearsa.ignore".to_owned(), yes.to_owned())];
        assert!(names(&plan_all(vec![hidden], &Selection::default())).is_empty(), "{yes}");
    }
    let mut shown = service(ServiceName::lone("shown"));
    shown.labels = vec![("rehearsa.ignore".to_owned(), "no".to_owned())];
    assert_eq!(names(&plan_all(vec![shown], &Selection::default())), ["shown"]);
}

#[test]
fn stopped_and_ignored_containers_are_no_cases() {
    let mut stopped = service(ServiceName::lone("stopped"));
    stopped.running = false;
    let mut hidden = service(ServiceName::lone("hidden"));
    hidden.labels = vec![("rehearsa.ignore".to_owned(), "true".to_owned())];
    assert!(names(&plan_all(vec![stopped, hidden], &Selection::default())).is_empty());
}

#[test]
fn a_service_that_only_works_the_docker_socket_is_skipped_with_the_reason() {
    let mut watchtower = service(ServiceName::lone("watchtower"));
    watchtower.mounts = vec![bind("/var/run/docker.sock", "/var/run/docker.sock", false)];
    let planned = plan_all(vec![watchtower.clone()], &Selection::default());
    let reason = planned.stacks[0].services[0].ignored.clone().expect("it is skipped");
    assert!(reason.contains("/var/run/docker.sock"), "{reason}");

    let included = Selection { ignored: IgnoredMode::Include, ..Selection::default() };
    assert_eq!(plan_all(vec![watchtower.clone()], &included).stacks[0].services[0].ignored, None);

    watchtower.mounts.push(volume("data", "/data", false));
    let planned = plan_all(vec![watchtower], &Selection::default());
    assert_eq!(planned.stacks[0].services[0].ignored, None, "it has data to restore");
}

#[test]
fn of_an_ignored_service_nothing_is_restored_unless_another_needs_it() {
    let mut ignored = in_stack("s", "ignored");
    ignored.labels = vec![("rehearsa.skip".to_owned(), "too large".to_owned())];
    ignored.mounts = vec![volume("huge", "/huge", false), volume("shared", "/shared", false)];
    let mut app = in_stack("s", "app");
    app.mounts = vec![volume("shared", "/shared", true)];
    let stack = |services: Vec<Service>, mode| {
        let selection = Selection { ignored: mode, ..Selection::default() };
        plan_all(services, &selection).stacks.remove(0)
    };
    let titles = |stack: &StackPlan| stack.restores.iter().map(|r| r.mount.title()).collect::<Vec<_>>();

    let planned = stack(vec![ignored.clone(), app.clone()], IgnoredMode::Skip);
    assert_eq!(titles(&planned), ["volume shared"]);
    assert_eq!(planned.restores[0].strategy, Strategy::Readonly, "whoever would write to it is not booted");
    let skipped = planned.services.iter().find(|s| s.ignored.is_some()).expect("it is still a case");
    assert!(skipped.mounts.iter().all(|mount| mount.restore.is_none()) && skipped.mounts.len() == 2);
    assert!(!skipped.changes.iter().any(|change| change.field.starts_with("mount")), "{:?}", skipped.changes);
    assert!(stack(vec![ignored.clone()], IgnoredMode::Skip).restores.is_empty());

    let planned = stack(vec![ignored.clone(), app.clone()], IgnoredMode::Include);
    assert_eq!(titles(&planned), ["volume shared", "volume huge"]);
    app.depends_on = vec![needs("ignored", Condition::ServiceStarted)];
    let planned = stack(vec![ignored, app], IgnoredMode::Skip);
    assert_eq!(titles(&planned), ["volume huge", "volume shared"], "it is booted for the other's sake");
}

#[test]
fn a_dependency_that_no_filter_selects_is_booted_first_and_not_reported() {
    let mut app = in_stack("web", "app");
    app.depends_on = vec![needs("db", Condition::ServiceHealthy)];
    let planned = plan_all(vec![app, in_stack("web", "db"), in_stack("web", "other")], &filters(&["web::app"]));
    let stack = &planned.stacks[0];
    let order: Vec<&str> = stack.services.iter().map(|s| s.service.name.service.as_str()).collect();
    assert_eq!(order, ["db", "app"]);
    assert_eq!(names(&planned), ["web::app"]);
    assert_eq!(stack.services[1].needs[0].condition, Condition::ServiceHealthy);
    let db_data = stack.restores.iter().find(|r| r.cases.contains(&ServiceName::of_stack("web", "app")));
    assert!(db_data.is_some(), "restoring the dependency is for the case's sake");
}

#[test]
fn a_circle_blocks_and_a_missing_dependency_is_named() {
    let mut a = in_stack("s", "a");
    let mut b = in_stack("s", "b");
    a.depends_on = vec![needs("b", Condition::ServiceStarted)];
    b.depends_on = vec![needs("a", Condition::ServiceStarted)];
    let planned = plan_all(vec![a, b], &Selection::default());
    let blocked: Vec<Code> = planned.cases().filter_map(|c| c.blocked.as_ref().map(|d| d.code)).collect();
    assert_eq!(blocked, [Code::OrderCycle]);

    let mut lonely = in_stack("s", "app");
    lonely.depends_on = vec![needs("db", Condition::ServiceStarted)];
    let planned = plan_all(vec![lonely.clone()], &Selection::default());
    let blocked = planned.cases().next().and_then(|c| c.blocked.clone()).expect("it is blocked");
    assert_eq!(blocked.code, Code::OrderDependencyErrored);
    assert!(blocked.message.contains("db"), "{}", blocked.message);

    lonely.depends_on[0].required = false;
    assert_eq!(plan_all(vec![lonely], &Selection::default()).cases().next().and_then(|c| c.blocked.clone()), None);
}

#[test]
fn a_place_that_two_services_show_is_restored_once_and_copied_if_one_writes() {
    let mut writer = in_stack("s", "writer");
    writer.mounts = vec![volume("shared", "/out", false)];
    let mut reader = in_stack("s", "reader");
    reader.mounts = vec![volume("shared", "/in", true)];
    let planned = plan_all(vec![reader, writer], &Selection::default());
    let stack = &planned.stacks[0];
    assert_eq!(stack.restores.len(), 1);
    assert_eq!(stack.restores[0].strategy, Strategy::Copy);
    assert!(stack.services.iter().all(|s| s.mounts[0].strategy == Strategy::Copy && s.mounts[0].restore == Some(0)));
}

#[test]
fn contents_of_a_place_are_compared_when_one_of_its_services_wants_that() {
    let mut asks = in_stack("s", "asks");
    asks.mounts = vec![volume("shared", "/out", false)];
    asks.labels = vec![("rehearsa.verify-content".to_owned(), "true".to_owned())];
    let mut silent = in_stack("s", "silent");
    silent.mounts = vec![volume("shared", "/in", true), volume("own", "/own", false)];
    let planned = plan_all(vec![asks, silent], &Selection::default());
    let compared = planned.stacks[0].restores.iter().map(|restore| restore.verify_content).collect::<Vec<_>>();
    assert_eq!(compared, [true, false]);
}

#[test]
fn what_the_services_of_a_place_exclude_and_what_other_mounts_cover_is_not_missed() {
    let mut app = in_stack("s", "app");
    app.mounts = vec![volume("shared", "/app", false), volume("data", "/app/data", false)];
    app.labels = vec![("rehearsa.exclude".to_owned(), "thumbs/**,*.iso".to_owned())];
    let mut other = in_stack("s", "other");
    other.mounts = vec![volume("shared", "/in", true)];
    other.labels = vec![("rehearsa.witness-slack".to_owned(), "2h".to_owned())];
    let planned = plan_all(vec![app, other], &Selection::default());
    let of = |index: usize| &planned.stacks[0].restores[index].witness;
    assert_eq!(of(0).exclude, ["thumbs/**", "*.iso", "/data"]);
    assert_eq!(of(1).exclude, ["thumbs/**", "*.iso"]);
    assert_eq!([of(0), of(1)].map(|witness| witness.slack.as_secs()), [7200, 3600]);
}

#[test]
fn a_lone_container_is_not_of_the_stack_whose_name_it_bears() {
    let planned = plan_all(vec![service(ServiceName::lone("web")), in_stack("web", "app")], &filters(&["web::app"]));
    assert_eq!(planned.stacks[0].services.len(), 1);
}

#[test]
fn strategies_follow_the_rules_and_host_places_are_never_mounted() {
    let mut app = service(ServiceName::lone("app"));
    app.mounts = vec![
        volume("media", "/media", true),
        volume("cache", "/cache", false),
        bind("/srv/config", "/config", false),
        bind("/var/run/docker.sock", "/sock", true),
        bind("/dev/dri", "/dev/dri", false),
        bind("/", "/host", true),
    ];
    let rehearsal = ServiceSettings {
        strategies: vec![
            StrategyRule { service: None, mount: "/cache".to_owned(), strategy: Strategy::Empty },
            StrategyRule { service: Some("other".to_owned()), mount: "/config".to_owned(), strategy: Strategy::Omit },
            StrategyRule { service: None, mount: "/sock".to_owned(), strategy: Strategy::Readonly },
        ],
        ..ServiceSettings::default()
    };
    let planned = unsurveyed(vec![(app, rehearsal)], &Selection::default());
    let by_target: BTreeMap<&str, Strategy> =
        planned.stacks[0].services[0].mounts.iter().map(|m| (m.mount.target.as_str(), m.strategy)).collect();
    assert_eq!(by_target["/media"], Strategy::Readonly);
    assert_eq!(by_target["/cache"], Strategy::Empty);
    assert_eq!(by_target["/config"], Strategy::Copy);
    for host in ["/sock", "/dev/dri", "/host"] {
        assert_eq!(by_target[host], Strategy::Omit, "{host}");
    }
}

#[test]
fn the_strongest_question_is_asked() {
    let mut app = service(ServiceName::lone("app"));
    let checks =
        |service: &Service| plan_all(vec![service.clone()], &Selection::default()).stacks[0].services[0].checks.clone();
    assert_eq!(checks(&app), [CheckSummary::Running]);
    app.exposed = vec![
        Port { number: 443, protocol: "tcp".to_owned() },
        Port { number: 80, protocol: "tcp".to_owned() },
        Port { number: 53, protocol: "udp".to_owned() },
    ];
    assert_eq!(checks(&app), [CheckSummary::Tcp { ports: vec![80, 443] }]);
    let asks = |ask| ServiceSettings { checks: vec![Check::new(None, ask)], ..ServiceSettings::default() };
    let checks_with = |settings| {
        unsurveyed(vec![(app.clone(), settings)], &Selection::default()).stacks[0].services[0].checks.clone()
    };
    assert_eq!(checks_with(asks(CheckSpec::Tcp { ports: vec![8443] })), [CheckSummary::Running]);
    let of_log = CheckSpec::Log { contains: Some("ready".to_owned()), not_contains: None };
    assert_eq!(checks_with(asks(of_log)), [CheckSummary::Tcp { ports: vec![80, 443] }]);
    app.healthcheck =
        Some(Healthcheck { test: vec!["CMD".to_owned()], interval: 0, timeout: 0, retries: 0, start_period: 0 });
    assert_eq!(checks(&app), [CheckSummary::Health]);
}

// Hazards: each of these says what of the live container does not reach the sandbox.

#[test]
fn no_label_port_or_restart_policy_goes_along() {
    let mut app = service(ServiceName::lone("app"));
    app.labels = vec![("traefik.enable".to_owned(), "true".to_owned())];
    app.published = vec!["0.0.0.0:80->80/tcp".to_owned()];
    app.restart = Restart::Always;
    // The container to create has no place for any of them; what was there is told.
    let changes = sandboxed(&app).changes;
    assert!(changes.iter().any(|change| change.field == "labels" && change.live == "1 label"), "{changes:?}");
    let fields: Vec<String> = changes.into_iter().map(|change| change.field).collect();
    for field in ["labels", "ports", "restart"] {
        assert!(fields.iter().any(|f| f == field), "{field} in {fields:?}");
    }
}

#[test]
fn variables_that_agents_act_on_stay_behind() {
    let mut app = service(ServiceName::lone("app"));
    for name in ["VIRTUAL_HOST", "LETSENCRYPT_HOST"] {
        app.env.push(EnvVar { name: name.to_owned(), value: Some(Secret::new("app.example")) });
    }
    let isolated = sandboxed(&app);
    assert_eq!(isolated.spec.env.iter().map(|var| var.name.as_str()).collect::<Vec<_>>(), ["TOKEN"]);
    assert!(isolated.changes.iter().any(|change| change.field == "env VIRTUAL_HOST"));
}

#[test]
fn host_networking_becomes_the_sandbox_network_and_is_told() {
    let mut app = service(ServiceName::lone("app"));
    app.network_mode = NetworkMode::Host;
    let NetworkSpec::Sandbox { network, aliases } = sandboxed(&app).spec.network else {
        panic!("not the sandbox network")
    };
    assert_eq!((network.as_str(), aliases), ("sandbox", vec!["app".to_owned()]));
    assert!(is_notable(&app, "network_mode"));
}

#[test]
fn another_containers_network_is_never_joined_outside_the_sandbox() {
    let mut app = in_stack("s", "app");
    app.network_mode = NetworkMode::Container { container: "f".repeat(64) };
    assert!(matches!(sandboxed(&app).spec.network, NetworkSpec::Sandbox { .. }));
    let planned = plan_all(vec![app.clone()], &Selection::default());
    assert!(planned.stacks[0].services[0].changes.iter().any(|c| c.field == "network_mode" && c.notable));

    let mut vpn = in_stack("s", "vpn");
    vpn.container_id = "f".repeat(64);
    let planned = plan_all(vec![app, vpn], &filters(&["s::app"]));
    let order: Vec<&str> = planned.stacks[0].services.iter().map(|s| s.service.name.service.as_str()).collect();
    assert_eq!(order, ["vpn", "app"], "the owner of the network is booted first");
}

#[test]
fn privileges_devices_and_namespaces_of_the_host_are_left_out_and_told() {
    let mut app = service(ServiceName::lone("app"));
    app.privileges = Privileges {
        privileged: true,
        cap_add: vec!["SYS_ADMIN".to_owned(), "CHOWN".to_owned()],
        cap_drop: vec!["NET_RAW".to_owned()],
        devices: vec!["/dev/ttyUSB0".to_owned()],
        pid_mode: "host".to_owned(),
        ipc_mode: "host".to_owned(),
        userns_mode: "host".to_owned(),
        cgroupns_mode: "host".to_owned(),
        uts_mode: "host".to_owned(),
        security_opt: vec!["seccomp=unconfined".to_owned(), "no-new-privileges:true".to_owned()],
    };
    let spec = sandboxed(&app).spec;
    assert_eq!(spec.cap_add, ["CHOWN"]);
    assert_eq!(spec.cap_drop, ["NET_RAW"]);
    assert!(spec.no_new_privileges);
    for field in ["privileged", "cap_add", "device", "pid", "ipc", "userns_mode", "uts", "security_opt"] {
        assert!(is_notable(&app, field), "{field}");
    }
}

#[test]
fn volumes_are_new_and_bind_mounts_are_never_the_live_path() {
    let mut app = service(ServiceName::lone("app"));
    app.mounts = vec![volume("live", "/a", false), bind("/srv/live", "/b", false)];
    let sources: Vec<MountSource> = sandboxed(&app).spec.mounts.into_iter().map(|m| m.source).collect();
    assert_eq!(sources, [MountSource::Volume("new-0".to_owned()), MountSource::Volume("new-1".to_owned())]);
}

#[test]
fn names_hostname_and_aliases_stay_usable_inside() {
    let mut app = in_stack("web", "app");
    app.container_name = "web_app_1".to_owned();
    app.networks =
        vec![Attachment { network: "web_default".to_owned(), aliases: vec!["api".to_owned(), "app".to_owned()] }];
    let spec = sandboxed(&app).spec;
    assert_eq!(spec.hostname, "host");
    let NetworkSpec::Sandbox { aliases, .. } = spec.network else { panic!("not the sandbox network") };
    assert_eq!(aliases, ["api", "app", "web_app_1"]);
}

#[test]
fn a_healthcheck_is_asked_often_within_its_own_time() {
    let mut app = service(ServiceName::lone("app"));
    app.healthcheck = Some(Healthcheck {
        test: vec!["CMD".to_owned(), "true".to_owned()],
        interval: 30_000_000_000,
        timeout: 5_000_000_000,
        retries: 3,
        start_period: 10_000_000_000,
    });
    let HealthcheckSpec::Probe(probe) = sandboxed(&app).spec.healthcheck else { panic!("no healthcheck") };
    assert!(probe.interval <= 500_000_000);
    assert_eq!(probe.interval * probe.retries, 90_000_000_000, "interval × retries is the original's");
    assert_eq!((probe.timeout, probe.start_period), (5_000_000_000, 10_000_000_000));
}

#[test]
fn the_host_comes_first() {
    let mut app = service(ServiceName::lone("app"));
    let spec = sandboxed(&app).spec;
    assert_eq!(spec.memory, Some(1 << 30), "a service without a limit gets one");
    assert_eq!(spec.pids, Some(500), "a service without a limit gets one");
    assert!(spec.cpu_shares.is_some_and(|s| s < 1024) && spec.oom_score_adj > 0);
    app.limits.memory = Some(64 << 20);
    app.limits.pids = Some(20);
    let spec = sandboxed(&app).spec;
    assert_eq!((spec.memory, spec.pids), (Some(64 << 20), Some(20)), "its own limits are kept");
}

#[test]
fn the_hosts_gateway_has_no_name_inside_and_unknown_settings_stay_behind() {
    let mut app = service(ServiceName::lone("app"));
    app.extra_hosts = vec!["host.docker.internal:host-gateway".to_owned(), "nas:10.0.0.5".to_owned()];
    app.other = vec![Setting { field: "cgroup_parent".to_owned(), value: "/custom".to_owned() }];
    app.sysctls =
        vec![("net.core.somaxconn".to_owned(), "1024".to_owned()), ("vm.max_map_count".to_owned(), "1".to_owned())];
    let isolated = sandboxed(&app);
    assert_eq!(isolated.spec.extra_hosts, ["nas:10.0.0.5"]);
    assert_eq!(isolated.spec.sysctls, [("net.core.somaxconn".to_owned(), "1024".to_owned())]);
    assert!(isolated.changes.iter().any(|c| c.field == "cgroup_parent"));
}

#[test]
fn raw_frames_are_left_out_and_told_loudly_only_to_who_asked_for_them() {
    let mut app = service(ServiceName::lone("app"));
    let told = |app: &Service, field: &str| sandboxed(app).changes.into_iter().find(|change| change.field == field);
    let by_default = told(&app, "capability").expect("a word of it");
    assert_eq!((by_default.live.as_str(), by_default.notable), ("NET_RAW", false));
    app.privileges.cap_drop = vec!["NET_RAW".to_owned()];
    assert_eq!(told(&app, "capability"), None, "the live service has none either");
    app.privileges.cap_drop = Vec::new();
    for name in ["NET_RAW", "NET_ADMIN", "ALL"] {
        app.privileges.cap_add = vec![name.to_owned()];
        assert!(is_notable(&app, "cap_add"), "{name}");
        assert_eq!(sandboxed(&app).spec.cap_add, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn settings_of_ipv6_and_of_one_interface_stay_behind() {
    let mut app = service(ServiceName::lone("app"));
    app.sysctls = [
        ("net.ipv6.conf.all.disable_ipv6", "0"),
        ("net.ipv6.conf.eth0.accept_ra", "2"),
        ("net.ipv6.conf.default.disable_ipv6", "1"),
        ("net.ipv4.conf.eth1.rp_filter", "0"),
        ("net.ipv4.conf.all.rp_filter", "2"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    let isolated = sandboxed(&app);
    assert_eq!(isolated.spec.sysctls, [("net.ipv4.conf.all.rp_filter".to_owned(), "2".to_owned())]);
    for left in ["net.ipv6.conf.all.disable_ipv6", "net.ipv6.conf.eth0.accept_ra", "net.ipv4.conf.eth1.rp_filter"] {
        assert!(is_notable(&app, &format!("sysctl {left}")), "{left}");
    }
    let of_off = "sysctl net.ipv6.conf.default.disable_ipv6";
    assert!(!isolated.changes.iter().any(|change| change.field == of_off), "off it stays");
}

#[test]
fn loopback_has_ipv6_as_the_live_one_has_it() {
    let of = |change: &dyn Fn(&mut Service)| {
        let mut app = service(ServiceName::lone("app"));
        change(&mut app);
        sandboxed(&app).spec.loopback_ipv6
    };
    let set = |key: &'static str, value: &'static str| {
        move |app: &mut Service| app.sysctls.push((format!("net.ipv6.conf.{key}.disable_ipv6"), value.to_owned()))
    };
    assert_eq!(of(&|_| {}), LoopbackIpv6::AsTheEngine);
    assert_eq!(of(&|app| app.ipv6 = true), LoopbackIpv6::On);
    assert_eq!(of(&|app| app.network_mode = NetworkMode::Host), LoopbackIpv6::On);
    assert_eq!(of(&set("all", "0")), LoopbackIpv6::On);
    assert_eq!(of(&set("lo", "0")), LoopbackIpv6::On);
    assert_eq!(of(&set("all", "1")), LoopbackIpv6::Off);
    let off_but_there = |app: &mut Service| {
        set("all", "1")(app);
        app.ipv6 = true;
    };
    assert_eq!(of(&off_but_there), LoopbackIpv6::Off);
}

#[test]
fn the_network_settings_of_a_stack_are_told_once_each() {
    let with = |key: &str, value: &str| {
        let mut app = service(ServiceName::lone("app"));
        app.sysctls = vec![(key.to_owned(), value.to_owned())];
        app
    };
    let mut lone = with("net.core.somaxconn", "7");
    lone.network_mode = NetworkMode::None;
    let services = [
        with("net.core.somaxconn", "1024"),
        with("net.core.somaxconn", "2048"),
        with("net.core.somaxconn", "1024"),
        with("kernel.shmmax", "1"),
        with("net.ipv6.conf.all.disable_ipv6", "0"),
        lone,
    ];
    let sets = network_sysctls(services.iter());
    let values: Vec<&str> = sets.iter().map(|set| set[0].1.as_str()).collect();
    assert_eq!(values, ["1024", "2048"]);
}

#[test]
fn no_change_shows_a_secret() {
    let changes = format!("{:?}", sandboxed(&service(ServiceName::lone("app"))).changes);
    assert!(!changes.contains("t0k3n"));
}

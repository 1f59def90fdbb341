//! Live containers as recorded in `fixtures/inspect`.

use bollard::models::HostConfigCgroupnsModeEnum;

use super::*;
use crate::model::mount::MountOrigin;
use crate::model::service::{Attachment, Restart, Ulimit};

fn defaults() -> Defaults {
    Defaults {
        cgroupns: HostConfigCgroupnsModeEnum::HOST,
        log_driver: "json-file".to_owned(),
        runtime: "runc".to_owned(),
    }
}

fn recorded(json: &str) -> Service {
    service(serde_json::from_str(json).expect("the sample is an inspected container"), &defaults())
}

fn plain() -> Service {
    recorded(include_str!("../../../fixtures/inspect/plain.json"))
}

fn everything() -> Service {
    recorded(include_str!("../../../fixtures/inspect/everything.json"))
}

#[test]
fn a_plain_container_has_nothing_to_leave_behind() {
    let service = plain();
    assert_eq!(service.other, []);
    assert_eq!(service.privileges, Default::default());
    assert_eq!(service.limits, Default::default());
    assert_eq!(service.published, Vec::<String>::new());
    assert_eq!((service.restart, service.network_mode.clone()), (Restart::No, NetworkMode::Networks));
    assert_eq!(service.name, ServiceName::lone("plain"));
    assert!(service.running && service.container_id.starts_with("4fa92766189a"));
    assert_eq!(service.networks, [Attachment { network: "bridge".into(), aliases: vec![] }]);
}

#[test]
fn the_images_defaults_are_the_containers() {
    let service = plain();
    assert_eq!(service.entrypoint, Some(vec!["behave".to_owned()]));
    assert_eq!(service.command, Some(vec!["listens".to_owned(), "80".to_owned()]));
    assert_eq!(service.exposed, [Port { number: 80, protocol: "tcp".into() }]);
    assert_eq!(service.healthcheck.as_ref().map(|health| health.interval), Some(30_000_000_000));
    assert_eq!(service.image.reference, "rehearsa-fixture/tiny");
    assert!(service.image.id.starts_with("sha256:"));
    assert_eq!(service.mounts.len(), 1);
    assert!(service.mounts[0].origin.is_anonymous() && service.mounts[0].target == "/data");
}

#[test]
fn mounts_of_every_kind_are_found_once_in_the_order_of_their_targets() {
    let mounts: Vec<String> = everything()
        .mounts
        .iter()
        .map(|mount| {
            let mode = if mount.read_only { "ro" } else { "rw" };
            match &mount.origin {
                MountOrigin::Volume { .. } if mount.origin.is_anonymous() => {
                    format!("{} {mode} anonymous", mount.target)
                }
                MountOrigin::Volume { name, driver } => format!("{} {mode} {driver} {name}", mount.target),
                MountOrigin::Bind { source } => format!("{} {mode} {source}", mount.target),
                MountOrigin::Tmpfs { options } => format!("{} {mode} tmpfs {options}", mount.target),
                MountOrigin::Dump { title } => format!("{} {mode} dump {title}", mount.target),
                MountOrigin::Other { kind_name } => format!("{} {mode} {kind_name}", mount.target),
            }
        })
        .collect();
    assert_eq!(
        mounts,
        [
            "/cache rw tmpfs size=1048576,mode=1777",
            "/config ro /srv/mq/config",
            "/data rw anonymous",
            "/run/mq rw tmpfs size=16m,mode=1770",
            "/shared rw /srv/mq/config",
            "/var/lib/mq rw local mq_data",
        ]
    );
}

#[test]
fn what_a_container_is_has_its_place() {
    let service = everything();
    assert_eq!((service.hostname.as_str(), service.domainname.as_str()), ("mq", "example.lan"));
    assert_eq!((service.user.as_str(), service.workdir.as_str()), ("1000:1000", "/srv"));
    assert_eq!(service.group_add, ["44"]);
    assert_eq!((service.stop_signal.as_deref(), service.stop_timeout), (Some("SIGINT"), Some(42)));
    assert_eq!((service.init, service.shm_size, service.read_only_root), (Some(true), Some(128 << 20), true));
    assert_eq!(service.sysctls, [("net.core.somaxconn".to_owned(), "1024".to_owned())]);
    assert_eq!(service.extra_hosts, ["nas:10.0.0.5"]);
    assert_eq!(service.published, ["127.0.0.1:15672->80/tcp", "any->5672/tcp"]);
    assert_eq!(service.restart, Restart::Always);
    assert_eq!(service.label("com.docker.compose.project"), Some("mq"));
    assert!(service.tty && service.open_stdin && !service.running);
    let limits = service.limits;
    assert_eq!((limits.memory, limits.nano_cpus), (Some(256 << 20), Some(500_000_000)));
    assert_eq!((limits.cpu_shares, limits.pids), (Some(512), Some(200)));
    assert_eq!(limits.ulimits, [Ulimit { name: "nofile".into(), soft: 1024, hard: 2048 }]);
}

#[test]
fn the_containers_own_id_is_no_alias() {
    let networks = everything().networks;
    assert_eq!(networks, [Attachment { network: "mq_default".into(), aliases: vec!["broker".into(), "mq".into()] }]);
}

#[test]
fn privileges_are_told_in_one_spelling() {
    let privileges = everything().privileges;
    assert_eq!(privileges.cap_add, ["NET_ADMIN", "SYS_NICE"]);
    assert_eq!(privileges.cap_drop, ["MKNOD"]);
    assert_eq!(privileges.devices, ["/dev/null", "rule c 189:* rmw"]);
    assert_eq!(privileges.pid_mode, "host");
    // The engine adds `label=disable` when the process namespace is the host's.
    assert_eq!(privileges.security_opt, ["apparmor=unconfined", "label=disable", "systempaths=unconfined"]);
    assert_eq!((privileges.ipc_mode.as_str(), privileges.cgroupns_mode.as_str()), ("", ""));
}

#[test]
fn settings_without_a_place_are_listed() {
    let other: Vec<_> = everything().other.into_iter().map(|set| format!("{}={}", set.field, set.value)).collect();
    assert_eq!(
        other,
        [
            "Dns=9.9.9.9",
            "DnsSearch=lan",
            "LogConfig.Type=syslog",
            "Mounts[/shared].Propagation=rslave",
            "Networks[mq_default].IPv4Address=172.30.77.9",
            "OomScoreAdj=-200",
        ]
    );
}

#[test]
fn no_secret_is_told() {
    let service = everything();
    assert!(service.env.iter().any(|var| var.name == "DB_PASSWORD"));
    assert!(service.env.iter().any(|var| var.name == "EMPTY" && var.value.is_some()));
    let told = serde_json::to_string(&service).expect("a service serializes");
    assert!(!told.contains("s3cret"), "{told}");
}

#[test]
fn a_healthcheck_that_is_switched_off_is_none() {
    let of = |test: &[&str]| {
        let test = Some(test.iter().map(|word| (*word).to_owned()).collect());
        read_healthcheck(HealthConfig { test, ..Default::default() }, &mut Others::default())
    };
    assert_eq!(of(&["NONE"]), None);
    assert_eq!(of(&[]), None);
    assert_eq!(of(&["CMD-SHELL", "true"]).map(|health| health.test.len()), Some(2));
}

#[test]
fn ports_and_variables_are_taken_apart() {
    assert_eq!(parse_port("53/UDP"), Some(Port { number: 53, protocol: "udp".into() }));
    assert_eq!(parse_port("80"), Some(Port { number: 80, protocol: "tcp".into() }));
    assert_eq!(parse_port("http/tcp"), None);
    assert_eq!(parse_env("A=b=c").value.map(|value| value.reveal().to_owned()).as_deref(), Some("b=c"));
    assert_eq!(parse_env("A").value, None);
}

#[test]
fn an_ipv6_address_is_seen_whether_it_was_given_or_asked_for() {
    let of = |endpoint: serde_json::Value| {
        recorded(&serde_json::json!({"NetworkSettings": {"Networks": {"lan": endpoint}}}).to_string()).ipv6
    };
    assert!(of(serde_json::json!({"GlobalIPv6Address": "fd00::2"})));
    // A stopped container has none now.
    assert!(of(serde_json::json!({"IPAMConfig": {"IPv6Address": "fd00::2"}, "GlobalIPv6Address": ""})));
    assert!(!of(serde_json::json!({"GlobalIPv6Address": "", "IPAMConfig": null})));
    assert!(!recorded("{}").ipv6);
}

#[test]
fn the_ways_of_networking_are_told_apart() {
    let mode = |mode: &str| {
        let json = serde_json::json!({
            "HostConfig": {"NetworkMode": mode},
            "NetworkSettings": {"Networks": {"host": {}, "bridge": {}}},
        });
        let service = recorded(&json.to_string());
        (service.network_mode, service.networks.len())
    };
    assert_eq!(mode("host"), (NetworkMode::Host, 0));
    assert_eq!(mode("none"), (NetworkMode::None, 0));
    assert_eq!(mode("container:ab"), (NetworkMode::Container { container: "ab".into() }, 0));
    for name in ["default", "bridge", "media_default"] {
        assert_eq!(mode(name), (NetworkMode::Networks, 2), "{name}");
    }
}

#[test]
fn an_answer_with_nothing_in_it_is_still_a_service() {
    let service = recorded("{}");
    assert!(service.mounts.is_empty() && service.other.is_empty() && service.entrypoint == Some(Vec::new()));
}

#[test]
fn settings_that_are_shown_hold_no_secrets() {
    let mut others = Others::default();
    let pairs = [("vault.token", "canary"), ("backup", "sftp://u:canary@nas/x"), ("size", "10G")];
    others.map("Annotations", Some(pairs.map(|(key, value)| (key.to_owned(), value.to_owned()))));
    assert_eq!(others.0[0].value, "backup=sftp://u:•••@nas/x, size=10G, vault.token=•••");
    let mut container: serde_json::Value =
        serde_json::from_str(include_str!("../../../fixtures/inspect/plain.json")).expect("JSON");
    container["Config"]["Env"] = serde_json::json!(["DB_PASSWORD=canary-of-env"]);
    container["HostConfig"]["CgroupParent"] = "slice-canary-of-env".into();
    let other = recorded(&container.to_string()).other;
    assert!(other.iter().any(|setting| setting.value == "slice-•••"), "{other:?}");
}

//! The request as the engine gets it: asserted on the JSON, where a field that is left out shows.

use serde_json::{Value, json};

use super::*;
use crate::model::sandbox::LoopbackIpv6;
use crate::model::secret::Secret;
use crate::model::service::{Healthcheck, Ulimit};

fn marks() -> ObjectLabels {
    ObjectLabels { session: "s1".into(), stack: "media".into(), host: "nas".into(), process: "1.2".into(), expires: 3 }
}

fn spec(network: NetworkSpec) -> ContainerSpec {
    ContainerSpec {
        image: "sha256:00".into(),
        entrypoint: None,
        command: Some(vec!["run".into()]),
        env: vec![
            EnvVar { name: "A".into(), value: Some(Secret::new("1")) },
            EnvVar { name: "UNSET".into(), value: None },
        ],
        user: String::new(),
        group_add: Vec::new(),
        workdir: "/srv".into(),
        hostname: "db".into(),
        domainname: "lan".into(),
        tty: false,
        stdin: Stdin::Closed,
        shell: None,
        stop_signal: None,
        stop_timeout: None,
        healthcheck: HealthcheckSpec::Disabled,
        mounts: Vec::new(),
        network,
        extra_hosts: vec!["a:10.0.0.1".into()],
        memory: Some(1 << 28),
        memory_swap: None,
        nano_cpus: None,
        cpu_shares: Some(128),
        cpu_period: None,
        cpu_quota: None,
        cpuset_cpus: None,
        pids: Some(512),
        oom_score_adj: 500,
        ulimits: vec![Ulimit { name: "nofile".into(), soft: 1, hard: 2 }],
        sysctls: vec![("net.core.somaxconn".into(), "1024".into()), ("kernel.msgmax".into(), "1".into())],
        loopback_ipv6: LoopbackIpv6::AsTheEngine,
        cap_add: vec!["CHOWN".into()],
        cap_drop: vec!["ALL".into()],
        no_new_privileges: true,
        read_only_root: true,
        init: None,
        shm_size: None,
    }
}

fn sandbox() -> NetworkSpec {
    NetworkSpec::Sandbox { network: "rehearsa-n".into(), aliases: vec!["db".into()] }
}

fn mount(target: &str, source: MountSource, read_only: bool) -> MountSpec {
    MountSpec { target: target.into(), source, read_only }
}

fn json_of(spec: &ContainerSpec, api: (u16, u16)) -> Value {
    let engine = Engine { api, newest: api, has_ipv6: true };
    serde_json::to_value(body(spec, &marks(), &["com.docker.compose.project".to_owned()], engine)).expect("json")
}

#[test]
fn nothing_in_the_request_reaches_the_host() {
    let json = json_of(&spec(sandbox()), (1, 41));
    let host = &json["HostConfig"];
    for absent in [
        "PortBindings",
        "Devices",
        "DeviceRequests",
        "DeviceCgroupRules",
        "Binds",
        "VolumesFrom",
        "Links",
        "PidMode",
        "UTSMode",
        "UsernsMode",
        "Cgroup",
        "CgroupParent",
        "MaskedPaths",
        "ReadonlyPaths",
        "Runtime",
        "VolumeDriver",
        "Annotations",
        "StorageOpt",
    ] {
        assert_eq!(host.get(absent), None, "{absent}");
    }
    assert_eq!(json.get("ExposedPorts"), None);
    assert_eq!(host["PublishAllPorts"], json!(false));
    assert_eq!(host["Privileged"], json!(false));
    assert_eq!(host["AutoRemove"], json!(false));
    assert_eq!(host["RestartPolicy"], json!({"Name": "no"}));
    assert_eq!(host["IpcMode"], json!("private"));
    assert_eq!(host["CgroupnsMode"], json!("private"));
    assert_eq!(host["SecurityOpt"], json!(["no-new-privileges"]));
    assert_eq!(host["LogConfig"], json!({"Type": "json-file", "Config": {"max-size": "10m", "max-file": "1"}}));
    assert_eq!(host["CapAdd"], json!(["CHOWN"]));
    assert_eq!(host["CapDrop"], json!(["ALL", "NET_ADMIN", "NET_RAW"]));
    assert_eq!(host["Sysctls"]["net.ipv6.conf.all.disable_ipv6"], json!("1"));
    assert_eq!(host["OomKillDisable"], json!(false));
    // 0 would not keep a kernel from starting a program for a core dump.
    let core = json!({"Name": "core", "Soft": 1, "Hard": 1});
    assert_eq!(host["Ulimits"], json!([{"Name": "nofile", "Soft": 1, "Hard": 2}, core]));
    let all = ContainerSpec { ulimits: vec![Ulimit { name: "core".into(), soft: -1, hard: -1 }], ..spec(sandbox()) };
    assert_eq!(json_of(&all, (1, 41))["HostConfig"]["Ulimits"], json!([core]));
}

/// Docker 19.03 knows no cgroup namespaces, and refuses what it does not know.
#[test]
fn an_engine_without_cgroup_namespaces_is_asked_for_none() {
    assert_eq!(json_of(&spec(sandbox()), (1, 40))["HostConfig"].get("CgroupnsMode"), None);
}

#[test]
fn the_only_security_option_is_the_one_that_takes_something_away() {
    let spec = ContainerSpec { no_new_privileges: false, ..spec(sandbox()) };
    assert_eq!(json_of(&spec, (1, 41))["HostConfig"].get("SecurityOpt"), None);
}

#[test]
fn names_are_resolved_in_the_sandbox_only() {
    let json = json_of(&spec(sandbox()), (1, 41));
    assert_eq!(json["HostConfig"]["NetworkMode"], json!("rehearsa-n"));
    assert_eq!(json["HostConfig"]["Dns"], json!(["127.0.0.1"]));
    assert_eq!(json["HostConfig"]["DnsSearch"], json!(["."]));
    assert_eq!(json["NetworkingConfig"]["EndpointsConfig"], json!({"rehearsa-n": {"Aliases": ["db"]}}));
    assert_eq!(json["Hostname"], json!("db"));
}

#[test]
fn a_shared_network_leaves_out_what_belongs_to_its_owner() {
    let json = json_of(&spec(NetworkSpec::Share("c1".into())), (1, 41));
    assert_eq!(json["HostConfig"]["NetworkMode"], json!("container:c1"));
    for absent in ["Hostname", "Domainname", "NetworkingConfig"] {
        assert_eq!(json.get(absent), None, "{absent}");
    }
    for absent in ["Dns", "DnsSearch", "ExtraHosts"] {
        assert_eq!(json["HostConfig"].get(absent), None, "{absent}");
    }
    assert_eq!(json["HostConfig"]["Sysctls"], json!({"kernel.msgmax": "1"}));
}

#[test]
fn no_network_is_none_at_all() {
    let json = json_of(&spec(NetworkSpec::None), (1, 41));
    assert_eq!(json["HostConfig"]["NetworkMode"], json!("none"));
    assert_eq!(json.get("NetworkingConfig"), None);
}

#[test]
fn a_volume_is_never_filled_from_the_image_and_is_ours_if_the_engine_makes_it() {
    let spec = ContainerSpec { mounts: vec![mount("/d", MountSource::Volume("v".into()), false)], ..spec(sandbox()) };
    let mount = &json_of(&spec, (1, 41))["HostConfig"]["Mounts"][0];
    assert_eq!(mount["VolumeOptions"]["NoCopy"], json!(true));
    assert_eq!(mount["VolumeOptions"]["Labels"]["io.rehearsa.session"], json!("s1"));
    assert_eq!(mount["VolumeOptions"].get("DriverConfig"), None);
    assert_eq!((&mount["Type"], &mount["Source"], &mount["ReadOnly"]), (&json!("volume"), &json!("v"), &json!(false)));
}

#[test]
fn a_host_path_is_a_mount_that_must_exist() {
    let source = MountSource::HostPath("/srv/media".into());
    let spec = ContainerSpec { mounts: vec![mount("/m", source, true)], ..spec(sandbox()) };
    let mount = &json_of(&spec, (1, 41))["HostConfig"]["Mounts"][0];
    assert_eq!((&mount["Type"], &mount["ReadOnly"]), (&json!("bind"), &json!(true)));
    assert_eq!(mount["BindOptions"].get("CreateMountpoint"), None);
    assert_eq!(mount["BindOptions"].get("Propagation"), None, "the engine's default");
}

/// The engine refuses `rprivate` for a path in its own folder, and read-only all the way down without it.
#[test]
fn a_path_in_a_volume_is_mounted_as_the_engine_takes_it() {
    let options = |path, api| serde_json::to_value(bind_options(path, true, Stdin::Open, api)).expect("json");
    for api in [(1, 41), (1, 44)] {
        let copied = options("/var/lib/docker/volumes/rehearsa-1-v0/_data/file", api);
        assert_eq!((copied.get("Propagation"), copied.get("ReadOnlyForceRecursive")), (None, None), "{copied}");
        assert_eq!(copied["NonRecursive"], json!(true));
    }
    let elsewhere = options("/srv/volumes/films", (1, 44));
    assert_eq!(elsewhere["Propagation"], json!("rprivate"));
    assert_eq!(elsewhere["ReadOnlyForceRecursive"], json!(true));
}

#[test]
fn what_lies_below_a_read_only_path_is_not_writable_for_a_service() {
    let options =
        |read_only, stdin, api| serde_json::to_value(bind_options("/m", read_only, stdin, api)).expect("json");
    let old = options(true, Stdin::Open, (1, 41));
    assert_eq!((&old["NonRecursive"], old.get("ReadOnlyForceRecursive")), (&json!(true), None));
    let new = options(true, Stdin::Closed, (1, 44));
    assert_eq!((&new["NonRecursive"], &new["ReadOnlyForceRecursive"]), (&json!(false), &json!(true)));
    let worker = options(true, Stdin::Attached, (1, 41));
    assert_eq!(worker["NonRecursive"], json!(false));
}

#[test]
fn tmpfs_keeps_its_options() {
    let mounts = vec![
        mount("/a", MountSource::Tmpfs("size=64m,mode=1777".into()), false),
        mount("/b", MountSource::Tmpfs(String::new()), true),
        mount("/c", MountSource::Tmpfs("ro,size=1m".into()), true),
    ];
    let json = json_of(&ContainerSpec { mounts, ..spec(sandbox()) }, (1, 41));
    assert_eq!(json["HostConfig"]["Tmpfs"], json!({"/a": "size=64m,mode=1777", "/b": "ro", "/c": "ro,size=1m"}));
    assert_eq!(json["HostConfig"]["Mounts"], json!([]));
}

#[test]
fn labels_are_ours_and_those_of_the_image_are_emptied() {
    let labels = &json_of(&spec(sandbox()), (1, 41))["Labels"];
    assert_eq!(labels["com.docker.compose.project"], json!(""));
    assert_eq!(labels["io.rehearsa.session"], json!("s1"));
    assert_eq!(labels["traefik.enable"], json!("false"));
}

#[test]
fn no_healthcheck_overrides_the_images() {
    assert_eq!(json_of(&spec(sandbox()), (1, 41))["Healthcheck"], json!({"Test": ["NONE"]}));
    let probe =
        Healthcheck { test: vec!["CMD".into(), "x".into()], interval: 1, timeout: 2, retries: 3, start_period: 4 };
    let spec = ContainerSpec { healthcheck: HealthcheckSpec::Probe(probe), ..spec(sandbox()) };
    let expected = json!({"Test": ["CMD", "x"], "Interval": 1, "Timeout": 2, "Retries": 3, "StartPeriod": 4});
    assert_eq!(json_of(&spec, (1, 41))["Healthcheck"], expected);
}

#[test]
fn no_entry_point_is_told_from_the_images() {
    let entrypoint =
        |entrypoint| json_of(&ContainerSpec { entrypoint, ..spec(sandbox()) }, (1, 41)).get("Entrypoint").cloned();
    assert_eq!(entrypoint(None), None);
    assert_eq!(entrypoint(Some(Vec::new())), Some(json!([""])));
    assert_eq!(entrypoint(Some(vec!["a".into()])), Some(json!(["a"])));
}

#[test]
fn standard_input_ends_with_the_client_only_when_attached() {
    let of = |stdin| {
        let json = json_of(&ContainerSpec { stdin, ..spec(sandbox()) }, (1, 41));
        ["AttachStdin", "OpenStdin", "StdinOnce"].map(|key| json[key] == json!(true))
    };
    assert_eq!(of(Stdin::Closed), [false, false, false]);
    assert_eq!(of(Stdin::Open), [false, true, false]);
    assert_eq!(of(Stdin::Attached), [true, true, true]);
}

#[test]
fn a_bare_name_unsets_a_variable() {
    assert_eq!(json_of(&spec(sandbox()), (1, 41))["Env"], json!(["A=1", "UNSET"]));
}

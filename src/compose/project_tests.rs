//! Tests of the services that are made of what Compose prints.

use super::*;
use crate::model::service::{Condition, EnvVar, Healthcheck, Port, Restart};

/// Reads a project as Compose printed it.
fn project(json: &Value) -> Result<Project, ComposeError> {
    let resolved = Resolved {
        json: serde_json::to_vec(json).expect("JSON"),
        warnings: Vec::new(),
        folder: PathBuf::from("/stacks/shop"),
        files: Vec::new(),
    };
    read(resolved, &Environment::from_iter([("TOKEN", "hunter2")]))
}

/// A project with one service of these settings.
fn one(settings: Value) -> Result<Service, ComposeError> {
    let json = serde_json::json!({
        "name": "shop",
        "services": {"web": settings},
        "networks": {"default": {"name": "shop_default"}, "back": {"name": "proxy", "external": true}},
        "volumes": {"data": {"name": "shop_data"}, "old": {"name": "old", "external": true},
            "cache": {"name": "shop_cache", "driver": "local", "driver_opts": {"type": "tmpfs"}}},
        "secrets": {"token": {"name": "shop_token", "environment": "TOKEN"}, "far": {"name": "far", "external": true}},
        "configs": {"text": {"name": "shop_text", "content": "hi"}},
    });
    project(&json).map(|mut project| project.services.remove(0).service)
}

fn ok(settings: Value) -> Service {
    one(settings).expect("it is read")
}

#[test]
fn a_service_is_named_as_compose_names_it_and_is_not_live() {
    let web = ok(serde_json::json!({"image": "nginx:1.25", "platform": "linux/amd64"}));
    assert_eq!((web.name.to_string().as_str(), web.container_name.as_str()), ("shop::web", "shop-web-1"));
    assert!(!web.is_live() && web.running);
    assert_eq!((web.image.reference.as_str(), web.platform.as_deref()), ("nginx:1.25", Some("linux/amd64")));
    assert_eq!(ok(serde_json::json!({"image": "x", "container_name": "w"})).container_name, "w");
    let built = ok(serde_json::json!({"build": {"context": "/x"}}));
    assert_eq!(built.image.reference, "shop-web", "the name that a build would give");
}

#[test]
fn a_key_that_is_not_known_is_an_error_with_its_place() {
    for (settings, place) in [
        (serde_json::json!({"image": "x", "teleport": true}), "services.web.teleport"),
        (
            serde_json::json!({"healthcheck": {"test": ["CMD", "x"], "teleport": 1}}),
            "services.web.healthcheck.teleport",
        ),
        (serde_json::json!({"deploy": {"resources": {"teleport": {}}}}), "services.web.deploy.resources.teleport"),
        (serde_json::json!({"volumes": [{"type": "bind", "teleport": 1}]}), "services.web.volumes[0].teleport"),
        (serde_json::json!({"provider": {"type": "x"}}), "services.web.provider"),
        (serde_json::json!({"secrets": [{"source": "far"}]}), "services.web.secrets[0]"),
    ] {
        let error = one(settings).expect_err("it is refused");
        assert!(matches!(error, ComposeError::Unknown(_)), "{error}");
        assert!(error.to_string().contains(place), "{error}");
    }
    let unknown = project(&serde_json::json!({"name": "s", "teleports": {}, "services": {"a": {"image": "x"}}}));
    assert!(unknown.is_err_and(|error| error.to_string().contains("teleports")));
}

#[test]
fn dollars_are_single_again() {
    let web = ok(serde_json::json!({
        "command": ["echo", "$$HOME"],
        "environment": {"A": "1$$2", "B": null},
        "labels": {"l": "$$x"},
    }));
    assert_eq!(web.command, Some(vec!["echo".to_owned(), "$HOME".to_owned()]));
    let value = |name: &str| web.env.iter().find(|var| var.name == name).map(|var| var.value.clone());
    assert_eq!(value("A").flatten().map(|value| value.reveal().to_owned()).as_deref(), Some("1$2"));
    assert_eq!(value("B"), Some(None), "a bare name");
    assert_eq!(web.label("l"), Some("$x"));
}

#[test]
fn mounts_of_every_kind_are_read() {
    let web = ok(serde_json::json!({
        "volumes": [
            {"type": "volume", "source": "data", "target": "/data/", "volume": {}},
            {"type": "volume", "source": "old", "target": "/old", "read_only": true},
            {"type": "volume", "source": "cache", "target": "/cache"},
            {"type": "volume", "target": "/anon"},
            {"type": "volume", "source": "data", "target": "/part", "volume": {"subpath": "a/b"}},
            {"type": "bind", "source": "/stacks/shop/conf", "target": "/conf", "bind": {"propagation": "rshared"}},
            {"type": "tmpfs", "target": "/tt", "tmpfs": {"size": "1000", "mode": 1023}},
            {"type": "npipe", "source": "x", "target": "/pipe"},
        ],
        "tmpfs": ["/run", "/tmp:size=10m"],
        "secrets": [{"source": "token", "mode": 256}],
        "configs": [{"source": "text"}],
    }));
    let shown: Vec<String> = web
        .mounts
        .iter()
        .map(|mount| {
            let mode = if mount.read_only { "ro" } else { "rw" };
            match &mount.origin {
                MountOrigin::Volume { .. } if mount.origin.is_anonymous() => format!("{} {mode} anon", mount.target),
                MountOrigin::Volume { name, driver } => format!("{} {mode} {driver} {name}", mount.target),
                MountOrigin::Bind { source } => format!("{} {mode} {source}", mount.target),
                MountOrigin::Tmpfs { options } => format!("{} {mode} tmpfs {options}", mount.target),
                MountOrigin::Dump { title } => format!("{} {mode} dump {title}", mount.target),
                MountOrigin::Other { kind_name } => format!("{} {mode} {kind_name}", mount.target),
            }
        })
        .collect();
    let expected = [
        "/anon rw anon",
        "/cache rw tmpfs shop_cache",
        "/conf rw /stacks/shop/conf",
        "/data rw local shop_data",
        "/old ro local old",
        "/part rw volume-subpath",
        "/pipe rw npipe",
        "/run rw tmpfs ",
        "/run/secrets/token ro shop::web:/run/secrets/token",
        "/text ro shop::web:/text",
        "/tmp rw tmpfs size=10m",
        "/tt rw tmpfs size=1000,mode=1777",
    ];
    assert_eq!(shown, expected);
    let noted: Vec<&str> = web.other.iter().map(|setting| setting.field.as_str()).collect();
    assert_eq!(noted, ["volumes[/conf].propagation", "volumes[/part].subpath"]);
}

#[test]
fn a_secret_of_a_variable_that_is_not_set_stops_compose_too() {
    let json = serde_json::json!({
        "name": "shop",
        "services": {"web": {"image": "x", "secrets": [{"source": "s"}]}},
        "secrets": {"s": {"name": "shop_s", "environment": "NOT_SET"}},
    });
    let error = project(&json).expect_err("it is refused");
    assert!(matches!(&error, ComposeError::Stops(words) if words.contains("NOT_SET")), "{error}");
}

#[test]
fn services_that_share_a_network_or_mounts_find_each_other() {
    let json = serde_json::json!({
        "name": "shop",
        "services": {
            "vpn": {"image": "x", "container_name": "v",
                "volumes": [{"type": "volume", "source": "data", "target": "/d"}]},
            "web": {"image": "x", "network_mode": "service:vpn", "volumes_from": ["vpn:ro"], "links": ["vpn:tunnel"],
                "depends_on": {"vpn": {"condition": "service_healthy", "required": false}}},
            "wide": {"image": "x", "volumes_from": ["container:v:ro", "container:vpn", "container:far:ro"]},
            "off": {"image": "x", "scale": 0},
        },
        "volumes": {"data": {"name": "shop_data"}},
    });
    let project = project(&json).expect("it is read");
    assert_eq!(project.services.len(), 3, "no container of `off` is wanted");
    let wide = &project.services[2].service;
    assert_eq!((wide.mounts.len(), wide.mounts[0].read_only), (1, true), "that of a container of the project");
    let unknown: Vec<&str> = wide.other.iter().map(|of| of.value.as_str()).collect();
    assert_eq!(unknown, ["container:vpn", "container:far:ro"], "these are names of containers and not of services");
    let web = &project.services[1].service;
    assert_eq!(web.network_mode, NetworkMode::Container { container: "v".to_owned() });
    assert_eq!((web.mounts[0].target.as_str(), web.mounts[0].read_only), ("/d", true));
    assert_eq!(web.links, ["/v:/shop-web-1/tunnel"]);
    assert_eq!((web.depends_on[0].condition, web.depends_on[0].required), (Condition::ServiceHealthy, false));
    assert_eq!(project.own_volumes.get("shop_data").map(String::as_str), Some("data"));
}

#[test]
fn limits_privileges_and_ports_have_their_places() {
    let web = ok(serde_json::json!({
        "cap_add": ["cap_net_admin", "SYS_NICE"],
        "cpus": 0.5,
        "mem_limit": "104857600",
        "deploy": {"resources": {"limits": {"pids": 7}, "reservations": {"devices": [{"capabilities": ["gpu"]}]}}},
        "devices": [{"source": "/dev/ttyUSB0", "target": "/dev/x", "permissions": "rwm"}],
        "expose": ["3000"],
        "networks": {"back": {"aliases": ["w"], "ipv4_address": "10.0.0.9"}},
        "ports": [{"mode": "ingress", "host_ip": "127.0.0.1", "target": 80, "published": "8080", "protocol": "tcp"}],
        "restart": "unless-stopped",
        "stop_grace_period": "1m0s",
        "ulimits": {"nofile": {"soft": 1, "hard": 2}, "nproc": 3},
        "extra_hosts": ["nas=10.0.0.5", "six=::1"],
        "logging": {"driver": "syslog", "options": {"token": "hunter2"}},
    }));
    assert_eq!(web.privileges.cap_add, ["NET_ADMIN", "SYS_NICE"]);
    assert_eq!(web.privileges.devices, ["gpu", "/dev/ttyUSB0"]);
    assert_eq!(
        (web.limits.nano_cpus, web.limits.memory, web.limits.pids),
        (Some(500_000_000), Some(100 << 20), Some(7))
    );
    assert_eq!(web.limits.ulimits.len(), 2);
    assert_eq!(web.networks, [Attachment { network: "proxy".to_owned(), aliases: vec!["w".to_owned()] }]);
    assert_eq!(web.published, ["127.0.0.1:8080->80/tcp"]);
    assert_eq!(web.exposed.iter().map(|port| port.number).collect::<Vec<_>>(), [80, 3000]);
    assert_eq!((web.restart, web.stop_timeout), (Restart::Always, Some(60)));
    assert_eq!(web.extra_hosts, ["nas:10.0.0.5", "six:::1"]);
    let noted: Vec<String> = web.other.iter().map(|set| format!("{}={}", set.field, set.value)).collect();
    assert_eq!(noted, ["Networks[proxy].IPv4Address=10.0.0.9", "logging.driver=syslog"]);
}

fn image() -> ImageConfig {
    let words = |text: &str| Some(text.split(' ').map(str::to_owned).collect());
    let var = |name: &str, value: &str| EnvVar { name: name.to_owned(), value: Some(Secret::new(value)) };
    ImageConfig {
        id: "sha256:1".to_owned(),
        digests: Vec::new(),
        env: vec![var("PATH", "/bin"), var("A", "image")],
        entrypoint: words("entry"),
        command: words("cmd of image"),
        user: "nobody".to_owned(),
        workdir: "/srv".to_owned(),
        healthcheck: Some(Healthcheck {
            test: vec!["CMD".to_owned(), "probe".to_owned()],
            interval: 9,
            timeout: 8,
            retries: 7,
            start_period: 6,
        }),
        exposed: vec![Port { number: 80, protocol: "tcp".to_owned() }],
        volumes: vec!["/data".to_owned(), "/own/".to_owned()],
        stop_signal: Some("SIGQUIT".to_owned()),
        shell: None,
    }
}

fn merged(settings: Value) -> Service {
    let json = serde_json::json!({"name": "shop", "services": {"web": settings}});
    project(&json).expect("it is read").services[0].with_image(image())
}

#[test]
fn what_the_file_leaves_open_is_the_images() {
    let web = merged(serde_json::json!({"image": "x", "environment": {"A": "file"}}));
    assert_eq!(web.image.id, "sha256:1");
    let env: Vec<_> = web.env.iter().map(|var| (var.name.as_str(), var.value.as_ref().map(|v| v.reveal()))).collect();
    assert_eq!(env, [("PATH", Some("/bin")), ("A", Some("file"))]);
    assert_eq!(web.command.as_ref().map(Vec::len), Some(3));
    assert_eq!((web.user.as_str(), web.workdir.as_str()), ("nobody", "/srv"));
    assert_eq!(web.healthcheck.as_ref().map(|health| health.interval), Some(9));
    assert_eq!(web.exposed.len(), 1);
    assert_eq!(web.stop_signal.as_deref(), Some("SIGQUIT"));
}

#[test]
fn an_entrypoint_of_the_file_drops_the_images_command() {
    let web = merged(serde_json::json!({"entrypoint": ["own"]}));
    assert_eq!((web.entrypoint, web.command), (Some(vec!["own".to_owned()]), None));
    let web = merged(serde_json::json!({"command": ["own"]}));
    assert_eq!((web.entrypoint, web.command), (Some(vec!["entry".to_owned()]), Some(vec!["own".to_owned()])));
}

#[test]
fn a_healthcheck_without_a_test_changes_the_images() {
    let health = |settings: Value| merged(serde_json::json!({"healthcheck": settings})).healthcheck;
    let slower = health(serde_json::json!({"interval": "1s"})).expect("the image's");
    assert_eq!((slower.interval, slower.timeout, slower.test[1].as_str()), (1_000_000_000, 8, "probe"));
    assert_eq!(health(serde_json::json!({"disable": true})), None);
    assert_eq!(health(serde_json::json!({"test": ["NONE"]})), None);
}

#[test]
fn a_volume_of_the_image_is_anonymous_where_nothing_is_mounted() {
    let volume = serde_json::json!({"type": "bind", "source": "/x", "target": "/own"});
    let web = merged(serde_json::json!({"volumes": [volume]}));
    let shown: Vec<_> = web.mounts.iter().map(|mount| (mount.target.as_str(), mount.origin.is_anonymous())).collect();
    assert_eq!(shown, [("/data", true), ("/own", false)]);
}

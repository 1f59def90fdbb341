//! Containers: creation, start, commands, logs, removal.

use rehearsa::docker::{ContainerEventKind, Device, DockerErrorKind, HealthStatus};
use rehearsa::model::sandbox::{ContainerSpec, HealthcheckSpec, NetworkSpec, Stdin, VolumeSpec};
use rehearsa::model::service::Healthcheck;
use tokio::io::AsyncWriteExt;

use crate::support::bench::{IMAGE, died, script, seen, wait_for, with_session};

#[tokio::test]
async fn input_ends_when_it_is_dropped_and_output_comes_on_its_own_channel() {
    with_session(async |bench| {
        let input = "line of some length\n".repeat(100_000);
        let (code, out, err) =
            bench.run("cat", script("echo begin >&2; cat; echo end >&2; exit 3"), input.as_bytes()).await;
        assert_eq!(code, 3);
        assert_eq!(out.len(), input.len());
        assert_eq!(err, "begin\nend\n");
    })
    .await;
}

#[tokio::test]
async fn input_ends_when_it_is_shut_down_and_can_be_dropped_after() {
    with_session(async |bench| {
        let spec = ContainerSpec { stdin: Stdin::Attached, ..script("cat") };
        let mut events = bench.daemon.events(&bench.marks.session).await.expect("events");
        let id = bench.create("cat", &spec).await;
        let mut attached = bench.daemon.attach(&id).await.expect("attached");
        bench.daemon.start_container(&id).await.expect("it starts");
        attached.input.write_all(b"x").await.expect("written");
        attached.input.shutdown().await.expect("shut down");
        assert_eq!(died(&mut events, &id).await, 0);
        assert!(attached.input.write_all(b"more").await.is_err());
    })
    .await;
}

#[tokio::test]
async fn a_life_is_told_from_start_to_removal() {
    with_session(async |bench| {
        let mut events = bench.daemon.events(&bench.marks.session).await.expect("events");
        let id = bench.started("short", &script("exit 7")).await;
        wait_for(&mut events, &id, |what| (*what == ContainerEventKind::Started).then_some(())).await;
        assert_eq!(died(&mut events, &id).await, 7);
        let state = bench.daemon.state(&id).await.expect("a state");
        assert_eq!((state.running, state.exit_code, state.health), (false, 7, None));
        bench.daemon.remove_container(&id).await.expect("removed");
        wait_for(&mut events, &id, |what| (*what == ContainerEventKind::Removed).then_some(())).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_that_happens_right_after_listening_is_missed() {
    with_session(async |bench| {
        for round in 0..5 {
            let id = bench.create(&format!("quick{round}"), &script("true")).await;
            let mut events = bench.daemon.events(&bench.marks.session).await.expect("events");
            bench.daemon.start_container(&id).await.expect("it starts");
            wait_for(&mut events, &id, |what| (*what == ContainerEventKind::Started).then_some(())).await;
            assert_eq!(died(&mut events, &id).await, 0);
        }
    })
    .await;
}

#[tokio::test]
async fn events_of_another_session_are_not_heard() {
    with_session(async |other| {
        with_session(async |bench| {
            let mut events = bench.daemon.events(&bench.marks.session).await.expect("events");
            other.started("stranger", &script("true")).await;
            let own = bench.started("own", &script("true")).await;
            let first = futures_util::StreamExt::next(&mut events).await.expect("an event").expect("an event");
            assert_eq!(first.id, own);
        })
        .await;
    })
    .await;
}

#[tokio::test]
async fn health_is_told_when_it_changes() {
    with_session(async |bench| {
        let second = 1_000_000_000;
        let test = vec!["CMD-SHELL".into(), "echo probed; test ! -e /tmp/ill".into()];
        let probe = Healthcheck { test, interval: second / 5, timeout: 5 * second, retries: 1, start_period: 0 };
        // Healthy at first, ill once it has been told so: the test says when, so that no change is overlooked.
        let spec =
            ContainerSpec { healthcheck: HealthcheckSpec::Probe(probe), ..script("read _; touch /tmp/ill; sleep 60") };
        let spec = ContainerSpec { stdin: Stdin::Attached, ..spec };
        let mut events = bench.daemon.events(&bench.marks.session).await.expect("events");
        let id = bench.create("probed", &spec).await;
        let mut attached = bench.daemon.attach(&id).await.expect("attached");
        bench.daemon.start_container(&id).await.expect("it starts");
        for wanted in [HealthStatus::Healthy, HealthStatus::Unhealthy] {
            wait_for(&mut events, &id, |what| (*what == ContainerEventKind::Health(wanted)).then_some(())).await;
            if wanted == HealthStatus::Healthy {
                attached.input.write_all(b"now\n").await.expect("written");
            }
        }
        let health = bench.daemon.state(&id).await.expect("a state").health.expect("health");
        assert_eq!(health.status, HealthStatus::Unhealthy);
        assert_eq!(health.last_probe, Some((1, "probed\n".to_owned())));
    })
    .await;
}

#[tokio::test]
async fn a_disabled_healthcheck_overrides_the_images() {
    with_session(async |bench| {
        let id = bench.started("plain", &script("sleep 60")).await;
        assert_eq!(bench.daemon.state(&id).await.expect("a state").health, None);
        assert_eq!(bench.daemon.service(&id).await.expect("a service").healthcheck, None);
    })
    .await;
}

#[tokio::test]
async fn the_end_of_a_log_is_read_with_and_without_a_terminal() {
    with_session(async |bench| {
        for tty in [false, true] {
            let spec =
                ContainerSpec { tty, ..script("for i in 1 2 3 4 5; do echo line $i; done; printf 'last \\377'") };
            let mut events = bench.daemon.events(&bench.marks.session).await.expect("events");
            let id = bench.started(&format!("log-{tty}"), &spec).await;
            died(&mut events, &id).await;
            let log = bench.daemon.log_tail(&id, 3, 4096).await.expect("a log");
            assert_eq!(log, ["line 4", "line 5", "last \u{fffd}"], "tty: {tty}");
            let log = bench.daemon.log_tail(&id, 100, 14).await.expect("a log");
            assert_eq!(log, ["line 5", "last \u{fffd}"], "tty: {tty}");
        }
        let mut events = bench.daemon.events(&bench.marks.session).await.expect("events");
        let id = bench.started("log-err", &script("echo out; echo err >&2")).await;
        died(&mut events, &id).await;
        let mut log = bench.daemon.log_tail(&id, 10, 4096).await.expect("a log");
        log.sort();
        assert_eq!(log, ["err", "out"]);
    })
    .await;
}

#[tokio::test]
async fn removing_what_is_not_there_is_success() {
    with_session(async |bench| {
        let daemon = &bench.daemon;
        let name = bench.name("missing");
        daemon.remove_container(&name).await.expect("no container");
        daemon.remove_network(&name).await.expect("no network");
        daemon.remove_volume(&name).await.expect("no volume");
        daemon.remove_image(&name).await.expect("no image");
        assert!(matches!(daemon.state(&name).await.expect_err("no state").kind, DockerErrorKind::NotFound(_)));
        assert!(matches!(daemon.volume(&name).await.expect_err("no volume").kind, DockerErrorKind::NotFound(_)));
        assert_eq!(
            daemon.state(&name).await.expect_err("no state").to_string(),
            format!("inspect container {name}: not found")
        );
    })
    .await;
}

#[tokio::test]
async fn a_running_container_can_be_removed_by_several_at_once() {
    with_session(async |bench| {
        let id = bench.started("long", &script("trap '' TERM; sleep 600")).await;
        let remove = || bench.daemon.remove_container(&id);
        let (a, b, c) = futures_util::join!(remove(), remove(), remove());
        a.and(b).and(c).expect("each finds it removed in the end");
        assert!(bench.daemon.state(&id).await.is_err());
    })
    .await;
}

#[tokio::test]
async fn objects_are_found_by_their_session() {
    with_session(async |bench| {
        bench.create("c", &script("true")).await;
        bench.daemon.create_network(&bench.name("n"), &Device::Bridge, &bench.marks).await.expect("a network");
        bench.daemon.create_volume(&bench.name("v"), &VolumeSpec::Plain, &bench.marks).await.expect("a volume");
        let objects = bench.daemon.objects(Some(&bench.marks.session)).await.expect("objects");
        for (kind, list) in [("c", &objects.containers), ("n", &objects.networks), ("v", &objects.volumes)] {
            assert_eq!(list.len(), 1, "{kind}");
            assert_eq!((&list[0].name, &list[0].marks), (&bench.name(kind), &bench.marks));
        }
        let all = bench.daemon.objects(None).await.expect("objects");
        assert!(all.containers.contains(&objects.containers[0]) && all.volumes.contains(&objects.volumes[0]));
        let lines = bench.daemon.containers(true).await.expect("containers");
        assert!(lines.iter().any(|line| line.name == bench.name("c") && !line.running));
    })
    .await;
}

#[tokio::test]
async fn a_command_that_is_not_there_is_the_engines_word() {
    with_session(async |bench| {
        let spec = ContainerSpec { entrypoint: Some(vec!["/no/such".into()]), ..script("x") };
        let id = bench.create("no-command", &spec).await;
        let error = bench.daemon.start_container(&id).await.expect_err("it cannot start");
        assert!(error.to_string().contains("/no/such"), "{error}");
    })
    .await;
}

#[tokio::test]
async fn no_entry_point_is_not_the_images() {
    with_session(async |bench| {
        let words = ["echo", "hello"].map(str::to_owned);
        let spec = ContainerSpec { entrypoint: Some(Vec::new()), command: Some(words.into()), ..script("") };
        let (code, out, _) = bench.run("bare", spec, b"").await;
        assert_eq!((code, out.as_str()), (0, "hello\n"));
    })
    .await;
}

#[tokio::test]
async fn a_container_reads_back_as_the_service_it_was_made_as() {
    with_session(async |bench| {
        let network =
            bench.daemon.create_network(&bench.name("n"), &Device::Bridge, &bench.marks).await.expect("a network");
        let spec = ContainerSpec {
            hostname: "db".into(),
            user: "7:8".into(),
            network: NetworkSpec::Sandbox { network: network.name.clone(), aliases: vec!["db".into(), "main".into()] },
            ..script("sleep 60")
        };
        let id = bench.started("db", &spec).await;
        let service = bench.daemon.service(&id).await.expect("a service");
        assert_eq!((service.container_id.as_str(), service.running), (id.as_str(), true));
        assert_eq!((service.hostname.as_str(), service.user.as_str()), ("db", "7:8"));
        assert_eq!(service.entrypoint, spec.entrypoint);
        assert_eq!(service.command, spec.command);
        assert_eq!(service.networks.len(), 1);
        assert_eq!(service.networks[0].aliases, ["db", "main"]);
        assert_eq!(service.image.reference, IMAGE);
        assert_eq!(service.limits.memory, spec.memory);
        assert_eq!(service.published, Vec::<String>::new());
        assert_eq!(seen(&id, ".HostConfig.RestartPolicy.Name"), "no");
    })
    .await;
}

//! What Rehearsa's containers cannot do, as another client and the container itself see it.

use std::net::TcpListener;

use rehearsa::docker::Device;
use rehearsa::model::sandbox::{ContainerSpec, LoopbackIpv6, NetworkSpec};
use serde_json::json;

use crate::support::bench::{IMAGE, script, seen, with_session};

#[tokio::test]
async fn nothing_is_published_and_nothing_comes_back_by_itself() {
    with_session(async |bench| {
        let network =
            bench.daemon.create_network(&bench.name("n"), &Device::Bridge, &bench.marks).await.expect("a network");
        let network = NetworkSpec::Sandbox { network: network.name, aliases: vec!["web".into()] };
        // The image exposes a port.
        let id = bench.started("web", &ContainerSpec { network, ..script("sleep 60") }).await;
        let host = seen(&id, ".HostConfig");
        assert!(host["PortBindings"].as_object().is_none_or(|ports| ports.is_empty()));
        assert_eq!(host["PublishAllPorts"], json!(false));
        assert_eq!(host["RestartPolicy"]["Name"], json!("no"));
        assert_eq!(host["Privileged"], json!(false));
        assert_eq!(host["LogConfig"]["Type"], json!("json-file"));
        assert_eq!(host["IpcMode"], json!("private"));
        assert_eq!((&host["Dns"], &host["DnsSearch"]), (&json!(["127.0.0.1"]), &json!(["."])));
        assert!(!host["MaskedPaths"].as_array().expect("paths").is_empty());
        let ports = seen(&id, ".NetworkSettings.Ports");
        assert!(ports.as_object().expect("ports").values().all(|port| port.is_null()), "{ports}");
    })
    .await;
}

#[tokio::test]
async fn the_network_is_internal_and_the_bridge_has_no_address() {
    with_session(async |bench| {
        let network =
            bench.daemon.create_network(&bench.name("n"), &Device::Bridge, &bench.marks).await.expect("a network");
        assert_eq!(seen(&network.id, ".Internal"), json!(true));
        assert_eq!(seen(&network.id, ".EnableIPv6"), json!(false));
        let options = seen(&network.id, ".Options").to_string();
        assert!(options.contains("inhibit_ipv4") || options.contains("isolated"), "{options}");
        let listed = bench.daemon.networks().await.expect("networks");
        assert!(listed.contains(&network), "{network:?} in {listed:?}");
        assert!(listed.iter().any(|network| network.name == "bridge" && !network.gateways.is_empty()), "{listed:?}");
    })
    .await;
}

#[tokio::test]
async fn the_host_is_not_reached_but_peers_are() {
    with_session(async |bench| {
        let network = bench.network("n").await;
        let place = |alias: &str| NetworkSpec::Sandbox { network: network.name.clone(), aliases: vec![alias.into()] };
        let listener = TcpListener::bind("0.0.0.0:0").expect("a port of the host");
        let port = listener.local_addr().expect("an address").port();
        std::thread::spawn(move || listener.incoming().for_each(drop));
        let gateways: Vec<_> =
            bench.daemon.networks().await.expect("networks").into_iter().flat_map(|net| net.gateways).collect();
        let peer = script("httpd -f -p 8080 -h /www");
        bench.started("peer", &ContainerSpec { network: place("peer"), ..peer }).await;
        let ask = format!(
            "until wget -q -O /dev/null http://peer:8080/; do usleep 100000; done; echo peer
             for gateway in {}; do nc -w 2 $gateway {port} </dev/null && echo reached $gateway; done
             nslookup example.com >/dev/null 2>&1 && echo resolved
             grep -i search /etc/resolv.conf
             true",
            gateways.join(" ")
        );
        let (_, out, err) = bench.run("asker", ContainerSpec { network: place("asker"), ..script(&ask) }, b"").await;
        assert_eq!(out, "peer\n", "{err}");
    })
    .await;
}

/// The settings in which the engine is asked for more than it should give.
const ASKS_FOR_ALL: &str = "
    for right in CapEff CapPrm CapBnd; do
        [ $(( 0x$(sed -n \"s/^$right:[[:space:]]*//p\" /proc/self/status) & 0x3000 )) = 0 ] || echo $right
    done
    grep -v ' lo$' /proc/net/if_inet6 && echo IPv6 leads out
    cat /proc/sys/net/ipv6/conf/default/disable_ipv6
    grep -q ' lo$' /proc/net/if_inet6 && echo loopback
    sed 's/.*://' /proc/self/cgroup | sort -u";

/// Whatever a spec asks for, no container has capabilities over networks or IPv6 on an interface that leads out; `::1`
/// is there if it is wanted; its cgroup is the root of what it sees.
#[tokio::test]
async fn capabilities_over_networks_and_ipv6_are_off_whatever_is_asked_for() {
    with_session(async |bench| {
        let network = bench.daemon.create_network(&bench.name("n"), &Device::Bridge, &bench.marks).await.expect("one");
        for (what, loopback_ipv6, cap_add, shown) in [
            ("wanted", LoopbackIpv6::On, "NET_RAW", "1\nloopback\n/\n"),
            ("unwanted", LoopbackIpv6::Off, "ALL", "1\n/\n"),
            ("admin", LoopbackIpv6::On, "CAP_NET_ADMIN", "1\nloopback\n/\n"),
        ] {
            let spec = ContainerSpec {
                network: NetworkSpec::Sandbox { network: network.name.clone(), aliases: Vec::new() },
                cap_add: vec![cap_add.into()],
                cap_drop: Vec::new(),
                sysctls: vec![("net.ipv6.conf.all.disable_ipv6".into(), "0".into())],
                loopback_ipv6,
                ..script(ASKS_FOR_ALL)
            };
            let (_, out, err) = bench.run(what, spec, b"").await;
            assert_eq!(out, shown, "{what}: {err}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_shared_network_namespace_is_joined_whatever_else_is_said() {
    with_session(async |bench| {
        let network =
            bench.daemon.create_network(&bench.name("n"), &Device::Bridge, &bench.marks).await.expect("a network");
        let place = NetworkSpec::Sandbox { network: network.name, aliases: vec!["vpn".into()] };
        let owner = bench
            .started(
                "vpn",
                &ContainerSpec { network: place, hostname: "vpn".into(), ..script("httpd -f -p 8080 -h /www") },
            )
            .await;
        let guest = ContainerSpec {
            network: NetworkSpec::Share(owner),
            hostname: "guest".into(),
            domainname: "lan".into(),
            extra_hosts: vec!["a:10.0.0.1".into()],
            sysctls: vec![("net.core.somaxconn".into(), "1024".into())],
            ..script("until wget -q -O /dev/null http://127.0.0.1:8080/; do usleep 100000; done; hostname")
        };
        let (code, out, err) = bench.run("guest", guest, b"").await;
        assert_eq!((code, out.as_str()), (0, "vpn\n"), "{err}");
    })
    .await;
}

#[tokio::test]
async fn labels_of_the_image_say_nothing_to_agents() {
    with_session(async |bench| {
        let tag = format!("rehearsa-test:{}", bench.marks.session);
        let labels = [
            ("traefik.enable", "true"),
            ("com.docker.compose.project", "live \"quoted\" $HOME \\ one"),
            ("io.rehearsa.test", bench.marks.session.as_str()),
        ];
        // An empty archive: two blocks of zeros.
        let tar = futures_util::stream::iter([Ok(vec![0_u8; 1024])]);
        bench.daemon.import_image(&tag, &labels, Box::pin(tar)).await.expect("an image");
        let found =
            bench.daemon.images_labelled(&format!("io.rehearsa.test={}", bench.marks.session)).await.expect("images");
        let id = bench.daemon.image_id(&tag).await.expect("an id").expect("an image");
        let created = bench
            .daemon
            .create_container(&bench.name("labelled"), &ContainerSpec { image: id.clone(), ..script("") }, &bench.marks)
            .await;
        let on_container = created.as_ref().map(|id| seen(id, ".Config.Labels"));
        if let Ok(container) = &created {
            bench.daemon.remove_container(container).await.expect("removed");
        }
        bench.daemon.remove_image(&id).await.expect("removed");

        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].id, &found[0].tags), (&id, &vec![tag.clone()]));
        assert_eq!(found[0].labels["com.docker.compose.project"], labels[1].1);
        let on_container = on_container.expect("a container");
        assert_eq!(on_container["traefik.enable"], json!("false"));
        assert_eq!(on_container["com.docker.compose.project"], json!(""));
        assert_eq!(on_container["io.rehearsa.session"], json!(bench.marks.session));
        assert_eq!(bench.daemon.image_id(&tag).await.expect("an answer"), None);
        assert!(bench.daemon.image_id(IMAGE).await.expect("an answer").is_some());
    })
    .await;
}

//! Tests of the services that discovery makes of a host's containers.

use super::*;
use crate::model::mount::Mount;
use crate::model::sample;
use crate::model::service::ServiceName;

fn line(name: &str, running: bool, labels: &[(&str, &str)]) -> ContainerLine {
    ContainerLine {
        id: format!("{name:0<64}"),
        name: name.to_owned(),
        running,
        image: "sha256:1".to_owned(),
        labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
    }
}

fn compose<'a>(project: &'a str, service: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("com.docker.compose.project", project), ("com.docker.compose.service", service)]
}

fn in_stack(name: &str, running: bool, service: &str, depends_on: &str) -> ContainerLine {
    let mut labels = compose("shop", service);
    labels.push(("com.docker.compose.depends_on", depends_on));
    line(name, running, &labels)
}

fn service(line: &ContainerLine, created: &str, network_mode: NetworkMode) -> Service {
    let mut service = sample::service(ServiceName::lone(line.name.clone()));
    service.container_id.clone_from(&line.id);
    service.created = created.to_owned();
    service.network_mode = network_mode;
    service
}

fn names(lines: &[ContainerLine]) -> Vec<&str> {
    lines.iter().map(|line| line.name.as_str()).collect()
}

fn assembled(lines: Vec<ContainerLine>) -> Vec<Service> {
    assemble_services(
        lines.into_iter().map(|l| (l.clone(), service(&l, "2026-01-01", NetworkMode::Networks))).collect(),
    )
}

/// A container with all labels of this session.
fn ours(name: &str, session: &str) -> ContainerLine {
    let other = [("stack", "media"), ("host", "nas"), ("pid", "1.2"), ("expires", "3")];
    let mut line = line(name, true, &[("io.rehearsa.session", session)]);
    line.labels.extend(other.map(|(key, value)| (format!("io.rehearsa.{key}"), value.to_owned())));
    line
}

#[test]
fn our_own_containers_are_not_seen_but_by_their_session() {
    let lines = vec![line("live", true, &[]), ours("rehearsa-s1-media-web", "s1"), ours("rehearsa-s2", "s2")];
    assert_eq!(names(&select_containers(lines.clone(), Scope::Host).wanted), ["live"]);
    assert_eq!(names(&select_containers(lines, Scope::Session("s2")).wanted), ["rehearsa-s2"]);
}

/// A label spreads by `docker commit` and by copied files: it hides nothing.
#[test]
fn a_container_with_a_label_of_ours_that_is_not_ours_is_seen() {
    let lines = vec![
        ours("my-own", "s1"),
        line("rehearsa-s1-web", true, &[("io.rehearsa.session", "s1")]),
        ours("rehearsa-s1-media-web", "s1"),
    ];
    assert_eq!(names(&select_containers(lines, Scope::Host).wanted), ["my-own", "rehearsa-s1-web"]);
}

#[test]
fn a_volume_that_is_memory_is_marked() {
    let origin = |name: &str| MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() };
    let mount = |name: &str| Mount { target: format!("/{name}"), origin: origin(name), read_only: false };
    let mut services = assembled(vec![line("app", true, &[])]);
    services[0].mounts = vec![mount("cache"), mount("data")];
    mark_memory(&mut services, &BTreeSet::from(["cache".to_owned()]));
    let in_memory: Vec<bool> = services[0].mounts.iter().map(|mount| mount.origin.is_in_memory()).collect();
    assert_eq!(in_memory, [true, false]);
}

#[test]
fn stopped_containers_are_seen_only_when_a_running_one_depends_on_them() {
    let lines = vec![
        line("old", false, &[]),
        line("app", true, &[("rehearsa.depends_on", "set-up:service_completed_successfully")]),
        line("set-up", false, &[]),
        in_stack("web", true, "web", "migrate:service_completed_successfully:false"),
        in_stack("migrate", false, "migrate", "init"),
        in_stack("init", false, "init", ""),
        in_stack("unused", false, "unused", "web"),
        line("other-migrate", false, &compose("other", "migrate")),
    ];
    let Selected { wanted, stopped } = select_containers(lines, Scope::Host);
    assert_eq!(names(&wanted), ["app", "set-up", "web", "migrate", "init"]);
    let stopped: Vec<String> = stopped.iter().map(|of| format!("{} in {}", of.name, of.container_name)).collect();
    assert_eq!(stopped, ["old in old", "shop::unused in unused", "other::migrate in other-migrate"]);
}

#[test]
fn services_come_out_in_the_order_of_their_names() {
    let services = assembled(vec![
        line("zebra", true, &[]),
        in_stack("x", true, "web", "db:service_healthy:true"),
        in_stack("y", true, "db", ""),
        line("ant", true, &[]),
    ]);
    let names: Vec<String> = services.iter().map(|s| s.name.to_string()).collect();
    assert_eq!(names, ["ant", "zebra", "shop::db", "shop::web"]);
    assert_eq!(services[3].depends_on[0].service, "db");
    assert_eq!(services[3].depends_on[0].condition, Condition::ServiceHealthy);
}

#[test]
fn a_dependency_on_a_service_means_its_first_container() {
    let mut second = in_stack("db2", true, "db", "");
    second.labels.insert("com.docker.compose.container-number".to_owned(), "2".to_owned());
    let services = assembled(vec![second, in_stack("web", true, "web", "db")]);
    assert_eq!(services[0].name.to_string(), "shop::db-2");
    assert_eq!(services[1].depends_on[0].service, "db-2");
}

#[test]
fn sharing_a_network_namespace_is_depending_on_its_owner() {
    let vpn = in_stack("vpn", true, "vpn", "");
    let torrent = in_stack("torrent", true, "torrent", "");
    let shared = NetworkMode::Container { container: vpn.id.clone() };
    let services = assemble_services(vec![
        (torrent.clone(), service(&torrent, "2026-01-01", shared)),
        (vpn.clone(), service(&vpn, "2026-01-02", NetworkMode::Networks)),
    ]);
    let torrent = services.iter().find(|s| s.name.service == "torrent").expect("it is there");
    assert_eq!(torrent.depends_on.len(), 1);
    assert_eq!(torrent.depends_on[0].service, "vpn");
    assert!(services.iter().find(|s| s.name.service == "vpn").expect("it is there").depends_on.is_empty());
}

#[test]
fn a_dependency_that_is_not_on_the_host_is_kept_by_name() {
    let services = assembled(vec![in_stack("web", true, "web", "gone:service_healthy:true,web")]);
    let names: Vec<&str> = services[0].depends_on.iter().map(|d| d.service.as_str()).collect();
    assert_eq!(names, ["gone"], "but nobody depends on himself");
}

#[test]
fn of_two_that_want_one_name_the_older_gets_it() {
    let young = in_stack("young", true, "web", "");
    let old = in_stack("old", true, "web", "");
    let services = assemble_services(vec![
        (young.clone(), service(&young, "2026-02-01T00:00:00Z", NetworkMode::Networks)),
        (old.clone(), service(&old, "2026-01-01T00:00:00Z", NetworkMode::Networks)),
    ]);
    let by_container: BTreeMap<&str, String> =
        services.iter().map(|s| (s.container_name.as_str(), s.name.to_string())).collect();
    assert_eq!(by_container, BTreeMap::from([("old", "shop::web".to_owned()), ("young", "shop::young".to_owned())]));
}

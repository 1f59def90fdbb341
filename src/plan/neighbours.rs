//! Services outside of a stack that the stack needs or talks to: lone containers, and services of other stacks.

use std::collections::BTreeSet;

use crate::model::plan::Neighbour;
use crate::model::service::{Condition, Dependency, Service, ServiceName};

/// Networks that every engine has; a container on one of them finds no other by its name.
const OF_ENGINE: [&str; 5] = ["bridge", "host", "none", "ingress", "docker_gwbridge"];

/// Characters of a container's id that the engine makes a name of.
const SHORT_ID: usize = 12;

/// The services that `service` means by this name in its dependencies: those of its own stack, else a service by its
/// whole name, a lone container or a container of any stack by its own name. A replica has the name of its service,
/// too.
pub(super) fn called<'a>(service: &Service, name: &str, all: &[&'a Service]) -> Vec<&'a Service> {
    let others = all.iter().copied().filter(|other| other.name != service.name);
    let own: Vec<&Service> = others
        .clone()
        .filter(|other| other.name.stack == service.name.stack)
        .filter(|other| other.name.service == name || other.label("com.docker.compose.service") == Some(name))
        .collect();
    if !own.is_empty() {
        return own;
    }
    let is_lone = |other: &Service| other.name.stack.is_none() && other.name.service == name;
    others.filter(|other| other.name.to_string() == name || is_lone(other) || other.container_name == name).collect()
}

/// The services outside of a stack that those of the stack depend on, directly or not.
pub fn borrowed(all: &[&Service], is_native: &dyn Fn(&Service) -> bool) -> BTreeSet<ServiceName> {
    let mut open: Vec<&Service> = all.iter().copied().filter(|service| is_native(service)).collect();
    let mut found = BTreeSet::new();
    while let Some(service) = open.pop() {
        for dependency in &service.depends_on {
            for other in called(service, &dependency.service, all) {
                if !is_native(other) && found.insert(other.name.clone()) {
                    open.push(other);
                }
            }
        }
    }
    found
}

/// Makes these neighbours dependencies of every service that shares a network with them or links to them; a later one
/// of the list may need the earlier ones. The error goes on after the name that is wrong.
pub fn bring_along(services: &mut [Service], neighbours: &[String]) -> Result<(), (String, String)> {
    let mut places = Vec::new();
    for name in neighbours {
        places.push(find(services, name).map_err(|expected| (name.clone(), expected))?);
    }
    for (nth, &place) in places.iter().enumerate() {
        let neighbour = services[place].clone();
        let condition = match neighbour.healthcheck {
            Some(_) => Condition::ServiceHealthy,
            None => Condition::ServiceStarted,
        };
        let mut is_needed = false;
        for index in 0..services.len() {
            let all: Vec<&Service> = services.iter().collect();
            let service = &services[index];
            let is_earlier = places[..=nth].contains(&index);
            let known =
                |name: &Dependency| called(service, &name.service, &all).iter().any(|o| o.name == neighbour.name);
            if is_earlier || meeting(service, &neighbour).is_none() || needs(&neighbour, service, &all) {
                continue;
            }
            is_needed = true;
            if !service.depends_on.iter().any(known) {
                let dependency = Dependency { service: neighbour.name.to_string(), condition, required: true };
                services[index].depends_on.push(dependency);
            }
        }
        if !is_needed {
            let expected = "a neighbour: no other container shares a network of its own with this one or links to it";
            return Err((neighbours[nth].clone(), expected.to_owned()));
        }
    }
    Ok(())
}

/// The index of the service of this name.
fn find(services: &[Service], name: &str) -> Result<usize, String> {
    let by = |is_it: &dyn Fn(&Service) -> bool| -> Vec<usize> {
        services.iter().enumerate().filter(|(_, service)| is_it(service)).map(|(index, _)| index).collect()
    };
    let exact = by(&|service| service.name.to_string() == name || service.container_name == name);
    let found = if exact.is_empty() { by(&|service| service.name.service == name) } else { exact };
    match found.as_slice() {
        [index] => Ok(*index),
        [] => Err("a running service of this host; `rehearsa test --list` shows them".to_owned()),
        several => {
            let names: Vec<String> = several.iter().map(|index| services[*index].name.to_string()).collect();
            Err(format!("one service: there are {}", names.join(", ")))
        }
    }
}

/// Whether `service` depends on `other`, directly or not.
fn needs(service: &Service, other: &Service, all: &[&Service]) -> bool {
    let mut open = vec![service];
    let mut seen = BTreeSet::new();
    while let Some(next) = open.pop() {
        for dependency in &next.depends_on {
            for found in called(next, &dependency.service, all) {
                if found.name == other.name {
                    return true;
                }
                if seen.insert(found.name.clone()) {
                    open.push(found);
                }
            }
        }
    }
    false
}

/// How `service` reaches `other` live: the network that both are on, or a link.
fn meeting(service: &Service, other: &Service) -> Option<String> {
    let shared = service.networks.iter().map(|attachment| &attachment.network).find(|network| {
        let is_own = !OF_ENGINE.contains(&network.as_str());
        is_own && other.networks.iter().any(|attachment| attachment.network == **network)
    });
    let link = || link_to(service, other).map(|_| "a link".to_owned());
    shared.map(|network| format!("the network {network}")).or_else(link)
}

/// The name by which `service` has a legacy link to `other` (`/other:/this/alias`).
fn link_to<'a>(service: &'a Service, other: &Service) -> Option<&'a str> {
    service.links.iter().find_map(|link| {
        let (of, alias) = link.split_once(':')?;
        (of.trim_start_matches('/') == other.container_name).then(|| alias.rsplit('/').next().unwrap_or(alias))
    })
}

/// The running neighbours of a service that are not in its sandbox.
pub(super) fn left_out(
    service: &Service,
    all: &[&Service],
    is_booted: &dyn Fn(&ServiceName) -> bool,
) -> Vec<Neighbour> {
    let others = all.iter().filter(|other| other.running && other.name != service.name && !is_booted(&other.name));
    let neighbours = others.filter_map(|other| {
        let met_by = meeting(service, other)?;
        let aliases = other
            .networks
            .iter()
            .filter(|attachment| service.networks.iter().any(|own| own.network == attachment.network));
        let aliases = aliases.flat_map(|attachment| attachment.aliases.iter().map(String::as_str));
        let own = [other.name.service.as_str(), other.container_name.as_str()];
        let known_as: BTreeSet<&str> = aliases.chain(own).chain(link_to(service, other)).collect();
        // The engine adds the start of the container's id.
        let known_as =
            known_as.into_iter().filter(|name| name.len() != SHORT_ID || !other.container_id.starts_with(name));
        Some(Neighbour { service: other.name.clone(), met_by, known_as: known_as.map(str::to_owned).collect() })
    });
    neighbours.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use crate::model::service::{Attachment, Healthcheck};

    fn on(name: ServiceName, network: &str, aliases: &[&str]) -> Service {
        let aliases = aliases.iter().map(|&alias| alias.to_owned()).collect();
        let networks = vec![Attachment { network: network.to_owned(), aliases }];
        Service { networks, ..sample::service(name) }
    }

    fn lone(name: &str) -> Service {
        Service { container_name: name.to_owned(), ..on(ServiceName::lone(name), "back", &[]) }
    }

    fn depends_on(mut service: Service, name: &str) -> Service {
        let dependency = Dependency { service: name.to_owned(), condition: Condition::ServiceStarted, required: true };
        service.depends_on.push(dependency);
        service
    }

    fn needed(service: &Service) -> Vec<&str> {
        service.depends_on.iter().map(|dependency| dependency.service.as_str()).collect()
    }

    #[test]
    fn a_name_means_the_own_stack_first_and_then_any_container() {
        let (own, foreign) = (ServiceName::of_stack("shop", "db"), ServiceName::of_stack("data", "db"));
        let (app, own, foreign) =
            (sample::service(ServiceName::of_stack("shop", "app")), sample::service(own), foreign);
        let (foreign, alone) = (sample::service(foreign), lone("db"));
        let all = [&app, &own, &foreign, &alone];
        let names = |name: &str, all: &[&Service]| -> Vec<String> {
            called(&app, name, all).iter().map(|service| service.name.to_string()).collect()
        };
        assert_eq!(names("db", &all), ["shop::db"]);
        assert_eq!(names("data::db", &all), ["data::db"]);
        assert_eq!(names("db", &[&app, &foreign, &alone]), ["db"], "a bare name is no service of another stack");
        assert!(names("cache", &all).is_empty());
    }

    #[test]
    fn what_a_lone_container_depends_on_is_borrowed_with_what_that_needs() {
        let (app, db, disk) = (depends_on(lone("app"), "db"), depends_on(lone("db"), "disk"), lone("disk"));
        let other = lone("other");
        let all = [&app, &db, &disk, &other];
        let names = borrowed(&all, &|service| service.name.service == "app");
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["db", "disk"]);
    }

    #[test]
    fn a_neighbour_that_is_brought_along_becomes_a_dependency() {
        let healthcheck =
            Healthcheck { test: vec!["CMD".into()], interval: 0, timeout: 0, retries: 0, start_period: 0 };
        let db = Service { healthcheck: Some(healthcheck), ..lone("db") };
        let far = on(ServiceName::lone("far"), "bridge", &[]);
        let mut services = vec![lone("app"), lone("cache"), db, far];
        bring_along(&mut services, &["db".to_owned(), "cache".to_owned()]).expect("both are there");
        assert_eq!(needed(&services[0]), ["db", "cache"]);
        assert_eq!(services[0].depends_on[0].condition, Condition::ServiceHealthy);
        assert_eq!(needed(&services[1]), ["db"], "a later one of the list may need an earlier one");
        assert!(needed(&services[2]).is_empty() && needed(&services[3]).is_empty());
        let said = |name: &str| bring_along(&mut services.clone(), &[name.to_owned()]).expect_err(name).1;
        assert!(said("mysql").contains("a running service of this host"));
        assert!(said("far").contains("shares a network"));
    }

    #[test]
    fn a_neighbour_that_depends_on_the_service_itself_makes_no_circle() {
        let mut services = vec![lone("app"), depends_on(lone("proxy"), "app"), lone("job")];
        bring_along(&mut services, &["proxy".to_owned()]).expect("it is there");
        assert!(needed(&services[0]).is_empty());
        assert_eq!(needed(&services[2]), ["proxy"]);
    }

    #[test]
    fn what_is_left_out_is_told_with_its_names() {
        let mut app = lone("app");
        app.links = vec!["/mail:/app/smtp".to_owned()];
        let db = Service { container_id: "abcdef123456789".to_owned(), ..lone("db") };
        let db = Service { networks: on(db.name.clone(), "back", &["postgres", "abcdef123456"]).networks, ..db };
        let mail = Service { networks: Vec::new(), ..lone("mail") };
        let (stopped, far) = (Service { running: false, ..lone("old") }, on(ServiceName::lone("far"), "front", &[]));
        let all = [&app, &db, &mail, &stopped, &far];
        let told = left_out(&app, &all, &|name| name.service == "app");
        let told: Vec<(String, &str, Vec<&str>)> = told
            .iter()
            .map(|of| (of.service.to_string(), of.met_by.as_str(), of.known_as.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(
            told,
            [
                ("db".to_owned(), "the network back", vec!["db", "postgres"]),
                ("mail".to_owned(), "a link", vec!["mail", "smtp"])
            ]
        );
        assert!(left_out(&app, &all, &|_| true).is_empty());
    }
}

//! Dependencies between the services of a stack, as labels give them.
//!
//! Compose v2 writes `com.docker.compose.depends_on=db:service_healthy:false,cache:service_started:true` (service,
//! condition, whether it restarts along); early versions wrote bare names. Compose v1 writes nothing.
//! `rehearsa.depends_on` has the same form and overrides Compose's label; it may also name a lone container, or a
//! service of another stack. Where both are missing, the environment gives
//! a hint.

use std::collections::{BTreeMap, BTreeSet};

use super::naming::escape;
use crate::config::declared::DEPENDS_ON;
use crate::model::service::{Condition, Dependency, Service};

/// Compose's label with the dependencies.
pub const COMPOSE: &str = "com.docker.compose.depends_on";

/// The dependencies in a container's labels.
pub fn from_labels(labels: &BTreeMap<String, String>) -> Vec<Dependency> {
    labels.get(DEPENDS_ON).or_else(|| labels.get(COMPOSE)).map_or_else(Vec::new, |text| parse_dependencies(text))
}

/// Parses `db:service_healthy:false,cache`. An unknown condition becomes `service_started`, so that at least the order
/// holds; other unknown parts of an entry are ignored.
pub fn parse_dependencies(text: &str) -> Vec<Dependency> {
    let mut seen = BTreeSet::new();
    text.split(',')
        .filter_map(|entry| {
            // The name of a service of another stack has two colons in it: `shop::db`.
            let marked = entry.trim().replace("::", "\0");
            let mut parts = marked.split(':').map(str::trim);
            let service = escape(&parts.next().filter(|name| !name.is_empty())?.replace('\0', "::"));
            let condition = match parts.next() {
                Some("service_healthy" | "healthy") => Condition::ServiceHealthy,
                Some("service_completed_successfully" | "completed") => Condition::ServiceCompletedSuccessfully,
                _ => Condition::ServiceStarted,
            };
            let dependency = Dependency { service, condition, required: true };
            seen.insert(dependency.service.clone()).then_some(dependency)
        })
        .collect()
}

/// Compose's label with its own version.
const COMPOSE_VERSION: &str = "com.docker.compose.version";

/// Adds dependencies that Compose v1 did not write down. A service depends on another one of its stack if its
/// environment names that one (`DATABASE_HOST=db`, `redis://cache:6379`) and that one was created first: Compose
/// creates dependencies first. Only for stacks of Compose v1 and for services without declared dependencies.
pub fn infer_missing(services: &mut [Service]) {
    let untold = |service: &Service| {
        service.label(COMPOSE_VERSION).is_some_and(|version| version.starts_with("1."))
            && service.label(COMPOSE).is_none()
            && service.label(DEPENDS_ON).is_none()
    };
    let mut found: Vec<(usize, Dependency)> = Vec::new();
    for (index, service) in services.iter().enumerate().filter(|(_, service)| untold(service)) {
        let words: BTreeSet<&str> = crate::model::sandbox::secrets(&service.env)
            .flat_map(|value| value.reveal().split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))))
            .collect();
        for other in services.iter().filter(|other| other.running && other.name.stack == service.name.stack) {
            let known = service.depends_on.iter().any(|dependency| dependency.service == other.name.service);
            let named = words.contains(other.name.service.as_str()) || words.contains(other.container_name.as_str());
            if other.name != service.name && named && !known && other.created < service.created {
                let condition =
                    if other.healthcheck.is_some() { Condition::ServiceHealthy } else { Condition::ServiceStarted };
                found.push((index, Dependency { service: other.name.service.clone(), condition, required: false }));
            }
        }
    }
    for (index, dependency) in found {
        services[index].depends_on.push(dependency);
    }
}

/// The services (keys) that the services in `wanted` depend on, directly or not, without `wanted` itself.
pub fn all_dependencies<'a>(
    wanted: impl IntoIterator<Item = &'a str>,
    depends_on: &'a BTreeMap<String, Vec<String>>,
) -> BTreeSet<&'a str> {
    let wanted: BTreeSet<&str> = wanted.into_iter().collect();
    let mut needed = BTreeSet::new();
    let mut open: Vec<&str> = wanted.iter().copied().collect();
    while let Some(service) = open.pop() {
        for other in depends_on.get(service).into_iter().flatten() {
            if !wanted.contains(other.as_str()) && needed.insert(other.as_str()) {
                open.push(other);
            }
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use crate::model::secret::Secret;
    use crate::model::service::{EnvVar, ServiceName};

    fn of_v1(name: &str, created: &str, env: &[(&str, &str)]) -> Service {
        let mut service = sample::service(ServiceName::of_stack("web", name));
        service.container_name = format!("web_{name}_1");
        service.created = created.to_owned();
        service.depends_on = Vec::new();
        service.labels = vec![(COMPOSE_VERSION.to_owned(), "1.29.2".to_owned())];
        let var = |(name, value): &(&str, &str)| EnvVar { name: (*name).to_owned(), value: Some(Secret::new(*value)) };
        service.env = env.iter().map(var).collect();
        service
    }

    #[test]
    fn a_v1_stack_tells_its_order_by_what_its_environment_names() {
        let env = [("DATABASE_URL", "postgres://app:pw@db:5432/app"), ("NAME", "app")];
        let mut stack =
            [of_v1("app", "2", &env), of_v1("db", "1", &[("POSTGRES_USER", "app")]), of_v1("dbx", "1", &[])];
        infer_missing(&mut stack);
        let needs: Vec<&str> = stack[0].depends_on.iter().map(|dependency| dependency.service.as_str()).collect();
        assert_eq!(needs, ["db"], "the whole word, and not itself");
        assert!(stack[1].depends_on.is_empty(), "what was created first needs nothing that came later");
    }

    #[test]
    fn nothing_is_inferred_where_somebody_has_told() {
        let mut told = of_v1("app", "2", &[("DATABASE_HOST", "db")]);
        told.labels.push((DEPENDS_ON.to_owned(), String::new()));
        let mut v2 = of_v1("web", "2", &[("DATABASE_HOST", "db")]);
        v2.labels = vec![(COMPOSE_VERSION.to_owned(), "2.20.0".to_owned())];
        let mut stack = [told, v2, of_v1("db", "1", &[])];
        infer_missing(&mut stack);
        assert!(stack.iter().all(|service| service.depends_on.is_empty()));
    }

    fn show(text: &str) -> Vec<(String, Condition)> {
        parse_dependencies(text).into_iter().map(|d| (d.service, d.condition)).collect()
    }

    #[test]
    fn the_label_of_compose_v2_is_read() {
        assert_eq!(
            show("db:service_healthy:false,cache:service_started:true,init:service_completed_successfully:false"),
            [
                ("db".to_owned(), Condition::ServiceHealthy),
                ("cache".to_owned(), Condition::ServiceStarted),
                ("init".to_owned(), Condition::ServiceCompletedSuccessfully),
            ]
        );
    }

    #[test]
    fn bare_names_and_odd_forms_keep_the_order_at_least() {
        assert_eq!(
            show(" db , cache:service_dancing,, :service_healthy, db:service_healthy"),
            [("db".to_owned(), Condition::ServiceStarted), ("cache".to_owned(), Condition::ServiceStarted)]
        );
        assert_eq!(
            show("shop::db:service_healthy,data::cache"),
            [("shop::db".to_owned(), Condition::ServiceHealthy), ("data::cache".to_owned(), Condition::ServiceStarted)]
        );
        assert!(show("").is_empty());
    }

    #[test]
    fn a_name_is_escaped_as_that_of_its_service_is() {
        assert_eq!(show("d\u{2028}b:service_started:true")[0].0, r"d\u{2028}b");
    }

    #[test]
    fn our_own_label_overrules_composes() {
        let labels = BTreeMap::from([
            (COMPOSE.to_owned(), "db:service_started:false".to_owned()),
            (DEPENDS_ON.to_owned(), "cache:service_healthy".to_owned()),
        ]);
        assert_eq!(from_labels(&labels).len(), 1);
        assert_eq!(from_labels(&labels)[0].service, "cache");
    }

    #[test]
    fn what_is_needed_is_found_at_any_distance_and_in_circles() {
        let depends_on = BTreeMap::from([
            ("web".to_owned(), vec!["app".to_owned()]),
            ("app".to_owned(), vec!["db".to_owned(), "web".to_owned()]),
            ("db".to_owned(), vec!["app".to_owned()]),
        ]);
        assert_eq!(all_dependencies(["web"], &depends_on), BTreeSet::from(["app", "db"]));
        assert!(all_dependencies(["other"], &depends_on).is_empty());
    }
}

//! Tests of what is shown of a service, and of how one is found.

use super::*;
use crate::model::sample;
use crate::model::secret::Secret;
use crate::model::service::{EnvVar, Healthcheck, Port, ServiceName};

fn host() -> Vec<Service> {
    vec![
        sample::service(ServiceName::of_stack("media", "jellyfin")),
        sample::service(ServiceName::of_stack("media", "db")),
        sample::service(ServiceName::of_stack("shop", "db")),
        sample::service(ServiceName::lone("vault")),
    ]
}

fn found(wanted: &str) -> String {
    match find(&host(), wanted) {
        Ok(service) => service.name.to_string(),
        Err(failure) => failure.render(false),
    }
}

#[test]
fn a_service_is_found_by_any_name_it_has() {
    for (wanted, name) in [
        ("media::jellyfin", "media::jellyfin"),
        ("media-jellyfin-1", "media::jellyfin"),
        ("jellyfin", "media::jellyfin"),
        ("jellyfin0000", "media::jellyfin"),
        ("vault", "vault"),
        ("shop::db", "shop::db"),
    ] {
        assert_eq!(found(wanted), name, "{wanted}");
    }
}

#[test]
fn a_name_that_several_have_is_asked_for_in_full() {
    assert_eq!(found("db"), "error: `db` may be `media::db` or `shop::db`; give the full name\n");
}

#[test]
fn an_unknown_name_is_met_with_the_nearest_and_the_list_of_all() {
    assert_eq!(
        found("jelyfin"),
        "error: no running service is called `jelyfin`; did you mean `media::jellyfin`?\n\n\
         What to do: `rehearsa test --list` shows all of them\n"
    );
}

fn secretive() -> Service {
    let mut service = sample::service(ServiceName::lone("vault"));
    let secret = || Secret::new("hunter2-hunter2");
    service.env = vec![EnvVar { name: "PASSWORD".to_owned(), value: Some(secret()) }];
    service.command = Some(vec!["--token=hunter2-hunter2".to_owned()]);
    service.labels = vec![("auth".to_owned(), "hunter2-hunter2".to_owned())];
    service.exposed = vec![Port { number: 5432, protocol: "tcp".to_owned() }];
    service.healthcheck = Some(Healthcheck {
        test: vec!["CMD-SHELL".to_owned(), "PGPASSWORD=hunter2-hunter2 psql -c 'select 1'".to_owned()],
        interval: 0,
        timeout: 5_000_000_000,
        retries: 0,
        start_period: 0,
    });
    service
}

#[test]
fn no_secret_is_shown_in_either_form() {
    let service = secretive();
    let view = InspectView::of(&service);
    let json = serde_json::to_string(&view).expect("it serializes");
    for text in [inspect_view::text(&view), json] {
        assert!(!text.contains("hunter2"), "{text}");
        assert!(text.contains("PASSWORD") && text.contains("psql"), "{text}");
    }
}

#[test]
fn dockers_defaults_are_filled_in() {
    let service = secretive();
    let text = inspect_view::text(&InspectView::of(&service));
    assert!(
        text.contains("healthcheck  psql …, every 30s, at most 5s each, 3 failures in a row are too many\n"),
        "{text}"
    );
    assert!(
        text.contains("exposes      5432/tcp\n") && text.contains("mounts       none: there is no data to restore\n"),
        "{text}"
    );
}

#[test]
fn a_healthcheck_that_allows_no_second_failure_is_told_in_the_singular() {
    let mut service = secretive();
    service.healthcheck.as_mut().expect("it has one").retries = 1;
    let text = inspect_view::text(&InspectView::of(&service));
    assert!(text.contains("at most 5s each, one failure is too many\n"), "{text}");
}

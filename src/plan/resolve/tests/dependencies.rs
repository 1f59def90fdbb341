//! A source that was named for the selected services, and what they depend on.

use super::*;
use crate::config::settings::Selection;
use crate::model::service::{Condition, Dependency};
use crate::model::settings::DependencySource;

fn if_found() -> ServiceSettings {
    ServiceSettings { as_dependency: DependencySource::SameIfFound, ..settings() }
}

/// `stack::app`, which depends on `stack::db`, both with a volume of their own, and one of them selected.
fn planned(of_app: ServiceSettings, of_db: ServiceSettings, selected: &str, paths: &[&str]) -> Plan {
    let mut app = service("stack::app", vec![volume("stack_files", "/files")]);
    let needs_db = Dependency { service: "db".to_owned(), condition: Condition::ServiceStarted, required: true };
    app.depends_on = vec![needs_db];
    let db = service("stack::db", vec![volume("stack_rows", "/rows"), volume("stack_log", "/log")]);
    let selection = Selection { filters: vec![selected.to_owned()], ..Selection::default() };
    supplied_as(crate::plan::draft(vec![(app, of_app), (db, of_db)], &selection), paths, None)
}

fn warned(plan: &Plan, name: &str) -> Vec<Code> {
    of(plan, name).warnings.iter().map(|warning| warning.code).collect()
}

#[test]
fn an_archive_of_one_service_is_taken_for_it_although_it_depends_on_another() {
    let plan = planned(if_found(), if_found(), "stack::app", &["a", "b"]);
    assert_eq!(parts(&plan, "stack::app"), Ok(vec![".".to_owned()]));
    assert_eq!(parts(&plan, "stack::db"), Ok(vec!["live".to_owned(), "live".to_owned()]));
    assert_eq!(warned(&plan, "stack::app"), [Code::RestoreDependencyLive]);
    assert_eq!((of(&plan, "stack::db").source, of(&plan, "stack::db").kind), (None, "live"));
    assert!(of(&plan, "stack::db").snapshot.is_none());
}

#[test]
fn a_dependency_comes_out_of_the_backup_that_has_all_of_it() {
    let all = ["stack_files/a", "stack_rows/b", "stack_log/c"];
    let plan = planned(if_found(), if_found(), "stack::app", &all);
    assert_eq!(parts(&plan, "stack::db"), Ok(vec!["stack_rows".to_owned(), "stack_log".to_owned()]));
    assert!(warned(&plan, "stack::app").is_empty());
    assert!(of(&plan, "stack::db").source.is_some());
    // Half of it beside the live half would be the data of no time.
    let plan = planned(if_found(), if_found(), "stack::app", &all[..2]);
    assert_eq!(parts(&plan, "stack::app"), Ok(vec!["stack_files".to_owned()]));
    assert_eq!(parts(&plan, "stack::db"), Ok(vec!["live".to_owned(), "live".to_owned()]));
    assert_eq!(warned(&plan, "stack::app"), [Code::RestoreDependencyLive]);
}

#[test]
fn what_is_selected_itself_needs_its_part() {
    let plan = planned(if_found(), if_found(), "stack::", &["stack_files/a"]);
    assert_eq!(parts(&plan, "stack::db"), Err(Code::RestoreMountMissing));
    let plan = planned(if_found(), settings(), "stack::app", &["stack_files/a"]);
    assert_eq!(parts(&plan, "stack::db"), Err(Code::RestoreMountMissing), "a source of its own is no guess");
}

#[test]
fn a_dependency_with_a_source_of_its_own_keeps_that() {
    let live = ServiceSettings { as_dependency: DependencySource::Other(None), ..settings() };
    let plan = planned(if_found(), live.clone(), "stack::app", &["stack_files/a", "stack_rows/b", "stack_log/c"]);
    assert_eq!(parts(&plan, "stack::db"), Ok(vec!["live".to_owned(), "live".to_owned()]));
    assert!(warned(&plan, "stack::app").is_empty(), "it was said");
    let plan = planned(live.clone(), live, "stack::db", &["stack_rows/b", "stack_log/c"]);
    assert_eq!(parts(&plan, "stack::db"), Ok(vec!["stack_rows".to_owned(), "stack_log".to_owned()]));
}

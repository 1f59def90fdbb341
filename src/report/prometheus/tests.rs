//! What is known after one run and after several, read by the reader that the next run has.

use jiff::SignedDuration;

use super::*;
use crate::model::event::CaseInfo;
use crate::model::service::ServiceName;
use crate::report::sample;

/// A folder with the metrics of several runs.
struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder") }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("rehearsa.prom")
    }

    /// Plays a run, so many days after the first.
    fn run(&self, events: &[Event], days: i64) -> String {
        let path = self.path();
        let target = AtomicFile::keeping(&path, crate::report::target::Naming::User).expect("opens");
        let mut reporter = PrometheusReporter::new("Prometheus".to_owned(), target, Some(path.clone()));
        let later = |event: &Event| Event { at: event.at + SignedDuration::from_hours(24 * days), ..event.clone() };
        sample::play(&events.iter().map(later).collect::<Vec<_>>(), &mut reporter);
        fs::read_to_string(&path).unwrap_or_default()
    }
}

/// A run in which these services fail.
fn failing(services: &[&str]) -> Vec<Event> {
    let names: Vec<ServiceName> = services.iter().map(|service| sample::name("media", service)).collect();
    let mut script = sample::Script::run(names.iter().map(sample::info).collect());
    for name in &names {
        script.begin(name).step(name, sample::clone_of("v"), 1.0, sample::broke(&sample::exited())).end(name);
    }
    script.over()
}

/// The value of a metric of a service.
fn value(text: &str, metric: &str, service: &str) -> Option<f64> {
    let (book, strange) = MetricFile::read(text);
    assert_eq!(strange, 0, "{text}");
    let mut found = book.entries.iter().filter(|(key, _)| key.service == service);
    let entry = found.next()?.1;
    assert!(found.next().is_none(), "one series for {service}");
    entry.values.get(metric).copied()
}

fn verdict(text: &str, service: &str) -> Option<Verdict> {
    let (book, _) = MetricFile::read(text);
    book.entries.iter().find(|(key, _)| key.service == service)?.1.verdict
}

/// Seconds since the begin of the first run.
fn since(days: i64, run: f64) -> Option<f64> {
    Some(seconds(sample::at(0.0)) + (days * 86_400) as f64 + run)
}

#[test]
fn one_run_reads_like_this() {
    assert_eq!(
        Place::new().run(&sample::one_passed(), 0),
        "\
# HELP rehearsa_rehearsal_last_run_timestamp_seconds Unix time of the end of the last rehearsal of the service.
# TYPE rehearsa_rehearsal_last_run_timestamp_seconds gauge
rehearsa_rehearsal_last_run_timestamp_seconds{stack=\"media\",service=\"jellyfin\",source=\"live\"} 1767323063.4
# HELP rehearsa_rehearsal_last_success_timestamp_seconds Unix time of the end of the last rehearsal \
of the service that passed, 0 when none ever did.
# TYPE rehearsa_rehearsal_last_success_timestamp_seconds gauge
rehearsa_rehearsal_last_success_timestamp_seconds{stack=\"media\",service=\"jellyfin\",source=\"live\"} 1767323063.4
# HELP rehearsa_rehearsal_duration_seconds Seconds that the last rehearsal of the service took.
# TYPE rehearsa_rehearsal_duration_seconds gauge
rehearsa_rehearsal_duration_seconds{stack=\"media\",service=\"jellyfin\",source=\"live\"} 18.4
# HELP rehearsa_rehearsal_restored_bytes Bytes of content that the last rehearsal of the service restored.
# TYPE rehearsa_rehearsal_restored_bytes gauge
rehearsa_rehearsal_restored_bytes{stack=\"media\",service=\"jellyfin\",source=\"live\"} 38000000
# HELP rehearsa_rehearsal_restored_files Files and other entries that the last rehearsal of the service restored.
# TYPE rehearsa_rehearsal_restored_files gauge
rehearsa_rehearsal_restored_files{stack=\"media\",service=\"jellyfin\",source=\"live\"} 412
# HELP rehearsa_rehearsal_backup_read Whether data of a backup came into the last rehearsal of the service: 1, \
or 0 for a live copy.
# TYPE rehearsa_rehearsal_backup_read gauge
rehearsa_rehearsal_backup_read{stack=\"media\",service=\"jellyfin\",source=\"live\"} 0
# HELP rehearsa_rehearsal_verdict What became of the last rehearsal of the service: 1 for its verdict, 0 for the others.
# TYPE rehearsa_rehearsal_verdict gauge
rehearsa_rehearsal_verdict{stack=\"media\",service=\"jellyfin\",source=\"live\",verdict=\"passed\"} 1
rehearsa_rehearsal_verdict{stack=\"media\",service=\"jellyfin\",source=\"live\",verdict=\"failed\"} 0
rehearsa_rehearsal_verdict{stack=\"media\",service=\"jellyfin\",source=\"live\",verdict=\"errored\"} 0
rehearsa_rehearsal_verdict{stack=\"media\",service=\"jellyfin\",source=\"live\",verdict=\"skipped\"} 0
# HELP rehearsa_run_last_timestamp_seconds Unix time of the end of the last run, whatever it rehearsed.
# TYPE rehearsa_run_last_timestamp_seconds gauge
rehearsa_run_last_timestamp_seconds 1767323064
# HELP rehearsa_run_duration_seconds Seconds that the last run took.
# TYPE rehearsa_run_duration_seconds gauge
rehearsa_run_duration_seconds 19
# HELP rehearsa_run_exit_code Exit code of the last run: 0 passed, 4 nothing selected, 101 failed, 102 errored, \
130 and 143 interrupted.
# TYPE rehearsa_run_exit_code gauge
rehearsa_run_exit_code 0
# HELP rehearsa_build_info The version of rehearsa that wrote this, always 1.
# TYPE rehearsa_build_info gauge
rehearsa_build_info{version=\"0.1.0\"} 1
"
    );
}

#[test]
fn a_backup_that_was_read_is_told_apart_from_a_live_copy() {
    let text = Place::new().run(&sample::of_backup(sample::one_passed()), 0);
    assert_eq!(value(&text, book::BACKUP_READ, "jellyfin"), Some(1.0));
}

#[test]
fn a_success_is_remembered_when_a_later_rehearsal_fails() {
    let place = Place::new();
    place.run(&sample::one_passed(), 0);
    let text = place.run(&failing(&["jellyfin"]), 1);
    assert_eq!(value(&text, book::LAST_SUCCESS, "jellyfin"), since(0, 18.4));
    assert_eq!(value(&text, book::LAST_RUN, "jellyfin"), since(1, 1.0));
    assert_eq!(verdict(&text, "jellyfin"), Some(Verdict::Failed));
    let text = place.run(&sample::one_passed(), 2);
    assert_eq!(value(&text, book::LAST_SUCCESS, "jellyfin"), since(2, 18.4));
    assert_eq!(verdict(&text, "jellyfin"), Some(Verdict::Passed));
}

#[test]
fn a_service_that_never_passed_is_as_old_as_can_be() {
    assert_eq!(value(&Place::new().run(&failing(&["sonarr"]), 0), book::LAST_SUCCESS, "sonarr"), Some(0.0));
}

#[test]
fn a_service_that_is_not_in_a_run_keeps_its_series_and_is_forgotten_in_the_end() {
    let place = Place::new();
    let before = place.run(&sample::one_passed(), 0);
    for events in [failing(&["sonarr"]), sample::nothing()] {
        let text = place.run(&events, 89);
        for line in before.lines().filter(|line| line.contains("jellyfin")) {
            assert!(text.lines().any(|found| found == line), "{line} in {text}");
        }
    }
    let text = place.run(&failing(&["sonarr"]), 91);
    assert!(!text.contains("jellyfin"), "{text}");
}

#[test]
fn a_service_that_a_run_did_not_come_to_keeps_what_is_known_of_it() {
    let place = Place::new();
    let late = ServiceName::lone("late");
    let mut script = sample::Script::run(vec![sample::info(&late)]);
    sample::pass(&mut script, &late);
    place.run(&script.over(), 0);
    let mut script = sample::Script::run(vec![sample::info(&late)]);
    script.fact(Fact::CaseSkipped { case: late.clone(), reason: "not run".to_owned() }).end(&late);
    let text = place.run(&script.over(), 1);
    assert_eq!((verdict(&text, "late"), value(&text, book::LAST_RUN, "late")), (Some(Verdict::Passed), since(0, 18.4)));

    let skipped = CaseInfo { ignored: Some("why".to_owned()), ..sample::info(&late) };
    let text = place.run(&sample::Script::run(vec![skipped]).over(), 2);
    assert_eq!(verdict(&text, "late"), Some(Verdict::Skipped), "by its label");
    assert_eq!(value(&text, book::LAST_SUCCESS, "late"), since(0, 18.4));
}

#[test]
fn a_service_that_is_put_off_is_never_told_as_skipped() {
    let place = Place::new();
    let late = ServiceName::lone("late");
    let put_off = sample::Script::run(vec![sample::info(&late)])
        .fact(Fact::CaseSkipped { case: late.clone(), reason: "not run".to_owned() })
        .end(&late)
        .over();
    // The alert on a restore that has not passed for long leaves out what is skipped.
    let text = place.run(&put_off, 0);
    assert_eq!((verdict(&text, "late"), value(&text, book::LAST_SUCCESS, "late")), (None, Some(0.0)));
    let own_wish = CaseInfo { ignored: Some("why".to_owned()), ..sample::info(&late) };
    assert_eq!(verdict(&place.run(&sample::Script::run(vec![own_wish]).over(), 1), "late"), Some(Verdict::Skipped));
    assert_eq!(verdict(&place.run(&put_off, 2), "late"), None, "its label is gone");
}

#[test]
fn a_service_that_is_always_skipped_is_not_told_as_never_restored() {
    let text = Place::new().run(&sample::mixed(), 0);
    assert_eq!(verdict(&text, "watchtower"), Some(Verdict::Skipped));
    assert_eq!(value(&text, book::LAST_SUCCESS, "watchtower"), None);
}

#[test]
fn an_older_run_told_again_changes_nothing() {
    let place = Place::new();
    place.run(&failing(&["jellyfin"]), 5);
    let text = place.run(&sample::one_passed(), 0);
    assert_eq!(verdict(&text, "jellyfin"), Some(Verdict::Failed));
    assert_eq!(value(&text, book::LAST_RUN, "jellyfin"), since(5, 1.0));
    assert!(text.contains("rehearsa_run_exit_code 101\n"), "{text}");
}

#[test]
fn a_killed_run_leaves_the_earlier_file() {
    let place = Place::new();
    let before = place.run(&sample::one_passed(), 0);
    assert_eq!(place.run(&sample::killed(), 1), before);
}

#[test]
fn a_damaged_earlier_file_is_replaced_by_what_is_known() {
    let place = Place::new();
    let whole = place.run(&failing(&["sonarr"]), 0);
    let cut = whole.find("rehearsa_run_exit_code 1").expect("there") + 20;
    for damaged in
        [whole.as_bytes()[..cut].to_vec(), b"\xff\xfe\0 nonsense\n".to_vec(), [whole.as_bytes(), b"\xffx"].concat()]
    {
        fs::write(place.path(), &damaged).expect("written");
        let text = place.run(&sample::one_passed(), 1);
        assert_eq!(value(&text, book::LAST_SUCCESS, "jellyfin"), since(1, 18.4));
        assert_eq!(value(&text, book::LAST_SUCCESS, "sonarr").is_some(), damaged.starts_with(b"# HELP"));
    }
    assert_eq!(fs::read_dir(place.dir.path()).expect("listed").count(), 1, "nothing else is left there");
}

//! The score of a service is the same in every report, and what has no score has no number anywhere.

use std::collections::BTreeMap;

use rehearsa::config::settings::ReportTargets;
use rehearsa::config::values::report_spec::{BadgeSubject, Form};
use rehearsa::model::score::Score;

use crate::support::recorded as sample;

/// The reports of a run with scores, by their forms.
fn reports() -> BTreeMap<Form, String> {
    let dir = tempfile::tempdir().expect("a folder");
    let path = |form: Form| dir.path().join(form.file());
    let files = Form::ALL.into_iter().map(|form| (form, path(form))).collect();
    let targets = ReportTargets { files, badge_shows: BadgeSubject::Score, ..ReportTargets::default() };
    let reporters = rehearsa::report::open_for_recorded(&targets, Box::new(std::io::sink())).expect("opens");
    rehearsa::report::show_recorded(reporters, sample::scored());
    Form::ALL.into_iter().map(|form| (form, std::fs::read_to_string(path(form)).expect("written"))).collect()
}

#[test]
fn every_report_tells_the_same_score() {
    let outcome = sample::outcome(&sample::scored());
    let scores: Vec<Option<Score>> = outcome.cases.iter().map(|case| Score::of_case(case).ok()).collect();
    let [Some(passed), Some(failed), None, None] = scores.as_slice() else { panic!("two scores: {scores:?}") };
    assert_eq!((passed.ceiling.points, failed.points.min(20)), (60, failed.points));
    let texts = reports();

    let json: serde_json::Value = serde_json::from_str(&texts[&Form::Json]).expect("JSON");
    let ctrf: serde_json::Value = serde_json::from_str(&texts[&Form::Ctrf]).expect("JSON");
    for (nth, score) in scores.iter().enumerate() {
        let points = score.as_ref().map(|score| u64::from(score.points));
        assert_eq!(json["cases"][nth]["score"]["points"].as_u64(), points);
        assert_eq!(json["cases"][nth]["no_score"].is_string(), points.is_none());
        assert_eq!(ctrf["results"]["tests"][nth]["extra"]["score"]["points"].as_u64(), points);
    }
    // One of the stack errored, so the stack's score is unknown.
    assert_eq!(json["stack_scores"][0]["stack"], "media");
    assert!(json["stack_scores"][0]["points"].is_null());
    let parts = json["cases"][0]["score"]["parts"].as_array().expect("parts");
    assert_eq!(parts.len(), 8);
    let sum: u64 = parts.iter().filter_map(|part| part["points"].as_u64()).sum();
    assert_eq!(sum.min(60), u64::from(passed.points));

    for score in [passed, failed] {
        let (points, ceiling) = (score.points, score.ceiling.points);
        let cell = format!("{points}/{ceiling}");
        assert!(texts[&Form::Markdown].contains(&format!("| {cell} |")), "{cell}");
        assert!(texts[&Form::Html].contains(&format!("<td class=\"number\">{cell}</td>")), "{cell}");
        assert!(texts[&Form::Html].contains(&format!("aria-label=\"Score {points} of {ceiling}\"")));
        assert!(texts[&Form::Junit].contains(&format!("<property name=\"score\" value=\"{points}\"/>")));
        assert!(texts[&Form::Tap].contains(&format!("  score: \"{}", score.words())));
    }
    let metrics: Vec<&str> =
        texts[&Form::Prometheus].lines().filter(|line| line.starts_with("rehearsa_rehearsal_score{")).collect();
    assert_eq!(metrics.len(), 2, "{metrics:?}");
    assert!(metrics.iter().any(|line| line.contains("jellyfin") && line.ends_with(&format!(" {}", passed.points))));
    assert!(texts[&Form::Badge].contains("score unknown"), "one service errored");
}

#[test]
fn a_score_that_is_not_known_any_more_leaves_the_metrics() {
    use rehearsa::report::prometheus::PrometheusReporter;
    use rehearsa::report::target::{AtomicFile, Naming};

    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("rehearsa.prom");
    let run = |events: &[rehearsa::model::event::Event]| {
        let target = AtomicFile::keeping(&path, Naming::User).expect("opens");
        sample::play(events, &mut PrometheusReporter::new("Prometheus".to_owned(), target, Some(path.clone())));
        std::fs::read_to_string(&path).expect("written")
    };
    let scored = |text: &str| text.lines().filter(|line| line.starts_with("rehearsa_rehearsal_score{")).count();
    assert_eq!(scored(&run(&sample::scored())), 2);
    let mut unknown = sample::scored();
    for event in &mut unknown {
        if let rehearsa::model::event::Fact::RunStarted { cases, .. } = &mut event.fact {
            cases.iter_mut().for_each(|case| case.score_basis = None);
        }
    }
    assert_eq!(scored(&run(&unknown)), 0, "an unknown score is neither 0 nor that of an earlier run");
}

//! The metrics as Prometheus' own library reads them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use rehearsa::model::event::{CaseInfo, Event};
use rehearsa::model::service::ServiceName;
use rehearsa::report::prometheus::PrometheusReporter;
use rehearsa::report::target::{AtomicFile, Naming};
use rehearsa::report::text;

use crate::support::recorded::{self as sample, HOSTILE};

/// The metrics in this file after a run.
fn run(path: &Path, events: &[Event]) -> String {
    let target = AtomicFile::keeping(path, Naming::User).expect("opens");
    sample::play(events, &mut PrometheusReporter::new("Prometheus".to_owned(), target, Some(path.to_owned())));
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The metrics of a first run.
fn metrics(events: &[Event]) -> String {
    let dir = tempfile::tempdir().expect("a folder");
    run(&dir.path().join("rehearsa.prom"), events)
}

/// As Prometheus' own library for Python reads it: type and samples of each metric.
fn parsed(text: &str) -> BTreeMap<String, (String, Vec<serde_json::Value>)> {
    const SCRIPT: &str = "
import json, sys
from prometheus_client.parser import text_string_to_metric_families as families
found = {}
for family in families(sys.stdin.buffer.read().decode()):
    assert family.name not in found and family.documentation, family
    samples = [dict(s.labels, value=s.value) for s in family.samples]
    keys = [json.dumps(dict(s.labels), sort_keys=True) for s in family.samples]
    assert len(keys) == len(set(keys)), 'a series twice'
    found[family.name] = (family.type, samples)
print(json.dumps(found))
";
    // The system's Python, which has Debian's packages, whatever else is first in PATH.
    let mut child = Command::new("/usr/bin/python3")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed");
    child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "python3-prometheus-client reads it: {text}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

#[test]
fn prometheus_reads_every_run_as_it_was_meant() {
    for events in [sample::everything(), sample::hostile(), sample::interrupted(), sample::nothing()] {
        let outcome = sample::outcome(&events);
        let text = metrics(&events);
        let found = parsed(&text);
        assert!(found.values().all(|(kind, _)| kind == "gauge"), "{found:?}");
        assert_eq!(found["rehearsa_run_exit_code"].1[0]["value"], f64::from(outcome.exit_code().number()));
        let states = found.get("rehearsa_rehearsal_verdict").map(|(_, samples)| samples.as_slice()).unwrap_or_default();
        let judged: Vec<_> = outcome.cases.iter().filter(|case| !case.not_started()).collect();
        assert_eq!(states.len(), 4 * judged.len());
        for case in judged {
            let of_case = |sample: &&serde_json::Value| {
                sample["service"] == case.info.name.service
                    && sample["stack"] == case.info.name.stack.clone().unwrap_or_default()
            };
            let on: Vec<_> = states.iter().filter(of_case).filter(|sample| sample["value"] == 1.0).collect();
            assert_eq!(on.len(), 1);
            assert_eq!(on[0]["verdict"], case.verdict().name());
        }
    }
    let found = parsed(&metrics(&sample::everything()));
    let snapshots = &found["rehearsa_rehearsal_snapshot_timestamp_seconds"].1;
    assert_eq!((snapshots.len(), &snapshots[0]["source"]), (1, &"restic".into()));
    assert_eq!(snapshots[0]["value"], sample::at(-86_400.0).as_millisecond() as f64 / 1000.0);
}

#[test]
fn labels_hold_any_text() {
    let evil = ServiceName::of_stack(HOSTILE, "a\\b\"c}d,e=\"f\ng");
    let mut script = sample::Script::run(vec![CaseInfo { source: HOSTILE.to_owned(), ..sample::info(&evil) }]);
    sample::pass(&mut script, &evil);
    let found = parsed(&metrics(&script.over()));
    let sample = &found["rehearsa_rehearsal_last_success_timestamp_seconds"].1[0];
    assert_eq!(sample["service"], "a\\b\"c}d,e=\"f g");
    assert_eq!(sample["stack"], text::one_line(HOSTILE));
}

#[test]
fn what_replaces_a_damaged_file_is_read() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("rehearsa.prom");
    let whole = run(&path, &sample::one_failed());
    let cut = whole.find("rehearsa_run_exit_code 1").expect("there") + 20;
    for damaged in
        [whole.as_bytes()[..cut].to_vec(), b"\xff\xfe\0 nonsense\n".to_vec(), [whole.as_bytes(), b"\xffx"].concat()]
    {
        std::fs::write(&path, &damaged).expect("written");
        parsed(&run(&path, &sample::one_passed()));
    }
}

//! The metrics file: a value for each metric of each service, written as text and read back.
//!
//! Only lines in the format of this writer are read; other lines are counted as strange.

use std::collections::BTreeMap;

use crate::model::outcome::Verdict;

/// A metric: its name and what it means.
pub type Metric = (&'static str, &'static str);

/// When the service was last rehearsed.
pub const LAST_RUN: &str = "rehearsa_rehearsal_last_run_timestamp_seconds";
/// When a rehearsal of it last passed.
pub const LAST_SUCCESS: &str = "rehearsa_rehearsal_last_success_timestamp_seconds";
/// How long its last rehearsal took.
pub const DURATION: &str = "rehearsa_rehearsal_duration_seconds";
/// Bytes that its last rehearsal restored.
pub const BYTES: &str = "rehearsa_rehearsal_restored_bytes";
/// Files that its last rehearsal restored.
pub const FILES: &str = "rehearsa_rehearsal_restored_files";
/// Whether its last rehearsal read a backup.
pub const BACKUP_READ: &str = "rehearsa_rehearsal_backup_read";
/// When the snapshot was made.
pub const SNAPSHOT: &str = "rehearsa_rehearsal_snapshot_timestamp_seconds";
/// Its score.
pub const SCORE: &str = "rehearsa_rehearsal_score";
/// The most that its score could be.
pub const SCORE_CEILING: &str = "rehearsa_rehearsal_score_ceiling";
/// Its last verdict: a series for each possible verdict.
const VERDICT: Metric = (
    "rehearsa_rehearsal_verdict",
    "What became of the last rehearsal of the service: 1 for its verdict, 0 for the others.",
);
/// When the run ended.
pub const RUN_END: &str = "rehearsa_run_last_timestamp_seconds";
/// How long it took.
pub const RUN_DURATION: &str = "rehearsa_run_duration_seconds";
/// How it ended.
pub const RUN_EXIT: &str = "rehearsa_run_exit_code";
/// The version that wrote the file.
const BUILD: Metric = ("rehearsa_build_info", "The version of rehearsa that wrote this, always 1.");

const OF_SERVICE: [Metric; 9] = [
    (LAST_RUN, "Unix time of the end of the last rehearsal of the service."),
    (LAST_SUCCESS, "Unix time of the end of the last rehearsal of the service that passed, 0 when none ever did."),
    (DURATION, "Seconds that the last rehearsal of the service took."),
    (BYTES, "Bytes of content that the last rehearsal of the service restored."),
    (FILES, "Files and other entries that the last rehearsal of the service restored."),
    (BACKUP_READ, "Whether data of a backup came into the last rehearsal of the service: 1, or 0 for a live copy."),
    (SCORE, "Score of the service's backup in its last rehearsal, 0 to 100; absent when it is not known."),
    (SCORE_CEILING, "The most points that the last rehearsal of the service could give."),
    (SNAPSHOT, "Unix time of the snapshot that the last rehearsal of the service restored, where its source knows."),
];

const OF_RUN: [Metric; 3] = [
    (RUN_END, "Unix time of the end of the last run, whatever it rehearsed."),
    (RUN_DURATION, "Seconds that the last run took."),
    (
        RUN_EXIT,
        "Exit code of the last run: 0 passed, 4 nothing selected, 101 failed, 102 errored, 130 and 143 interrupted.",
    ),
];

const VERDICTS: [Verdict; 4] = [Verdict::Passed, Verdict::Failed, Verdict::Errored, Verdict::Skipped];

/// A service and the source of its data.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Its stack; empty for a lone container, since Prometheus treats an empty label as absent.
    pub stack: String,
    /// Its name.
    pub service: String,
    /// The source of its data.
    pub source: String,
}

/// The metrics of a service.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServiceMetrics {
    /// The values of its metrics, by their names.
    pub values: BTreeMap<&'static str, f64>,
    /// The verdict of its last rehearsal.
    pub verdict: Option<Verdict>,
}

/// All metrics of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MetricFile {
    /// The metrics of each service.
    pub entries: BTreeMap<Key, ServiceMetrics>,
    /// The metrics of the last run, by their names.
    pub run: BTreeMap<&'static str, f64>,
    /// The version of Rehearsa that wrote the file.
    pub version: String,
}

impl MetricFile {
    /// In Prometheus' text format.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (name, help) in OF_SERVICE {
            let samples = self.entries.iter().filter_map(|(key, entry)| {
                let value = entry.values.get(name)?;
                Some(format!("{name}{{{}}} {value}\n", labels(key, None)))
            });
            family(&mut text, (name, help), samples.collect());
        }
        let states = self.entries.iter().filter_map(|(key, entry)| Some((key, entry.verdict?)));
        let samples = states.flat_map(|(key, verdict)| {
            VERDICTS.map(|state| {
                let value = u8::from(state == verdict);
                format!("{}{{{}}} {value}\n", VERDICT.0, labels(key, Some(state)))
            })
        });
        family(&mut text, VERDICT, samples.collect());
        for (name, help) in OF_RUN {
            let sample = self.run.get(name).map(|value| format!("{name} {value}\n"));
            family(&mut text, (name, help), sample.into_iter().collect());
        }
        let build = format!("{}{{version=\"{}\"}} 1\n", BUILD.0, escaped(&self.version));
        family(&mut text, BUILD, build);
        text
    }

    /// Reads the metrics of an earlier text. Also returns the number of its strange lines.
    pub fn read(text: &str) -> (Self, usize) {
        let mut book = Self::default();
        let strange = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let strange = strange.filter(|line| book.take(line).is_none()).count();
        (book, strange)
    }

    fn take(&mut self, line: &str) -> Option<()> {
        let (name, labels, value) = sample(line)?;
        if let Some((name, _)) = OF_RUN.iter().find(|(known, _)| *known == name) {
            self.run.insert(name, value);
            return Some(());
        }
        if name == BUILD.0 {
            self.version = labels.get("version")?.clone();
            return Some(());
        }
        let label = |name: &str| labels.get(name).cloned();
        let key =
            Key { stack: label("stack").unwrap_or_default(), service: label("service")?, source: label("source")? };
        if name == VERDICT.0 {
            let state = label("verdict")?;
            let verdict = VERDICTS.into_iter().find(|verdict| verdict.name() == state)?;
            if value == 1.0 {
                self.entries.entry(key).or_default().verdict = Some(verdict);
            }
            return Some(());
        }
        let (name, _) = OF_SERVICE.iter().find(|(known, _)| *known == name)?;
        self.entries.entry(key).or_default().values.insert(name, value);
        Some(())
    }
}

/// Adds the samples of a metric under its heading; nothing without samples.
pub fn family(text: &mut String, (name, help): Metric, samples: String) {
    if !samples.is_empty() {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} gauge\n{samples}"));
    }
}

/// The labels of a sample.
pub fn labels(key: &Key, verdict: Option<Verdict>) -> String {
    let Key { stack, service, source } = key;
    let mut labels =
        format!("stack=\"{}\",service=\"{}\",source=\"{}\"", escaped(stack), escaped(service), escaped(source));
    if let Some(verdict) = verdict {
        labels.push_str(&format!(",verdict=\"{}\"", verdict.name()));
    }
    labels
}

/// The value of a label.
pub fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// Name, labels and value of a line.
fn sample(line: &str) -> Option<(&str, BTreeMap<String, String>, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, rest) = line.split_at(end);
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(inner) => braced(inner)?,
        None => (BTreeMap::new(), rest),
    };
    let value: f64 = rest.trim().parse().ok()?;
    value.is_finite().then_some((name, labels, value))
}

/// The labels up to the closing brace, and what follows it.
fn braced(text: &str) -> Option<(BTreeMap<String, String>, &str)> {
    let mut labels = BTreeMap::new();
    let mut rest = text;
    loop {
        if let Some(after) = rest.strip_prefix('}') {
            return Some((labels, after));
        }
        let (name, after) = rest.split_once("=\"")?;
        let mut value = String::new();
        let mut chars = after.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (_, '\\') => value.push(match chars.next()? {
                    (_, 'n') => '\n',
                    (_, c @ ('"' | '\\')) => c,
                    _ => return None,
                }),
                (_, c) => value.push(c),
            }
        };
        labels.insert(name.to_owned(), value);
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> MetricFile {
        let mut book = MetricFile { version: "0.1 \"x\" \\n".to_owned(), ..MetricFile::default() };
        for (stack, service) in [("media", "jelly\"fin"), ("", "a\\n\nb"), ("x}", ",y=\"")] {
            let key = Key { stack: stack.to_owned(), service: service.to_owned(), source: "live".to_owned() };
            let values = [(LAST_RUN, 1_767_323_063.4), (LAST_SUCCESS, 0.0), (BYTES, 18_446_744_073_709_551_615.0)];
            book.entries.insert(key, ServiceMetrics { values: values.into(), verdict: Some(Verdict::Errored) });
        }
        book.run = [(RUN_END, 1.5), (RUN_EXIT, 101.0)].into();
        book
    }

    #[test]
    fn what_is_written_is_read_back() {
        let text = book().text();
        assert_eq!(MetricFile::read(&text), (book(), 0), "{text}");
        assert_eq!(MetricFile::read(""), (MetricFile::default(), 0));
    }

    #[test]
    fn a_damaged_text_gives_what_is_whole() {
        let text = book().text();
        // Cut off anywhere, it is read without a panic and says nothing that was not there.
        for cut in (0..text.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let (found, strange) = MetricFile::read(&text[..cut]);
            assert!(strange <= 1, "{cut}");
            assert!(found.entries.len() <= 3);
        }
        for strange in [
            "rehearsa_rehearsal_duration_seconds{service=\"a\",source=\"live\"} NaN",
            "rehearsa_rehearsal_duration_seconds{service=\"a\",source=\"live\"} 1 2",
            "rehearsa_rehearsal_duration_seconds{service=\"a\"} 1",
            "rehearsa_rehearsal_duration_seconds{service=\"a\\x\",source=\"live\"} 1",
            "rehearsa_rehearsal_verdict{service=\"a\",source=\"live\",verdict=\"fine\"} 1",
            "node_load1 3",
            "\u{fffd}\u{fffd}",
        ] {
            assert_eq!(MetricFile::read(strange), (MetricFile::default(), 1), "{strange}");
        }
    }
}

//! Opens the reports that were asked for, before anything is started: a report that cannot be written is an error at
//! once, and not after an hour of rehearsals.

use std::cell::Cell;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::Reporter;
use super::badge::BadgeReporter;
use super::ctrf::Ctrf;
use super::events::EventsReporter;
use super::html::Html;
use super::json::Json;
use super::junit::Junit;
use super::markdown::Markdown;
use super::prometheus::PrometheusReporter;
use super::snapshot_file::SnapshotReport;
use super::tap::TapReporter;
use super::target::{AtomicFile, Stream};
use crate::config::settings::ReportTargets;
use crate::config::values::report_spec::Form;

/// A report that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// Two reports on standard output would be mixed.
    #[error("the {first} and the {second} report cannot both go to standard output; give one of them a file")]
    TwoOnStdout {
        /// One form.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// Two reports would overwrite each other.
    #[error("the {first} and the {second} report cannot both go to {}; give one of them another file", path.display())]
    SameFile {
        /// One form.
        first: &'static str,
        /// The other.
        second: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// There is no folder to write it in.
    #[error(
        "cannot write the {form} report {}: there is no folder {}; create it first",
        path.display(),
        folder.display()
    )]
    NoFolder {
        /// The form.
        form: &'static str,
        /// Where it should go.
        path: PathBuf,
        /// What is missing.
        folder: PathBuf,
    },
    /// The folder for all of them cannot be made.
    #[error("cannot make the folder {} for the reports; choose a place that can be written to", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A folder has its name.
    #[error("cannot write the {form} report {}: it is a folder; name a file in it", path.display())]
    IsFolder {
        /// The form.
        form: &'static str,
        /// Where it should go.
        path: PathBuf,
    },
    /// The system refuses the place.
    #[error("cannot write the {form} report {}; choose a place that can be written to", path.display())]
    Unwritable {
        /// The form.
        form: &'static str,
        /// Where it should go.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Opens the reports; the one that goes to `-` gets `stdout`. Reports of an earlier run at their places are removed,
/// so that none of them is taken for this run's report if this run never writes one. Metrics stay, since they cover
/// all runs.
///
/// # Errors
///
/// When two reports want the same place, or a place cannot be written.
pub fn open(targets: &ReportTargets, stdout: Box<dyn Write + Send>) -> Result<Vec<Box<dyn Reporter>>, ReportError> {
    opened(targets, stdout, |whole| whole)
}

/// As [`open`], for a recorded run: snapshot files are written once, at the end.
///
/// # Errors
///
/// As [`open`].
pub fn open_for_recorded(
    targets: &ReportTargets,
    stdout: Box<dyn Write + Send>,
) -> Result<Vec<Box<dyn Reporter>>, ReportError> {
    opened(targets, stdout, AtomicFile::at_the_end)
}

fn opened(
    targets: &ReportTargets,
    stdout: Box<dyn Write + Send>,
    paced: fn(AtomicFile) -> AtomicFile,
) -> Result<Vec<Box<dyn Reporter>>, ReportError> {
    let wanted: Vec<(Form, &Path)> = targets.files.iter().map(|(form, path)| (*form, path.as_path())).collect();
    refuse_sharing(&wanted)?;
    if let Some(dir) = &targets.dir {
        fs::create_dir_all(dir).map_err(|source| ReportError::Folder { folder: dir.clone(), source })?;
    }
    // All places are checked before the first one is changed.
    for (form, path) in wanted.iter().filter(|(_, path)| !is_stdout(path)) {
        check_place(form.name(), path)?;
    }
    let mut stdout = Some(stdout);
    let mut reporters: Vec<Box<dyn Reporter>> = Vec::new();
    for (form, path) in wanted {
        let on_stdout = if is_stdout(path) { stdout.take() } else { None };
        let called = form.name();
        let name =
            if is_stdout(path) { format!("{called} report") } else { format!("{called} report {}", path.display()) };
        let unwritable = |source| ReportError::Unwritable { form: called, path: path.to_owned(), source };
        reporters.push(reporter(form, name, path, on_stdout, targets, paced).map_err(unwritable)?);
    }
    Ok(reporters)
}

/// For a run that never began: removes the reports of an earlier run at their places, and writes the reason to TAP,
/// whose readers wait for a stream.
///
/// # Errors
///
/// As [`open`].
pub fn never_began(
    targets: &ReportTargets,
    mut stdout: Box<dyn Write + Send>,
    reason: &str,
) -> Result<(), ReportError> {
    drop(open(targets, Box::new(io::sink()))?);
    let stream = super::tap::never_began(targets.tap_version, reason);
    let write = |out: &mut dyn Write| {
        out.write_all(stream.as_bytes())?;
        out.flush()
    };
    for (_, path) in targets.files.iter().filter(|(form, _)| *form == Form::Tap) {
        let written =
            if is_stdout(path) { write(&mut stdout) } else { Stream::file(path).and_then(|mut file| write(&mut file)) };
        let unwritable = |source| ReportError::Unwritable { form: Form::Tap.name(), path: path.clone(), source };
        written.map_err(unwritable)?;
    }
    Ok(())
}

/// The reporter of a form, on standard output or in a file.
fn reporter(
    form: Form,
    name: String,
    path: &Path,
    stdout: Option<Box<dyn Write + Send>>,
    targets: &ReportTargets,
    paced: fn(AtomicFile) -> AtomicFile,
) -> io::Result<Box<dyn Reporter>> {
    // Streams grow during the run, so that a reader can follow them; the others are written as a whole.
    let stdout = Cell::new(stdout);
    let stream = || stdout.take().map_or_else(|| Stream::file(path), Ok);
    let whole = || stdout.take().map_or_else(|| AtomicFile::file(path), |out| Ok(AtomicFile::stream(out))).map(paced);
    Ok(match form {
        Form::Junit => Box::new(SnapshotReport::new(name, whole()?, Junit(targets.junit_flavor))),
        Form::Json => Box::new(SnapshotReport::new(name, whole()?, Json)),
        Form::Tap => Box::new(TapReporter::new(name, stream()?, targets.tap_version)),
        Form::Html => Box::new(SnapshotReport::new(name, whole()?, Html::default())),
        Form::Markdown => Box::new(SnapshotReport::new(name, whole()?, Markdown)),
        Form::Events => Box::new(EventsReporter::new(name, stream()?)),
        Form::Ctrf => Box::new(SnapshotReport::new(name, whole()?, Ctrf)),
        Form::Prometheus => {
            // The metrics continue the earlier file, which stays until then.
            let earlier = (!is_stdout(path)).then(|| path.to_owned());
            let target = stdout.take().map_or_else(|| AtomicFile::keeping(path), |out| Ok(AtomicFile::stream(out)))?;
            Box::new(PrometheusReporter::new(name, target, earlier))
        }
        Form::Badge => Box::new(BadgeReporter::new(name, whole()?)),
    })
}

fn is_stdout(path: &Path) -> bool {
    path == Path::new("-")
}

fn refuse_sharing(wanted: &[(Form, &Path)]) -> Result<(), ReportError> {
    for (nth, &(first, path)) in wanted.iter().enumerate() {
        let Some(&(second, _)) = wanted[nth + 1..].iter().find(|(_, other)| *other == path) else { continue };
        let (first, second) = (first.name(), second.name());
        return Err(if is_stdout(path) {
            ReportError::TwoOnStdout { first, second }
        } else {
            ReportError::SameFile { first, second, path: path.to_owned() }
        });
    }
    Ok(())
}

fn check_place(form: &'static str, path: &Path) -> Result<(), ReportError> {
    if path.is_dir() {
        return Err(ReportError::IsFolder { form, path: path.to_owned() });
    }
    let folder = super::target::folder_of(path);
    if !folder.is_dir() {
        return Err(ReportError::NoFolder { form, path: path.to_owned(), folder });
    }
    super::target::try_place(path).map_err(|source| ReportError::Unwritable { form, path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(junit: Option<&Path>, json: Option<&Path>, tap: Option<&Path>) -> ReportTargets {
        let files = [(Form::Junit, junit), (Form::Json, json), (Form::Tap, tap)];
        let files = files.into_iter().filter_map(|(form, path)| Some((form, path?.to_owned()))).collect();
        ReportTargets { files, ..ReportTargets::default() }
    }

    fn refusal(targets: &ReportTargets) -> String {
        open(targets, Box::new(io::sink())).err().expect("refused").to_string()
    }

    #[test]
    fn nothing_asked_for_is_nothing_opened() {
        assert_eq!(open(&ReportTargets::default(), Box::new(io::sink())).expect("opens").len(), 0);
    }

    #[test]
    fn the_folder_for_all_of_them_is_made() {
        let parent = tempfile::tempdir().expect("a folder");
        let dir = parent.path().join("a/reports");
        let targets = ReportTargets { dir: Some(dir.clone()), ..targets(None, None, Some(&dir.join("report.tap"))) };
        assert_eq!(open(&targets, Box::new(io::sink())).expect("opens").len(), 1);
        assert!(dir.is_dir());
        std::fs::write(parent.path().join("file"), "").expect("a file");
        let below = ReportTargets { dir: Some(parent.path().join("file/reports")), ..Default::default() };
        assert!(refusal(&below).starts_with("cannot make the folder "), "{}", refusal(&below));
    }

    #[test]
    fn two_reports_never_share_a_place() {
        let dash = Some(Path::new("-"));
        assert_eq!(
            refusal(&targets(dash, None, dash)),
            "the JUnit and the TAP report cannot both go to standard output; give one of them a file"
        );
        let file = Some(Path::new("report"));
        assert_eq!(
            refusal(&targets(None, file, file)),
            "the JSON and the TAP report cannot both go to report; give one of them another file"
        );
    }

    #[test]
    fn a_place_that_cannot_be_written_is_told_with_what_to_do() {
        let dir = tempfile::tempdir().expect("a folder");
        let missing = dir.path().join("no/junit.xml");
        assert_eq!(
            refusal(&targets(Some(&missing), None, None)),
            format!(
                "cannot write the JUnit report {}: there is no folder {}; create it first",
                missing.display(),
                dir.path().join("no").display()
            )
        );
        assert_eq!(
            refusal(&targets(None, Some(dir.path()), None)),
            format!("cannot write the JSON report {}: it is a folder; name a file in it", dir.path().display())
        );
        let below_a_file = dir.path().join("file");
        std::fs::write(&below_a_file, "").expect("written");
        assert!(refusal(&targets(None, None, Some(&below_a_file.join("x.tap")))).contains("there is no folder"));
    }

    #[test]
    fn a_run_that_never_began_leaves_no_old_report_and_a_red_stream() {
        let dir = tempfile::tempdir().expect("a folder");
        let (junit, tap) = (dir.path().join("junit.xml"), dir.path().join("run.tap"));
        std::fs::write(&junit, "old").expect("written");
        never_began(&targets(Some(&junit), None, Some(&tap)), Box::new(io::sink()), "no engine").expect("told");
        assert!(!junit.exists());
        assert_eq!(std::fs::read_to_string(&tap).expect("there"), "TAP version 13\nBail out! no engine\n");
        let paper = crate::report::sample::Paper::default();
        let stdout = targets(None, None, Some(Path::new("-")));
        never_began(&stdout, Box::new(paper.clone()), "no engine").expect("told");
        assert_eq!(paper.text(), "TAP version 13\nBail out! no engine\n");
    }

    #[test]
    fn an_old_report_is_gone_but_only_when_all_can_be_opened() {
        let dir = tempfile::tempdir().expect("a folder");
        let junit = dir.path().join("junit.xml");
        let tap = dir.path().join("run.tap");
        std::fs::write(&junit, "old").expect("written");
        std::fs::write(&tap, "old").expect("written");
        refusal(&targets(Some(&junit), Some(&dir.path().join("no/x.json")), Some(&tap)));
        assert!(junit.exists() && tap.exists());
        let opened = open(&targets(Some(&junit), None, Some(&tap)), Box::new(io::sink())).expect("opens");
        assert_eq!(
            opened.iter().map(|reporter| reporter.name().to_owned()).collect::<Vec<_>>(),
            [format!("JUnit report {}", junit.display()), format!("TAP report {}", tap.display())]
        );
        assert!(!junit.exists(), "no report is better than last week's");
        assert_eq!(std::fs::read(&tap).expect("there"), b"");
    }

    #[test]
    fn earlier_metrics_stay_until_the_run_is_over() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("rehearsa.prom");
        std::fs::write(&path, "old").expect("written");
        let targets = ReportTargets { files: [(Form::Prometheus, path.clone())].into(), ..ReportTargets::default() };
        open(&targets, Box::new(io::sink())).expect("opens");
        assert_eq!(std::fs::read(&path).expect("there"), b"old");
    }
}

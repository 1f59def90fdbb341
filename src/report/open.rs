//! Opens the reports that were asked for, before anything is started: a report that cannot be written is an error at
//! once, and not after an hour of rehearsals.

use std::cell::Cell;
use std::fs::{self, File, TryLockError};
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
use super::target::{Access, AtomicFile, Naming, Stream, WhileRead};
use crate::config::settings::ReportTargets;
use crate::config::values::report_spec::Form;
use crate::local_file::refuse_links_of_others;
use crate::model::event::Event;
use crate::model::outcome::Outcome;

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
    /// Another run writes its reports there.
    #[error(
        "another run writes its reports into {} at this moment; give this run a folder of its own",
        folder.display()
    )]
    FolderInUse {
        /// The folder.
        folder: PathBuf,
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
/// so that none of them is taken for this run's report if this run never writes one; so are the others that an
/// earlier run wrote into the folder for all reports. Metrics stay, since they cover all runs. Until the reports are
/// dropped, no other run writes into the folder.
///
/// # Errors
///
/// When two reports want the same place, or a place cannot be written.
pub fn open(targets: &ReportTargets, stdout: Box<dyn Write + Send>) -> Result<Vec<Box<dyn Reporter>>, ReportError> {
    opened(targets, stdout, |whole| whole, Form::ALL.as_slice())
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
    // The record that the reports are made of may lie in the folder.
    let earlier: Vec<Form> = Form::ALL.into_iter().filter(|form| *form != Form::Events).collect();
    opened(targets, stdout, AtomicFile::at_the_end, &earlier)
}

fn opened(
    targets: &ReportTargets,
    stdout: Box<dyn Write + Send>,
    paced: fn(AtomicFile) -> AtomicFile,
    earlier: &[Form],
) -> Result<Vec<Box<dyn Reporter>>, ReportError> {
    let wanted: Vec<(Form, &Path)> = targets.files.iter().map(|(form, path)| (*form, path.as_path())).collect();
    refuse_sharing(&wanted)?;
    let held = targets.dir.as_deref().map(hold).transpose()?;
    // All places are checked before the first one is changed.
    for (form, path) in wanted.iter().filter(|(_, path)| !is_stdout(path)) {
        check_place(form.name(), path, naming(*form, path, targets))?;
    }
    for form in earlier {
        remove_earlier(*form, targets)?;
    }
    let mut stdout: Option<Box<dyn Write + Send>> = Some(Box::new(WhileRead::of(stdout)));
    let mut reporters: Vec<Box<dyn Reporter>> = Vec::new();
    reporters.extend(held.map(|held| Box::new(held) as Box<dyn Reporter>));
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

/// Holds a folder for one run: no other run writes its reports there.
struct HeldFolder {
    /// The open folder with its lock; `None`: the file system has no locks.
    _lock: Option<File>,
}

impl Reporter for HeldFolder {
    fn name(&self) -> &str {
        "folder of the reports"
    }

    fn event(&mut self, _: &Event, _: &Outcome) -> io::Result<()> {
        Ok(())
    }
}

/// Creates the folder if it does not exist, and holds it.
fn hold(folder: &Path) -> Result<HeldFolder, ReportError> {
    let broken = |source| ReportError::Folder { folder: folder.to_owned(), source };
    refuse_links_of_others(folder, true).map_err(broken)?;
    fs::create_dir_all(folder).map_err(broken)?;
    let opened = File::open(folder).map_err(broken)?;
    match opened.try_lock() {
        Ok(()) => Ok(HeldFolder { _lock: Some(opened) }),
        Err(TryLockError::WouldBlock) => Err(ReportError::FolderInUse { folder: folder.to_owned() }),
        Err(TryLockError::Error(_)) => Ok(HeldFolder { _lock: None }),
    }
}

/// Removes the report of an earlier run from the folder for all reports if this run does not write it there. Metrics
/// stay.
fn remove_earlier(form: Form, targets: &ReportTargets) -> Result<(), ReportError> {
    let Some(path) = targets.dir.as_ref().map(|dir| dir.join(form.file())) else { return Ok(()) };
    let is_written = targets.files.iter().any(|(_, file)| *file == path);
    // A link or a pipe at the name is none of a run's, and goes as well.
    let is_there = path.is_symlink() || (path.exists() && !path.is_dir());
    if form == Form::Prometheus || is_written || !is_there {
        return Ok(());
    }
    fs::remove_file(&path).map_err(|source| ReportError::Unwritable { form: form.name(), path, source })
}

/// For a run that never began: removes the reports of an earlier run at their places, and writes the reason to TAP,
/// whose readers wait for a stream.
///
/// # Errors
///
/// As [`open`].
pub fn never_began(targets: &ReportTargets, stdout: Box<dyn Write + Send>, reason: &str) -> Result<(), ReportError> {
    let mut stdout = WhileRead::of(stdout);
    drop(open(targets, Box::new(io::sink()))?);
    let stream = super::tap::never_began(targets.tap_version, reason);
    let write = |out: &mut dyn Write| {
        out.write_all(stream.as_bytes())?;
        out.flush()
    };
    for (_, path) in targets.files.iter().filter(|(form, _)| *form == Form::Tap) {
        let written = if is_stdout(path) {
            write(&mut stdout)
        } else {
            let naming = naming(Form::Tap, path, targets);
            Stream::file(path, access(Form::Tap, targets), naming).and_then(|mut file| write(&mut file))
        };
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
    let (access, naming) = (access(form, targets), naming(form, path, targets));
    let stream = || stdout.take().map_or_else(|| Stream::file(path, access, naming), Ok);
    let whole = || {
        let opened = stdout.take().map_or_else(|| AtomicFile::file(path, naming), |out| Ok(AtomicFile::stream(out)));
        opened.map(|file| paced(file.readable_by(access)))
    };
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
            let kept = || AtomicFile::keeping(path, naming);
            let target = stdout.take().map_or_else(kept, |out| Ok(AtomicFile::stream(out)))?;
            Box::new(PrometheusReporter::new(name, target.readable_by(access), earlier))
        }
        Form::Badge => Box::new(BadgeReporter::new(name, whole()?, targets.badge_shows)),
    })
}

/// Who may read a report. Other programs read metrics and badges, which quote nothing.
fn access(form: Form, targets: &ReportTargets) -> Access {
    match (targets.mode, form) {
        (Some(mode), _) => Access::Mode(mode),
        (None, Form::Prometheus | Form::Badge) => Access::Public,
        (None, _) => Access::Private,
    }
}

/// Who has chosen the name of a report's file.
fn naming(form: Form, path: &Path, targets: &ReportTargets) -> Naming {
    let is_in_folder = targets.dir.as_ref().is_some_and(|dir| dir.join(form.file()) == path);
    if is_in_folder { Naming::Folder } else { Naming::User }
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

fn check_place(form: &'static str, path: &Path, naming: Naming) -> Result<(), ReportError> {
    if path.is_dir() && (naming == Naming::User || !path.is_symlink()) {
        return Err(ReportError::IsFolder { form, path: path.to_owned() });
    }
    let folder = super::target::folder_of(path);
    if !folder.is_dir() {
        return Err(ReportError::NoFolder { form, path: path.to_owned(), folder });
    }
    super::target::try_place(path, naming).map_err(|source| ReportError::Unwritable {
        form,
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

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
        assert!(open(&targets, Box::new(io::sink())).is_ok());
        assert!(dir.is_dir());
        std::fs::write(parent.path().join("file"), "").expect("a file");
        let below = ReportTargets { dir: Some(parent.path().join("file/reports")), ..Default::default() };
        assert!(refusal(&below).starts_with("cannot make the folder "), "{}", refusal(&below));
    }

    #[test]
    fn two_runs_never_write_into_one_folder() {
        let dir = tempfile::tempdir().expect("a folder");
        let targets = ReportTargets {
            dir: Some(dir.path().to_owned()),
            ..targets(None, Some(&dir.path().join("report.json")), None)
        };
        let first = open(&targets, Box::new(io::sink())).expect("opens");
        let words = refusal(&targets);
        assert!(words.starts_with("another run writes its reports into ") && words.contains("its own"), "{words}");
        drop(first);
        assert!(open(&targets, Box::new(io::sink())).is_ok(), "the first run is over");
    }

    #[test]
    fn a_folder_holds_the_reports_of_one_run_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = |form: Form| dir.path().join(form.file());
        let old = || Form::ALL.into_iter().for_each(|form| std::fs::write(file(form), "old").expect("written"));
        let left = || Form::ALL.into_iter().filter(|form| file(*form).exists()).collect::<Vec<_>>();
        let targets = ReportTargets { dir: Some(dir.path().to_owned()), ..ReportTargets::default() };
        old();
        drop(open(&targets, Box::new(io::sink())).expect("opens"));
        assert_eq!(left(), [Form::Prometheus], "metrics cover all runs");
        old();
        drop(open_for_recorded(&targets, Box::new(io::sink())).expect("opens"));
        assert_eq!(left(), [Form::Events, Form::Prometheus], "a record is what the reports are made of");
    }

    #[test]
    fn what_quotes_logs_is_for_the_user_alone() {
        let targets = |mode| ReportTargets { mode, ..ReportTargets::default() };
        for form in Form::ALL {
            let public = matches!(form, Form::Prometheus | Form::Badge);
            let expected = if public { Access::Public } else { Access::Private };
            assert_eq!(access(form, &targets(None)), expected, "{form:?}");
            assert_eq!(access(form, &targets(Some(0o640))), Access::Mode(0o640));
        }
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
    fn a_reader_of_standard_output_that_goes_away_is_no_lost_report_but_a_full_disk_is() {
        struct Broken(io::ErrorKind);
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(self.0.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(self.0.into())
            }
        }
        for form in Form::ALL {
            let targets = ReportTargets { files: [(form, PathBuf::from("-"))].into(), ..ReportTargets::default() };
            let lost = |kind| {
                let reports = open(&targets, Box::new(Broken(kind))).expect("opens");
                let (sink, dispatcher) = crate::report::Dispatcher::start(reports, || sample::at(0.0));
                sample::one_passed().into_iter().for_each(|event| sink.send(event.fact));
                dispatcher.finish().lost_reports.len()
            };
            assert_eq!((lost(io::ErrorKind::BrokenPipe), lost(io::ErrorKind::StorageFull)), (0, 1), "{form:?}");
        }
        let tap = targets(None, None, Some(Path::new("-")));
        assert!(never_began(&tap, Box::new(Broken(io::ErrorKind::BrokenPipe)), "no engine").is_ok());
        assert!(never_began(&tap, Box::new(Broken(io::ErrorKind::StorageFull)), "no engine").is_err());
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

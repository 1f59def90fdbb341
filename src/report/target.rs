//! Files and streams that reports are written to: whole files are replaced atomically, streams grow.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, IntoInnerError, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::local_file::refuse_links_of_others;

/// Rewriting may take at most one part in this many of the elapsed time.
const SHARE: u32 = 10;

/// Bytes that are written at a time.
const BUFFER: usize = 64 * 1024;

/// Most symbolic links from a name to its file, as for the kernel.
const MOST_LINKS: u32 = 40;

/// Who may read the file of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// The user alone: the report quotes logs.
    Private,
    /// Whoever the user's umask lets read: the report holds names and numbers, and other programs read it.
    Public,
    /// Whoever this mode lets read, whatever the umask is.
    Mode(u32),
}

impl Access {
    /// The permissions of a new file, before the umask.
    fn permissions(self) -> u32 {
        match self {
            Access::Private => 0o600,
            Access::Public => 0o644,
            Access::Mode(mode) => mode,
        }
    }

    /// Sets what the umask has taken away.
    fn settle(self, file: &File) -> io::Result<()> {
        match self {
            Access::Mode(mode) => file.set_permissions(Permissions::from_mode(mode)),
            Access::Private | Access::Public => Ok(()),
        }
    }
}

/// Who has chosen the name of a report's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// The user: a pipe or a device at the name is meant, and so is a link of the user's.
    User,
    /// Rehearsa, in the folder for all reports. Others may write there, too. So a link, a pipe or a device at the name
    /// is never followed or opened; the report takes its place.
    Folder,
}

impl Naming {
    /// The file that is written for `path`. A link that the user has made stays, and the file it points to is written.
    /// A link of somebody else's would choose which file of the user's is lost.
    fn place(self, path: &Path) -> io::Result<PathBuf> {
        let mut place = path.to_owned();
        refuse_links_of_others(&place, false)?;
        if self == Naming::Folder {
            return Ok(place);
        }
        for _ in 0..MOST_LINKS {
            let Ok(found) = fs::symlink_metadata(&place) else { return Ok(place) };
            if !found.is_symlink() {
                return Ok(place);
            }
            let user = rustix::process::geteuid().as_raw();
            if ![0, user].contains(&found.uid()) {
                let what = format!(
                    "{} is a symbolic link of somebody else (user {}), who would choose which file is overwritten",
                    place.display(),
                    found.uid()
                );
                return Err(io::Error::other(what));
            }
            place = folder_of(&place).join(fs::read_link(&place)?);
        }
        Err(io::Error::other("its symbolic links have no end"))
    }

    /// Whether what is at `path` must not be replaced, such as `/dev/null`.
    fn is_special(self, path: &Path) -> bool {
        self == Naming::User && fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir())
    }
}

/// Whether nobody reads a stream any more: its pipe is closed, or its terminal is gone. That is no error of a run.
pub fn has_no_reader(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.kind() == io::ErrorKind::BrokenPipe || error.raw_os_error() == Some(EIO)
}

/// A stream that is written as long as somebody reads it. What comes after that is left out, without an error.
pub struct WhileRead(Option<Box<dyn Write + Send>>);

impl WhileRead {
    /// Writes to `out`.
    pub fn of(out: Box<dyn Write + Send>) -> Self {
        Self(Some(out))
    }

    fn say<T>(&mut self, unread: T, say: impl FnOnce(&mut dyn Write) -> io::Result<T>) -> io::Result<T> {
        let Some(out) = &mut self.0 else { return Ok(unread) };
        match say(out) {
            Err(error) if has_no_reader(&error) => {
                tracing::debug!(%error, "nobody reads standard output any more");
                self.0 = None;
                Ok(unread)
            }
            said => said,
        }
    }
}

impl Write for WhileRead {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.say(bytes.len(), |out| out.write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.say((), |out| out.flush())
    }
}

/// A report that is written as a whole, again and again while the run goes on.
pub struct AtomicFile {
    place: FileOrStream,
    pace: Pace,
    access: Access,
}

enum FileOrStream {
    /// A regular file: replaced atomically, so that a reader and a killed run always have a valid one.
    File(PathBuf),
    /// Standard output, a pipe, a device: written once, at the end.
    Once(Box<dyn Write + Send>),
}

impl AtomicFile {
    /// Writes to the file `path`; removes the file of an earlier run.
    ///
    /// # Errors
    ///
    /// When it cannot be removed, or a file that is not a regular one cannot be opened.
    pub fn file(path: &Path, naming: Naming) -> io::Result<Self> {
        let whole = Self::keeping(path, naming)?;
        let FileOrStream::File(path) = &whole.place else { return Ok(whole) };
        remove_earlier(path)?;
        Ok(whole)
    }

    /// Writes to the file `path`; the file of an earlier run stays until something is written.
    ///
    /// # Errors
    ///
    /// When a file that is not a regular one cannot be opened.
    pub fn keeping(path: &Path, naming: Naming) -> io::Result<Self> {
        let path = naming.place(path)?;
        if naming.is_special(&path) {
            return Ok(Self::stream(Stream::file(&path, Access::Private, naming)?));
        }
        if fs::symlink_metadata(&path).is_ok_and(|found| !found.is_file()) {
            remove_earlier(&path)?;
        }
        Ok(Self { place: FileOrStream::File(path), pace: Pace::default(), access: Access::Private })
    }

    /// Writes to a stream, once, at the end.
    pub fn stream(out: Box<dyn Write + Send>) -> Self {
        Self { place: FileOrStream::Once(out), pace: Pace::default(), access: Access::Private }
    }

    /// For a file that others than the user may read.
    #[must_use]
    pub fn readable_by(self, access: Access) -> Self {
        Self { access, ..self }
    }

    /// For a recorded run: only the last state is written.
    #[must_use]
    pub fn at_the_end(self) -> Self {
        Self { pace: Pace { only_last: true, ..self.pace }, ..self }
    }

    /// Writes the report by `render`, if this is the `last` time or a rewrite is due. `news`: something changed that
    /// the report should show; this is remembered until the report is written.
    ///
    /// # Errors
    ///
    /// When rendering or writing fails.
    pub fn update(
        &mut self,
        news: bool,
        last: bool,
        render: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        match &mut self.place {
            FileOrStream::Once(out) if last => {
                let mut out = BufWriter::with_capacity(BUFFER, out);
                render(&mut out)?;
                out.flush()
            }
            FileOrStream::Once(_) => Ok(()),
            FileOrStream::File(path) => {
                if !self.pace.is_due(news, last) {
                    return Ok(());
                }
                let begin = Instant::now();
                replace(path, self.access, render)?;
                self.pace.written(begin.elapsed());
                Ok(())
            }
        }
    }
}

/// The pace of rewriting: at once if that is cheap, and seldom enough if not.
#[derive(Default)]
struct Pace {
    only_last: bool,
    stale: bool,
    rest_until: Option<Instant>,
}

impl Pace {
    fn is_due(&mut self, news: bool, last: bool) -> bool {
        self.stale |= news;
        last || (!self.only_last && self.stale && self.rest_until.is_none_or(|until| Instant::now() >= until))
    }

    fn written(&mut self, cost: Duration) {
        self.stale = false;
        self.rest_until = Instant::now().checked_add(cost * (SHARE - 1));
    }
}

/// A report that grows.
pub struct Stream;

impl Stream {
    /// To a new file in the place of an earlier one, which its readers and writers keep; or to a pipe or a device.
    ///
    /// # Errors
    ///
    /// When it cannot be opened.
    pub fn file(path: &Path, access: Access, naming: Naming) -> io::Result<Box<dyn Write + Send>> {
        let path = naming.place(path)?;
        if naming.is_special(&path) {
            return Ok(Box::new(OpenOptions::new().write(true).open(path)?));
        }
        remove_earlier(&path)?;
        let file = OpenOptions::new().write(true).create_new(true).mode(access.permissions()).open(path)?;
        access.settle(&file)?;
        Ok(Box::new(file))
    }
}

fn remove_earlier(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Checks that a report can be written at `path`, and leaves no trace.
///
/// # Errors
///
/// When it cannot.
pub fn try_place(path: &Path, naming: Naming) -> io::Result<()> {
    let path = naming.place(path)?;
    if naming.is_special(&path) {
        // Opening a pipe would wait for its reader, so special files are not checked.
        return Ok(());
    }
    if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
        OpenOptions::new().append(true).open(&path).map(drop)?;
    }
    temporary(&path, Access::Private).map(drop)
}

/// The folder that a report is written in.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Replaces `path` in one step, with what `render` writes.
fn replace(path: &Path, access: Access, render: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, temporary(path, access)?);
    render(&mut out)?;
    let file = out.into_inner().map_err(IntoInnerError::into_error)?;
    file.persist(path).map_err(|error| error.error).map(drop)
}

/// Writes a file that is there whole or not at all. `Replace::Nothing`: what is at `path` stays, and is an error of the
/// kind `AlreadyExists`; `Replace::Earlier`: it stays until all is written, and keeps its mode. A pipe or a device that
/// the user names is written to.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_whole(path: &Path, replace: Replace, bytes: &[u8]) -> io::Result<()> {
    if replace == Replace::Earlier {
        let mode = fs::metadata(path).ok().filter(fs::Metadata::is_file).map(|found| found.mode() & 0o777);
        let access = mode.map_or(Access::Public, Access::Mode);
        let mut file = AtomicFile::keeping(path, Naming::User)?.readable_by(access);
        return file.update(true, true, |out| out.write_all(bytes));
    }
    refuse_links_of_others(path, true)?;
    let mut file = temporary(path, Access::Public)?;
    file.write_all(bytes)?;
    file.persist_noclobber(path).map_err(|error| error.error).map(drop)
}

/// What a new file may take the place of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replace {
    /// Of nothing.
    Nothing,
    /// Of an earlier file.
    Earlier,
}

/// A new file beside `path`, because a rename works only within a file system.
fn temporary(path: &Path, access: Access) -> io::Result<tempfile::NamedTempFile<File>> {
    let file = tempfile::Builder::new()
        .prefix(".rehearsa-")
        .suffix(".tmp")
        .permissions(Permissions::from_mode(access.permissions()))
        .tempfile_in(folder_of(path))?;
    access.settle(file.as_file())?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("report");
        let mut target = AtomicFile::file(&path, Naming::User).expect("opens");
        assert!(!path.exists());
        target.update(true, false, |out| out.write_all(b"one")).expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"one");
        target.update(false, true, |out| out.write_all(b"two")).expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"two");
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 1, "nothing else is left there");
    }

    #[test]
    fn a_whole_file_replaces_only_what_it_may_and_keeps_its_mode() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, link) = (dir.path().join("plan"), dir.path().join("link"));
        write_whole(&path, Replace::Nothing, b"one").expect("written");
        assert_eq!(mode(&path) & !0o644, 0, "no more than readable");
        let error = write_whole(&path, Replace::Nothing, b"two").expect_err("it is there");
        assert_eq!((error.kind(), fs::read(&path).expect("there")), (io::ErrorKind::AlreadyExists, b"one".to_vec()));
        fs::set_permissions(&path, Permissions::from_mode(0o640)).expect("set");
        std::os::unix::fs::symlink(&path, &link).expect("linked");
        write_whole(&link, Replace::Earlier, b"two").expect("written");
        assert_eq!((mode(&path), fs::read(&path).expect("there")), (0o640, b"two".to_vec()));
        assert!(fs::symlink_metadata(&link).expect("there").is_symlink());
        assert_eq!(fs::read_dir(dir.path()).expect("listed").count(), 2, "nothing else is left there");
    }

    #[test]
    fn others_read_a_report_only_if_they_are_allowed_to() {
        let dir = tempfile::tempdir().expect("a folder");
        let (whole, grows) = (dir.path().join("whole"), dir.path().join("grows"));
        for (access, wanted) in [(Access::Private, 0o600), (Access::Mode(0o664), 0o664), (Access::Mode(0o640), 0o640)] {
            // What an earlier run left is readable by all.
            for path in [&whole, &grows] {
                fs::write(path, "old").expect("written");
                fs::set_permissions(path, Permissions::from_mode(0o666)).expect("set");
            }
            let mut target = AtomicFile::file(&whole, Naming::User).expect("opens").readable_by(access);
            target.update(true, true, |out| out.write_all(b"new")).expect("written");
            Stream::file(&grows, access, Naming::User).expect("opens").write_all(b"new").expect("written");
            assert_eq!((mode(&whole), mode(&grows)), (wanted, wanted), "{access:?}");
        }
        let mut target = AtomicFile::file(&whole, Naming::User).expect("opens").readable_by(Access::Public);
        target.update(true, true, |out| out.write_all(b"new")).expect("written");
        assert_eq!(mode(&whole) & !0o644, 0, "no more than readable");
    }

    #[test]
    fn a_stream_of_another_run_goes_on_in_its_own_file() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("events");
        let mut first = Stream::file(&path, Access::Private, Naming::User).expect("opens");
        let mut second = Stream::file(&path, Access::Private, Naming::User).expect("opens");
        second.write_all(b"second").expect("written");
        first.write_all(b"first").expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"second");
    }

    #[test]
    fn a_costly_report_is_rewritten_seldom_but_always_at_the_end() {
        let mut pace = Pace::default();
        assert!(!pace.is_due(false, false), "nothing new");
        assert!(pace.is_due(true, false));
        pace.written(Duration::from_secs(60));
        assert!(!pace.is_due(true, false), "too soon");
        assert!(pace.is_due(false, true), "the last is always written");
        pace.written(Duration::ZERO);
        assert!(!pace.is_due(false, false), "nothing new since");
        assert!(pace.is_due(true, false));
    }

    #[test]
    fn a_report_that_was_put_off_is_written_at_a_later_event() {
        let mut pace =
            Pace { only_last: false, stale: false, rest_until: Instant::now().checked_add(Duration::from_millis(20)) };
        assert!(!pace.is_due(true, false));
        std::thread::sleep(Duration::from_millis(30));
        assert!(pace.is_due(false, false));
    }

    #[test]
    fn a_report_of_a_run_that_is_over_is_written_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("report");
        let mut target = AtomicFile::file(&path, Naming::User).expect("opens").at_the_end();
        target.update(true, false, |_| unreachable!("only at the end")).expect("nothing to do");
        assert!(!path.exists());
        target.update(false, true, |out| out.write_all(b"x")).expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"x");
    }

    #[test]
    fn a_device_is_never_replaced() {
        let mut target = AtomicFile::file(Path::new("/dev/null"), Naming::User).expect("opens");
        target.update(true, false, |_| unreachable!("only at the end")).expect("nothing to do");
        target.update(true, true, |out| out.write_all(b"x")).expect("written");
        assert!(Naming::User.is_special(Path::new("/dev/null")));
    }

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().expect("a folder");
        let (real, link) = (dir.path().join("real"), dir.path().join("link"));
        fs::write(&real, "old").expect("written");
        std::os::unix::fs::symlink(&real, &link).expect("linked");
        let mut target = AtomicFile::file(&link, Naming::User).expect("opens");
        target.update(true, true, |out| out.write_all(b"new")).expect("written");
        assert!(fs::symlink_metadata(&link).expect("there").file_type().is_symlink());
        assert_eq!(fs::read(&real).expect("there"), b"new");
    }

    /// What others may leave in a folder for reports: links to files of the user's, pipes.
    #[test]
    fn what_others_left_at_the_name_of_a_report_is_replaced_and_never_followed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, victim) = (dir.path().join("report"), dir.path().join("victim"));
        let link = |to: &Path| std::os::unix::fs::symlink(to, &path).expect("linked");
        let pipe = || {
            let made = std::process::Command::new("mkfifo").arg(&path).status();
            assert!(made.expect("mkfifo is installed").success());
        };
        let makes: [&dyn Fn(); 4] = [&|| link(&victim), &|| link(Path::new("/dev/null")), &|| link(&path), &pipe];
        for make in makes {
            for grows in [false, true] {
                fs::write(&victim, "kept").expect("written");
                make();
                try_place(&path, Naming::Folder).expect("there is a place");
                if grows {
                    let mut file = Stream::file(&path, Access::Private, Naming::Folder).expect("opens");
                    file.write_all(b"new").expect("written");
                } else {
                    let mut target = AtomicFile::keeping(&path, Naming::Folder).expect("opens");
                    assert!(!path.exists(), "it is no earlier report");
                    make();
                    target.update(true, true, |out| out.write_all(b"new")).expect("written");
                }
                assert!(fs::symlink_metadata(&path).expect("there").is_file());
                assert_eq!(fs::read(&path).expect("there"), b"new");
                assert_eq!(fs::read(&victim).expect("there"), b"kept");
                fs::remove_file(&path).expect("removed");
            }
        }
    }

    #[test]
    fn a_link_of_somebody_else_is_not_followed() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, victim) = (dir.path().join("report"), dir.path().join("victim"));
        fs::write(&victim, "kept").expect("written");
        std::os::unix::fs::symlink(&victim, &path).expect("linked");
        assert!(rustix::process::geteuid().is_root(), "this test needs root: it gives a link to somebody else");
        std::os::unix::fs::lchown(&path, Some(12_345), None).expect("given away");
        let error = try_place(&path, Naming::User).expect_err("refused").to_string();
        assert!(error.contains("somebody else (user 12345)"), "{error}");
        assert!(AtomicFile::file(&path, Naming::User).is_err());
        assert!(Stream::file(&path, Access::Private, Naming::User).is_err());
        assert_eq!(fs::read(&victim).expect("there"), b"kept");
    }
}

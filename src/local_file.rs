//! Files of this machine that somebody named: a label, a plan file, the command line.
//!
//! To open a file can wait for ever or do harm: a pipe waits for a writer, `kmsg` of procfs for the kernel's next
//! message, a device acts. So a file is looked at before it is opened, opened without waiting, and looked at again.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FileType, Mode, OFlags, fstat, fstatfs, getxattr, open};

/// How long a writer into a pipe may take: people type passphrases.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often an empty pipe is looked at.
const LOOK: Duration = Duration::from_millis(25);

/// File systems of the kernel, whose files are no data, by the magic numbers of `statfs(2)` and `linux/magic.h`.
const OF_KERNEL: [(u64, &str); 20] = [
    (0x9fa0, "procfs"),
    (0x6265_6572, "sysfs"),
    (0x6462_6720, "debugfs"),
    (0x7472_6163, "tracefs"),
    (0x7363_6673, "securityfs"),
    (0xf97c_ff8c, "selinuxfs"),
    (0x4341_5d53, "smackfs"),
    (0x0027_e0eb, "a cgroup file system"),
    (0x6367_7270, "a cgroup file system"),
    (0xcafe_4a11, "bpf"),
    (0x4249_4e4d, "binfmt_misc"),
    (0x1cd1, "devpts"),
    (0x1980_0202, "mqueue"),
    (0x6165_676c, "pstore"),
    (0xde5e_81e4, "efivarfs"),
    (0x6265_6570, "configfs"),
    (0x9584_58f6, "hugetlbfs"),
    (0x6e73_6673, "nsfs"),
    (0x6573_5543, "fusectl"),
    (0x6759_6969, "rpc_pipefs"),
];

/// What the name of a file may lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// A regular file.
    Regular,
    /// A pipe and `/dev/null` too, as a shell passes the output of a command (`<(pass show backup)`).
    Piped,
}

/// Opens a regular file, which is not on a file system of the kernel. Never waits for a pipe or a device.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_as(path, Accept::Regular)
}

/// Opens a file of this kind for reading. Reads of a pipe do not wait: use [`read`].
pub fn open_as(path: &Path, accept: Accept) -> io::Result<File> {
    // With O_PATH nothing is opened that acts on it.
    check(&File::from(open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?), accept)?;
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = File::from(open(path, flags, Mode::empty())?);
    // Something else may have taken the name meanwhile.
    check(&file, accept)?;
    Ok(file)
}

/// Reads a file that was opened by [`open_as`]. More than `most` bytes are an error.
pub fn read(file: &mut File, most: u64) -> io::Result<Vec<u8>> {
    let (mut bytes, mut piece, began) = (Vec::new(), vec![0; 64 * 1024], Instant::now());
    loop {
        match file.read(&mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(length) => bytes.extend_from_slice(&piece[..length]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock && began.elapsed() < PATIENCE => {
                std::thread::sleep(LOOK);
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                return Err(io::Error::other(format!("nobody has written into the pipe for {} s", PATIENCE.as_secs())));
            }
            Err(error) => return Err(error),
        }
        if bytes.len() as u64 > most {
            return Err(io::Error::other(format!("it is larger than {most} bytes, so it is not what is meant")));
        }
    }
}

/// Opens a file and reads all of it; see [`open_as`] and [`read`].
pub fn read_from(path: &Path, accept: Accept, most: u64) -> io::Result<Vec<u8>> {
    read(&mut open_as(path, accept)?, most)
}

/// Fails for a folder that is on a file system of the kernel, or for what is no folder.
pub fn check_folder(path: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    refuse_kernel(&File::from(open(path, flags, Mode::empty())?))
}

/// Fails if a part of a path is a link that somebody else has made in a folder like `/tmp`, where everybody may make
/// one: whoever made the link would choose what is read or overwritten. `last`: the path's own name is asked, too. Some
/// kernels refuse such links themselves (`fs.protected_symlinks`), and only at the end of a path.
pub fn refuse_links_of_others(path: &Path, last: bool) -> io::Result<()> {
    const STICKY_FOR_ALL: u32 = 0o1002;
    let user = rustix::process::geteuid().as_raw();
    // Without a slash at the end, which would follow the link.
    let whole: PathBuf = std::path::absolute(path)?.components().collect();
    for part in whole.ancestors().skip(usize::from(!last)) {
        let Ok(found) = part.symlink_metadata() else { continue };
        let Some(folder) = part.parent().filter(|_| found.is_symlink()) else { continue };
        let folder = folder.metadata()?;
        let is_shared = folder.mode() & STICKY_FOR_ALL == STICKY_FOR_ALL;
        if is_shared && ![0, user, folder.uid()].contains(&found.uid()) {
            let what = format!(
                "{} is a symbolic link of somebody else (user {}) in a folder where everybody may write, and is not \
                 followed",
                part.display(),
                found.uid()
            );
            return Err(io::Error::other(what));
        }
    }
    Ok(())
}

/// Whether an access list of POSIX names other users or groups for a file or folder. A default list, which new files of
/// a folder get, is none.
pub fn has_access_list(path: &Path) -> bool {
    getxattr(path, "system.posix_acl_access", &mut [0_u8; 0]).is_ok()
}

#[allow(clippy::unnecessary_cast, reason = "the types of a stat's fields differ between architectures")]
fn check(file: &File, accept: Accept) -> io::Result<()> {
    const NULL: (u32, u32) = (1, 3);
    let stat = fstat(file)?;
    let is_null = || {
        let device = stat.st_rdev as u64;
        (rustix::fs::major(device), rustix::fs::minor(device)) == NULL
    };
    let what = match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => return refuse_kernel(file),
        FileType::Fifo if accept == Accept::Piped => return Ok(()),
        FileType::CharacterDevice if accept == Accept::Piped && is_null() => return Ok(()),
        FileType::Directory => return Err(ErrorKind::IsADirectory.into()),
        FileType::Fifo => "a pipe",
        FileType::CharacterDevice | FileType::BlockDevice => "a device",
        FileType::Socket => "a socket",
        _ => "no regular file",
    };
    Err(io::Error::other(format!("it is {what}, and a regular file is wanted")))
}

#[allow(clippy::unnecessary_cast, reason = "the types of the fields differ between architectures")]
fn refuse_kernel(file: &File) -> io::Result<()> {
    // The field is of a signed type on some architectures, where high numbers are negative.
    let magic = fstatfs(file)?.f_type as u64 & 0xffff_ffff;
    match OF_KERNEL.iter().find(|(known, _)| *known == magic) {
        None => Ok(()),
        Some((_, name)) => Err(io::Error::other(format!("it is of the kernel ({name}), and holds no data"))),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    fn refusal(path: &Path, accept: Accept) -> String {
        open_as(path, accept).expect_err("it is refused").to_string()
    }

    #[test]
    fn a_regular_file_is_read_up_to_its_bound() {
        let dir = tempfile::tempdir().expect("a folder");
        let (path, link) = (dir.path().join("file"), dir.path().join("link"));
        std::fs::write(&path, "12345").expect("written");
        symlink(&path, &link).expect("linked");
        for path in [&path, &link] {
            assert_eq!(read_from(path, Accept::Regular, 5).expect("read"), b"12345");
        }
        let error = read_from(&path, Accept::Regular, 4).expect_err("too large").to_string();
        assert!(error.contains("larger than 4 bytes"), "{error}");
        assert_eq!(open_regular(&dir.path().join("none")).expect_err("none").kind(), ErrorKind::NotFound);
        assert_eq!(open_regular(dir.path()).expect_err("a folder").kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn a_link_of_somebody_else_in_a_folder_for_everybody_is_refused() {
        use std::os::unix::fs::{PermissionsExt, lchown};
        let dir = tempfile::tempdir().expect("a folder");
        let (shared, own) = (dir.path().join("shared"), dir.path().join("own"));
        for folder in [&shared, &own] {
            std::fs::create_dir(folder).expect("made");
            symlink(&own, folder.join("mine")).expect("linked");
            symlink(&own, folder.join("theirs")).expect("linked");
            lchown(folder.join("theirs"), Some(1234), None).expect("given away; this test runs as root");
        }
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).expect("set");
        let is_refused = |path: PathBuf, last| refuse_links_of_others(&path, last).is_err();
        for inside in ["theirs", "theirs/"] {
            assert!(is_refused(shared.join(inside), true), "{inside}");
            assert!(!is_refused(shared.join(inside), false), "{inside}");
        }
        assert!(is_refused(shared.join("theirs/report.json"), false));
        assert!(is_refused(shared.join("theirs/not/there"), true));
        for allowed in [shared.join("mine/x"), shared.join("none"), own.join("theirs/x"), own.join("mine")] {
            assert!(!is_refused(allowed.clone(), true), "{}", allowed.display());
        }
    }

    #[test]
    fn an_access_list_is_seen() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("file");
        std::fs::write(&path, "").expect("written");
        assert!(!has_access_list(&path));
        // As the kernel keeps it (`linux/posix_acl_xattr.h`): user 1234 may write.
        let mut list = 2_u32.to_le_bytes().to_vec();
        for (tag, rights, id) in
            [(1_u16, 6_u16, u32::MAX), (2, 6, 1234), (4, 4, u32::MAX), (16, 6, u32::MAX), (32, 4, u32::MAX)]
        {
            list.extend([tag.to_le_bytes(), rights.to_le_bytes()].concat());
            list.extend(id.to_le_bytes());
        }
        rustix::fs::setxattr(&path, "system.posix_acl_access", &list, rustix::fs::XattrFlags::empty()).expect("set");
        assert!(has_access_list(&path));
    }

    /// Each of these waits for ever, or acts, if it is opened as a file.
    #[test]
    fn what_waits_or_acts_is_refused_at_once() {
        let dir = tempfile::tempdir().expect("a folder");
        let at = |name: &str| dir.path().join(name);
        assert!(Command::new("mkfifo").arg(at("pipe")).status().expect("mkfifo is there").success());
        let _listener = UnixListener::bind(at("socket")).expect("bound");
        symlink("/proc/kmsg", at("kmsg")).expect("linked");
        for accept in [Accept::Regular, Accept::Piped] {
            assert!(refusal(&at("socket"), accept).contains("a socket"));
            assert!(refusal(Path::new("/dev/zero"), accept).contains("a device"));
            for path in [Path::new("/proc/kmsg"), &at("kmsg"), Path::new("/proc/self/environ")] {
                assert!(refusal(path, accept).contains("procfs"), "{}", path.display());
            }
        }
        assert!(refusal(&at("pipe"), Accept::Regular).contains("a pipe"));
        assert!(refusal(Path::new("/dev/null"), Accept::Regular).contains("a device"));
        assert!(check_folder(Path::new("/proc/self")).expect_err("of the kernel").to_string().contains("procfs"));
        assert!(check_folder(dir.path()).is_ok());
    }

    #[test]
    fn a_pipe_is_read_to_the_end_of_its_writer_and_nobody_is_waited_for() {
        let dir = tempfile::tempdir().expect("a folder");
        let pipe = dir.path().join("pipe");
        assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo is there").success());
        assert_eq!(read_from(&pipe, Accept::Piped, 9).expect("no writer"), b"");
        assert_eq!(read_from(Path::new("/dev/null"), Accept::Piped, 9).expect("empty"), b"");
        let mut file = open_as(&pipe, Accept::Piped).expect("opened");
        let script = "exec >\"$1\"; printf 12; read _; printf 34";
        let mut writer = Command::new("sh");
        let mut writer =
            writer.args(["-c", script, "sh"]).arg(&pipe).stdin(std::process::Stdio::piped()).spawn().expect("sh");
        // The reader is there before the writer, and the writer stops in the middle until it is told to go on.
        let mut first = [0; 2];
        while file.read(&mut first).is_ok_and(|length| length == 0) {}
        drop(writer.stdin.take());
        let read = read(&mut file, 9).expect("read");
        assert!(writer.wait().expect("ended").success());
        assert!(read == b"1234" || read == b"34", "{read:?}");
    }
}

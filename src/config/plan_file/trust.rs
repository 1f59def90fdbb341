//! Whether a plan file that nobody named may be used.
//!
//! A plan file chooses which commands run here, which files are read and which services are skipped. One that merely
//! lies in the working directory is used only if nobody else can have written it, as ssh and git ask: the file and its
//! folder belong to the user or to root, and nobody else may write to them.

use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::error::ConfigError;
use crate::local_file::{Accept, has_access_list, read_from};

/// The user who runs Rehearsa.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentUser {
    /// The user's id.
    pub id: u32,
    /// Who became root by `sudo`; `None`: nobody.
    pub behind_sudo: Option<u32>,
}

/// Permissions to write, and the bit by which only the owner of a file may rename it.
const GROUP: u32 = 0o020;
const OTHERS: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// The owner and the permissions of a file or folder.
#[derive(Debug, Clone, Copy)]
struct Access {
    owner: u32,
    group: u32,
    mode: u32,
    is_folder: bool,
    /// The bits of the group are the most that a list of other users and groups allows.
    has_list: bool,
}

impl Access {
    fn of(path: &Path, metadata: &Metadata) -> Self {
        let mode = metadata.permissions().mode() & 0o7777;
        let has_list = has_access_list(path);
        Self { owner: metadata.uid(), group: metadata.gid(), mode, is_folder: metadata.is_dir(), has_list }
    }

    /// Whether it is a folder like `/tmp`.
    fn is_for_all(self) -> bool {
        self.is_folder && self.mode & STICKY != 0 && self.mode & (OTHERS | GROUP) != 0
    }
}

/// Fails if somebody else may have written the file, which is opened as `file`.
pub fn ask(path: &Path, file: &Metadata, user: CurrentUser) -> Result<(), ConfigError> {
    let unreadable = |of: &Path, error: std::io::Error| ConfigError::Conflict {
        what: format!("cannot look at {}: {error}", of.display()),
    };
    let now = std::fs::metadata(path).map_err(|error| unreadable(path, error))?;
    if (now.dev(), now.ino()) != (file.dev(), file.ino()) {
        let what = format!("{} was replaced while it was read; nothing was done", path.display());
        return Err(ConfigError::Conflict { what });
    }
    let mut asked = vec![("it".to_owned(), Access::of(path, file))];
    // Whoever makes a link chooses which of the user's files is obeyed. A link itself has no permissions.
    if let Some(link) = std::fs::symlink_metadata(path).ok().filter(Metadata::is_symlink) {
        asked.push(("the link".to_owned(), Access { mode: 0, has_list: false, ..Access::of(path, &link) }));
    }
    for folder in folders(path).map_err(|error| unreadable(path, error))? {
        let metadata = std::fs::metadata(&folder).map_err(|error| unreadable(&folder, error))?;
        let access = Access::of(&folder, &metadata);
        let of = format!("its folder {}", folder.display());
        if access.is_for_all() && file.nlink() > 1 {
            return Err(refusal(
                path,
                &of,
                "lets everybody give a second name to a file, and this file has one",
                access,
            ));
        }
        asked.push((of, access));
    }
    let names = Names::read();
    for (of, access) in asked {
        let Some(why) = distrust(access, user, &names) else { continue };
        return Err(refusal(path, &of, why, access));
    }
    Ok(())
}

/// The error about a plan file that is not used because of something with these permissions.
fn refusal(path: &Path, of: &str, why: &str, access: Access) -> ConfigError {
    let (file, Access { owner, group, mode, .. }) = (path.display(), access);
    let what = format!(
        "{file} is in the working directory, nobody named it, and it is not used: {of} {why} (owner {owner}, group \
         {group}, mode {mode:04o}). Whoever can write a plan file chooses which commands run here and which files are \
         read. To use it, name it: --plan {file}. To trust it from now on, make it yours: chown and `chmod go-w` for \
         the file and its folder"
    );
    ConfigError::Conflict { what }
}

/// The folder of the name, and that of the file if the name is a link.
fn folders(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    let of = |path: &Path| match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    };
    let mut folders = vec![of(path)];
    if path.is_symlink() {
        folders.push(of(&path.canonicalize()?));
    }
    Ok(folders)
}

/// Why something of these permissions is not trusted.
fn distrust(access: Access, user: CurrentUser, names: &Names) -> Option<&'static str> {
    let Access { owner, group, mode, is_folder, has_list } = access;
    let is_trusted = owner == 0 || owner == user.id || user.behind_sudo == Some(owner);
    // In a folder like /tmp everybody may write, and nobody may take the place of a file of others.
    let is_sticky = is_folder && mode & STICKY != 0;
    if !is_trusted {
        Some("belongs to somebody else")
    } else if is_sticky {
        None
    } else if mode & OTHERS != 0 {
        Some("may be written by everybody")
    } else if mode & GROUP != 0 && has_list {
        Some("may be written by others, whom an access list names (getfacl shows them)")
    } else if mode & GROUP != 0 && !names.is_alone(owner, group) {
        Some("may be written by its group")
    } else {
        None
    }
}

/// Largest table of users or groups that is read.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The tables of users and groups of this machine. Users of a directory service are not in them.
struct Names {
    users: String,
    groups: String,
}

impl Names {
    fn read() -> Self {
        let table = |path: &str| {
            let read = read_from(Path::new(path), Accept::Regular, LARGEST).unwrap_or_default();
            String::from_utf8_lossy(&read).into_owned()
        };
        Self { users: table("/etc/passwd"), groups: table("/etc/group") }
    }

    /// Whether nobody but this user is in the group: many systems give each user a group of its own, and write
    /// permission to it.
    fn is_alone(&self, user: u32, group: u32) -> bool {
        let number = |text: Option<&&str>| text.and_then(|text| text.parse::<u32>().ok());
        let users: Vec<Vec<&str>> = self.users.lines().map(|line| line.split(':').collect()).collect();
        let of_group = users.iter().filter(|fields| number(fields.get(3)) == Some(group));
        let is_user = |fields: &&Vec<&str>| number(fields.get(2)) == Some(user);
        let owners: Vec<&str> = users.iter().filter(is_user).filter_map(|fields| fields.first().copied()).collect();
        let groups = self.groups.lines().map(|line| line.split(':').collect::<Vec<&str>>());
        let mut this = groups.filter(|fields| number(fields.get(2)) == Some(group)).peekable();
        let is_member_alone = |fields: Vec<&str>| {
            let members = fields.get(3).copied().unwrap_or_default().split(',').map(str::trim);
            members.filter(|member| !member.is_empty()).all(|member| owners.contains(&member))
        };
        of_group.into_iter().all(|fields| is_user(&fields)) && this.peek().is_some() && this.all(is_member_alone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: CurrentUser = CurrentUser { id: 1000, behind_sudo: None };

    fn names() -> Names {
        Names {
            users: "root:x:0:0::/root:/bin/sh\nme:x:1000:1000::/home/me:/bin/sh\nyou:x:1001:1001::/:/bin/sh\n\
                    other:x:1002:1003::/:/bin/sh\nlast:x:1003:1003::/:/bin/sh\n"
                .to_owned(),
            groups: "root:x:0:\nme:x:1000:\nyou:x:1001:me\nshared:x:1002:me,you\nmany:x:1003:\nown:x:1004:me\n"
                .to_owned(),
        }
    }

    fn file(owner: u32, group: u32, mode: u32) -> Access {
        Access { owner, group, mode, is_folder: false, has_list: false }
    }

    #[test]
    fn a_file_that_nobody_else_can_have_written_is_trusted() {
        let root = CurrentUser { id: 0, behind_sudo: Some(1000) };
        for (access, user) in [
            (file(1000, 1000, 0o644), ME),
            (file(1000, 1002, 0o644), ME),
            (file(0, 0, 0o600), ME),
            // The user's own group.
            (file(1000, 1000, 0o664), ME),
            (file(1000, 1004, 0o664), ME),
            (file(1000, 1000, 0o644), root),
            (Access { is_folder: true, ..file(0, 0, 0o1777) }, ME),
            // A list that lets others read.
            (Access { has_list: true, ..file(1000, 1000, 0o644) }, ME),
        ] {
            assert_eq!(distrust(access, user, &names()), None, "{access:?} {user:?}");
        }
    }

    #[test]
    fn a_file_that_somebody_else_may_have_written_is_not() {
        let root = CurrentUser { id: 0, behind_sudo: None };
        for (access, user, why) in [
            (file(1001, 1001, 0o600), ME, "belongs to somebody else"),
            (file(1000, 1000, 0o600), root, "belongs to somebody else"),
            (file(1000, 1000, 0o666), ME, "by everybody"),
            (file(1000, 1000, 0o1666), ME, "by everybody"),
            (file(0, 1002, 0o664), ME, "by its group"),
            (file(1000, 1002, 0o664), ME, "by its group"),
            (file(1000, 1001, 0o664), ME, "by its group"),
            (file(1000, 1003, 0o664), ME, "by its group"),
            (file(1000, 4711, 0o664), ME, "by its group"),
            (Access { has_list: true, ..file(1000, 1000, 0o664) }, ME, "whom an access list names"),
            (Access { has_list: true, is_folder: true, ..file(0, 0, 0o775) }, ME, "whom an access list names"),
            (Access { is_folder: true, ..file(1000, 1000, 0o777) }, ME, "by everybody"),
            (Access { is_folder: true, ..file(1001, 1001, 0o1777) }, ME, "belongs to somebody else"),
        ] {
            let told = distrust(access, user, &names()).unwrap_or_default();
            assert!(told.contains(why), "{access:?} {user:?}: {told}");
        }
    }

    /// In a folder like `/tmp` everybody can make a link at a file of the user's, and give the file a second name.
    #[test]
    fn a_name_that_somebody_else_gave_to_a_file_of_the_users_is_not_trusted() {
        let dir = tempfile::tempdir().expect("a folder");
        let (shared, own) = (dir.path().join("shared"), dir.path().join("own"));
        for folder in [&shared, &own] {
            std::fs::create_dir(folder).expect("made");
        }
        std::fs::set_permissions(&shared, std::fs::Permissions::from_mode(0o1777)).expect("set");
        std::fs::write(own.join("plan"), "").expect("written");
        let metadata = std::fs::metadata(own.join("plan")).expect("there");
        let user = CurrentUser { id: metadata.uid(), behind_sudo: None };
        let link = shared.join("plan");
        std::os::unix::fs::symlink(own.join("plan"), &link).expect("linked");
        assert!(ask(&link, &metadata, user).is_ok(), "the user's own link");
        std::os::unix::fs::lchown(&link, Some(1234), None).expect("given away; this test runs as root");
        let told = ask(&link, &metadata, user).expect_err("somebody chose the file").to_string();
        assert!(told.contains("the link belongs to somebody else (owner 1234"), "{told}");
        std::fs::remove_file(&link).expect("removed");
        let told = ask(&link, &metadata, user).expect_err("it is gone").to_string();
        assert!(told.contains("cannot look at"), "{told}");
        std::fs::write(&link, "").expect("written");
        let told = ask(&link, &metadata, user).expect_err("another file").to_string();
        assert!(told.contains("was replaced"), "{told}");
        std::fs::remove_file(&link).expect("removed");
        std::fs::hard_link(own.join("plan"), &link).expect("a second name");
        let metadata = std::fs::metadata(&link).expect("there");
        let told = ask(&link, &metadata, user).expect_err("anybody may have named it").to_string();
        assert!(told.contains("a second name"), "{told}");
        assert!(ask(&own.join("plan"), &metadata, user).is_ok(), "under its own name");
    }

    #[test]
    fn the_folder_of_the_name_and_that_of_the_file_are_asked() {
        let dir = tempfile::tempdir().expect("a folder");
        let (open, own) = (dir.path().join("open"), dir.path().join("own"));
        for folder in [&open, &own] {
            std::fs::create_dir(folder).expect("made");
        }
        std::fs::write(open.join("plan"), "").expect("written");
        std::os::unix::fs::symlink(open.join("plan"), own.join("plan")).expect("linked");
        let metadata = std::fs::metadata(open.join("plan")).expect("there");
        let user = CurrentUser { id: metadata.uid(), behind_sudo: None };
        let mode = |mode| std::fs::set_permissions(&open, std::fs::Permissions::from_mode(mode)).expect("set");
        mode(0o755);
        assert!(ask(&own.join("plan"), &metadata, user).is_ok());
        mode(0o777);
        for path in [own.join("plan"), open.join("plan")] {
            let told = ask(&path, &metadata, user).expect_err("anybody may replace it").to_string();
            assert!(told.contains(&format!("{}", open.display())) && told.contains("mode 0777"), "{told}");
            assert!(told.contains(&format!("--plan {}", path.display())), "{told}");
        }
    }
}

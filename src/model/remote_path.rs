//! Paths at remotes of rclone: `rclone:nas:backups/app-*.tar.gz`. A remote is one of rclone's configuration, or is
//! written out (`:local:`, `:webdav,url=https://nas/:`).

/// What the address of such a path begins with.
pub const PREFIX: &str = "rclone:";

/// Words in the names of a remote's parameters whose values are secret.
const SECRET: [&str; 6] = ["pass", "secret", "token", "credential", "key_pem", "account_key"];

/// A path at a remote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemotePath<'a> {
    /// The remote, with the colon at its end.
    pub remote: &'a str,
    /// The path, which may be empty.
    pub path: &'a str,
}

impl<'a> RemotePath<'a> {
    /// Splits an address after [`PREFIX`]; `None`: it names no remote.
    pub fn of_address(address: &'a str) -> Option<RemotePath<'a>> {
        let text = address.strip_prefix(PREFIX)?;
        let mut quote = None;
        let mut before = ' ';
        for (at, c) in text.char_indices() {
            match quote {
                Some(mark) if c == mark => quote = None,
                Some(_) => {}
                // A quote that is doubled ends and begins a text.
                None if ['"', '\''].contains(&c) && ['=', c].contains(&before) => quote = Some(c),
                None if c == '/' && !text[..at].contains(',') => return None,
                None if c == ':' && at > 0 => {
                    return Some(RemotePath { remote: &text[..=at], path: &text[at + 1..] });
                }
                None => {}
            }
            before = c;
        }
        None
    }

    /// The folder as rclone takes it, and the last part of the path.
    pub fn folder_and_name(&self) -> (String, &'a str) {
        let (folder, name) = match self.path.rfind('/') {
            // The root stays a root.
            Some(0) => ("/", &self.path[1..]),
            Some(at) => (&self.path[..at], &self.path[at + 1..]),
            None => ("", self.path),
        };
        (format!("{}{folder}", self.remote), name)
    }

    /// The name of a parameter whose value is a secret; `None`: there is none. A value that is written wrongly may end
    /// in the path.
    pub fn secret(&self) -> Option<&'a str> {
        let parts = self.remote.split(',').skip(1);
        let parts = parts.chain(self.path.split(',').filter(|_| self.remote.contains(',')));
        let mut names = parts.filter_map(|parameter| parameter.split_once('=')).map(|(name, _)| name);
        names.find(|name| SECRET.iter().any(|word| name.contains(word)))
    }
}

/// An address as it may be shown: without parameters, which may have secrets also where they are written wrongly.
pub fn shown(address: &str) -> String {
    let is_plain = RemotePath::of_address(address).is_some_and(|at| !at.remote.contains(','));
    let Some((begin, rest)) = address.split_once(',').filter(|_| address.starts_with(PREFIX) && !is_plain) else {
        return address.to_owned();
    };
    match rest.rsplit_once(':').map(|(_, path)| path).filter(|path| !path.contains([',', '='])) {
        Some(path) => format!("{begin},…:{path}"),
        None => format!("{begin},…"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_ends_at_its_colon() {
        for (address, remote, path) in [
            ("rclone:nas:b/app-*.tar", "nas:", "b/app-*.tar"),
            ("rclone:nas:", "nas:", ""),
            ("rclone::local:/srv/a:b", ":local:", "/srv/a:b"),
            ("rclone::webdav,url=\"https://nas:80/\":b", ":webdav,url=\"https://nas:80/\":", "b"),
            ("rclone::x,a=\"one \"\"two:\"\"\",b='c:d':/e", ":x,a=\"one \"\"two:\"\"\",b='c:d':", "/e"),
            ("rclone:nas,key_file=/k/x:b", "nas,key_file=/k/x:", "b"),
        ] {
            assert_eq!(RemotePath::of_address(address), Some(RemotePath { remote, path }), "{address}");
        }
        for address in ["rclone:", "rclone::", "rclone:b/app.tar", "rclone:a/b:c", "nas:b", "rclone::x,a=\"b:c"] {
            assert_eq!(RemotePath::of_address(address), None, "{address}");
        }
    }

    #[test]
    fn a_folder_is_what_rclone_lists() {
        let of = |address: &'static str| RemotePath::of_address(address).expect("a remote").folder_and_name();
        assert_eq!(of("rclone:nas:b/c/app-*"), ("nas:b/c".to_owned(), "app-*"));
        assert_eq!(of("rclone:nas:app-*"), ("nas:".to_owned(), "app-*"));
        assert_eq!(of("rclone::local:/app-*"), (":local:/".to_owned(), "app-*"));
    }

    #[test]
    fn parameters_are_not_shown_and_secrets_are_named() {
        let address = "rclone::webdav,url=http://me:hunter2@nas,pass=hunter2:b/app";
        assert_eq!(shown(address), "rclone::webdav,…:b/app");
        assert_eq!(
            RemotePath::of_address("rclone::webdav,url='http://nas',pass=x:b").and_then(|r| r.secret()),
            Some("pass")
        );
        assert_eq!(RemotePath::of_address("rclone::s3,env_auth=true:b").and_then(|r| r.secret()), None);
        for plain in ["rclone:nas:b", "rclone:nas:a,b=c.tar", "ssh://nas/a,b"] {
            assert_eq!(shown(plain), plain);
        }
        assert_eq!(shown("rclone::webdav,pass=\"hunter2"), "rclone::webdav,…");
        assert_eq!(shown("rclone::webdav,url=http://nas,pass=hunter2"), "rclone::webdav,…");
        let secret = |address| RemotePath::of_address(address).and_then(|at| at.secret());
        assert_eq!(secret("rclone::webdav,url=http://nas,pass=hunter2:b"), Some("pass"));
        assert_eq!(secret("rclone:nas:a,pass=b"), None, "a file may be called so");
    }
}

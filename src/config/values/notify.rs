//! Whom to notify of a run, and when. An address may be a secret, so no error and no message repeats one.

use crate::config::error::{ConfigError, SettingOrigin};
use crate::model::secret::Secret;

/// What an address may look like.
const EXPECTED: &str = "an address to notify, as in ntfy://ntfy.sh/TOPIC, ntfys://HOST/TOPIC, https://HOST/HOOK, \
                        ping:https://hc-ping.com/UUID or mailto:ADMIN@EXAMPLE.ORG";

/// Someone who is notified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyTarget {
    /// A topic of an ntfy server.
    Ntfy {
        /// The server, with the path before the topic.
        server: WebAddress,
        /// The topic, which is as good as a password.
        topic: Secret,
    },
    /// An address that takes JSON.
    Webhook(WebAddress),
    /// An address that is told of the begin and the end, in the manner of healthchecks.io.
    Ping(WebAddress),
    /// Somebody's mailbox, by the program `sendmail`.
    Mail(String),
}

/// An address of HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebAddress {
    /// Whether it is HTTPS.
    pub tls: bool,
    /// The user and the password, or a token alone.
    pub login: Option<Login>,
    /// The name or the address of the host; an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The path, from the first slash on, which may be a secret.
    pub path: Secret,
    /// The query without its question mark.
    pub query: Option<Secret>,
}

/// What an address is opened with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A user's name and password.
    Password(String, Secret),
    /// A token.
    Token(Secret),
}

impl NotifyTarget {
    /// What people call it, without what may be a secret: `ntfy at ntfy.sh`.
    pub fn called(&self) -> String {
        match self {
            NotifyTarget::Ntfy { server, .. } => format!("ntfy at {}", server.place()),
            NotifyTarget::Webhook(address) => format!("the webhook at {}", address.place()),
            NotifyTarget::Ping(address) => format!("the ping at {}", address.place()),
            NotifyTarget::Mail(to) => format!("mail to {to}"),
        }
    }
}

impl WebAddress {
    /// `host`, or `host:port` for an unusual port.
    pub fn place(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        if self.port == usual_port(self.tls) { host } else { format!("{host}:{}", self.port) }
    }
}

fn usual_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// When to notify. A ping is told of every run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum NotifyWhen {
    /// Of every run.
    #[default]
    Always,
    /// Of a run that is no success.
    Failure,
    /// Of a run in which the verdict on a service is another than in the last one.
    Change,
}

impl NotifyWhen {
    /// Reads the word.
    ///
    /// # Errors
    ///
    /// With what the word should be.
    pub fn read(text: &str) -> Result<Self, String> {
        match text.trim() {
            "always" => Ok(NotifyWhen::Always),
            "failure" => Ok(NotifyWhen::Failure),
            "change" => Ok(NotifyWhen::Change),
            _ => Err("always, failure or change".to_owned()),
        }
    }
}

/// Reads one address. The error is a sentence that repeats no secret.
///
/// # Errors
///
/// When it is none.
pub fn read(text: &str) -> Result<NotifyTarget, String> {
    let text = text.trim();
    let refused = || format!("`{}` is not {EXPECTED}", shown(text));
    if let Some(to) = text.strip_prefix("mailto:") {
        let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '<' | '>' | '"' | '?');
        let is_mailbox = to.chars().all(is_plain) && !to.starts_with('-');
        return if is_mailbox && !to.is_empty() { Ok(NotifyTarget::Mail(to.to_owned())) } else { Err(refused()) };
    }
    if let Some(address) = text.strip_prefix("ping:") {
        return web(address).map(NotifyTarget::Ping).ok_or_else(refused);
    }
    let ntfy = match text.split_once("://") {
        Some(("ntfy", rest)) => Some(format!("http://{rest}")),
        Some(("ntfys", rest)) => Some(format!("https://{rest}")),
        _ => None,
    };
    let Some(address) = ntfy else { return web(text).map(NotifyTarget::Webhook).ok_or_else(refused) };
    let server = web(&address).filter(|address| address.query.is_none()).ok_or_else(refused)?;
    let path = server.path.reveal().trim_end_matches('/').to_owned();
    match path.rsplit_once('/') {
        Some((before, topic)) if !topic.is_empty() => Ok(NotifyTarget::Ntfy {
            topic: Secret::new(topic),
            server: WebAddress { path: Secret::new(format!("{before}/")), ..server },
        }),
        _ => Err(format!("`{}` names no topic; write it behind the host, as in ntfy://ntfy.sh/TOPIC", shown(text))),
    }
}

/// Reads one address of a flag or a variable.
///
/// # Errors
///
/// When it is none.
pub fn parse(origin: &SettingOrigin, text: &str) -> Result<NotifyTarget, ConfigError> {
    read(text).map_err(|what| ConfigError::Entry { origin: origin.clone(), what })
}

/// The scheme of an address; the rest of it may be a secret.
fn shown(text: &str) -> String {
    let end = text.find("://").map(|at| at + 3).or_else(|| text.find(':').map(|at| at + 1));
    match end {
        Some(end) if end < text.len() && end <= 20 => format!("{}…", &text[..end]),
        _ => "…".to_owned(),
    }
}

fn web(text: &str) -> Option<WebAddress> {
    let (scheme, rest) = text.split_once("://")?;
    let tls = match scheme {
        "http" => false,
        "https" => true,
        _ => return None,
    };
    // What is neither printed nor ASCII has no place in the head of a request.
    if !rest.chars().all(|c| c.is_ascii_graphic()) {
        return None;
    }
    let rest = rest.split('#').next()?;
    let (authority, path) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
    let (login, place) = match authority.rsplit_once('@') {
        Some((login, place)) => (Some(read_login(login)?), place),
        None => (None, authority),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if after.is_empty() { None } else { Some(after.strip_prefix(':')?) })
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || !host.chars().all(is_host) {
        return None;
    }
    let port = port.map_or(Some(usual_port(tls)), |port| port.parse().ok().filter(|port| *port > 0))?;
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(Secret::new(query))));
    let path = if path.is_empty() { "/" } else { path };
    Some(WebAddress { tls, login, host: host.to_owned(), port, path: Secret::new(path), query })
}

/// `USER:PASSWORD`, or a token alone or behind a colon.
fn read_login(text: &str) -> Option<Login> {
    Some(match text.split_once(':') {
        Some((user, password)) if !user.is_empty() => {
            Login::Password(percent_decoded(user)?, Secret::new(percent_decoded(password)?))
        }
        Some((_, token)) => Login::Token(token_of(token)?),
        None => Login::Token(token_of(text)?),
    })
}

/// A token goes into the head of a request, where a line feed would begin another line.
fn token_of(text: &str) -> Option<Secret> {
    let token = percent_decoded(text)?;
    token.chars().all(|c| c.is_ascii_graphic()).then(|| Secret::new(token))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> WebAddress {
        match read(text).expect(text) {
            NotifyTarget::Webhook(address) | NotifyTarget::Ping(address) => address,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_are_read_as_people_write_them() {
        let NotifyTarget::Ntfy { server, topic } = read("ntfys://nas.lan:8443/push/drills").expect("ntfy") else {
            panic!("no ntfy")
        };
        assert_eq!((server.tls, server.place()), (true, "nas.lan:8443".to_owned()));
        assert_eq!((server.path.reveal(), topic.reveal()), ("/push/", "drills"));
        let hook = address("https://hooks.example.org/services/T0/B0?x=1");
        assert_eq!((hook.port, hook.path.reveal()), (443, "/services/T0/B0"));
        assert_eq!(hook.query.map(|query| query.reveal().to_owned()).as_deref(), Some("x=1"));
        assert_eq!(address("http://[::1]:8000").place(), "[::1]:8000");
        assert!(matches!(read("ping:https://hc-ping.com/uuid"), Ok(NotifyTarget::Ping(_))));
        assert_eq!(read("mailto:root@nas"), Ok(NotifyTarget::Mail("root@nas".to_owned())));
    }

    #[test]
    fn a_login_is_decoded_and_a_token_needs_no_user() {
        let login = |text: &str| address(text).login.expect("a login");
        assert_eq!(login("http://me:p%40ss@h/"), Login::Password("me".to_owned(), Secret::new("p@ss")));
        assert_eq!(login("http://:tk_1@h/"), Login::Token(Secret::new("tk_1")));
        assert_eq!(login("http://tk_1@h/"), Login::Token(Secret::new("tk_1")));
        assert!(read("http://a%0d%0aX:@h/").is_ok(), "a user's name is encoded");
        assert!(read("http://:a%0d%0aX@h/").is_err(), "a token is not");
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_secret() {
        for text in [
            "hunter2",
            "ftp://h/hunter2",
            "https://",
            "https://h:x/hunter2",
            "https://h/a hunter2",
            "ntfy://h",
            "ntfy://h/?hunter2",
            "mailto:",
            "mailto:-oQ/hunter2",
            "mailto:a@b?bcc=hunter2",
            "ping:hunter2",
            "https://u:hunter2@/x",
            "http://h/\u{e4}hunter2",
            "http://[hunter2]/",
        ] {
            let error = read(text).expect_err(text);
            assert!(!error.contains("hunter2"), "{text}: {error}");
        }
    }

    #[test]
    fn a_name_tells_no_secret() {
        for (text, called) in [
            ("ntfy://u:hunter2@ntfy.sh/hunter2", "ntfy at ntfy.sh"),
            ("https://hooks.example.org/hunter2?hunter2", "the webhook at hooks.example.org"),
            ("ping:http://hc:8000/hunter2", "the ping at hc:8000"),
        ] {
            let target = read(text).expect(text);
            assert_eq!(target.called(), called);
            assert!(!format!("{target:?}").contains("hunter2"), "{target:?}");
        }
    }
}

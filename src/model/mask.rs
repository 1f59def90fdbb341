//! Masks: the secrets of a service's configuration, and how they are hidden in text.
//!
//! Secrets are learned from where people put them: variables, arguments, healthchecks and labels. A plain word (a
//! number, a path, a single lower-case word) stays readable unless its name sounds like a secret; otherwise nobody
//! could read a log any more. Where the secret itself is not known (an engine that quotes a volume's options),
//! [`scrub`] goes by names alone.

use std::sync::{Arc, Mutex};

mod canonical;
mod escapes;
mod matcher;
mod spellings;

use matcher::Matcher;
use spellings::Known;

use super::lock::lock;
use super::plain_text::{WithoutCodes, clean};
use super::secret::Secret;
use super::service::{EnvVar, Service};

pub use matcher::HIDDEN;

/// Values of variables whose names do not sound secret are masked from this length (in bytes) on.
const SHORTEST_UNNAMED: usize = 8;
/// Values whose names sound secret are masked from this length (in bytes) on; shorter ones would hide the whole log.
const SHORTEST_NAMED: usize = 3;

/// Tools write labels with these prefixes, and put no secrets there; `rehearsa.skip` holds a reason that is shown.
const LABELS_OF_TOOLS: [&str; 4] = ["com.docker.", "org.opencontainers.", "org.label-schema.", OWN_LABELS];
const OWN_LABELS: &str = "rehearsa.";

/// Arguments that name a secret without looking like flags: settings of Redis.
const BARE_NAMES: [&str; 2] = ["requirepass", "masterauth"];

/// Replaces every known secret in foreign text (container logs, mostly) by [`HIDDEN`].
///
/// A secret of 8 characters or more is found in any case and in every usual encoding, also if it is cut short or
/// written over several lines. A shorter one, and a single lower-case word, is found as it is and in the usual
/// encodings.
#[derive(Clone, Default)]
pub struct Mask {
    known: Arc<KnownSecrets>,
    /// Secrets that any copy of the mask learned later.
    learned: Arc<Mutex<Arc<KnownSecrets>>>,
}

/// Secrets and what finds them.
#[derive(Default)]
struct KnownSecrets {
    secrets: Vec<Known>,
    matcher: Matcher,
}

impl KnownSecrets {
    fn of(mut secrets: Vec<Known>) -> Self {
        secrets.sort_unstable();
        secrets.dedup();
        Self { matcher: Matcher::of(&secrets), secrets }
    }
}

impl Mask {
    /// A mask for the secrets in the arguments of a command.
    pub fn of_arguments(command: &[String]) -> Self {
        let mut found = FoundSecrets::default();
        found.find_in_arguments(command.iter());
        found.into_mask()
    }

    /// A mask for values that are secret, however they look.
    pub fn of_secrets<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut found = FoundSecrets::default();
        secrets.into_iter().for_each(|secret| found.add_named(secret));
        found.into_mask()
    }

    /// A mask for the secrets among variables of an environment.
    pub fn of_variables<'a>(variables: impl IntoIterator<Item = &'a EnvVar>) -> Self {
        let mut found = FoundSecrets::default();
        variables.into_iter().for_each(|variable| found.add_variable(variable));
        found.into_mask()
    }

    /// Adds the secrets of `other` to this mask and to all its copies.
    pub fn learn(&self, other: &Mask) {
        let mut learned = lock(&self.learned);
        let is_new = |secret: &&Known| !self.known.secrets.contains(secret) && !learned.secrets.contains(secret);
        let new: Vec<Known> = other.known.secrets.iter().filter(is_new).cloned().collect();
        if !new.is_empty() {
            *learned = Arc::new(KnownSecrets::of(learned.secrets.iter().cloned().chain(new).collect()));
        }
    }

    /// A mask for the secrets of these services.
    pub fn of_services<'a>(services: impl IntoIterator<Item = &'a Service>) -> Self {
        let mut found = FoundSecrets::default();
        for service in services {
            service.env.iter().for_each(|var| found.add_variable(var));
            let health = service.healthcheck.iter().flat_map(|check| &check.test);
            // Each list is read by itself: the last word of one list does not name the first word of the next.
            found.find_in_arguments(service.entrypoint.iter().chain(&service.command).flatten());
            found.find_in_arguments(health);
            let labels = service.labels.iter().chain(&service.unheard);
            labels.for_each(|(key, value)| found.add_label(key, value));
        }
        found.into_mask()
    }

    /// Returns `text` without terminal codes and control characters, and with its secrets hidden. The secrets are
    /// looked for before the codes are removed and again after that.
    pub fn apply(&self, text: &str) -> String {
        let hidden = self.hide(text);
        let clean = clean(&hidden);
        if clean == hidden { hidden } else { self.hide(&clean) }
    }

    /// As [`Mask::apply`], for lines that follow each other: a secret may be written over several of them.
    pub fn apply_to_lines(&self, lines: &[String]) -> Vec<String> {
        if lines.is_empty() {
            return Vec::new();
        }
        self.apply(&lines.join("\n")).split('\n').map(str::to_owned).collect()
    }

    fn hide(&self, text: &str) -> String {
        let learned = Arc::clone(&lock(&self.learned));
        let find = |text: &str| {
            let mut found = Vec::new();
            self.known.matcher.find(text, &mut found);
            learned.matcher.find(text, &mut found);
            found
        };
        let mut found = find(text);
        // A code may stand inside of a secret, and may seem to begin with its first characters.
        if let Some(plain) = WithoutCodes::of(text) {
            found.extend(find(&plain.text).into_iter().map(|part| plain.origin(part)));
        }
        matcher::hide(text, found)
    }
}

/// How much a name suggests that its value is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NameHint {
    /// The name of a secret (`DB_PASSWORD`): even a weak word is one.
    Secret,
    /// Perhaps the name of a secret (`KEYSPACE`, `auth-mode`): a plain word is none.
    Maybe,
    /// No sign of a secret.
    Plain,
}

fn name_hint(name: &str) -> NameHint {
    let name = name.to_ascii_uppercase();
    let has = |words: &[&str]| words.iter().any(|word| name.contains(word));
    if ["FILE", "PATH", "DIR"].iter().any(|end| name.ends_with(end)) {
        // The value says where the secret is found, not what it is.
        NameHint::Plain
    } else if has(&["PASS", "PWD", "SECRET", "TOKEN", "CREDENTIAL", "PRIVATE"]) || has_word(&name) {
        NameHint::Secret
    } else if has(&["KEY", "AUTH", "SALT", "DSN", "COOKIE", "SIGNING"]) {
        NameHint::Maybe
    } else {
        NameHint::Plain
    }
}

/// Whether one of the name's words is short for a secret (`SMTP_PW`): within a longer word it means nothing.
fn has_word(name: &str) -> bool {
    const WORDS: [&str; 7] = ["PW", "PSW", "CRED", "CREDS", "JWT", "PSK", "BEARER"];
    name.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| WORDS.contains(&word))
}

/// Collects secrets.
#[derive(Default)]
struct FoundSecrets(Vec<Known>);

impl FoundSecrets {
    fn into_mask(self) -> Mask {
        let mut secrets = self.0;
        // Logs may show a line of a key and nothing else of it.
        let lines: Vec<Known> = secrets
            .iter()
            .filter(|secret| secret.text.contains('\n'))
            .flat_map(|secret| secret.text.lines().map(|line| (line.trim(), secret.named)))
            .filter(|(line, _)| line.len() >= SHORTEST_UNNAMED && !is_plain(line))
            .map(|(line, named)| known(line, named))
            .collect();
        secrets.extend(lines);
        Mask { known: Arc::new(KnownSecrets::of(secrets)), learned: Arc::default() }
    }

    fn add_variable(&mut self, var: &EnvVar) {
        let Some(value) = var.value.as_ref().map(Secret::reveal) else { return };
        // Names of variables are chosen with more care than names of arguments.
        let hint = name_hint(&var.name);
        if hint != NameHint::Plain {
            self.add_named(value);
            self.add_elements(value);
        } else if value.trim().len() >= SHORTEST_UNNAMED && !is_plain(value) {
            self.0.push(known(value, false));
        }
        self.find_in_text(value);
    }

    /// Adds each element of a list of secrets (`KEYS=one,other`, `LOGINS=user:secret;user:secret`) that is long enough
    /// by itself.
    fn add_elements(&mut self, value: &str) {
        let is_secret = |element: &&str| element.len() >= SHORTEST_UNNAMED && !is_plain(element);
        for element in value.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';')) {
            let password = element.split_once(':').map(|(_, password)| password);
            let parts = [Some(element).filter(|element| *element != value), password];
            self.0.extend(parts.into_iter().flatten().filter(is_secret).map(|part| known(part, true)));
        }
    }

    fn add_label(&mut self, key: &str, value: &str) {
        if LABELS_OF_TOOLS.iter().any(|prefix| key.starts_with(prefix)) {
            // A check's address may have a login.
            if key.starts_with(OWN_LABELS) {
                self.find_in_text(value);
            }
            return;
        }
        self.add_by_hint(name_hint(key), value);
        if name_hint(key) == NameHint::Secret {
            self.add_elements(value);
        }
        // Logins of a reverse proxy: `user:hash,user:hash`.
        if name_hint(key) != NameHint::Plain {
            let pairs = value.split(',').filter_map(|pair| pair.split_once(':'));
            pairs.for_each(|(_, password)| self.add_by_hint(NameHint::Maybe, password));
        }
        self.find_in_text(value);
    }

    fn find_in_arguments<'a>(&mut self, arguments: impl Iterator<Item = &'a String>) {
        let whole: Vec<&str> = arguments.map(String::as_str).collect();
        let words: Vec<&str> = whole.iter().flat_map(|argument| shell_words(argument)).collect();
        // The words as the program gets them, then as a shell would split them.
        self.find_in_words(&whole);
        self.find_in_words(&words);
        whole.iter().for_each(|argument| self.find_in_text(argument));
    }

    /// Finds `--password=value`, `--password value`, and the options of a few known programs.
    fn find_in_words(&mut self, words: &[&str]) {
        let runs = |program: &str| words.iter().any(|word| word.contains(program));
        let (redis, mysql) = (runs("redis"), runs("mysql") || runs("mariadb"));
        for (nth, word) in words.iter().enumerate() {
            let (name, own_value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value).filter(|value| !value.is_empty())),
                None => (*word, None),
            };
            if word.ends_with('=') {
                // The value was quoted.
                let next = words.get(nth + 1).into_iter();
                next.for_each(|value| self.add_by_hint(name_hint(name), value));
                continue;
            }
            let Some(flag) = name.strip_prefix('-').map(|flag| flag.trim_start_matches('-')) else {
                let next = words.get(nth + 1).filter(|_| BARE_NAMES.contains(word));
                next.into_iter().for_each(|value| self.add_by_hint(NameHint::Secret, value));
                continue;
            };
            let next = words.get(nth + 1).copied().filter(|value| !value.starts_with('-'));
            if let Some(value) = own_value.or(next) {
                self.add_by_hint(name_hint(flag), value);
                if redis && flag == "a" {
                    self.add_by_hint(NameHint::Secret, value);
                }
                if let ("u" | "user", Some((_, password))) = (flag, value.split_once(':')) {
                    self.add_by_hint(NameHint::Maybe, password);
                }
            }
            if let Some(value) = word.strip_prefix("-p").filter(|_| mysql) {
                self.add_by_hint(NameHint::Secret, value);
            }
        }
    }

    /// Finds `key=value` pairs whose key sounds secret, and passwords in URLs.
    fn find_in_text(&mut self, text: &str) {
        for word in text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '&' | '?' | '"' | '\'')) {
            if let Some((key, value)) = word.split_once('=') {
                self.add_by_hint(name_hint(key), value);
            }
        }
        // Pairs of JSON: `{"password":"value"}`.
        let quoted: Vec<&str> = text.split('"').collect();
        for parts in quoted.windows(3).filter(|parts| parts[1].trim() == ":") {
            self.add_by_hint(name_hint(parts[0]), parts[2]);
        }
        for url in url_logins(text) {
            let login = &text[url];
            let password = match login.split_once(':') {
                Some((_, password)) => password,
                // A token as login (`https://token@host`); a user name is a plain word.
                None if login.len() >= SHORTEST_UNNAMED && !is_plain(login) => login,
                None => continue,
            };
            self.add_named(password);
            self.add_named(&percent_decoded(password));
        }
    }

    fn add_by_hint(&mut self, sound: NameHint, value: &str) {
        match sound {
            NameHint::Secret => self.add_named(value),
            NameHint::Maybe if !is_plain(value) => self.add_named(value),
            NameHint::Maybe | NameHint::Plain => {}
        }
    }

    /// Adds the value of a name that sounds secret.
    fn add_named(&mut self, value: &str) {
        let readable = is_flag(value) || (is_number(value) && value.len() < 6);
        if value.trim().len() >= SHORTEST_NAMED && !readable {
            self.0.push(known(value, true));
        }
    }
}

fn known(text: &str, named: bool) -> Known {
    Known { text: text.to_owned(), named, word: is_word(text) }
}

/// Hides what looks like a secret in `text` by its own names: `password=…`, and the passwords in URLs. For messages of
/// an engine, which quotes options of volumes and mounts that Rehearsa has never read.
pub fn scrub(text: &str) -> String {
    let mut hidden: Vec<(usize, usize)> = Vec::new();
    for (at, _) in text.match_indices('=') {
        let key = text[..at].rsplit(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))).next();
        if key.is_some_and(|key| name_hint(key) == NameHint::Secret) {
            let value = &text[at + 1..];
            let end = value.find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '&' | '"' | '\''));
            hidden.push((at + 1, at + 1 + end.unwrap_or(value.len())));
        }
    }
    for login in url_logins(text) {
        if let Some(colon) = text[login.clone()].find(':') {
            hidden.push((login.start + colon + 1, login.end));
        }
    }
    hidden.sort_unstable();
    let mut clean = String::with_capacity(text.len());
    let mut done = 0;
    for (begin, end) in hidden.into_iter().filter(|(begin, end)| begin < end) {
        if begin >= done {
            clean.push_str(&text[done..begin]);
            clean.push_str(HIDDEN);
        }
        done = done.max(end);
    }
    clean + &text[done..]
}

/// Whether a setting with this name may hold a secret.
pub fn sounds_secret(name: &str) -> bool {
    name_hint(name) != NameHint::Plain
}

/// Byte ranges of the `user:password` in `scheme://user:password@host`.
fn url_logins(text: &str) -> Vec<std::ops::Range<usize>> {
    let schemes = text.match_indices("://").map(|(at, mark)| at + mark.len());
    let login = |begin: usize| {
        let rest = &text[begin..];
        let end = rest.find(|c: char| c.is_whitespace() || matches!(c, '/' | '?' | '#' | '"' | '\'' | '<' | '>' | ','));
        // A password may hold an `@` that is not encoded: the last one separates it from the host.
        let at = rest[..end.unwrap_or(rest.len())].rfind('@')?;
        Some(begin..begin + at)
    };
    schemes.filter_map(login).collect()
}

/// The words of a shell line or an argument, without quotes.
fn shell_words(argument: &str) -> impl Iterator<Item = &str> {
    argument.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ';' | '`')).filter(|word| !word.is_empty())
}

/// Decodes `%40` to `@`; anything that is no such code stays.
fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code =
            (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn is_number(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn is_flag(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no" | "none" | "null" | "off" | "on")
}

/// Whether the value is a path or a list of paths.
fn is_path(value: &str) -> bool {
    value.starts_with('/') && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.:-_".contains(&b))
}

/// Whether the value is a single lower-case word.
fn is_word(value: &str) -> bool {
    value.len() <= 16 && value.bytes().all(|b| b.is_ascii_lowercase())
}

/// Whether the value is a number, a flag, a single lower-case word, a path or a list of paths.
fn is_plain(value: &str) -> bool {
    is_word(value) || is_path(value) || is_number(value) || is_flag(value)
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;

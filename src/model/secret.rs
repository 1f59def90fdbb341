//! Values that must never be shown.

use std::fmt;

use super::service::EnvVar;

/// A value that may be a secret: it can be passed on, but neither printed nor serialized.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Wraps `value`.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the one place that hands it to the engine or masks it in a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

/// Replaces every known secret in foreign text (container logs, mostly) by `•••`.
#[derive(Clone, Default)]
pub struct Mask {
    secrets: Vec<String>,
}

/// Values of variables that do not sound secret are masked from this length on.
const SHORTEST_UNNAMED: usize = 8;
/// Values of variables that sound secret are masked from this length on; shorter ones would blot out the whole log.
const SHORTEST_NAMED: usize = 3;

impl Mask {
    /// A mask for the values of these variables. A value that plainly is none (a number, a path, a single lower-case word)
    /// stays readable unless its variable sounds like a secret, else a log could not be read any more.
    pub fn of_env<'a>(env: impl IntoIterator<Item = &'a EnvVar>) -> Self {
        let mut secrets = Vec::new();
        for var in env {
            let Some(value) = var.value.as_ref().map(Secret::reveal) else { continue };
            let named = sounds_secret(&var.name);
            let shortest = if named { SHORTEST_NAMED } else { SHORTEST_UNNAMED };
            let readable =
                if named { is_flag(value) || (is_number(value) && value.len() < 6) } else { is_plain(value) };
            if value.trim().len() >= shortest && !readable {
                secrets.push(value.to_owned());
            }
            secrets
                .extend(password_in_url(value).filter(|password| password.len() >= SHORTEST_NAMED).map(str::to_owned));
        }
        Self::of(secrets)
    }

    fn of(mut secrets: Vec<String>) -> Self {
        // Longer ones first, so that a secret that contains another goes whole.
        secrets.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        Self { secrets }
    }

    /// `text` without the secrets.
    pub fn apply(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "•••"))
    }
}

/// Whether a variable's name says that its value is a secret.
fn sounds_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let words =
        ["PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH", "PRIVATE", "SALT", "DSN", "COOKIE", "SIGNING"];
    words.iter().any(|word| name.contains(word))
}

fn is_number(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn is_flag(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "yes" | "no" | "none" | "null" | "off")
}

/// A number, a flag, a single lower-case word, a path or a list of paths.
fn is_plain(value: &str) -> bool {
    let word = value.len() <= 16 && value.bytes().all(|b| b.is_ascii_lowercase());
    let paths = value.starts_with('/') && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.:-_".contains(&b));
    word || paths || is_number(value) || is_flag(value)
}

/// The password in `scheme://user:password@host`.
fn password_in_url(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let (userinfo, _) = rest.split_once('@')?;
    let (_, password) = userinfo.split_once(':')?;
    Some(password)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn var(name: &str, value: &str) -> EnvVar {
        EnvVar { name: name.to_owned(), value: Some(Secret::new(value)) }
    }

    #[test]
    fn a_secret_is_never_printed() {
        let secret = Secret::new("hunter2hunter2");
        assert!(!format!("{secret:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&var("A_KEY", "hunter2hunter2")).expect("serializes").contains("hunter2"));
    }

    #[test]
    fn a_longer_secret_is_masked_before_the_one_it_contains() {
        let mask = Mask::of_env(&[var("A_PASSWORD", "swordfish"), var("B_TOKEN", "swordfish-and-chips")]);
        assert_eq!(mask.apply("a swordfish-and-chips b swordfish c"), "a ••• b ••• c");
    }

    #[test]
    fn what_plainly_is_no_secret_stays_readable() {
        let mask = Mask::of_env(&[
            var("PGPORT", "5432"),
            var("POSTGRES_USER", "postgres"),
            var("PGDATA", "/var/lib/postgresql"),
        ]);
        assert_eq!(mask.apply("postgres on 5432 in /var/lib/postgresql"), "postgres on 5432 in /var/lib/postgresql");
    }

    #[test]
    fn a_secret_under_an_innocent_name_is_masked() {
        let mask =
            Mask::of_env(&[var("APP_CONFIG", "x9!kk-canary-71"), var("DATABASE_URL", "postgres://app:s3kr1t@db/app")]);
        assert_eq!(mask.apply("x9!kk-canary-71"), "•••");
        assert_eq!(mask.apply("login with s3kr1t failed"), "login with ••• failed");
    }

    #[test]
    fn a_weak_password_is_masked_by_its_name() {
        let mask = Mask::of_env(&[var("DB_PASS", "hunter"), var("USE_AUTH", "true")]);
        assert_eq!(mask.apply("hunter true"), "••• true");
    }
}

//! The logins of registries, where the Docker CLI keeps them: `config.json` itself, or a helper program that it names.
//!
//! A login is read anew for each pull and handed to the engine with it. No login reaches a message or a log.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bollard::auth::DockerCredentials;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;
use tokio::time::timeout;

use super::reference::{ImageName, host};

/// Time for a helper to answer. One that asks a person for a password waits for longer.
const HELPER: Duration = Duration::from_secs(30);
/// Most bytes that are read from a helper.
const ANSWER: u64 = 256 * 1024;
/// The user name that a helper gives with a token in place of a password.
const TOKEN_USER: &str = "<token>";

/// The logins of registries on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryLogins {
    /// The folder of `config.json`; `None`: there are no logins.
    folder: Option<PathBuf>,
}

/// The login for one registry, if there is one.
pub(super) struct Login {
    pub credentials: Option<DockerCredentials>,
    /// `with the login in FILE`, `without a login: …`.
    pub told: String,
}

/// The part of `config.json` that matters here.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Config {
    auths: std::collections::BTreeMap<String, Auth>,
    #[serde(rename = "credHelpers")]
    helpers: std::collections::BTreeMap<String, String>,
    #[serde(rename = "credsStore")]
    store: String,
}

/// A login as the file has it.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Auth {
    /// `user:password` in base64.
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
    registrytoken: String,
}

/// What a helper answers.
#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Username", default)]
    username: String,
    #[serde(rename = "Secret", default)]
    secret: String,
}

impl RegistryLogins {
    /// The logins that the Docker CLI finds with `DOCKER_CONFIG` set to this folder.
    pub fn in_folder(folder: Option<PathBuf>) -> Self {
        Self { folder }
    }

    /// The login for the registry of an image. The error says why nobody knows whether there is one.
    pub(super) async fn of(&self, image: &ImageName<'_>, index: &str) -> Result<Login, String> {
        let registry = image.registry().unwrap_or(host(index));
        let without = |told: String| Login { credentials: None, told: format!("without a login: {told}") };
        let Some(folder) = &self.folder else {
            return Ok(without("neither DOCKER_CONFIG nor HOME says where logins are".to_owned()));
        };
        let path = folder.join("config.json");
        let Some(config) = read(&path)? else {
            return Ok(without(format!("there is no {}", path.display())));
        };
        let key = image.login_key(index);
        let helper = config.helpers.get(key).or(Some(&config.store)).filter(|name| !name.is_empty());
        let (credentials, from) = match helper {
            Some(helper) => {
                let program = format!("docker-credential-{helper}");
                let answer = ask(&program, key).await.map_err(|why| {
                    format!("{program}, which {} names for the login of {registry}, {why}", path.display())
                })?;
                (answer, program)
            }
            None => (config.in_file(key)?, path.display().to_string()),
        };
        Ok(match credentials {
            Some(credentials) => Login {
                credentials: Some(DockerCredentials { serveraddress: Some(key.to_owned()), ..credentials }),
                told: format!("with the login for {registry} from {from}"),
            },
            None => without(format!("{from} has none for {registry}")),
        })
    }
}

fn read(path: &Path) -> Result<Option<Config>, String> {
    match fs::read(path) {
        Ok(text) => match serde_json::from_slice(&text) {
            Ok(config) => Ok(Some(config)),
            // Not serde's own words: they may quote a login.
            Err(error) => Err(format!("{} is not a Docker configuration (line {})", path.display(), error.line())),
        },
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(format!("{} cannot be read: {error}", path.display())),
    }
}

impl Config {
    /// The login that the file itself has. Keys may be URLs, as older clients wrote them.
    fn in_file(&self, key: &str) -> Result<Option<DockerCredentials>, String> {
        let found = self.auths.get(key).map(|auth| (key, auth));
        let alike = || self.auths.iter().find(|(other, _)| host(other) == host(key));
        let Some((name, auth)) = found.or_else(|| alike().map(|(name, auth)| (name.as_str(), auth))) else {
            return Ok(None);
        };
        let (username, password) = if auth.auth.is_empty() {
            (auth.username.clone(), auth.password.clone())
        } else {
            let wrong = || format!("the login for {name} in config.json is not `user:password` in base64");
            decoded(&auth.auth).ok_or_else(wrong)?
        };
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let credentials = DockerCredentials {
            username: given(&username),
            password: given(&password),
            identitytoken: given(&auth.identitytoken),
            registrytoken: given(&auth.registrytoken),
            ..DockerCredentials::default()
        };
        // The CLI leaves an empty entry beside the login in a store.
        Ok((credentials != DockerCredentials::default()).then_some(credentials))
    }
}

/// The two parts of `user:password` in base64.
fn decoded(text: &str) -> Option<(String, String)> {
    let lenient = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let bytes = GeneralPurpose::new(&STANDARD, lenient).decode(text.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.trim_matches('\0').to_owned()))
}

/// Asks a helper for the login of a registry; `None`: it has none. The error says what the helper did.
async fn ask(program: &str, key: &str) -> Result<Option<DockerCredentials>, String> {
    let late = |_| format!("did not answer within {} s", HELPER.as_secs());
    let (success, answer) = timeout(HELPER, answer_of(program, key)).await.map_err(late)?.map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            "is not in PATH".to_owned()
        } else {
            format!("could not be asked: {error}")
        }
    })?;
    if !success {
        // Helpers say so on standard output. Nothing of what they say is shown: it may hold a secret.
        let told = String::from_utf8_lossy(&answer).to_lowercase();
        let has_none = told.contains("credentials not found") || told.contains("no credentials");
        return if has_none { Ok(None) } else { Err("failed".to_owned()) };
    }
    let Ok(Answer { username, secret }) = serde_json::from_slice(&answer) else {
        return Err("gave an answer that is no login".to_owned());
    };
    Ok(Some(match username.as_str() {
        TOKEN_USER => DockerCredentials { identitytoken: Some(secret), ..DockerCredentials::default() },
        _ => DockerCredentials { username: Some(username), password: Some(secret), ..DockerCredentials::default() },
    }))
}

/// Whether the helper succeeded, and its standard output.
async fn answer_of(program: &str, key: &str) -> io::Result<(bool, Vec<u8>)> {
    let mut helper = Command::new(program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()?;
    if let Some(mut input) = helper.stdin.take() {
        match input.write_all(key.as_bytes()).await {
            // One that answers without reading is as good.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error),
            _ => {}
        }
    }
    let mut answer = Vec::new();
    if let Some(output) = helper.stdout.take() {
        output.take(ANSWER).read_to_end(&mut answer).await?;
    }
    Ok((helper.wait().await?.success(), answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(config: &str) -> (tempfile::TempDir, RegistryLogins) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        fs::write(dir.path().join("config.json"), config).expect("written");
        let logins = RegistryLogins::in_folder(Some(dir.path().to_owned()));
        (dir, logins)
    }

    /// The address of an engine's default registry.
    const INDEX: &str = "https://index.hub.example/v1/";

    async fn login(logins: &RegistryLogins, reference: &str) -> Result<Login, String> {
        logins.of(&ImageName::parse(reference).expect("a reference"), INDEX).await
    }

    /// The user and the password, or the identity token.
    async fn shown(logins: &RegistryLogins, reference: &str) -> Option<(String, String)> {
        let credentials = login(logins, reference).await.expect("readable").credentials?;
        let token = credentials.identitytoken.map(|token| ("token".to_owned(), token));
        token.or_else(|| Some((credentials.username?, credentials.password?)))
    }

    fn pair(user: &str, password: &str) -> Option<(String, String)> {
        Some((user.to_owned(), password.to_owned()))
    }

    #[tokio::test]
    async fn logins_of_the_file_are_found_by_host_whatever_the_client_wrote() {
        let (_dir, logins) = with(
            r#"{"auths": {
                "r.example:5000": {"auth": "bWU6YTpi"},
                "https://old.example/v1/": {"username": "me", "password": "plain"},
                "https://index.hub.example/v1/": {"auth": "aHViOnBhc3MAAA=="},
                "token.example": {"identitytoken": "t0ken"},
                "empty.example": {}
            }}"#,
        );
        assert_eq!(shown(&logins, "r.example:5000/app:1").await, pair("me", "a:b"));
        assert_eq!(shown(&logins, "old.example/app").await, pair("me", "plain"));
        assert_eq!(shown(&logins, "team/app").await, pair("hub", "pass"));
        assert_eq!(shown(&logins, "token.example/app").await, pair("token", "t0ken"));
        for none in ["empty.example/app", "r.example/app", "r.example:5001/app"] {
            assert_eq!(shown(&logins, none).await, None, "{none}");
        }
        let told = login(&logins, "r.example:5001/app").await.expect("readable").told;
        assert!(told.starts_with("without a login: ") && told.ends_with("has none for r.example:5001"), "{told}");
    }

    #[tokio::test]
    async fn no_file_is_no_login_and_a_broken_one_is_named_without_its_content() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let logins = RegistryLogins::in_folder(Some(dir.path().to_owned()));
        assert_eq!(shown(&logins, "r.example/app").await, None);
        assert_eq!(shown(&RegistryLogins::default(), "r.example/app").await, None);
        for (broken, named) in [
            (r#"{"auths": "hunter2"}"#, "is not a Docker configuration (line 1)"),
            (r#"{"auths": {"r.example": {"auth": "hunter2"}}}"#, "login for r.example"),
        ] {
            let (_dir, logins) = with(broken);
            let error = login(&logins, "r.example/app").await.err().expect("broken");
            assert!(error.contains(named) && !error.contains("hunter2"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_helper_answers_with_a_login_a_token_or_that_it_has_none() {
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/credentials/docker-credential-rehearsa");
        let asked = |key: &'static str| ask(program, key);
        let login = asked("r.example").await.expect("it answers").expect("a login");
        assert_eq!(login.username.zip(login.password), pair("rehearsa", "fixture-?~>?~>-secret"));
        let token = asked("token.example").await.expect("it answers").expect("a login");
        assert_eq!((token.username, token.password, token.identitytoken), (None, None, Some("t0ken".to_owned())));
        assert_eq!(asked("none.example").await, Ok(None));
        assert_eq!(asked("locked.example").await, Err("failed".to_owned()));
        assert_eq!(asked("garbled.example").await, Err("gave an answer that is no login".to_owned()));
    }

    #[tokio::test]
    async fn a_helper_that_is_missing_is_an_error_that_names_it() {
        for config in [r#"{"credsStore": "no-such"}"#, r#"{"credHelpers": {"r.example": "no-such"}}"#] {
            let (_dir, logins) = with(config);
            let error = login(&logins, "r.example/app").await.err().expect("there is none");
            assert!(error.starts_with("docker-credential-no-such, which "), "{error}");
            assert!(error.ends_with("names for the login of r.example, is not in PATH"), "{error}");
        }
    }

    #[tokio::test]
    async fn a_helper_is_asked_only_for_the_registries_that_it_is_named_for() {
        let (_dir, logins) =
            with(r#"{"credHelpers": {"other.example": "no-such"}, "auths": {"r.example": {"auth": "bWU6YTpi"}}}"#);
        assert_eq!(shown(&logins, "r.example/app").await, pair("me", "a:b"));
    }
}

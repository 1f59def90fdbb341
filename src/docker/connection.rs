//! A connection to an engine: made, agreed on a version of the API, and used for each call with a bound on its time.

use std::future::Future;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error as Bollard;
use bollard::models::{SystemInfo, SystemVersion};
use bollard::{BollardRequest, ClientVersion, Docker};
use hyper::body::Incoming;
use hyper::{Response, Uri};
use tokio::net::UnixStream;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::connect::parse_version;
use super::errors::{DockerError, DockerErrorKind, Result, kind_of_io};
use super::target::{SshAddress, Target};
use super::{ssh, tls};

/// How long an ordinary call may take.
pub(super) const LIMIT: Duration = Duration::from_secs(120);
/// How long the first answer may take.
const FIRST_ANSWER: Duration = Duration::from_secs(30);
/// Seconds of bollard's own limit, which is to play no part: it covers an answer only up to its headers, and streams,
/// too. The limit of [`Connection::call`] covers an answer up to its last byte.
const UNBOUNDED: u64 = 7 * 24 * 3600;

/// A version of the API, as (major, minor).
pub(super) type Api = (u16, u16);

/// The API version that the structures in use were made for.
const NEWEST: Api = (1, 53);
/// The oldest API version with all that is asked for (Docker 19.03: bind mounts without what is mounted below them).
const OLDEST: Api = (1, 40);

/// A connection whose two sides agree on a version of the API.
#[derive(Debug)]
pub(super) struct Connection {
    docker: Docker,
    /// Where the engine is, for messages.
    pub(super) address: String,
    /// The engine's own version, `20.10.24+dfsg1`.
    pub(super) version: String,
    /// The API version that is spoken.
    pub(super) api: Api,
    /// The newest API version that the engine has, which tells what it can do.
    pub(super) engine_api: Api,
    info: OnceCell<SystemInfo>,
}

impl Connection {
    /// Opens a connection, and speaks this version of the API or else the newest that both sides know.
    pub(super) async fn open(target: &Target, pinned: Option<Api>) -> Result<Self> {
        let address = target.to_string();
        let failed = |error: &Bollard| DockerError::from_bollard(CONNECT, &address, FIRST_ANSWER, error);
        let unusable = |why| DockerError::new(CONNECT, &*address, DockerErrorKind::Engine(why));
        let docker = match target {
            Target::Unix(path) => unix(path, &address).await?,
            Target::Tcp(place) => {
                Docker::connect_with_http(&format!("tcp://{place}"), UNBOUNDED, &client_version(NEWEST))
                    .map_err(|error| failed(&error))?
            }
            Target::Tls { address: place, certs } => tls(place, certs).map_err(unusable)?,
            Target::Ssh(place) => ssh(place).map_err(unusable)?,
        };
        // The only call whose path has no version.
        let version = match timeout(FIRST_ANSWER, docker.version()).await {
            Ok(version) => version.map_err(|error| failed(&error))?,
            Err(_) => return Err(DockerError::new(CONNECT, &*address, DockerErrorKind::Timeout(FIRST_ANSWER))),
        };
        let (api, engine_api) = agree(&version, pinned)
            .map_err(|why| DockerError::new(CONNECT, &*address, DockerErrorKind::Version(why)))?;
        let docker = docker.with_request_modifier(move |request| versioned(request, api));
        let version = version.version.unwrap_or_default();
        Ok(Self { docker, address, version, api, engine_api, info: OnceCell::new() })
    }

    /// The engine's own account of itself, asked for once.
    pub(super) async fn system_info(&self) -> Result<&SystemInfo> {
        let ask = || self.call("ask the engine about itself", "", Docker::info);
        self.info.get_or_try_init(ask).await
    }

    /// A client of its own for a stream that has no end.
    pub(super) fn stream_client(&self) -> Docker {
        self.docker.clone()
    }

    /// A client whose `export_container` answers with the engine's list of what changed in the container. bollard has
    /// no call that gives this list piece by piece, and the one for exports is like it in all but its path.
    pub(super) fn changes_client(&self) -> Docker {
        let api = self.api;
        self.docker.clone().with_request_modifier(move |mut request| {
            let path = request.uri().to_string();
            if let Some(path) = path.strip_suffix("/export")
                && let Ok(uri) = format!("{path}/changes").parse()
            {
                *request.uri_mut() = uri;
            }
            versioned(request, api)
        })
    }

    /// One call to the engine, with a bound on its time and its error in our words.
    pub(super) async fn call<'a, T, F>(
        &'a self,
        operation: &'static str,
        subject: &str,
        ask: impl FnOnce(&'a Docker) -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Bollard>>,
    {
        self.call_within(LIMIT, operation, subject, ask).await
    }

    /// The same with another bound.
    pub(super) async fn call_within<'a, T, F>(
        &'a self,
        limit: Duration,
        operation: &'static str,
        subject: &str,
        ask: impl FnOnce(&'a Docker) -> F,
    ) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Bollard>>,
    {
        match timeout(limit, ask(&self.docker)).await {
            Ok(answer) => answer.map_err(|error| DockerError::from_bollard(operation, subject, limit, &error)),
            Err(_) => Err(DockerError::new(operation, subject, DockerErrorKind::Timeout(limit))),
        }
    }
}

const CONNECT: &str = "connect to";

/// Connects to a socket. The socket is opened here first, because bollard reports every problem with it as a missing
/// file.
async fn unix(path: &Path, address: &str) -> Result<Docker> {
    if let Err(error) = UnixStream::connect(path).await {
        return Err(DockerError::caused(
            CONNECT,
            address,
            kind_of_io(&error).unwrap_or(DockerErrorKind::Unreachable),
            &error,
        ));
    }
    let Some(text) = path.to_str() else {
        return Err(DockerError::new(
            CONNECT,
            address,
            DockerErrorKind::Engine("the socket's path is not UTF-8".to_owned()),
        ));
    };
    Docker::connect_with_unix(text, UNBOUNDED, &client_version(NEWEST))
        .map_err(|error| DockerError::from_bollard(CONNECT, address, FIRST_ANSWER, &error))
}

fn tls(place: &str, certs: &Path) -> std::result::Result<Docker, String> {
    let place = Arc::new(tls::TlsAddress::prepare(place, certs)?);
    carried(move |request| Arc::clone(&place).send(request))
}

fn ssh(place: &str) -> std::result::Result<Docker, String> {
    let way = Arc::new(ssh::Way::to(SshAddress::parse(place)?));
    carried(move |request| Arc::clone(&way).send(request))
}

/// A client whose requests all go through this transport, whatever host they name.
fn carried<F>(transport: impl Fn(BollardRequest) -> F + Send + Sync + 'static) -> std::result::Result<Docker, String>
where
    F: Future<Output = std::result::Result<Response<Incoming>, Bollard>> + Send + 'static,
{
    Docker::connect_with_custom_transport(transport, Some("http://docker"), UNBOUNDED, &client_version(NEWEST))
        .map_err(|error| error.to_string())
}

fn client_version((major, minor): (u16, u16)) -> ClientVersion {
    ClientVersion { major_version: major.into(), minor_version: minor.into() }
}

/// The version to speak and the engine's newest.
fn agree(version: &SystemVersion, pinned: Option<Api>) -> std::result::Result<(Api, Api), String> {
    let read = |text: &Option<String>| text.as_deref().and_then(parse_version);
    let Some(engine) = read(&version.api_version) else {
        return Err("what answers there does not say which Docker API it speaks".to_owned());
    };
    let least = read(&version.min_api_version).unwrap_or(OLDEST).max(OLDEST);
    let show = |(major, minor): (u16, u16)| format!("{major}.{minor}");
    let most = engine.min(NEWEST);
    if most < least {
        return Err(format!(
            "the engine speaks Docker API {} to {}, rehearsa {} to {}",
            version.min_api_version.as_deref().unwrap_or("?"),
            show(engine),
            show(OLDEST),
            show(NEWEST)
        ));
    }
    match pinned {
        Some(pinned) if pinned < least || pinned > most => Err(format!(
            "Docker API {} is asked for, {} to {} are possible with this engine",
            show(pinned),
            show(least),
            show(most)
        )),
        pinned => Ok((pinned.unwrap_or(most), engine)),
    }
}

/// Puts the version into the path: bollard loses its own when it joins the path to the base. An engine answers a path
/// without a version in its newest one, which may be newer than the structures in use here.
fn versioned(mut request: BollardRequest, (major, minor): (u16, u16)) -> BollardRequest {
    let mut parts = request.uri().clone().into_parts();
    let path = parts.path_and_query.as_ref().map_or("/", |path| path.as_str());
    if let Ok(path) = format!("/v{major}.{minor}{path}").parse() {
        parts.path_and_query = Some(path);
    }
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
    let login = request.headers().get(LOGIN).and_then(|value| value.to_str().ok());
    if let Some(Ok(login)) = login.map(|value| value.replace('+', "-").replace('/', "_").parse()) {
        request.headers_mut().insert(LOGIN, login);
    }
    request
}

/// The header with the login of a registry. bollard writes it in the plain alphabet of base64. An engine reads only the
/// one for URLs, and takes anything else for no login.
const LOGIN: &str = "X-Registry-Auth";

/// Checks that a name or an id can stand in a path. With `..` or `?` in a name from somebody's configuration, another
/// request would be made. The engine has no object whose name is refused here.
pub(super) fn in_path<'a>(operation: &'static str, name: &'a str) -> Result<&'a str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-:@/".contains(&byte);
    let steps = name.split('/').all(|step| !step.is_empty() && step != "." && step != "..");
    if steps && name.bytes().all(plain) {
        Ok(name)
    } else {
        Err(DockerError::new(operation, name, DockerErrorKind::NotFound("not a name the engine could know".to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(api: &str, least: &str) -> SystemVersion {
        SystemVersion { api_version: Some(api.into()), min_api_version: Some(least.into()), ..Default::default() }
    }

    #[test]
    fn the_newest_version_that_both_know_is_spoken() {
        assert_eq!(agree(&says("1.41", "1.12"), None), Ok(((1, 41), (1, 41))));
        assert_eq!(agree(&says("1.50", "1.24"), None), Ok(((1, 50), (1, 50))));
        assert_eq!(agree(&says("1.60", "1.44"), None), Ok((NEWEST, (1, 60))));
        assert_eq!(agree(&says("1.50", "1.24"), Some((1, 41))), Ok(((1, 41), (1, 50))));
    }

    #[test]
    fn versions_that_do_not_meet_are_named() {
        assert_eq!(
            agree(&says("1.38", "1.12"), None),
            Err("the engine speaks Docker API 1.12 to 1.38, rehearsa 1.40 to 1.53".to_owned())
        );
        assert_eq!(
            agree(&says("1.70", "1.60"), None),
            Err("the engine speaks Docker API 1.60 to 1.70, rehearsa 1.40 to 1.53".to_owned())
        );
        assert_eq!(
            agree(&says("1.41", "1.12"), Some((1, 45))),
            Err("Docker API 1.45 is asked for, 1.40 to 1.41 are possible with this engine".to_owned())
        );
        assert!(agree(&SystemVersion::default(), None).is_err());
    }

    #[test]
    fn the_version_stands_in_the_path_of_a_call() {
        let request = hyper::Request::builder()
            .uri("unix://2f72756e/containers/json?all=true")
            .body(bollard::body_full(Default::default()))
            .expect("a request");
        let request = versioned(request, (1, 41));
        assert_eq!(request.uri().to_string(), "unix://2f72756e/v1.41/containers/json?all=true");
    }

    #[test]
    fn the_login_of_a_registry_is_in_the_alphabet_for_urls() {
        let request = hyper::Request::builder()
            .uri("unix://2f72756e/images/create?fromImage=a")
            .header(LOGIN, "ab+c/d==")
            .body(bollard::body_full(Default::default()))
            .expect("a request");
        assert_eq!(versioned(request, (1, 41)).headers()[LOGIN], "ab-c_d==");
    }

    #[test]
    fn a_name_never_becomes_another_request() {
        for name in ["postgres:15", "ghcr.io/a/b@sha256:00", "rehearsa-1_x.y", "4f5d"] {
            assert_eq!(in_path("look up", name).expect(name), name);
        }
        for name in ["", "..", "../volumes/x", "a/../b", "a?force=1", "a#b", "a%2fb", "a b", "/a"] {
            assert!(matches!(in_path("look up", name).expect_err(name).kind, DockerErrorKind::NotFound(_)), "{name}");
        }
    }
}

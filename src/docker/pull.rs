//! Makes sure that an image is on the engine: finds it there, or has the engine pull it.
//!
//! The engine pulls; the login for the registry is handed to it with each request. What a tag means on this engine is
//! never changed: an image that is pulled although its tag is here comes by its digest. Else the next `docker compose
//! up` on this host would recreate a live service from another image.

use std::collections::HashMap;
use std::fmt;
use std::pin::pin;
use std::time::Duration;

use bollard::errors::Error as Bollard;
use bollard::models::{CreateImageInfo, ImageInspect};
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::TryStreamExt;
use tokio::time::timeout;

use super::client::Daemon;
use super::containers::is_not_found;
use super::credentials::{Login, RegistryLogins};
use super::errors::{DockerError, DockerErrorKind, one_line};
use super::reference::ImageName;
use crate::model::pull::PullPolicy;

/// An image that is needed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImageRequest {
    /// The reference as its owner wrote it: `postgres:15`.
    pub reference: String,
    /// The id that the live container runs; empty: none is known.
    pub id: String,
    /// `linux/arm64`; `None`: the engine's own.
    pub platform: Option<String>,
    pub policy: PullPolicy,
    /// Time for which the pull may stand still.
    pub patience: Duration,
}

/// An image that is on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnsuredImage {
    pub id: String,
    /// The engine did not have the image before.
    pub pulled: bool,
}

/// The progress of a pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullProgress {
    /// The registry is asked.
    Begun,
    /// Bytes that were downloaded, and bytes of all layers that the engine has told of.
    Moved { bytes: u64, total: u64 },
}

/// An image that cannot be had.
#[derive(Debug)]
pub struct ImageError {
    pub reference: String,
    pub kind: ImageErrorKind,
}

/// Why an image cannot be had.
#[derive(Debug)]
pub enum ImageErrorKind {
    /// The engine does not have it, and it must not be pulled.
    NotPulled,
    /// The engine does not have it, and its reference is no name that a registry could know.
    Unnamed,
    /// Nobody knows whether there is a login for the registry, and why.
    Login(String),
    /// The registry, or the way to it, refused, in the engine's words.
    Registry {
        words: String,
        /// `with the login …`, `without a login: …`.
        login: String,
    },
    /// Nothing happened for this long.
    Silent(Duration),
    /// The engine failed.
    Engine(DockerError),
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reference = &self.reference;
        match &self.kind {
            ImageErrorKind::NotPulled => {
                write!(f, "the engine does not have the image {reference}, and it must not be pulled (--pull never)")
            }
            ImageErrorKind::Unnamed => write!(
                f,
                "the engine does not have the image {reference} any more, and that is no name that it could be pulled \
                 by"
            ),
            ImageErrorKind::Login(why) => write!(f, "the image {reference} was not pulled: {why}"),
            ImageErrorKind::Registry { words, login } => {
                write!(f, "the image {reference} could not be pulled ({login}): {words}")
            }
            ImageErrorKind::Silent(patience) => write!(
                f,
                "the image {reference} could not be pulled: its registry gave no sign of life for {}",
                humantime::format_duration(*patience)
            ),
            ImageErrorKind::Engine(error) => write!(f, "pulling the image {reference}: {error}"),
        }
    }
}

impl std::error::Error for ImageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ImageErrorKind::Engine(error) => Some(error),
            _ => None,
        }
    }
}

type Ensured<T> = Result<T, ImageErrorKind>;

const PULL: &str = "pull image";
/// Letters of an id from which on it is taken for one and not for a name.
const SHORT_ID: usize = 6;

/// Finds an image on the engine, or has it pulled, as its policy says. A caller that goes away ends the pull.
pub async fn ensure_image(
    daemon: &Daemon,
    wanted: &ImageRequest,
    logins: &RegistryLogins,
    progress: &mut (dyn FnMut(PullProgress) + Send),
) -> Result<EnsuredImage, ImageError> {
    let ensured = Search { daemon, wanted }.find_or_pull(logins, progress).await;
    ensured.map_err(|kind| ImageError { reference: wanted.reference.clone(), kind })
}

/// An image that is looked for.
struct Search<'a> {
    daemon: &'a Daemon,
    wanted: &'a ImageRequest,
}

impl Search<'_> {
    async fn find_or_pull(
        &self,
        logins: &RegistryLogins,
        progress: &mut (dyn FnMut(PullProgress) + Send),
    ) -> Ensured<EnsuredImage> {
        let Self { wanted, .. } = self;
        let here = |id| Ok(EnsuredImage { id, pulled: false });
        // A container that was made from an id has that, or its beginning, as its reference.
        let is_id = wanted.reference.len() >= SHORT_ID
            && wanted.id.trim_start_matches("sha256:").starts_with(&wanted.reference);
        let name = ImageName::parse(&wanted.reference).filter(|_| !is_id);
        let as_live = wanted.policy != PullPolicy::Always || name.is_none();
        if as_live
            && !wanted.id.is_empty()
            && let Some(id) = self.local(&wanted.id, None).await?
        {
            return here(id);
        }
        let Some(name) = name else { return Err(ImageErrorKind::Unnamed) };
        let local = self.local(&wanted.reference, wanted.platform.as_deref()).await?;
        match (wanted.policy, local) {
            (PullPolicy::Missing | PullPolicy::Never, Some(id)) => return here(id),
            (PullPolicy::Never, None) => return Err(ImageErrorKind::NotPulled),
            // What a digest names never changes.
            (PullPolicy::Always, Some(id)) if name.digest.is_some() => return here(id),
            (PullPolicy::Missing | PullPolicy::Always, _) => {}
        }
        // The engine knows its default registry, which the reference does not name.
        let info = self.daemon.connection.system_info().await.map_err(ImageErrorKind::Engine)?;
        let index = info.index_server_address.as_deref().unwrap_or_default();
        let login = logins.of(&name, index).await.map_err(ImageErrorKind::Login)?;
        progress(PullProgress::Begun);
        let has_tag = wanted.policy == PullPolicy::Always && self.local(&wanted.reference, None).await?.is_some();
        let digest = if has_tag { Some(self.digest_of(&name, &login).await?) } else { None };
        let exact = match &digest {
            Some(digest) => {
                let exact = format!("{}@{digest}", name.repository);
                if let Some(id) = self.local(&exact, wanted.platform.as_deref()).await? {
                    return here(id);
                }
                exact
            }
            None => wanted.reference.clone(),
        };
        let version = digest.as_deref().or(name.digest).or(name.tag).unwrap_or("latest");
        self.pull(&name, version, &login, progress).await?;
        match self.local(&exact, None).await? {
            Some(id) => Ok(EnsuredImage { id, pulled: true }),
            None => {
                let gone = DockerErrorKind::NotFound("the engine does not have it after its pull".to_owned());
                Err(ImageErrorKind::Engine(DockerError::new(PULL, exact, gone)))
            }
        }
    }

    /// The id of an image on the engine; `None`: there is none of this name and platform.
    async fn local(&self, reference: &str, platform: Option<&str>) -> Ensured<Option<String>> {
        match self.daemon.inspect_image(reference).await {
            Ok(image) => Ok(image.id.clone().filter(|_| platform.is_none_or(|platform| fits(&image, platform)))),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(ImageErrorKind::Engine(error)),
        }
    }

    /// The digest that the registry has for a tag now.
    async fn digest_of(&self, name: &ImageName<'_>, login: &Login) -> Ensured<String> {
        let patience = self.wanted.patience;
        let reference = format!("{}:{}", name.repository, name.tag.unwrap_or("latest"));
        let docker = self.daemon.connection.stream_client();
        let asked = docker.inspect_registry_image(&reference, login.credentials.clone());
        let answer = timeout(patience, asked).await.map_err(|_| ImageErrorKind::Silent(patience))?;
        let answer = answer.map_err(|error| refused(&error, &reference, login))?;
        answer.descriptor.digest.ok_or_else(|| ImageErrorKind::Registry {
            words: "its registry tells no digest of it".to_owned(),
            login: login.told.clone(),
        })
    }

    async fn pull(
        &self,
        name: &ImageName<'_>,
        version: &str,
        login: &Login,
        progress: &mut (dyn FnMut(PullProgress) + Send),
    ) -> Ensured<()> {
        let ImageRequest { reference, platform, patience, .. } = self.wanted;
        let mut options = CreateImageOptionsBuilder::default().from_image(name.repository).tag(version);
        if let Some(platform) = platform {
            options = options.platform(platform);
        }
        let docker = self.daemon.connection.stream_client();
        let mut told = pin!(docker.create_image(Some(options.build()), None, login.credentials.clone()));
        let mut layers = Layers::default();
        loop {
            let next = timeout(*patience, told.try_next()).await;
            match next.map_err(|_| ImageErrorKind::Silent(*patience))? {
                Ok(Some(line)) => {
                    if let Some(moved) = layers.hear(line) {
                        progress(moved);
                    }
                }
                Ok(None) => return Ok(()),
                Err(error) => return Err(refused(&error, reference, login)),
            }
        }
    }
}

/// The error of a pull. What the engine answers are mostly the words of the registry.
fn refused(error: &Bollard, reference: &str, login: &Login) -> ImageErrorKind {
    let engine = DockerError::from_bollard(PULL, reference, Duration::ZERO, error);
    let words = match error {
        Bollard::DockerResponseServerError { message, .. } => one_line(message),
        Bollard::DockerStreamError { error } => one_line(error),
        _ => return ImageErrorKind::Engine(engine),
    };
    match engine.kind {
        DockerErrorKind::NoSpace => ImageErrorKind::Engine(engine),
        _ => ImageErrorKind::Registry { words, login: login.told.clone() },
    }
}

/// Whether an image is of the platform that is asked for: `os/architecture[/variant]`, or one of the first two.
fn fits(image: &ImageInspect, platform: &str) -> bool {
    let architecture = |name: &str| match name {
        "x86_64" => "amd64".to_owned(),
        "aarch64" => "arm64".to_owned(),
        name => name.to_owned(),
    };
    let of = |value: &Option<String>| value.clone().unwrap_or_default();
    let (os, arch, variant) = (of(&image.os), architecture(&of(&image.architecture)), of(&image.variant));
    match platform.to_ascii_lowercase().split('/').collect::<Vec<_>>()[..] {
        [one] => one == os || architecture(one) == arch,
        [wanted_os, wanted] => wanted_os == os && architecture(wanted) == arch,
        [wanted_os, wanted, wanted_variant] => {
            wanted_os == os && architecture(wanted) == arch && (variant.is_empty() || variant == wanted_variant)
        }
        _ => false,
    }
}

/// The layers of an image that is pulled, with their bytes so far and in all.
#[derive(Default)]
struct Layers(HashMap<String, (u64, u64)>);

impl Layers {
    /// Takes a line of the engine's; `None`: the line is about no bytes.
    fn hear(&mut self, line: CreateImageInfo) -> Option<PullProgress> {
        let (layer, status) = (line.id?, line.status?);
        let number = |value: Option<i64>| value.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
        let detail = line.progress_detail.unwrap_or_default();
        match status.as_str() {
            "Downloading" => {
                let (current, total) = (number(detail.current), number(detail.total));
                self.0.insert(layer, (current, total.max(current)));
            }
            "Download complete" | "Pull complete" => {
                let (current, total) = self.0.get_mut(&layer)?;
                *current = *total;
            }
            _ => return None,
        }
        let sum = |part: fn(&(u64, u64)) -> u64| self.0.values().map(part).sum();
        Some(PullProgress::Moved { bytes: sum(|(bytes, _)| *bytes), total: sum(|(_, total)| *total) })
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ProgressDetail;

    use super::*;

    fn line(id: &str, status: &str, numbers: Option<(i64, i64)>) -> CreateImageInfo {
        let detail = numbers.map(|(current, total)| ProgressDetail { current: Some(current), total: Some(total) });
        CreateImageInfo {
            id: Some(id.to_owned()),
            status: Some(status.to_owned()),
            progress_detail: detail,
            ..CreateImageInfo::default()
        }
    }

    #[test]
    fn the_bytes_of_all_layers_add_up_and_a_layer_that_is_there_counts_nothing() {
        let mut layers = Layers::default();
        let moved = |bytes, total| Some(PullProgress::Moved { bytes, total });
        assert_eq!(layers.hear(line("a", "Pulling fs layer", None)), None);
        assert_eq!(layers.hear(line("a", "Downloading", Some((10, 100)))), moved(10, 100));
        assert_eq!(layers.hear(line("b", "Downloading", Some((5, 50)))), moved(15, 150));
        assert_eq!(layers.hear(line("a", "Extracting", Some((1, 100)))), None);
        assert_eq!(layers.hear(line("a", "Download complete", None)), moved(105, 150));
        assert_eq!(layers.hear(line("c", "Download complete", None)), None, "it was there");
        assert_eq!(layers.hear(CreateImageInfo::default()), None);
    }

    #[test]
    fn an_image_of_another_platform_is_not_the_one_that_is_asked_for() {
        let image = ImageInspect {
            os: Some("linux".to_owned()),
            architecture: Some("arm64".to_owned()),
            variant: Some("v8".to_owned()),
            ..ImageInspect::default()
        };
        for platform in ["linux/arm64", "linux/aarch64", "linux/arm64/v8", "Linux/ARM64", "arm64", "linux"] {
            assert!(fits(&image, platform), "{platform}");
        }
        for platform in ["linux/amd64", "windows/arm64", "linux/arm64/v9", "amd64", "a/b/c/d"] {
            assert!(!fits(&image, platform), "{platform}");
        }
    }

    fn login() -> Login {
        Login { credentials: None, told: "without a login: config.json has none for r.example".to_owned() }
    }

    #[test]
    fn what_the_registry_says_is_told_with_the_login_and_on_one_line() {
        let error = Bollard::DockerResponseServerError {
            status_code: 401,
            message: "Head https://r.example/v2/app:\n unauthorized".to_owned(),
        };
        let error = ImageError { reference: "r.example/app:1".to_owned(), kind: refused(&error, "x", &login()) };
        assert_eq!(
            error.to_string(),
            "the image r.example/app:1 could not be pulled (without a login: config.json has none for r.example): \
             Head https://r.example/v2/app: unauthorized"
        );
    }

    #[test]
    fn a_full_disk_is_the_engines_and_not_the_registrys() {
        let error = Bollard::DockerStreamError { error: "write /x: no space left on device".to_owned() };
        let ImageErrorKind::Engine(error) = refused(&error, "app:1", &login()) else { panic!("the registry's") };
        assert_eq!(error.kind, DockerErrorKind::NoSpace);
    }
}

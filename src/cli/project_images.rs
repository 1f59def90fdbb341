//! The images of a project's services: found on the engine, or pulled, before there is a plan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::oneshot;

use super::exit::Failure;
use super::{console, identity};
use crate::compose::{self, ComposeCall, FileService, ProjectFlags};
use crate::config::lock_file::EngineImage;
use crate::config::settings::Settings;
use crate::docker::{Daemon, ImageRequest, RegistryLogins, image_config};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::environment::Environment;
use crate::model::image_config::ImageConfig;
use crate::model::pull::PullPolicy;
use crate::model::service::Service;
use crate::rehearse::images;

/// Number of images that are looked at in the engine at the same time.
const AT_A_TIME: usize = 8;

/// An engine that has images, or pulls them.
#[derive(Clone, Copy)]
pub struct ImageEngine<'a> {
    pub daemon: &'a Daemon,
    pub logins: &'a RegistryLogins,
    /// The address of the engine, if the command line names it.
    pub host: Option<&'a str>,
}

/// How the images of a project are built.
pub struct ImageBuild {
    pub flags: ProjectFlags,
    /// The program that reads Compose files, if one is named.
    pub program: Option<PathBuf>,
    pub environment: Environment,
}

/// Builds the images of the services that the files say how to build, one after another. Returns why an image could not
/// be built, by the key of its service.
pub async fn build(
    services: &[FileService],
    build: ImageBuild,
    host: Option<&str>,
) -> Result<BTreeMap<String, Diagnosis>, Failure> {
    let build = Arc::new(build);
    let mut failed = BTreeMap::new();
    for of in services.iter().filter(|of| of.has_build) {
        let key = of.service.name.service.clone();
        console::note(&format!("Building image {} of {key}", of.service.image.reference));
        if let Err(diagnosis) = build_one(Arc::clone(&build), host.map(str::to_owned), key.clone()).await {
            failed.insert(key, diagnosis);
        }
    }
    Ok(failed)
}

/// Builds by a thread of its own, which is abandoned when the run ends; the build ends with it.
async fn build_one(build: Arc<ImageBuild>, host: Option<String>, service: String) -> Result<(), Diagnosis> {
    let (tell, told) = oneshot::channel();
    std::thread::spawn(move || {
        let working_dir = identity::working_dir();
        let call = ComposeCall {
            program: build.program.as_deref(),
            environment: &build.environment,
            executable: Path::new(identity::EXECUTABLE),
            working_dir: &working_dir,
            readable: None,
        };
        let mut see = |line: &str| tracing::info!("build of {service}: {line}");
        let built = compose::build(&build.flags, &call, host.as_deref(), &service, &mut see);
        // After an interruption nobody receives this.
        let _ = tell.send(built.map_err(|error| error.diagnosis()));
    });
    told.await.unwrap_or_else(|_| Err(Diagnosis::new(Code::RunPanicked, "building an image ended unexpectedly")))
}

/// The services of a project with what their images give.
#[derive(Default)]
pub struct WithImages {
    pub services: Vec<Service>,
    /// Why a service cannot be rehearsed, by its key.
    pub missing: BTreeMap<String, Diagnosis>,
    /// What the engine has, by the keys of the services.
    pub images: BTreeMap<String, EngineImage>,
}

/// Finds the images of the services, or has them pulled. Without an engine nothing is known of them.
pub async fn with_images(
    services: &[FileService],
    engine: Option<ImageEngine<'_>>,
    settings: &Settings,
) -> Result<WithImages, Failure> {
    let Some(engine) = engine else {
        let services = services.iter().map(|of| of.service.clone()).collect();
        return Ok(WithImages { services, ..WithImages::default() });
    };
    let found: Vec<Result<ImageConfig, Diagnosis>> =
        stream::iter(services).map(|of| image_of(of, engine, settings)).buffered(AT_A_TIME).try_collect().await?;
    let mut with = WithImages::default();
    for (of, image) in services.iter().zip(found) {
        let key = of.service.name.service.clone();
        match image {
            Ok(image) => {
                let (reference, id) = (of.service.image.reference.clone(), image.id.clone());
                with.images.insert(key, EngineImage { reference, id, digests: image.digests.clone() });
                with.services.push(of.with_image(image));
            }
            Err(diagnosis) => {
                with.missing.insert(key, diagnosis);
                with.services.push(of.service.clone());
            }
        }
    }
    Ok(with)
}

/// What the image of a service gives, which is pulled if need be; or why it cannot be had. An image that is built is in
/// no registry.
async fn image_of(
    of: &FileService,
    engine: ImageEngine<'_>,
    settings: &Settings,
) -> Result<Result<ImageConfig, Diagnosis>, Failure> {
    let wishes = settings.for_service(&of.service)?;
    let reference = &of.service.image.reference;
    let wanted = ImageRequest {
        reference: reference.clone(),
        id: String::new(),
        platform: of.service.platform.clone(),
        policy: if of.is_built { PullPolicy::Never } else { wishes.pull },
        patience: wishes.pull_timeout,
    };
    let begun = || console::note(&format!("Pulling image {reference}"));
    let image = match images::ensure(engine.daemon, &wanted, engine.logins, begun).await {
        Ok(image) => image,
        Err(_) if of.is_built => return Ok(Err(image_missing(of))),
        Err(diagnosis) => return Ok(Err(diagnosis)),
    };
    Ok(image_config(engine.daemon, &image.id).await?.ok_or_else(|| image_missing(of)))
}

fn image_missing(of: &FileService) -> Diagnosis {
    let (name, reference) = (&of.service.name, &of.service.image.reference);
    let (message, remedy) = match of.is_built {
        true => (
            format!("{name} is built, and the engine has no image {reference}, which a build would make"),
            "Rehearse with --build, or build it on the engine first: `docker compose build`. Or name an image in the \
             file that can be pulled.",
        ),
        false => (
            format!("the engine has no image {reference}, which {name} runs"),
            "Pull it to the engine first: `docker compose pull`.",
        ),
    };
    Diagnosis { remedy: Some(remedy.to_owned()), ..Diagnosis::new(Code::ConfigImageUnavailable, message) }
}

//! What an image gives to the containers that are made of it.

use bollard::models::{HealthConfig, ImageConfig as EngineConfig};

use crate::model::image_config::ImageConfig;
use crate::model::service::Healthcheck;

use super::client::Daemon;
use super::containers::is_not_found;
use super::errors::Result;
use super::inspect::{parse_env, parse_port};

/// The configuration of the image that a reference stands for now; `None`: the engine has no such image.
pub async fn image_config(daemon: &Daemon, reference: &str) -> Result<Option<ImageConfig>> {
    match daemon.inspect_image(reference).await {
        Ok(image) => {
            let config = read(image.id.unwrap_or_default(), image.config.unwrap_or_default());
            Ok(Some(ImageConfig { digests: image.repo_digests.unwrap_or_default(), ..config }))
        }
        Err(error) if is_not_found(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn read(id: String, config: EngineConfig) -> ImageConfig {
    let EngineConfig {
        user,
        exposed_ports,
        env,
        cmd,
        healthcheck,
        args_escaped: _, // Windows
        volumes,
        working_dir,
        entrypoint,
        on_build: _, // for images built from this one
        labels: _,   // an image's labels are not heard
        stop_signal,
        shell,
    } = config;
    let full = |words: Option<Vec<String>>| words.filter(|words| !words.is_empty());
    let mut exposed: Vec<_> = exposed_ports.unwrap_or_default().iter().filter_map(|port| parse_port(port)).collect();
    exposed.sort();
    let mut volumes = volumes.unwrap_or_default();
    volumes.sort();
    ImageConfig {
        id,
        digests: Vec::new(),
        env: env.unwrap_or_default().iter().map(|line| parse_env(line)).collect(),
        entrypoint: full(entrypoint),
        command: full(cmd),
        user: user.unwrap_or_default(),
        workdir: working_dir.unwrap_or_default(),
        healthcheck: healthcheck.and_then(read_healthcheck),
        exposed,
        volumes,
        stop_signal: stop_signal.filter(|signal| !signal.is_empty()),
        shell: full(shell),
    }
}

fn read_healthcheck(healthcheck: HealthConfig) -> Option<Healthcheck> {
    // The sandbox probes more often than any start interval.
    let HealthConfig { test, interval, timeout, retries, start_period, start_interval: _ } = healthcheck;
    let test = test.filter(|test| test.first().is_some_and(|word| word != "NONE"))?;
    Some(Healthcheck {
        test,
        interval: interval.unwrap_or_default(),
        timeout: timeout.unwrap_or_default(),
        retries: retries.unwrap_or_default(),
        start_period: start_period.unwrap_or_default(),
    })
}

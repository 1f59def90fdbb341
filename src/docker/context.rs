//! The Docker CLI's contexts: `config.json` names the current one, `contexts/meta/*/meta.json` say where each leads.
//!
//! The CLI names a context's folder by a hash of the context's name. The file in it has the name, too, so all files are
//! read until one has the right name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::target::{ConnectError, Target, split};

/// The part of `config.json` that matters here.
#[derive(Deserialize)]
struct Config {
    #[serde(rename = "currentContext", default)]
    current_context: String,
}

/// A context's `meta.json`.
#[derive(Deserialize)]
struct Meta {
    #[serde(rename = "Name", default)]
    name: String,
    #[serde(rename = "Endpoints", default)]
    endpoints: Endpoints,
}

#[derive(Deserialize, Default)]
struct Endpoints {
    docker: Option<Endpoint>,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host", default)]
    host: String,
    #[serde(rename = "SkipTLSVerify", default)]
    skip_tls_verify: bool,
}

/// The current context and the file that says so.
pub(super) fn current(config_dir: Option<&Path>) -> Result<Option<(String, String)>, ConnectError> {
    let Some(dir) = config_dir else { return Ok(None) };
    let path = dir.join("config.json");
    let text = match fs::read(&path) {
        Ok(text) => text,
        // Without a configuration that can be read, the Docker CLI uses its defaults, too.
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(unreadable(&path, &error)),
    };
    let config: Config = serde_json::from_slice(&text).map_err(|error| {
        ConnectError::new(path.display().to_string(), format!("is not a Docker configuration: {error}"))
    })?;
    Ok(Some(config.current_context).filter(|name| !name.is_empty()).map(|name| (name, path.display().to_string())))
}

/// Where the context of this name leads.
pub(super) fn target(config_dir: Option<&Path>, name: &str, origin: &str) -> Result<Target, ConnectError> {
    let missing = |dir: &str| ConnectError::new(origin, format!("there is no Docker context `{name}`{dir}"));
    let Some(dir) = config_dir else { return Err(missing("")) };
    let contexts = dir.join("contexts");
    let Some((meta, path)) = find(&contexts.join("meta"), name)? else {
        return Err(missing(&format!(" in {}", contexts.display())));
    };
    let place = path.display().to_string();
    let Some(endpoint) = meta.endpoints.docker.filter(|endpoint| !endpoint.host.is_empty()) else {
        return Err(ConnectError::new(place, format!("context `{name}` has no Docker endpoint")));
    };
    let address = split(&endpoint.host, &place)?;
    let keys = path.parent().and_then(Path::file_name).map(|hash| contexts.join("tls").join(hash).join("docker"));
    let keys = keys.filter(|dir| dir.join("ca.pem").exists());
    let target = address.with_keys(keys);
    if endpoint.skip_tls_verify && matches!(target, Target::Tcp(_) | Target::Tls { .. }) {
        return Err(ConnectError::new(
            place,
            format!("context `{name}` sets SkipTLSVerify; an engine whose certificate is not checked is not talked to"),
        ));
    }
    Ok(target)
}

/// The `meta.json` of this name.
fn find(meta_dir: &Path, name: &str) -> Result<Option<(Meta, PathBuf)>, ConnectError> {
    let entries = match fs::read_dir(meta_dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(meta_dir, &error)),
    };
    let mut broken = None;
    for entry in entries {
        let path = entry.map_err(|error| unreadable(meta_dir, &error))?.path().join("meta.json");
        let Ok(text) = fs::read(&path) else { continue };
        match serde_json::from_slice::<Meta>(&text) {
            Ok(meta) if meta.name == name => return Ok(Some((meta, path))),
            Ok(_) => {}
            // Probably another context's file: reported only if no file has the right name.
            Err(error) => broken = Some((path, error)),
        }
    }
    match broken {
        Some((path, error)) => {
            Err(ConnectError::new(path.display().to_string(), format!("is not a Docker context: {error}")))
        }
        None => Ok(None),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> ConnectError {
    ConnectError::new(path.display().to_string(), format!("cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::connect::ConnectInputs;
    use super::*;

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn new() -> Self {
            Self(tempfile::tempdir().expect("a temporary folder"))
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
            fs::write(path, text).expect("a file");
        }

        fn context(&self, hash: &str, name: &str, host: &str, skip: bool) {
            self.write(
                &format!("contexts/meta/{hash}/meta.json"),
                &serde_json::json!({
                    "Name": name,
                    "Metadata": {},
                    "Endpoints": {"docker": {"Host": host, "SkipTLSVerify": skip}},
                })
                .to_string(),
            );
        }

        fn resolve(&self, context: Option<&str>) -> Result<Target, String> {
            Target::resolve(&ConnectInputs {
                docker_config_dir: Some(self.0.path().to_owned()),
                docker_context: context.map(Into::into),
                ..ConnectInputs::default()
            })
            .map_err(|error| error.to_string())
        }
    }

    #[test]
    fn the_current_context_is_followed() {
        let dir = Dir::new();
        dir.write("config.json", r#"{"auths": {}, "currentContext": "nas"}"#);
        dir.context("aa", "other", "tcp://other:2375", false);
        dir.context("bb", "nas", "ssh://me@nas", false);
        assert_eq!(dir.resolve(None), Ok(Target::Ssh("me@nas".into())));
        assert_eq!(dir.resolve(Some("other")), Ok(Target::Tcp("other:2375".into())));
    }

    #[test]
    fn keys_beside_a_context_mean_tls() {
        let dir = Dir::new();
        dir.context("cc", "nas", "tcp://nas:2376", false);
        dir.write("contexts/tls/cc/docker/ca.pem", "");
        let certs = dir.0.path().join("contexts/tls/cc/docker");
        assert_eq!(dir.resolve(Some("nas")), Ok(Target::Tls { address: "nas:2376".into(), certs }));
    }

    #[test]
    fn an_unchecked_certificate_is_refused_where_it_would_matter() {
        let dir = Dir::new();
        dir.context("dd", "nas", "tcp://nas:2376", true);
        dir.context("ee", "local", "unix:///run/docker.sock", true);
        assert!(dir.resolve(Some("nas")).expect_err("unchecked").contains("SkipTLSVerify"));
        assert_eq!(dir.resolve(Some("local")), Ok(Target::Unix("/run/docker.sock".into())));
    }

    #[test]
    fn what_is_wrong_names_the_file_or_the_variable() {
        let dir = Dir::new();
        assert!(
            dir.resolve(Some("nope"))
                .expect_err("missing")
                .starts_with("DOCKER_CONTEXT: there is no Docker context `nope`")
        );
        dir.write("config.json", "{");
        assert!(dir.resolve(None).expect_err("broken").contains("config.json: is not a Docker configuration"));
        dir.write("config.json", r#"{"currentContext": "gone"}"#);
        assert!(dir.resolve(None).expect_err("gone").contains("config.json: there is no Docker context `gone`"));
        dir.write("contexts/meta/ff/meta.json", "garbage");
        assert!(dir.resolve(None).expect_err("garbage").contains("ff/meta.json: is not a Docker context"));
        dir.context("ab", "bad", "gopher://x", false);
        assert!(
            dir.resolve(Some("bad")).expect_err("scheme").contains("ab/meta.json: `gopher://x` has an unknown scheme")
        );
    }

    #[test]
    fn no_configuration_means_the_usual_socket() {
        let dir = Dir::new();
        assert!(matches!(dir.resolve(None), Ok(Target::Unix(_))));
        dir.write("config.json", r#"{"currentContext": "default"}"#);
        assert!(matches!(dir.resolve(None), Ok(Target::Unix(_))));
    }
}

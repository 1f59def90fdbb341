//! References of images: `postgres:15`, `registry:5000/app@sha256:…`.

/// The parts of an image's reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ImageName<'a> {
    /// With its registry, without tag and digest.
    pub repository: &'a str,
    /// `latest` where the reference has neither tag nor digest.
    pub tag: Option<&'a str>,
    pub digest: Option<&'a str>,
}

impl<'a> ImageName<'a> {
    /// `None`: the text is the id of an image, or no reference.
    pub(super) fn parse(reference: &'a str) -> Option<Self> {
        let (name, digest) = match reference.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (reference, None),
        };
        let (repository, tag) = split_tag(name);
        let is_id = digest.is_none() && (repository == "sha256" || is_hex(reference));
        if repository.is_empty() || is_id || digest.is_some_and(|digest| !digest.contains(':')) {
            return None;
        }
        let tag = match (tag, digest) {
            (None, None) => Some("latest"),
            (tag, _) => tag,
        };
        Some(Self { repository, tag, digest })
    }

    /// The registry, as people write it; `None`: the engine's default one.
    pub(super) fn registry(&self) -> Option<&'a str> {
        let (first, _) = self.repository.split_once('/')?;
        (first.contains(['.', ':']) || first == "localhost").then_some(first)
    }

    /// The name that the Docker CLI keeps the registry's login under. `index` is the address of the engine's default
    /// registry, which people also write without the first word of its host.
    pub(super) fn login_key<'b>(&self, index: &'b str) -> &'b str
    where
        'a: 'b,
    {
        match self.registry() {
            Some(registry) if host(index) != registry && host(index).split_once('.') != Some(("index", registry)) => {
                registry
            }
            _ => index,
        }
    }
}

/// The host in the address of a registry: without scheme and path.
pub(super) fn host(address: &str) -> &str {
    let address = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://")).unwrap_or(address);
    address.split('/').next().unwrap_or(address)
}

/// An id without its algorithm, whole. A shorter one may be a name as well.
fn is_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The parts of `repository:tag`. A colon before a slash belongs to a registry's port.
fn split_tag(name: &str) -> (&str, Option<&str>) {
    match name.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag)),
        _ => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Repository, tag, digest and registry.
    fn parts(reference: &str) -> Option<[Option<&str>; 4]> {
        let name = ImageName::parse(reference)?;
        Some([Some(name.repository), name.tag, name.digest, name.registry()])
    }

    #[test]
    fn a_reference_is_taken_apart_as_the_engine_does() {
        for (reference, expected) in [
            ("app", [Some("app"), Some("latest"), None, None]),
            ("app:1", [Some("app"), Some("1"), None, None]),
            ("team/app:1", [Some("team/app"), Some("1"), None, None]),
            ("localhost/app", [Some("localhost/app"), Some("latest"), None, Some("localhost")]),
            ("host:5000/app", [Some("host:5000/app"), Some("latest"), None, Some("host:5000")]),
            ("host:5000/a/b:1.2", [Some("host:5000/a/b"), Some("1.2"), None, Some("host:5000")]),
            ("r.example/app:1@sha256:ab", [Some("r.example/app"), Some("1"), Some("sha256:ab"), Some("r.example")]),
            ("app@sha256:ab", [Some("app"), None, Some("sha256:ab"), None]),
        ] {
            assert_eq!(parts(reference), Some(expected), "{reference}");
        }
    }

    #[test]
    fn an_id_is_no_name_that_a_registry_could_know() {
        let id = "ab".repeat(32);
        for reference in ["", &id, &format!("sha256:{id}"), ":1", "app@nothing"] {
            assert_eq!(parts(reference), None, "{reference}");
        }
    }

    #[test]
    fn the_login_of_the_default_registry_has_a_name_of_its_own() {
        let index = "https://index.hub.example/v1/";
        let key = |reference| ImageName::parse(reference).map(|name| name.login_key(index));
        for default in ["app", "team/app", "hub.example/team/app", "index.hub.example/team/app"] {
            assert_eq!(key(default), Some(index), "{default}");
        }
        assert_eq!(key("h:5000/app"), Some("h:5000"));
        assert_eq!(key("other.example/app"), Some("other.example"));
    }
}

//! Inspects, lists, imports and removes images.

use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bollard::Docker;
use bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder};
use futures_util::{Stream, TryStreamExt};

use super::client::{Daemon, ImageLabels};
use super::connection::in_path;
use super::containers::{is_not_found, with_label};
use super::errors::Result;
use crate::model::lock::lock;

/// An image of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLine {
    /// Id.
    pub id: String,
    /// Tags.
    pub tags: Vec<String>,
    /// The image that this one was made from on this engine, as `docker commit` and `docker build` do.
    pub parent: Option<String>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// What an image says of itself.
#[derive(Clone, Default)]
pub struct ImageMetadata {
    /// The variables that it gives to its containers.
    pub env: Vec<(String, String)>,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

impl ImageMetadata {
    /// A variable's value.
    pub fn var(&self, name: &str) -> Option<&str> {
        self.env.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A tar stream or the like, piece by piece.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Vec<u8>>> + Send + Sync>>;

/// How long an import may take. The engine answers at its end, and the connection may be slow.
const IMPORT: Duration = Duration::from_secs(1800);

const LOOK: &str = "inspect image";

impl Daemon {
    /// The id that a reference stands for now; `None` when there is no such image.
    pub async fn image_id(&self, reference: &str) -> Result<Option<String>> {
        match self.inspect_image(reference).await {
            Ok(image) => Ok(image.id),
            Err(error) if is_not_found(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What an image says of itself in its configuration.
    pub async fn image_words(&self, reference: &str) -> Result<ImageMetadata> {
        let config = self.inspect_image(reference).await?.config.unwrap_or_default();
        let env = config.env.unwrap_or_default();
        let env = env.iter().filter_map(|line| line.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned()));
        Ok(ImageMetadata { env: env.collect(), labels: config.labels.unwrap_or_default().into_iter().collect() })
    }

    pub(super) async fn inspect_image(&self, reference: &str) -> Result<bollard::models::ImageInspect> {
        let reference = in_path(LOOK, reference)?;
        self.connection.call(LOOK, reference, |docker| docker.inspect_image(reference)).await
    }

    /// The labels that an image gives to its containers; `None`: there is no such image. An image is asked for once by
    /// its id: an image with an id never changes.
    pub async fn image_labels(&self, reference: &str) -> Result<Option<Arc<ImageLabels>>> {
        let known = || lock(&self.image_labels);
        if let Some(labels) = known().get(reference) {
            return Ok(Some(Arc::clone(labels)));
        }
        let image = match self.inspect_image(reference).await {
            Err(error) if is_not_found(&error) => return Ok(None),
            other => other?,
        };
        let labels = image.config.and_then(|config| config.labels).unwrap_or_default();
        let labels = Arc::new(labels.into_iter().collect::<ImageLabels>());
        if let Some(id) = image.id {
            known().insert(id, Arc::clone(&labels));
        }
        Ok(Some(labels))
    }

    /// Images with this label.
    pub async fn images_labelled(&self, label: &str) -> Result<Vec<ImageLine>> {
        let options = ListImagesOptionsBuilder::default().filters(&with_label(label.to_owned())).build();
        let list = self.connection.call("list images", "", |docker| docker.list_images(Some(options))).await?;
        let mut images: Vec<_> = list
            .into_iter()
            .map(|image| ImageLine {
                id: image.id,
                // The tag that older engines give to an image without one.
                tags: image.repo_tags.into_iter().filter(|tag| tag != "<none>:<none>").collect(),
                parent: Some(image.parent_id).filter(|parent| !parent.is_empty()),
                labels: image.labels.into_iter().collect(),
            })
            .collect();
        images.sort_by(|a, b| a.tags.cmp(&b.tags).then_with(|| a.id.cmp(&b.id)));
        Ok(images)
    }

    /// Imports a tar of a root file system as an image.
    pub async fn import_image(&self, tag: &str, labels: &[(&str, &str)], tar: ByteStream) -> Result<()> {
        let (repository, version) = split_tag(tag);
        let changes = labels.iter().map(|(key, value)| format!("LABEL {}={}", quoted(key), quoted(value))).collect();
        let options =
            CreateImageOptionsBuilder::default().from_src("-").repo(repository).tag(version).changes(changes).build();
        let body = bollard::body_try_stream(tar.map_ok(Into::into));
        let import = async |docker: &Docker| {
            let mut progress = std::pin::pin!(docker.create_image(Some(options), Some(body), None));
            while progress.try_next().await?.is_some() {}
            Ok(())
        };
        self.connection.call_within(IMPORT, "import image", tag, import).await
    }

    /// Removes an image; one that is not there is success.
    pub async fn remove_image(&self, id: &str) -> Result<()> {
        const REMOVE: &str = "remove image";
        let options = RemoveImageOptionsBuilder::default().force(false).noprune(false).build();
        let id = in_path(REMOVE, id)?;
        match self.connection.call(REMOVE, id, |docker| docker.remove_image(id, Some(options), None)).await {
            Err(error) if is_not_found(&error) => Ok(()),
            done => done.map(|_| ()),
        }
    }
}

/// The parts of `repository:tag`. A colon before a slash belongs to a registry's port.
fn split_tag(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (reference, "latest"),
    }
}

/// A word of a Dockerfile instruction.
fn quoted(text: &str) -> String {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('$', "\\$"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_what_follows_the_last_colon_unless_it_is_a_port() {
        assert_eq!(split_tag("rehearsa-worker:1f"), ("rehearsa-worker", "1f"));
        assert_eq!(split_tag("localhost:5000/worker"), ("localhost:5000/worker", "latest"));
        assert_eq!(split_tag("localhost:5000/worker:2"), ("localhost:5000/worker", "2"));
    }

    #[test]
    fn a_label_stays_one_word() {
        assert_eq!(quoted("a b"), "\"a b\"");
        assert_eq!(quoted("a\"\\$\nRUN x"), "\"a\\\"\\\\\\$RUN x\"");
    }
}

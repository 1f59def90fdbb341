//! Which objects with our labels are ours.
//!
//! Labels spread: `docker commit` writes the labels of a container into an image, which gives them to each of its
//! containers, and people copy labels from one file into another. So an object is ours only if it has all our labels,
//! has a name of their session, and did not get the labels from its image. Any other object is left alone.

use std::collections::BTreeMap;
use std::fmt;

use crate::model::sandbox::ObjectLabels;

use super::labels;

/// Why an object with a label of ours is not ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotOurs {
    /// This label is missing or cannot be read.
    Label(&'static str),
    /// The labels are those of the container's image.
    Image,
    /// The container's image is gone, so nobody can tell whose labels they are.
    NoImage,
    /// Its name is none of the session.
    Name,
}

impl fmt::Display for NotOurs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotOurs::Label(key) => write!(f, "its label {key} is missing or garbled"),
            NotOurs::Image => f.write_str("it has the label from its image"),
            NotOurs::NoImage => f.write_str("its image is gone, and may have brought the label"),
            NotOurs::Name => f.write_str("Rehearsa gives other names"),
        }
    }
}

/// What the labels of an object of ours say. `name`: `None` for a container that has lost its name because the engine
/// is just removing it. `of_image`: the labels of the container's image; empty for other objects.
pub fn owner(
    name: Option<&str>,
    own: &BTreeMap<String, String>,
    of_image: &BTreeMap<String, String>,
) -> Result<ObjectLabels, NotOurs> {
    let marks = labels::read(own).map_err(NotOurs::Label)?;
    if of_image.get(labels::SESSION) == Some(&marks.session) {
        return Err(NotOurs::Image);
    }
    match name {
        Some(name) if !is_name_of(&marks.session, name) => Err(NotOurs::Name),
        _ => Ok(marks),
    }
}

/// As [`owner`], for a container. `of_image`: `None`: the image cannot be looked at.
pub fn owner_of_container(
    name: Option<&str>,
    own: &BTreeMap<String, String>,
    of_image: Option<&BTreeMap<String, String>>,
) -> Result<ObjectLabels, NotOurs> {
    let marks = owner(name, own, of_image.unwrap_or(&BTreeMap::new()))?;
    if of_image.is_some() { Ok(marks) } else { Err(NotOurs::NoImage) }
}

/// The beginning of the name of every object of a session.
pub fn name_prefix(session: &str) -> String {
    format!("rehearsa-{session}")
}

fn is_name_of(session: &str, name: &str) -> bool {
    name.strip_prefix(&name_prefix(session)).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(session: &str) -> BTreeMap<String, String> {
        let (stack, host, process) = ("media".to_owned(), "nas".to_owned(), "1.2".to_owned());
        let marks = ObjectLabels { session: session.to_owned(), stack, host, process, expires: 3 };
        labels::write(&marks).into_iter().collect()
    }

    #[test]
    fn an_object_of_ours_has_all_labels_and_a_name_of_its_session() {
        let none = BTreeMap::new();
        for name in [Some("rehearsa-s1-media-net"), Some("rehearsa-s1"), None] {
            assert_eq!(owner(name, &labels("s1"), &none).map(|marks| marks.session), Ok("s1".to_owned()), "{name:?}");
        }
        for name in ["web", "rehearsa-s12-net", "rehearsa-s2-net", "my-rehearsa-s1-net", "rehearsa-mydata", ""] {
            assert_eq!(owner(Some(name), &labels("s1"), &none), Err(NotOurs::Name), "{name}");
        }
        let alone = BTreeMap::from([(labels::SESSION.to_owned(), "mine".to_owned())]);
        assert_eq!(owner(Some("rehearsa-mine-x"), &alone, &none), Err(NotOurs::Label(labels::STACK)));
    }

    #[test]
    fn a_container_whose_image_is_gone_is_not_ours() {
        let name = Some("rehearsa-s1-media-web");
        assert_eq!(owner_of_container(name, &labels("s1"), None), Err(NotOurs::NoImage));
        assert!(owner_of_container(name, &labels("s1"), Some(&BTreeMap::new())).is_ok());
        assert_eq!(owner_of_container(name, &labels("s1"), Some(&labels("s1"))), Err(NotOurs::Image));
        assert_eq!(owner_of_container(Some("web"), &labels("s1"), None), Err(NotOurs::Name));
    }

    #[test]
    fn a_container_whose_image_brings_the_labels_is_not_ours() {
        let name = Some("rehearsa-s1-media-web");
        assert_eq!(owner(name, &labels("s1"), &labels("s1")), Err(NotOurs::Image));
        // A sandbox of a service whose image was made from an earlier sandbox.
        assert!(owner(name, &labels("s1"), &labels("s0")).is_ok());
    }
}

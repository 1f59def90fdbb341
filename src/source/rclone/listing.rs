//! What `rclone lsjson` prints.

use jiff::Timestamp;
use serde::Deserialize;

/// A file or folder of a store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Item {
    #[serde(rename = "Name")]
    pub name: String,
    /// Negative: the store does not tell.
    #[serde(rename = "Size")]
    bytes: i64,
    #[serde(rename = "IsDir", default)]
    pub is_folder: bool,
    /// Time of the last change; `None`: the store does not tell.
    #[serde(rename = "ModTime", default)]
    pub modified: Option<Timestamp>,
}

impl Item {
    /// Size in bytes; `None`: the store does not tell.
    pub fn size(&self) -> Option<u64> {
        u64::try_from(self.bytes).ok()
    }
}

/// Reads a list of files.
pub fn items(json: &[u8]) -> Result<Vec<Item>, serde_json::Error> {
    serde_json::from_slice(json)
}

/// Reads the answer about one path; `None`: nothing is there.
pub fn item(json: &[u8]) -> Result<Option<Item>, serde_json::Error> {
    if json.trim_ascii().is_empty() { Ok(None) } else { serde_json::from_slice(json) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_rclone_prints_them() {
        let list = br#"[
{"Path":"app-1.tar","Name":"app-1.tar","Size":2,"MimeType":"","ModTime":"2026-11-30T13:05:22.332961019Z","IsDir":false},
{"Path":"b","Name":"b","Size":-1,"ModTime":"2026-11-30T14:05:22.000000000+01:00","IsDir":true}
]"#;
        let found = items(list).expect("a list");
        let told: Vec<_> = found.iter().map(|item| (item.name.as_str(), item.size(), item.is_folder)).collect();
        assert_eq!(told, [("app-1.tar", Some(2), false), ("b", None, true)]);
        assert_eq!(found[1].modified.map(|time| time.to_string()).as_deref(), Some("2026-11-30T13:05:22Z"));
        assert_eq!(item(b"null\n").expect("nothing"), None);
        assert_eq!(item(b"\n").expect("nothing"), None);
        assert!(items(b"[\n").is_err() && item(b"x").is_err());
    }
}

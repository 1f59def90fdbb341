//! Which part of a backup belongs to which mount, as people write it: `[SERVICE:]MOUNT=PATH`.
//!
//! `/config=backup/jellyfin_config`, `media::jellyfin:/config=config`, `jellyfin_config=.`. The mount ends at the first
//! equals sign; the path is one within the backup.

use super::place;
use crate::config::error::{ConfigError, SettingOrigin};
use crate::model::mount::Mount;
use crate::model::service::ServiceName;
use crate::model::source::MapRule;

/// Reads one rule; `origin` is named in the error.
pub fn parse(origin: &SettingOrigin, text: &str) -> Result<MapRule, ConfigError> {
    let Some((place, path)) = text.trim().split_once('=') else {
        return Err(ConfigError::value(
            origin,
            text,
            "of the form [SERVICE:]MOUNT=PATH, where PATH is one within the backup; write it as \
             `/config=backup/jellyfin_config` or `media::jellyfin:/config=config`",
        ));
    };
    let Some((service, mount)) = place::parse(place) else {
        return Err(ConfigError::value(
            origin,
            text,
            "a rule that names a mount; write it as `/config=backup/jellyfin_config` or `jellyfin_config=.`",
        ));
    };
    let path =
        within(path.trim()).map_err(|expected| ConfigError::value(origin, text, format!("a rule {expected}")))?;
    Ok(MapRule { service, mount, path, of_lock: false })
}

/// Reads several rules with commas between them, as a label has them.
pub fn parse_list(origin: &SettingOrigin, text: &str) -> Result<Vec<MapRule>, ConfigError> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| parse(origin, part)).collect()
}

/// Reads a path within a backup, without empty parts and `.`. The error goes on after "a rule" or "a path".
pub fn within(path: &str) -> Result<String, &'static str> {
    if path.is_empty() {
        return Err("that says which part of the backup; write `.` for all of it");
    }
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err("that stays within the backup: `..` leads out of it");
    }
    Ok(parts.join("/"))
}

impl MapRule {
    /// Whether the rule is about this mount of this service.
    pub fn applies(&self, service: &ServiceName, mount: &Mount) -> bool {
        place::is_service(self.service.as_deref(), service) && place::is_mount(&self.mount, service, mount)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mount::MountOrigin;

    const FLAG: SettingOrigin = SettingOrigin::Flag("--map");

    fn rule(service: Option<&str>, mount: &str, path: &str) -> MapRule {
        MapRule { service: service.map(str::to_owned), mount: mount.to_owned(), path: path.to_owned(), of_lock: false }
    }

    #[test]
    fn rules_are_read_in_all_their_forms() {
        let cases = [
            ("/config=backup/jellyfin_config", rule(None, "/config", "backup/jellyfin_config")),
            ("media::jellyfin:/config/=/backup/config/", rule(Some("media::jellyfin"), "/config", "backup/config")),
            ("jellyfin_config=.", rule(None, "jellyfin_config", "")),
            ("web:/srv = ./a//b", rule(Some("web"), "/srv", "a/b")),
            ("/=/", rule(None, "/", "")),
            ("/data=day=1/data", rule(None, "/data", "day=1/data")),
            ("/data=host:backup", rule(None, "/data", "host:backup")),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&FLAG, text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn a_rule_needs_a_mount_and_a_path_within_the_backup() {
        let cases = [
            ("/config", "of the form [SERVICE:]MOUNT=PATH"),
            ("", "of the form [SERVICE:]MOUNT=PATH"),
            ("=config", "a rule that names a mount"),
            ("web:=config", "a rule that names a mount"),
            (":/data=config", "a rule that names a mount"),
            ("/config=", "write `.` for all of it"),
            ("/config=a/../../etc", "leads out of it"),
        ];
        for (text, expected) in cases {
            let error = parse(&FLAG, text).expect_err(text).to_string();
            assert!(error.starts_with("--map: ") && error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_label_holds_several_rules() {
        let rules = parse_list(&FLAG, "/config=a, /data=b,").expect("two rules");
        assert_eq!(rules, [rule(None, "/config", "a"), rule(None, "/data", "b")]);
    }

    #[test]
    fn a_rule_finds_its_mount_as_a_rule_for_a_strategy_does() {
        let service = ServiceName::of_stack("media", "jellyfin");
        let origin = MountOrigin::Volume { name: "media_config".to_owned(), driver: "local".to_owned() };
        let mount = Mount { target: "/config".to_owned(), origin, read_only: false };
        for text in ["/config=a", "media_config=a", "config=a", "jellyfin:/config=a", "media::jellyfin:config=a"] {
            assert!(parse(&FLAG, text).expect(text).applies(&service, &mount), "{text}");
        }
        for text in ["/data=a", "sonarr:/config=a", "other_config=a"] {
            assert!(!parse(&FLAG, text).expect(text).applies(&service, &mount), "{text}");
        }
    }
}

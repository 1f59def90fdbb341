//! Strategies for mounts as people write them: `[SERVICE:]MOUNT=STRATEGY`.
//!
//! `/media=readonly`, `media::jellyfin:/cache=empty`, `jellyfin_cache=omit`, `web:/srv/data=omit`. How a mount is named
//! is read in [`place`].

use super::place;
use super::suggest::suggestion;
use crate::config::error::{ConfigError, SettingOrigin};
use crate::model::mount::{Mount, Strategy};
use crate::model::service::ServiceName;
use crate::model::settings::StrategyRule;

/// Reads one rule; `origin` is named in the error.
pub fn parse(origin: &SettingOrigin, text: &str) -> Result<StrategyRule, ConfigError> {
    let error = |expected: String| ConfigError::value(origin, text, expected);
    let Some((place, name)) = text.trim().rsplit_once('=') else {
        return Err(error(
            "of the form [SERVICE:]MOUNT=STRATEGY; write it as `/media=readonly`, \
                          `media::jellyfin:/cache=empty` or `jellyfin_cache=omit`"
                .to_owned(),
        ));
    };
    let strategy = named(name).map_err(|hint| error(format!("a rule with a known strategy: {hint}")))?;
    let Some((service, mount)) = place::parse(place) else {
        return Err(error(
            "a rule that names a mount; write it as `/media=readonly` or `jellyfin_cache=omit`".to_owned(),
        ));
    };
    Ok(StrategyRule { service, mount, strategy })
}

/// The strategy of this name; the error suggests known names.
pub fn named(name: &str) -> Result<Strategy, String> {
    let name = name.trim().to_lowercase();
    if let Some((_, strategy)) = Strategy::NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(*strategy);
    }
    let known: Vec<&str> = Strategy::NAMES.iter().map(|(known, _)| *known).collect();
    Err(suggestion(&name, known.iter().copied()).unwrap_or_else(|| format!("there are {}", known.join(", "))))
}

/// Reads several rules with commas between them, as a label has them.
pub fn parse_list(origin: &SettingOrigin, text: &str) -> Result<Vec<StrategyRule>, ConfigError> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| parse(origin, part)).collect()
}

impl StrategyRule {
    /// Whether the rule is about this mount of this service.
    pub fn applies(&self, service: &ServiceName, mount: &Mount) -> bool {
        self.names_service(service) && place::is_mount(&self.mount, service, mount)
    }

    /// Whether the rule may be about this service.
    pub fn names_service(&self, service: &ServiceName) -> bool {
        place::is_service(self.service.as_deref(), service)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLAG: SettingOrigin = SettingOrigin::Flag("--strategy");

    fn rule(service: Option<&str>, mount: &str, strategy: Strategy) -> StrategyRule {
        StrategyRule { service: service.map(str::to_owned), mount: mount.to_owned(), strategy }
    }

    #[test]
    fn rules_are_read_in_all_their_forms() {
        let cases = [
            ("/media=readonly", rule(None, "/media", Strategy::Readonly)),
            ("media::jellyfin:/cache=empty", rule(Some("media::jellyfin"), "/cache", Strategy::Empty)),
            ("jellyfin_cache=omit", rule(None, "jellyfin_cache", Strategy::Omit)),
            ("web:/srv/=Copy", rule(Some("web"), "/srv", Strategy::Copy)),
            ("media::jellyfin:cache=overlay", rule(Some("media::jellyfin"), "cache", Strategy::Overlay)),
            ("/=copy", rule(None, "/", Strategy::Copy)),
            ("/a=b/c=omit", rule(None, "/a=b/c", Strategy::Omit)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(&FLAG, text).expect(text), expected, "{text}");
        }
    }

    #[test]
    fn a_misspelled_strategy_is_met_with_the_nearest() {
        let error = parse(&FLAG, "/media=read-only").expect_err("no such strategy").to_string();
        assert_eq!(
            error,
            "--strategy: `/media=read-only` is not a rule with a known strategy: did you mean `readonly`?"
        );
        let error = parse(&FLAG, "/media=zzz").expect_err("no such strategy").to_string();
        assert!(error.ends_with("there are copy, readonly, overlay, empty, omit"), "{error}");
    }

    #[test]
    fn a_rule_needs_a_mount_and_a_strategy() {
        for text in ["", "/media", "=omit", "web:=omit", ":/media=omit"] {
            let error = parse(&FLAG, text).expect_err(text).to_string();
            assert!(error.starts_with("--strategy: "), "{error}");
        }
    }

    #[test]
    fn a_label_holds_several_rules() {
        let rules = parse_list(&FLAG, "/media=readonly, /cache=empty,").expect("two rules");
        assert_eq!(rules, [rule(None, "/media", Strategy::Readonly), rule(None, "/cache", Strategy::Empty)]);
    }
}

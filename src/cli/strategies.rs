//! Rules of `--strategy` that are about no mount of this run: a slip of the finger would copy what was to be left out.

use super::console;
use crate::config::nearest::suggestion;
use crate::config::settings::{Settings, StrategyRule};
use crate::model::mount::Origin;
use crate::model::plan::{Plan, ServicePlan};

/// Mounts that a note names; who has more looks at the plan.
const NAMED: usize = 12;

/// Notes each rule of a flag that applies nowhere. Those of the environment hold for every run on the host, and may well be about
/// services that this one has not. `flags` is how many flags there are; their rules come last.
pub fn note_idle(plan: &Plan, settings: &Settings, flags: usize) {
    let rules = &settings.said.strategies;
    let of_flags = &rules[rules.len().saturating_sub(flags)..];
    of_flags.iter().filter_map(|rule| idle(plan, rule)).for_each(|words| console::note(&words));
}

/// What to say of a rule that applies to no mount of the plan; nothing when there is nothing it could have missed.
fn idle(plan: &Plan, rule: &StrategyRule) -> Option<String> {
    let services = || plan.stacks.iter().flat_map(|stack| &stack.services);
    let applies = |service: &ServicePlan| service.mounts.iter().any(|m| rule.applies(&service.service.name, &m.mount));
    if plan.cases().next().is_none() || services().any(applies) {
        return None;
    }
    let service = rule.service.as_ref().map(|name| format!("{name}:")).unwrap_or_default();
    let asked = format!("--strategy {service}{}={}", rule.mount, rule.strategy.name());
    let named: Vec<&ServicePlan> = services().filter(|service| rule.names_service(&service.service.name)).collect();
    if let (Some(name), true) = (&rule.service, named.is_empty()) {
        return Some(format!("{asked} changes nothing: no service of this run is called `{name}`."));
    }
    let mounts = || named.iter().flat_map(|service| service.mounts.iter().map(|plan| (*service, &plan.mount)));
    let names: Vec<&str> = mounts()
        .flat_map(|(_, mount)| {
            let behind = match &mount.origin {
                Origin::Volume { name, .. } => Some(name.as_str()),
                Origin::Bind { source } => Some(source.as_str()),
                Origin::Tmpfs { .. } | Origin::Other { .. } => None,
            };
            [Some(mount.target.as_str()), behind]
        })
        .flatten()
        .collect();
    let near = suggestion(&rule.mount, names).map(|near| format!("; {near}")).unwrap_or_default();
    let shown: Vec<String> =
        mounts().take(NAMED).map(|(service, mount)| format!("{}: {}", service.service.name, mount.place())).collect();
    let more = mounts().count().saturating_sub(NAMED);
    let there = match (shown.is_empty(), more) {
        (true, _) => "there are no mounts".to_owned(),
        (false, 0) => format!("there are {}", shown.join(", ")),
        (false, more) => format!("there are {} and {more} more", shown.join(", ")),
    };
    Some(format!("{asked} changes nothing, as it matches no mount{near} ({there})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Origin as Writer;
    use crate::config::settings::{Rehearsal, Selection};
    use crate::config::strategy::parse;
    use crate::model::mount::Mount;
    use crate::model::sample;
    use crate::model::service::{Service, ServiceName};
    use crate::plan::{Inputs, plan};

    fn volume(name: &str, target: &str) -> Mount {
        let origin = Origin::Volume { name: name.to_owned(), driver: "local".to_owned() };
        Mount { target: target.to_owned(), origin, read_only: false }
    }

    fn said(mounts: Vec<Mount>, rule: &str) -> Option<String> {
        let service = Service { mounts, ..sample::service(ServiceName::of_stack("media", "jellyfin")) };
        let selection = Selection::default();
        let plan = plan(Inputs { services: vec![(service, Rehearsal::default())], selection: &selection });
        idle(&plan, &parse(&Writer::Flag("--strategy"), rule).expect(rule))
    }

    #[test]
    fn a_rule_that_misses_is_told_with_what_there_is() {
        let mounts = || vec![volume("media_cache", "/cache"), volume("media_config", "/config")];
        for rule in ["/cache=omit", "jellyfin:/cache=omit", "config=empty", "media::jellyfin:media_cache=omit"] {
            assert_eq!(said(mounts(), rule), None, "{rule}");
        }
        assert_eq!(
            said(mounts(), "jellyfin:/cahe=omit").as_deref(),
            Some(
                "--strategy jellyfin:/cahe=omit changes nothing, as it matches no mount; did you mean `/cache`? (there are \
                 media::jellyfin: volume media_cache at /cache, media::jellyfin: volume media_config at /config)"
            )
        );
        assert_eq!(
            said(mounts(), "jelyfin:/cache=omit").as_deref(),
            Some("--strategy jelyfin:/cache=omit changes nothing: no service of this run is called `jelyfin`.")
        );
    }

    #[test]
    fn without_mounts_that_is_said_and_without_services_nothing() {
        assert_eq!(
            said(Vec::new(), "/x=omit").as_deref(),
            Some("--strategy /x=omit changes nothing, as it matches no mount (there are no mounts)")
        );
        let selection = Selection::default();
        let nothing = plan(Inputs { services: Vec::new(), selection: &selection });
        assert_eq!(idle(&nothing, &parse(&Writer::Flag("--strategy"), "/x=omit").expect("a rule")), None);
    }

    #[test]
    fn a_long_list_is_cut() {
        let mounts = (0..20).map(|nth| volume(&format!("v{nth}"), &format!("/m{nth}"))).collect();
        assert!(said(mounts, "/zzz=omit").is_some_and(|words| words.ends_with("/m11 and 8 more)")));
    }
}

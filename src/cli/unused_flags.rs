//! Notes flags that have no effect in this run: after a typing error the run would copy a mount that should be left
//! out, or restore another part of the backup.

use super::args::RehearsalArgs;
use super::console;
use crate::config::values::place;
use crate::config::values::suggest::suggestion;
use crate::model::mount::MountOrigin;
use crate::model::plan::{Plan, ServicePlan};

/// Number of mounts that a note lists; `rehearsa plan` shows all.
const NAMED: usize = 12;

/// Prints a note for each flag of the command line without effect. Variables are not checked: they hold for every run
/// on the host, and may concern services that are not in this one.
pub fn note(plan: &Plan, args: &RehearsalArgs) {
    if plan.cases().next().is_none() {
        return;
    }
    without_backup(plan, args).iter().chain(&missed(plan, args)).for_each(|words| console::note(words));
}

/// Flags about backups have no effect when no data comes from a backup.
fn without_backup(plan: &Plan, args: &RehearsalArgs) -> Option<String> {
    let flags = args.backup.given();
    let is_restored = plan.stacks.iter().flat_map(|stack| &stack.services).any(|service| service.source.is_some());
    (!is_restored && !flags.is_empty()).then(|| {
        let verb = if flags.len() == 1 { "has" } else { "have" };
        format!(
            "{} {verb} no effect, as no service of this run restores from a backup; --from names the backup",
            flags.join(", ")
        )
    })
}

/// A note for each rule about mounts that matches none.
fn missed(plan: &Plan, args: &RehearsalArgs) -> Vec<String> {
    let place = |text: &str| place::parse(text).unwrap_or_default();
    let strategies = args.strategy.iter().filter_map(|text| Some(("--strategy", text, text.rsplit_once('=')?.0)));
    let mut rules: Vec<_> = strategies.collect();
    if plan.stacks.iter().flat_map(|stack| &stack.services).any(|service| service.source.is_some()) {
        rules.extend(args.backup.map.iter().filter_map(|text| Some(("--map", text, text.split_once('=')?.0))));
        rules.extend(args.backup.allow_empty.iter().map(|text| ("--allow-empty", text, text.as_str())));
    }
    let told = rules.into_iter().filter_map(|(flag, text, named)| {
        let (service, mount) = place(named);
        idle(plan, &MountRule { asked: format!("{flag} {text}"), service, mount })
    });
    told.collect()
}

/// A rule about a mount.
struct MountRule {
    /// The flag and its value as they were typed.
    asked: String,
    service: Option<String>,
    mount: String,
}

/// A note if the rule matches no mount of the plan, with what it may have meant.
fn idle(plan: &Plan, rule: &MountRule) -> Option<String> {
    let MountRule { asked, service, mount } = rule;
    let services = plan.stacks.iter().flat_map(|stack| &stack.services);
    let named: Vec<&ServicePlan> =
        services.filter(|plan| place::is_service(service.as_deref(), &plan.service.name)).collect();
    let mounts = || named.iter().flat_map(|plan| plan.mounts.iter().map(|of| (&plan.service.name, &of.mount)));
    if mounts().any(|(service, of)| place::is_mount(mount, service, of)) {
        return None;
    }
    if let (Some(name), true) = (service, named.is_empty()) {
        return Some(format!("{asked} has no effect: no service of this run is called `{name}`."));
    }
    let names = mounts().flat_map(|(_, mount)| {
        let behind = match &mount.origin {
            MountOrigin::Volume { name, .. } => Some(name.as_str()),
            MountOrigin::Bind { source } => Some(source.as_str()),
            MountOrigin::Tmpfs { .. } | MountOrigin::Dump { .. } | MountOrigin::Other { .. } => None,
        };
        [Some(mount.target.as_str()), behind].into_iter().flatten()
    });
    let near = suggestion(mount, names).map(|near| format!("; {near}")).unwrap_or_default();
    let shown: Vec<String> =
        mounts().take(NAMED).map(|(service, mount)| format!("{service}: {}", mount.place())).collect();
    let more = mounts().count().saturating_sub(NAMED);
    let there = match (shown.is_empty(), more) {
        (true, _) => "there are no mounts".to_owned(),
        (false, 0) => format!("there are {}", shown.join(", ")),
        (false, more) => format!("there are {} and {more} more", shown.join(", ")),
    };
    Some(format!("{asked} has no effect, as it matches no mount{near} ({there})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::BackupArgs;
    use crate::config::settings::Selection;
    use crate::model::mount::Mount;
    use crate::model::sample;
    use crate::model::service::{Service, ServiceName};
    use crate::model::settings::ServiceSettings;
    use crate::model::source::{Keys, SourcePlace, SourceSpec};
    use crate::model::source_kind::SourceKind;
    use crate::plan::{draft, resolve};

    fn volume(name: &str, target: &str) -> Mount {
        let origin = MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() };
        Mount { target: target.to_owned(), origin, read_only: false }
    }

    fn of(mounts: Vec<Mount>, source: Option<SourceSpec>) -> Plan {
        let service = Service { mounts, ..sample::service(ServiceName::of_stack("media", "jellyfin")) };
        let selection = Selection::default();
        let draft = draft(vec![(service, ServiceSettings { source, ..ServiceSettings::default() })], &selection);
        resolve(draft, Vec::new(), jiff::Timestamp::UNIX_EPOCH)
    }

    fn said(mounts: Vec<Mount>, rule: &str) -> Option<String> {
        let args = RehearsalArgs { strategy: vec![rule.to_owned()], ..RehearsalArgs::default() };
        missed(&of(mounts, None), &args).pop()
    }

    #[test]
    fn what_is_said_of_a_backup_is_about_one_that_is_restored() {
        let of_backup = |map: &[&str], allow_empty: &[&str]| {
            let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let backup = BackupArgs { map: text(map), allow_empty: text(allow_empty), ..BackupArgs::default() };
            RehearsalArgs { backup, ..RehearsalArgs::default() }
        };
        let place = SourcePlace::stdin(SourceKind::Tar);
        let source = || Some(SourceSpec { place: place.clone(), snapshot: None, keys: Keys::default() });
        let mounts = || vec![volume("media_cache", "/cache")];
        let args = of_backup(&["/cahe=a", "/cache=b"], &["config", "cache"]);
        assert_eq!(
            without_backup(&of(mounts(), None), &args).as_deref(),
            Some(
                "--map, --allow-empty have no effect, as no service of this run restores from a backup; --from names \
                 the backup"
            )
        );
        assert!(missed(&of(mounts(), None), &args).is_empty());
        let plan = of(mounts(), source());
        assert_eq!(without_backup(&plan, &args), None);
        let [map, empty] = missed(&plan, &args).try_into().expect("two of four miss");
        assert!(
            map.starts_with("--map /cahe=a has no effect, as it matches no mount; did you mean `/cache`?"),
            "{map}"
        );
        assert!(empty.starts_with("--allow-empty config has no effect, as it matches no mount ("), "{empty}");
        assert_eq!(without_backup(&of(mounts(), None), &RehearsalArgs::default()), None);
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
                "--strategy jellyfin:/cahe=omit has no effect, as it matches no mount; did you mean `/cache`? (there \
                 are media::jellyfin: volume media_cache at /cache, media::jellyfin: volume media_config at /config)"
            )
        );
        assert_eq!(
            said(mounts(), "jelyfin:/cache=omit").as_deref(),
            Some("--strategy jelyfin:/cache=omit has no effect: no service of this run is called `jelyfin`.")
        );
    }

    #[test]
    fn without_mounts_that_is_said() {
        assert_eq!(
            said(Vec::new(), "/x=omit").as_deref(),
            Some("--strategy /x=omit has no effect, as it matches no mount (there are no mounts)")
        );
    }

    #[test]
    fn a_long_list_is_cut() {
        let mounts = (0..20).map(|nth| volume(&format!("v{nth}"), &format!("/m{nth}"))).collect();
        assert!(said(mounts, "/zzz=omit").is_some_and(|words| words.ends_with("/m11 and 8 more)")));
    }
}

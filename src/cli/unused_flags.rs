//! Flags that have no effect in this run: after a typing error the run would copy a mount that should be left out, or
//! restore another part of the backup. What fits nothing on the host is refused; what fits only services that are not
//! in this run is noted.

use super::args::{BackupArgs, RehearsalArgs};
use super::console;
use super::exit::Failure;
use crate::config::declared;
use crate::config::settings::Selection;
use crate::config::values::place;
use crate::config::values::suggest::suggestion;
use crate::model::environment::Environment;
use crate::model::mount::Mount;
use crate::model::plan::{Plan, ServicePlan};
use crate::model::program::Program;
use crate::model::service::{Service, ServiceName};
use crate::model::settings::ServiceSettings;
use crate::model::source::{SourceLocation, SourcePlace};
use crate::model::source_kind::SourceKind;
use crate::plan::draft;

/// The beginning of the names of our variables.
const PREFIX: &str = "REHEARSA_";
/// The variable with the passphrase itself, which is no setting of its own.
const PASSPHRASE: &str = "REHEARSA_PASSPHRASE";
/// Most wrong letters of a name that was mistyped.
const TYPING_ERRORS: usize = 2;
/// Number of mounts that a note lists; `rehearsa plan` shows all.
const NAMED: usize = 12;

/// Prints a note for each flag of the command line without effect. Variables are not checked: they hold for every run
/// on the host, and may concern services that are not in this one.
pub fn note(plan: &Plan, args: &RehearsalArgs) {
    if plan.cases().next().is_none() {
        return;
    }
    let notes = without_backup(plan, args).into_iter().chain(unused_programs(plan, args)).chain(missed(plan, args));
    notes.for_each(|words| console::note(&words));
}

/// Prints a note for each variable whose name is nearly the name of a setting: after a typing error the setting has its
/// default. Other names that begin like ours may be the user's own, as for a secret.
pub fn note_misspelled_variables(env: &Environment) {
    misspelled_variables(env).iter().for_each(|words| console::note(words));
}

fn misspelled_variables(env: &Environment) -> Vec<String> {
    let known = || declared::all().flat_map(|setting| setting.variables).copied().chain([PASSPHRASE]);
    let unknown = env.names_starting_with(PREFIX).filter(|name| known().all(|of| of != *name));
    let near = |name: &str| {
        let own_word = |name: &'static str| name.strip_prefix(PREFIX);
        let word = name.strip_prefix(PREFIX)?;
        known().filter_map(own_word).find(|of| strsim::damerau_levenshtein(of, word) <= TYPING_ERRORS)
    };
    let words = |name: &str| {
        let meant = near(name)?;
        Some(format!("the environment variable {name} has no effect; perhaps {PREFIX}{meant} is meant"))
    };
    unknown.filter_map(words).collect()
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

/// Refuses flags of the command line that demand something of a backup where no service restores from one: a run that
/// starts in the wrong folder, without its plan file, would be green of the live data every night. A service whose
/// backup cannot be used counts as one with a backup: its own diagnosis tells more.
pub fn refuse_idle_demands(plan: &Plan, args: &RehearsalArgs) -> Result<(), Failure> {
    let services = || plan.stacks.iter().flat_map(|stack| &stack.services);
    let has_backup = |of: &ServicePlan| of.source.is_some() || of.settings.source.is_some() || of.blocked.is_some();
    if plan.cases().next().is_none() || services().any(has_backup) {
        return Ok(());
    }
    // An age of 0 demands nothing.
    let is_limited = services().any(|of| of.settings.max_age.is_some());
    let BackupArgs { snapshot, max_age, .. } = &args.backup;
    let typed = [("--snapshot", snapshot), ("--max-age", &max_age.clone().filter(|_| is_limited))];
    let typed: Vec<String> =
        typed.into_iter().filter_map(|(flag, text)| Some(format!("{flag} {}", text.as_ref()?))).collect();
    if typed.is_empty() {
        return Ok(());
    }
    let verb = if typed.len() == 1 { "demands" } else { "demand" };
    let message =
        format!("{} {verb} something of a backup, and no service of this run restores from one", typed.join(", "));
    Err(Failure::usage(message).hint(
        "name the backup with --from, or the plan file that names it with --plan (without it rehearsa.toml of the \
         working directory is read, if there is one); to rehearse the live data, leave the flag out. Nothing was \
         rehearsed",
    ))
}

/// A note for each named program that reads none of this run's backups.
fn unused_programs(plan: &Plan, args: &RehearsalArgs) -> Vec<String> {
    let services = plan.stacks.iter().flat_map(|stack| &stack.services);
    let sources = services.filter(|service| service.source.is_some());
    let places: Vec<&SourcePlace> =
        sources.filter_map(|service| Some(&service.settings.source.as_ref()?.place)).collect();
    let BackupArgs { restic_path, borg_path, rclone_path, .. } = &args.backup;
    let named = [(Program::Restic, restic_path), (Program::Borg, borg_path), (Program::Rclone, rclone_path)];
    let unused = named.into_iter().filter(|(program, path)| {
        path.is_some() && !places.is_empty() && places.iter().all(|place| reader(place) != Some(*program))
    });
    let words = |program: Program| {
        format!("{} has no effect, as {} reads no backup of this run", program.flag(), program.name())
    };
    unused.map(|(program, _)| words(program)).collect()
}

/// The program that reads a backup; `None`: Rehearsa itself.
fn reader(place: &SourcePlace) -> Option<Program> {
    match (place.kind, &place.location) {
        (SourceKind::Restic, _) => Some(Program::Restic),
        (SourceKind::Borg, _) => Some(Program::Borg),
        (_, SourceLocation::Address(_)) => Some(Program::Rclone),
        _ => None,
    }
}

/// Refuses rules about mounts that fit no mount of the host: after a typing error the run would be another one than
/// was asked for.
pub fn refuse(
    services: &[(Service, ServiceSettings)],
    selection: &Selection,
    args: &RehearsalArgs,
) -> Result<(), Failure> {
    let rules = rules(args, true);
    if rules.is_empty() || services.is_empty() {
        return Ok(());
    }
    let of_host: Vec<Known<'_>> = services.iter().map(|(service, _)| Known::of(service)).collect();
    let wrong: Vec<&MountRule> = rules.iter().filter(|rule| !rule.fits(&of_host)).collect();
    if wrong.is_empty() {
        return Ok(());
    }
    let chosen = draft(services.to_vec(), selection).selection;
    let is_chosen = |known: &&Known<'_>| chosen.iter().any(|of| of.is_selected() && of.service == *known.name);
    let of_run: Vec<Known<'_>> = of_host.iter().filter(is_chosen).copied().collect();
    let of = match services.iter().all(|(service, _)| !service.is_live()) {
        true => "of the Compose files",
        false => "of this host",
    };
    let told: Vec<String> = wrong.iter().map(|rule| rule.told(&of_host, &of_run, of)).collect();
    Err(Failure::usage(told.join("\n")).hint("correct the flag; nothing was rehearsed"))
}

/// A note for each rule about mounts that matches none of this run.
fn missed(plan: &Plan, args: &RehearsalArgs) -> Vec<String> {
    let services = || plan.stacks.iter().flat_map(|stack| &stack.services);
    let of_run: Vec<Known<'_>> = services().map(|plan| Known::of(&plan.service)).collect();
    let rules = rules(args, services().any(|service| service.source.is_some()));
    let missed = rules.iter().filter(|rule| !rule.fits(&of_run));
    missed.map(|rule| rule.told(&of_run, &of_run, "of this run")).collect()
}

/// The rules about mounts on the command line.
fn rules(args: &RehearsalArgs, with_backup: bool) -> Vec<MountRule> {
    let strategies = args.strategy.iter().filter_map(|text| Some(("--strategy", text, text.rsplit_once('=')?.0)));
    let mut rules: Vec<_> = strategies.collect();
    if with_backup {
        rules.extend(args.backup.map.iter().filter_map(|text| Some(("--map", text, text.split_once('=')?.0))));
        rules.extend(args.backup.allow_empty.iter().map(|text| ("--allow-empty", text, text.as_str())));
    }
    let rule = |(flag, text, named): (&str, &String, &str)| {
        let (service, mount) = place::parse(named).unwrap_or_default();
        MountRule { asked: format!("{flag} {text}"), service, mount }
    };
    rules.into_iter().map(rule).collect()
}

/// A service whose mounts are known.
#[derive(Clone, Copy)]
struct Known<'a> {
    name: &'a ServiceName,
    mounts: &'a [Mount],
}

impl<'a> Known<'a> {
    fn of(service: &'a Service) -> Self {
        Self { name: &service.name, mounts: &service.mounts }
    }
}

/// A rule about a mount.
struct MountRule {
    /// The flag and its value as they were typed.
    asked: String,
    service: Option<String>,
    mount: String,
}

impl MountRule {
    fn names(&self, known: &Known<'_>) -> bool {
        place::is_service(self.service.as_deref(), known.name)
    }

    /// Whether one of these services has the mount.
    fn fits(&self, services: &[Known<'_>]) -> bool {
        let mut named = services.iter().filter(|known| self.names(known));
        named.any(|known| known.mounts.iter().any(|mount| place::is_mount(&self.mount, known.name, mount)))
    }

    /// Says that no service of `all` has the mount, what may have been meant, and which mounts the services of `shown`
    /// have.
    fn told(&self, all: &[Known<'_>], shown: &[Known<'_>], of: &str) -> String {
        let MountRule { asked, service, mount } = self;
        if let (Some(name), None) = (service, all.iter().find(|known| self.names(known))) {
            return format!("{asked} has no effect: no service {of} is called `{name}`.");
        }
        let mounts =
            || shown.iter().filter(|known| self.names(known)).flat_map(|of| of.mounts.iter().map(|m| (of.name, m)));
        let names = place::names(mounts().map(|(_, mount)| mount));
        let near = suggestion(mount, names.iter().map(String::as_str)).map(|near| format!("; {near}"));
        let listed: Vec<String> =
            mounts().take(NAMED).map(|(service, mount)| format!("{service}: {}", mount.place())).collect();
        let more = mounts().count().saturating_sub(NAMED);
        let there = match (listed.is_empty(), more) {
            (true, _) => "there are no mounts".to_owned(),
            (false, 0) => format!("there are {}", listed.join(", ")),
            (false, more) => format!("there are {} and {more} more", listed.join(", ")),
        };
        format!("{asked} has no effect, as it matches no mount{} ({there})", near.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mount::MountOrigin;
    use crate::model::sample;
    use crate::model::source::{Keys, SourceSpec};
    use crate::plan::resolve;

    #[test]
    fn a_variable_of_nearly_the_name_of_a_setting_is_told() {
        let of = |name: &str| misspelled_variables(&[(name, "x")].into_iter().collect()).pop();
        for (name, meant) in [("REHEARSA_FORM", "REHEARSA_FROM"), ("REHEARSA_TIMEOUTS", "REHEARSA_TIMEOUT")] {
            assert_eq!(
                of(name),
                Some(format!("the environment variable {name} has no effect; perhaps {meant} is meant"))
            );
        }
        for name in ["REHEARSA_FROM", "REHEARSA_PASSPHRASE", "REHEARSA_LOG", "REHEARSA_NAS_KEY", "OTHER_FORM"] {
            assert_eq!(of(name), None);
        }
    }

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
    fn a_demand_of_a_backup_is_refused_where_there_is_none() {
        let source =
            || SourceSpec { place: SourcePlace::stdin(SourceKind::Tar), snapshot: None, keys: Keys::default() };
        let asked = |source: Option<SourceSpec>, max_age: Option<&str>, snapshot: Option<&str>| {
            let mut plan = of(vec![volume("v", "/v")], source);
            let limit = max_age.filter(|age| *age != "0").map(|_| std::time::Duration::from_secs(26 * 3600));
            plan.stacks[0].services[0].settings.max_age = limit;
            let text = |text: Option<&str>| text.map(str::to_owned);
            let backup = BackupArgs { max_age: text(max_age), snapshot: text(snapshot), ..BackupArgs::default() };
            (plan, RehearsalArgs { backup, ..RehearsalArgs::default() })
        };
        let refused = |(plan, args): (Plan, RehearsalArgs)| {
            refuse_idle_demands(&plan, &args).err().map(|failure| (failure.exit.number(), failure.render(false)))
        };
        let (code, words) = refused(asked(None, Some("26h"), None)).expect("refused");
        assert_eq!(code, 2);
        assert!(words.contains("--max-age 26h demands something of a backup, and no service"), "{words}");
        let (_, words) = refused(asked(None, Some("26h"), Some("x"))).expect("refused");
        assert!(words.contains("--snapshot x, --max-age 26h demand something"), "{words}");
        for fits in
            [asked(None, None, None), asked(None, Some("0"), None), asked(Some(source()), Some("26h"), Some("x"))]
        {
            assert_eq!(refused(fits), None);
        }
        let (mut plan, args) = asked(None, Some("26h"), None);
        plan.stacks[0].services[0].blocked =
            Some(crate::model::diagnosis::Diagnosis::new(crate::model::diagnosis::Code::SourceUnreachable, "x"));
        assert_eq!(refused((plan, args)), None, "the service itself is not green");
    }

    #[test]
    fn a_program_that_reads_no_backup_of_the_run_is_told() {
        let unused = |place: SourcePlace| {
            let source = SourceSpec { place, snapshot: None, keys: Keys::default() };
            let path = || Some("/opt/tool".into());
            let backup =
                BackupArgs { restic_path: path(), borg_path: path(), rclone_path: path(), ..BackupArgs::default() };
            let args = RehearsalArgs { backup, ..RehearsalArgs::default() };
            let words = unused_programs(&of(vec![volume("v", "/v")], Some(source)), &args);
            words.iter().map(|words| words.split(' ').next().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        let address = |kind| SourcePlace { kind, location: SourceLocation::Address("far:x".to_owned()) };
        assert_eq!(unused(SourcePlace::stdin(SourceKind::Tar)), ["--restic-path", "--borg-path", "--rclone-path"]);
        assert_eq!(unused(address(SourceKind::Tar)), ["--restic-path", "--borg-path"]);
        assert_eq!(unused(address(SourceKind::Restic)), ["--borg-path", "--rclone-path"]);
        assert_eq!(unused(SourcePlace::at_path(SourceKind::Borg, "/repo")), ["--restic-path", "--rclone-path"]);
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
    fn a_rule_that_fits_nothing_on_the_host_is_refused_before_the_run() {
        let service = |name: &str, mounts| {
            let service = Service { mounts, ..sample::service(ServiceName::of_stack("media", name)) };
            (service, ServiceSettings::default())
        };
        let services =
            [service("jellyfin", vec![volume("media_cache", "/cache")]), service("sonarr", vec![volume("tv", "/tv")])];
        let only = Selection { filters: vec!["jellyfin".to_owned()], ..Selection::default() };
        let refused = |strategy: &[&str], map: &[&str]| {
            let text = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let backup = BackupArgs { map: text(map), ..BackupArgs::default() };
            let args = RehearsalArgs { strategy: text(strategy), backup, ..RehearsalArgs::default() };
            refuse(&services, &only, &args).err().map(|failure| (failure.exit.number(), failure.render(false)))
        };
        assert!(refused(&["/cache=omit", "sonarr:/tv=omit"], &["/tv=x"]).is_none(), "all are on this host");
        for (strategy, map) in [(&["/cahe=omit"][..], &[][..]), (&[], &["/cahe=x"]), (&["/tv=omit"], &["/cahe=x"])] {
            let (code, words) = refused(strategy, map).expect("it fits nothing");
            assert_eq!(code, 2);
            assert!(words.contains("/cahe=") && words.contains("did you mean `/cache`?"), "{words}");
            assert!(words.contains("volume media_cache at /cache") && !words.contains("/tv"), "{words}");
        }
        let (_, words) = refused(&["radarr:/cache=omit"], &[]).expect("there is no such service");
        assert!(words.contains("no service of this host is called `radarr`"), "{words}");
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

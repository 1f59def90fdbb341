//! Who is heard first: flag, then environment, then the live container's label, then the plan file (the service, its stack, the file
//! as a whole), then the default. Written here and nowhere else.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::error::{ConfigError, SettingOrigin};
use super::labels::Labels;
use super::overrides::{EmptyRule, Overrides, Skip, SnapshotSelector, SourceRef};
use super::settings::{DEFAULT_SLOW, DEFAULT_THREADS, IgnoredMode, ReportTargets, Retries, Selection, Settings};
use super::values::report_spec::{CiChoice, Form, JunitFlavor, TapVersion};
use super::values::{duration, flag, map, partition, size, strategy};
use super::{PlanFile, plan_file};
use crate::model::dump::LoadOptions;
use crate::model::environment::Environment;
use crate::model::event::NoTests;
use crate::model::mount::Mount;
use crate::model::partition::Partition;
use crate::model::question::Check;
use crate::model::service::Service;
use crate::model::settings::{ServiceSettings, StrategyRule};
use crate::model::source::{Keys, SecretPlace, SourceSpec};

/// What was written on the command line, not yet understood.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// Filters, as given.
    pub filters: Vec<String>,
    /// `--skip`.
    pub skip: Vec<String>,
    /// `--exact`.
    pub exact: bool,
    /// `--ignored`.
    pub ignored: bool,
    /// `--include-ignored`.
    pub include_ignored: bool,
    /// `--test-threads`.
    pub threads: Option<String>,
    /// `--fail-fast`.
    pub fail_fast: bool,
    /// `--max-fail`.
    pub max_fail: Option<String>,
    /// `--retries`.
    pub retries: Option<String>,
    /// `--retry-failures`.
    pub retry_failures: bool,
    /// `--partition`.
    pub partition: Option<String>,
    /// `--no-tests`.
    pub no_tests: NoTests,
    /// `--global-timeout`.
    pub global_timeout: Option<String>,
    /// `--slow-after`.
    pub slow_after: Option<String>,
    /// `--timeout`.
    pub timeout: Option<String>,
    /// `--settle`.
    pub settle: Option<String>,
    /// `--max-copy`.
    pub max_copy: Option<String>,
    /// `--memory`.
    pub memory: Option<String>,
    /// `--from`.
    pub from: Option<String>,
    /// `--snapshot`.
    pub snapshot: Option<String>,
    /// `--passphrase-file`.
    pub passphrase_file: Option<PathBuf>,
    /// `--identity`.
    pub identity: Option<PathBuf>,
    /// `--map`.
    pub maps: Vec<String>,
    /// `--allow-empty`.
    pub allow_empty: Vec<String>,
    /// `--max-entries`.
    pub max_entries: Option<String>,
    /// `--max-age`.
    pub max_age: Option<String>,
    /// `--max-rto`.
    pub max_rto: Option<String>,
    /// `--control`.
    pub control: bool,
    /// `--verify-content`.
    pub verify_content: bool,
    /// `--keep`.
    pub keep: bool,
    /// `--strategy`.
    pub strategies: Vec<String>,
    /// The reports that were asked for one by one.
    pub reports: BTreeMap<Form, PathBuf>,
    /// `--report-dir`.
    pub report_dir: Option<PathBuf>,
    /// `--junit-flavor`.
    pub junit_flavor: JunitFlavor,
    /// `--tap-version`.
    pub tap_version: TapVersion,
    /// `--ci`.
    pub ci: CiChoice,
}

/// Every environment variable that [`Settings::resolve`] reads, with the flag it stands for.
pub const VARIABLES: [(&str, &str); 21] = [
    ("REHEARSA_CONTROL", "--control"),
    ("REHEARSA_VERIFY_CONTENT", "--verify-content"),
    ("REHEARSA_TEST_THREADS", "--test-threads"),
    ("RUST_TEST_THREADS", "--test-threads"),
    ("REHEARSA_TIMEOUT", "--timeout"),
    ("REHEARSA_SETTLE", "--settle"),
    ("REHEARSA_MAX_COPY", "--max-copy"),
    ("REHEARSA_MEMORY", "--memory"),
    ("REHEARSA_STRATEGY", "--strategy"),
    ("REHEARSA_REPORT_DIR", "--report-dir"),
    ("REHEARSA_RETRIES", "--retries"),
    ("REHEARSA_GLOBAL_TIMEOUT", "--global-timeout"),
    ("REHEARSA_SLOW_AFTER", "--slow-after"),
    ("REHEARSA_PARTITION", "--partition"),
    ("REHEARSA_FROM", "--from"),
    ("REHEARSA_SNAPSHOT", "--snapshot"),
    ("REHEARSA_PASSPHRASE_FILE", "--passphrase-file"),
    ("REHEARSA_IDENTITY", "--identity"),
    ("REHEARSA_MAX_ENTRIES", "--max-entries"),
    ("REHEARSA_MAX_AGE", "--max-age"),
    ("REHEARSA_MAX_RTO", "--max-rto"),
];

impl Settings {
    /// The same with a plan file, which is heard after everybody else.
    #[must_use]
    pub fn with_file(self, file: PlanFile) -> Settings {
        Settings { file, ..self }
    }

    /// What flags and environment say; labels, the plan file and defaults come in with [`Settings::for_service`].
    pub fn resolve(flags: &Flags, env: &Environment) -> Result<Settings, ConfigError> {
        let timeout = given(flags.timeout.as_deref(), "--timeout", env, &["REHEARSA_TIMEOUT"]);
        let settle = given(flags.settle.as_deref(), "--settle", env, &["REHEARSA_SETTLE"]);
        let max_copy = given(flags.max_copy.as_deref(), "--max-copy", env, &["REHEARSA_MAX_COPY"]);
        let memory = given(flags.memory.as_deref(), "--memory", env, &["REHEARSA_MEMORY"]);
        let threads =
            given(flags.threads.as_deref(), "--test-threads", env, &["REHEARSA_TEST_THREADS", "RUST_TEST_THREADS"]);
        let global_timeout =
            given(flags.global_timeout.as_deref(), "--global-timeout", env, &["REHEARSA_GLOBAL_TIMEOUT"]);
        let slow_after = given(flags.slow_after.as_deref(), "--slow-after", env, &["REHEARSA_SLOW_AFTER"]);
        let retries = given(flags.retries.as_deref(), "--retries", env, &["REHEARSA_RETRIES"]);
        let max_fail = given(flags.max_fail.as_deref(), "--max-fail", env, &[]);
        let max_fail = max_fail.map(|said| said.count_from(1)).transpose()?;
        let max_entries = given(flags.max_entries.as_deref(), "--max-entries", env, &["REHEARSA_MAX_ENTRIES"]);
        let max_age = given(flags.max_age.as_deref(), "--max-age", env, &["REHEARSA_MAX_AGE"]);
        let max_rto = given(flags.max_rto.as_deref(), "--max-rto", env, &["REHEARSA_MAX_RTO"]);
        let control = given(flags.control.then_some("true"), "--control", env, &["REHEARSA_CONTROL"]);
        let verify_content =
            given(flags.verify_content.then_some("true"), "--verify-content", env, &["REHEARSA_VERIFY_CONTENT"]);
        let wishes = Overrides {
            timeout: timeout.map(|said| said.timeout()).transpose()?,
            settle: settle.map(|said| said.duration()).transpose()?,
            max_copy: max_copy.map(|said| said.size()).transpose()?,
            memory: memory.map(|said| said.memory()).transpose()?.map(|bytes| bytes.unwrap_or(0)),
            strategies: strategies(flags, env)?,
            source: source(flags, env)?,
            snapshot: given(flags.snapshot.as_deref(), "--snapshot", env, &["REHEARSA_SNAPSHOT"])
                .map(|said| SnapshotSelector::read(said.text)),
            keys: keys(flags, env),
            max_entries: max_entries.map(|said| said.count_from(0)).transpose()?,
            max_age: max_age.map(|said| said.duration()).transpose()?,
            max_rto: max_rto.map(|said| said.duration()).transpose()?,
            maps: flags
                .maps
                .iter()
                .map(|text| map::parse(&SettingOrigin::Flag("--map"), text))
                .collect::<Result<_, _>>()?,
            allow_empty: flags
                .allow_empty
                .iter()
                .map(|text| EmptyRule::parse(&SettingOrigin::Flag("--allow-empty"), text))
                .collect::<Result<_, _>>()?,
            load: LoadOptions::default(),
            control: control.map(|said| said.flag()).transpose()?,
            verify_content: verify_content.map(|said| said.flag()).transpose()?,
            skip: None,
            questions: Vec::new(),
        };
        Ok(Settings {
            selection: Selection {
                filters: flags.filters.clone(),
                skip: flags.skip.clone(),
                exact: flags.exact,
                ignored: match (flags.ignored, flags.include_ignored) {
                    (_, true) => IgnoredMode::Include,
                    (true, false) => IgnoredMode::Only,
                    (false, false) => IgnoredMode::Skip,
                },
                only: None,
                partition: partition(flags, env)?,
            },
            said: wishes,
            keep: flags.keep,
            threads: threads.map(|said| said.count_from(1)).transpose()?.unwrap_or(DEFAULT_THREADS),
            max_fail: if flags.fail_fast { Some(1) } else { max_fail },
            retries: Retries {
                count: retries.map(|said| said.count_from(0)).transpose()?.unwrap_or(0),
                failures: flags.retry_failures,
            },
            no_tests: flags.no_tests,
            global_timeout: global_timeout.map(|said| said.timeout()).transpose()?,
            slow_after: slow_after.map(|said| said.timeout()).transpose()?.unwrap_or(DEFAULT_SLOW),
            reports: reports(flags, env)?,
            file: PlanFile::default(),
        })
    }

    /// How this service is rehearsed.
    pub fn for_service(&self, service: &Service) -> Result<ServiceSettings, ConfigError> {
        self.with_labels(service, &Labels::of(service)?)
    }

    /// As [`Settings::for_service`], for labels that were read already.
    pub fn with_labels(&self, service: &Service, labels: &Labels) -> Result<ServiceSettings, ConfigError> {
        let heard = Layers([&self.said, &labels.wishes].into_iter().chain(self.file.wishes(&service.name)).collect());
        let defaults = ServiceSettings::default();
        let source = heard.first(|said| said.source.as_ref()).map(|wish| self.source(wish)).transpose()?.flatten();
        let empty = heard.rules(|said| &said.allow_empty);
        Ok(ServiceSettings {
            ignore: labels.ignore,
            skip: match heard.first(|said| said.skip.as_ref()) {
                Some(Skip::Because(reason)) => Some(reason.clone()),
                Some(Skip::No) | None => None,
            },
            timeout: heard.first(|said| said.timeout).or(defaults.timeout),
            settle: heard.first(|said| said.settle).unwrap_or(defaults.settle),
            max_copy: heard.first(|said| said.max_copy).unwrap_or(defaults.max_copy),
            strategies: heard.rules(|said| &said.strategies),
            memory: heard.first(|said| said.memory).filter(|bytes| *bytes > 0),
            source: source.map(|spec| heard.wanted(spec)),
            maps: heard.rules(|said| &said.maps),
            allow_empty: may_be_empty(service, &empty),
            max_entries: heard.first(|said| said.max_entries).unwrap_or(defaults.max_entries),
            max_age: heard.first(|said| said.max_age).filter(|bound| !bound.is_zero()),
            max_rto: heard.first(|said| said.max_rto).filter(|bound| !bound.is_zero()),
            checks: heard.questions(),
            control: heard.first(|said| said.control).unwrap_or(defaults.control),
            load: LoadOptions {
                database: heard.first(|said| said.load.database.clone()),
                command: heard.first(|said| said.load.command.clone()),
            },
            verify_content: heard.first(|said| said.verify_content).unwrap_or(defaults.verify_content),
        })
    }

    fn source(&self, wish: &SourceRef) -> Result<Option<SourceSpec>, ConfigError> {
        match wish {
            SourceRef::Live => Ok(None),
            SourceRef::Backup(spec) => Ok(Some(spec.clone())),
            SourceRef::Named { origin, name } => match self.file.sources.get(name) {
                Some(source) => Ok(Some(source.spec.clone())),
                None if self.file.path.is_none() => {
                    let expected = "a source, for there is no plan file that would know the name; there are `live`, \
                        tar:FILE, dir:FOLDER, daemon:FOLDER and dump:FILE";
                    Err(ConfigError::value(origin, name, expected))
                }
                None => Err(plan_file::unknown_source(origin, name, self.file.sources.keys().map(String::as_str))),
            },
        }
    }
}

/// Those who say something of a service, the first heard first.
struct Layers<'a>(Vec<&'a Overrides>);

impl<'a> Layers<'a> {
    /// What the first says who says anything.
    fn first<T>(&self, value: impl Fn(&'a Overrides) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|wishes| value(wishes))
    }

    /// A source, with the snapshot and the keys that are wanted of it.
    fn wanted(&self, spec: SourceSpec) -> SourceSpec {
        let keys = Keys {
            passphrase: self.first(|said| said.keys.passphrase.clone()).or(spec.keys.passphrase),
            identity: self.first(|said| said.keys.identity.clone()).or(spec.keys.identity),
        };
        let snapshot = self.first(|said| said.snapshot.clone());
        SourceSpec { snapshot: snapshot.map_or(spec.snapshot, SnapshotSelector::name), keys, ..spec }
    }

    /// Everybody's questions, the first heard first; of two with one name the first heard counts.
    fn questions(&self) -> Vec<Check> {
        let mut asked: Vec<Check> = Vec::new();
        for question in self.0.iter().flat_map(|wishes| &wishes.questions) {
            if asked.iter().all(|earlier| earlier.name != question.name) {
                asked.push(question.clone());
            }
        }
        asked
    }

    /// Everybody's rules, the first heard last: the last match wins.
    fn rules<T: Clone + 'a>(&self, rules: impl Fn(&'a Overrides) -> &'a Vec<T>) -> Vec<T> {
        self.0.iter().rev().flat_map(|wishes| rules(wishes).iter().cloned()).collect()
    }
}

/// The targets of the mounts whose part of a backup may be empty.
fn may_be_empty(service: &Service, rules: &[EmptyRule]) -> Vec<String> {
    let last = |mount: &&Mount| rules.iter().rev().find(|rule| rule.applies(&service.name, mount));
    service
        .mounts
        .iter()
        .filter(|mount| last(mount).is_some_and(|rule| rule.allowed))
        .map(|m| m.target.clone())
        .collect()
}

impl ReportTargets {
    /// As [`Settings::resolve`], for a command that makes reports and rehearses nothing.
    pub fn resolve(flags: &Flags, env: &Environment) -> Result<ReportTargets, ConfigError> {
        reports(flags, env)
    }
}

/// A value that somebody wrote, and who.
struct RawValue<'a> {
    origin: SettingOrigin,
    text: &'a str,
}

impl RawValue<'_> {
    fn duration(&self) -> Result<Duration, ConfigError> {
        duration::parse(&self.origin, self.text)
    }

    fn timeout(&self) -> Result<Duration, ConfigError> {
        duration::parse_positive(&self.origin, self.text)
    }

    fn size(&self) -> Result<u64, ConfigError> {
        size::parse(&self.origin, self.text)
    }

    fn memory(&self) -> Result<Option<u64>, ConfigError> {
        size::parse_memory(&self.origin, self.text)
    }

    fn flag(&self) -> Result<bool, ConfigError> {
        flag::parse(&self.origin, self.text)
    }

    /// A number of `least` or more.
    fn count_from<N: FromStr + PartialOrd + Display>(&self, least: N) -> Result<N, ConfigError> {
        match self.text.trim().parse() {
            Ok(count) if count >= least => Ok(count),
            _ => Err(ConfigError::value(&self.origin, self.text, format!("a number of {least} or more"))),
        }
    }
}

/// The flag's value, else that of the first of the variables that is set.
fn given<'a>(
    flag: Option<&'a str>,
    flag_name: &'static str,
    env: &'a Environment,
    variables: &[&'static str],
) -> Option<RawValue<'a>> {
    let from_env = || {
        variables
            .iter()
            .find_map(|&name| Some(RawValue { origin: SettingOrigin::Variable(name), text: env.get(name)? }))
    };
    flag.map(|text| RawValue { origin: SettingOrigin::Flag(flag_name), text }).or_else(from_env)
}

/// The variable that holds a passphrase itself.
const PASSPHRASE: &str = "REHEARSA_PASSPHRASE";

/// The source of the whole run.
fn source(flags: &Flags, env: &Environment) -> Result<Option<SourceRef>, ConfigError> {
    let from = given(flags.from.as_deref(), "--from", env, &["REHEARSA_FROM"]);
    from.map(|from| SourceRef::read(&from.origin, from.text, Path::new(""))).transpose()
}

/// What opens the sources of the whole run.
fn keys(flags: &Flags, env: &Environment) -> Keys {
    let path = |flag: &Option<PathBuf>, variable| flag.clone().or_else(|| env.get(variable).map(PathBuf::from));
    let file = path(&flags.passphrase_file, "REHEARSA_PASSPHRASE_FILE").map(SecretPlace::File);
    Keys {
        passphrase: file.or_else(|| env.get(PASSPHRASE).map(|_| SecretPlace::Env(PASSPHRASE.to_owned()))),
        identity: path(&flags.identity, "REHEARSA_IDENTITY"),
    }
}

/// The environment's rules, then the flags': the last match wins.
fn strategies(flags: &Flags, env: &Environment) -> Result<Vec<StrategyRule>, ConfigError> {
    let variable = "REHEARSA_STRATEGY";
    let mut rules = match env.get(variable) {
        Some(list) => strategy::parse_list(&SettingOrigin::Variable(variable), list)?,
        None => Vec::new(),
    };
    for text in &flags.strategies {
        rules.push(strategy::parse(&SettingOrigin::Flag("--strategy"), text)?);
    }
    Ok(rules)
}

/// The flag, our own variable, or the two that GitLab sets for a job with `parallel:`.
fn partition(flags: &Flags, env: &Environment) -> Result<Option<Partition>, ConfigError> {
    if let Some(said) = given(flags.partition.as_deref(), "--partition", env, &["REHEARSA_PARTITION"]) {
        return partition::parse(&said.origin, said.text).map(Some);
    }
    partition::of_ci(env)
}

fn reports(flags: &Flags, env: &Environment) -> Result<ReportTargets, ConfigError> {
    let dir = flags.report_dir.clone().or_else(|| env.get("REHEARSA_REPORT_DIR").map(PathBuf::from));
    if dir.as_deref() == Some(Path::new("-")) {
        return Err(ConfigError::value(
            &SettingOrigin::Flag("--report-dir"),
            "-",
            "a folder; standard output takes one report, as in `--junit -`",
        ));
    }
    let mut files: Vec<(Form, PathBuf)> = Vec::new();
    for form in Form::ALL {
        let asked = flags.reports.get(&form);
        // A report on standard output is for a program that reads it now; the folder is asked for as a whole.
        let in_dir = asked.is_none_or(|path| path == Path::new("-"));
        let in_dir = dir.as_ref().filter(|_| in_dir).map(|dir| dir.join(form.file()));
        files.extend(asked.cloned().into_iter().chain(in_dir).map(|path| (form, path)));
    }
    for (nth, (form, path)) in files.iter().enumerate() {
        let Some((other, _)) = files[..nth].iter().find(|(_, earlier)| earlier == path) else { continue };
        let place = if path == Path::new("-") { "standard output".to_owned() } else { path.display().to_string() };
        let (other, flag) = (other.flag(), form.flag());
        return Err(ConfigError::Conflict {
            what: format!("{other} and {flag} both write to {place}; give one of them another file"),
        });
    }
    let Flags { junit_flavor, tap_version, ci, .. } = *flags;
    Ok(ReportTargets { files, dir, junit_flavor, tap_version, ci: ci.resolve(env) })
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "precedence_tests.rs"]
mod precedence;

//! Merges the layers of settings. Precedence: flag, environment, label, plan file (the service, its stack, the top of
//! the file), default. Written here and nowhere else.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use super::declared::{SERVICE_VALUES, SOURCE, ServiceValues, variables_of};
use super::error::{ConfigError, SettingOrigin, cut};
use super::labels::Labels;
use super::notify_layer::{NotifyFlags, NotifySettings};
use super::overrides::{EmptyRule, Overrides, Skip, SnapshotSelector, SourceRef, SourceRule};
use super::settings::{DEFAULT_SLOW, DEFAULT_THREADS, IgnoredMode, ReportTargets, Retries, Selection, Settings};
use super::text_layer::{self, RawValue};
use super::values::report_spec::{BadgeSubject, CiChoice, Form, JunitFlavor, TapVersion};
use super::values::{duration, map, partition, strategy};
use super::{PlanFile, plan_file};
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump::LoadOptions;
use crate::model::environment::Environment;
use crate::model::event::NoTests;
use crate::model::mask::{Mask, scrub};
use crate::model::mount::Mount;
use crate::model::partition::Partition;
use crate::model::program::{Program, ProgramPaths};
use crate::model::question::Check;
use crate::model::service::Service;
use crate::model::settings::{DependencySource, ServiceSettings, StrategyRule};
use crate::model::source::{Keys, SecretPlace, SourceSpec};
use crate::model::source_kind::SourceKind;

/// The flags of the command line as typed.
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
    /// The flags of [`ServiceValues`], by the keys of the plan file; one that takes no value is `true`.
    pub values: BTreeMap<&'static str, String>,
    /// `--from`.
    pub from: Vec<String>,
    /// `--allow-label-paths`.
    pub allow_label_paths: bool,
    /// `--snapshot`.
    pub snapshot: Option<String>,
    /// `--passphrase-file`.
    pub passphrase_file: Option<PathBuf>,
    /// `--identity`.
    pub identity: Option<PathBuf>,
    /// `--restic-path` and the like.
    pub programs: ProgramPaths,
    /// `--map`.
    pub maps: Vec<String>,
    /// `--allow-empty`.
    pub allow_empty: Vec<String>,
    /// `--with`.
    pub with: Vec<String>,
    /// `--keep`.
    pub keep: bool,
    /// `--history`.
    pub history: Option<PathBuf>,
    /// `--notify` and what belongs to it.
    pub notify: NotifyFlags,
    /// `--baseline`.
    pub baseline: Option<PathBuf>,
    /// `--strategy`.
    pub strategies: Vec<String>,
    /// The reports that were asked for one by one.
    pub reports: BTreeMap<Form, PathBuf>,
    /// `--report-dir`.
    pub report_dir: Option<PathBuf>,
    /// `--report-mode`.
    pub report_mode: Option<String>,
    /// `--junit-flavor`.
    pub junit_flavor: JunitFlavor,
    /// `--badge-shows`.
    pub badge_shows: BadgeSubject,
    /// `--tap-version`.
    pub tap_version: TapVersion,
    /// `--ci`.
    pub ci: CiChoice,
}

impl Settings {
    /// The same settings with a plan file.
    #[must_use]
    pub fn with_file(self, file: PlanFile) -> Settings {
        Settings { file, ..self }
    }

    /// Reads flags and environment. Labels, the plan file and defaults come in with [`Settings::for_service`].
    pub fn resolve(flags: &Flags, env: &Environment) -> Result<Settings, ConfigError> {
        let threads = given("--test-threads", flags.threads.as_deref(), env);
        let global_timeout = given("--global-timeout", flags.global_timeout.as_deref(), env);
        let slow_after = given("--slow-after", flags.slow_after.as_deref(), env);
        let retries = given("--retries", flags.retries.as_deref(), env);
        let max_fail = given("--max-fail", flags.max_fail.as_deref(), env);
        let max_fail = max_fail.map(|raw| raw.count_from(1)).transpose()?;
        refuse_sources(&flags.filters)?;
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
            overrides: overrides(flags, env)?,
            allow_label_paths: flags.allow_label_paths || variable_flag("--allow-label-paths", env)?,
            programs: programs(flags, env),
            with: flags.with.clone(),
            keep: flags.keep,
            history: path("--history", flags.history.as_deref(), env),
            threads: threads.map(|raw| raw.count_from(1)).transpose()?.unwrap_or(DEFAULT_THREADS),
            max_fail: if flags.fail_fast { Some(1) } else { max_fail },
            retries: Retries {
                count: retries.map(|raw| raw.count_from(0)).transpose()?.unwrap_or(0),
                failures: flags.retry_failures,
            },
            no_tests: flags.no_tests,
            global_timeout: global_timeout.map(|raw| raw.positive_duration()).transpose()?,
            slow_after: slow_after.map(|raw| raw.positive_duration()).transpose()?.unwrap_or(DEFAULT_SLOW),
            reports: reports(flags, env)?,
            notify: NotifySettings::read(&flags.notify, env, given)?,
            baseline: path("--baseline", flags.baseline.as_deref(), env),
            file: PlanFile::default(),
        })
    }

    /// Merges the settings of a service. Wrong labels concern this service alone and make it
    /// [`unusable`](ServiceSettings::unusable); the error is about a setting of the whole run.
    pub fn for_service(&self, service: &Service) -> Result<ServiceSettings, ConfigError> {
        self.with_labels(service, &Labels::of(service))
    }

    /// As [`Settings::for_service`], for labels that were read already.
    pub fn with_labels(&self, service: &Service, labels: &Labels) -> Result<ServiceSettings, ConfigError> {
        let of_file = self.file.overrides(&service.name);
        let layers = Layers([&self.overrides, &labels.overrides].into_iter().chain(of_file).collect());
        let defaults = ServiceSettings::default();
        let mut mistakes = labels.mistakes.clone();
        let is_said = self.overrides.sources.iter().any(|rule| rule.applies(&service.name));
        let is_heard = self.overrides.source.is_none() && !is_said;
        let refused = self.path_of_label(service, labels).filter(|_| is_heard);
        let (source, as_dependency) = match (refused, self.sources(service, labels, &layers)) {
            // What is refused is not opened either.
            (Some(refused), _) => {
                mistakes.push(refused);
                (None, DependencySource::Same)
            }
            (None, Ok(sources)) => sources,
            (None, Err(error)) if error.is_of_label() => {
                mistakes.push(error);
                (None, DependencySource::Same)
            }
            (None, Err(error)) => return Err(error),
        };
        Ok(ServiceSettings {
            unusable: unusable(service, &mistakes),
            warnings: labels_of_image(service).into_iter().collect(),
            ignore: labels.ignore,
            skip: match layers.first(|set| set.skip.as_ref()) {
                Some(Skip::Because(reason)) => Some(reason.clone()),
                Some(Skip::No) | None => None,
            },
            timeout: layers.value(|set| &set.timeout).map(|time| time.0).or(defaults.timeout),
            settle: layers.value(|set| &set.settle).map_or(defaults.settle, |time| time.0),
            max_copy: layers.value(|set| &set.max_copy).map_or(defaults.max_copy, |bytes| bytes.0),
            max_entries: layers.value(|set| &set.max_entries).map_or(defaults.max_entries, |count| count.0),
            max_window: layers.value(|set| &set.max_window).map_or(defaults.max_window, |bytes| bytes.0),
            memory: layers.value(|set| &set.memory).map(|bytes| bytes.0).filter(|bytes| *bytes > 0),
            pids: layers.value(|set| &set.pids).map(|count| count.0).filter(|n| *n > 0).unwrap_or(defaults.pids),
            max_age: layers.value(|set| &set.max_age).map(|time| time.0).filter(|time| !time.is_zero()),
            max_rto: layers.value(|set| &set.max_rto).map(|time| time.0).filter(|time| !time.is_zero()),
            control: layers.value(|set| &set.control).copied().unwrap_or(defaults.control),
            require_proof: layers.value(|set| &set.require_proof).and_then(|required| required.0),
            min_score: layers.value(|set| &set.min_score).map(|points| points.0).filter(|points| *points > 0),
            strict: layers.value(|set| &set.strict).copied().unwrap_or(defaults.strict),
            deep: layers.value(|set| &set.deep).copied().unwrap_or(defaults.deep),
            verify_content: layers.value(|set| &set.verify_content).copied().unwrap_or(defaults.verify_content),
            exclude: layers.value(|set| &set.exclude).map(|patterns| patterns.0.clone()).unwrap_or_default(),
            witness_slack: layers.value(|set| &set.witness_slack).map_or(defaults.witness_slack, |time| time.0),
            pull: layers.value(|set| &set.pull).map_or(defaults.pull, |when| when.0),
            pull_timeout: layers.value(|set| &set.pull_timeout).map_or(defaults.pull_timeout, |time| time.0),
            tolerance: layers.value(|set| &set.tolerance).map_or(defaults.tolerance, |tolerance| tolerance.0),
            source: source.map(|spec| layers.complete(spec)),
            as_dependency: match as_dependency {
                DependencySource::Other(spec) => DependencySource::Other(spec.map(|spec| layers.complete(spec))),
                other => other,
            },
            strategies: layers.rules(|set| &set.strategies),
            maps: layers.rules(|set| &set.maps),
            allow_empty: may_be_empty(service, &layers.rules(|set| &set.allow_empty)),
            checks: layers.checks(),
            load: LoadOptions {
                database: layers.first(|set| set.load.database.clone()),
                command: layers.first(|set| set.load.command.clone()),
                from: layers.first(|set| set.load.from.clone()),
            },
        })
    }

    /// The mistake of a label that names a path, unless the user allows that.
    fn path_of_label(&self, service: &Service, labels: &Labels) -> Option<ConfigError> {
        let Some(SourceRef::Backup(spec)) = &labels.overrides.source else { return None };
        if self.allow_label_paths || self.file.allow_label_paths {
            return None;
        }
        let place = cut(&spec.place.to_string(), LONGEST_PLACE);
        let what = format!(
            "`{place}` is a path, and a label may name `live` or a source of the plan file only: else whoever writes \
             labels chooses which files of this machine are read. Write the path below [sources.NAME] in \
             {} and name it here, or allow paths with --allow-label-paths",
            plan_file::NAME
        );
        let (container, key) = (service.container_name.clone(), SOURCE.to_owned());
        Some(ConfigError::Entry { origin: SettingOrigin::Label { container, key }, what })
    }

    /// The source of a selected service (`None`: the live service), and the source of the same service as a dependency:
    /// the command line names the backup of what is selected.
    fn sources(
        &self,
        service: &Service,
        labels: &Labels,
        layers: &Layers<'_>,
    ) -> Result<(Option<SourceSpec>, DependencySource), ConfigError> {
        let read = |source: Option<&SourceRef>| source.map(|source| self.source(source)).transpose();
        if let Some(rule) = self.overrides.sources.iter().rev().find(|rule| rule.applies(&service.name)) {
            return Ok((self.source(&rule.source)?, DependencySource::Same));
        }
        let Some(of_run) = &self.overrides.source else {
            let source = read(layers.first(|set| set.source.as_ref()))?;
            return Ok((source.flatten(), DependencySource::Same));
        };
        // A path that only a label names is not read for a dependency either.
        let below = if self.path_of_label(service, labels).is_some() { 2 } else { 1 };
        let own = Layers(layers.0.iter().skip(below).copied().collect()).first(|set| set.source.as_ref());
        let as_dependency = match read(own) {
            Ok(Some(own)) => DependencySource::Other(own),
            Ok(None) => DependencySource::SameIfFound,
            // The command line has the say over a label, also over a wrong one.
            Err(error) if error.is_of_label() => DependencySource::SameIfFound,
            Err(error) => return Err(error),
        };
        Ok((self.source(of_run)?, as_dependency))
    }

    /// The source that the run names for all services; `None`: it names none, or the live services.
    pub fn source_of_run(&self) -> Result<Option<SourceSpec>, ConfigError> {
        let Some(of_run) = &self.overrides.source else { return Ok(None) };
        Ok(self.source(of_run)?.map(|spec| Layers(vec![&self.overrides]).complete(spec)))
    }

    /// The source of a stack that is read out of its backup: the run's, else the one that the plan file has for the
    /// stack (`of`) or for all services. `None`: none is named.
    pub fn source_of_stack(&self, of: Option<&Overrides>) -> Result<Option<SourceSpec>, ConfigError> {
        let layers = Layers([Some(&self.overrides), of, Some(&self.file.all)].into_iter().flatten().collect());
        let Some(source) = layers.first(|set| set.source.as_ref()) else { return Ok(None) };
        Ok(self.source(source)?.map(|spec| layers.complete(spec)))
    }

    /// The source that is meant; `None`: the live service.
    fn source(&self, source: &SourceRef) -> Result<Option<SourceSpec>, ConfigError> {
        match source {
            SourceRef::Live => Ok(None),
            SourceRef::Backup(spec) => Ok(Some(spec.clone())),
            SourceRef::Named { origin, name } => match self.file.sources.get(name) {
                Some(source) => Ok(Some(source.spec.clone())),
                None if self.file.path.is_none() => {
                    let expected = format!(
                        "a source, for there is no plan file that would know the name; there are `live`, {}",
                        SourceKind::all_forms()
                    );
                    Err(ConfigError::value(origin, name, expected))
                }
                None => Err(plan_file::unknown_source(origin, name, self.file.sources.keys().map(String::as_str))),
            },
        }
    }
}

/// Refuses a source in the place of a name: without its `--from` the run would read live data.
fn refuse_sources(filters: &[String]) -> Result<(), ConfigError> {
    let is_source = |filter: &&String| {
        let (kind, rest) = filter.split_once(':').unwrap_or_default();
        !rest.is_empty() && !rest.starts_with(':') && SourceKind::of_name(kind).is_some()
    };
    filters.iter().find(is_source).map_or(Ok(()), |filter| {
        let what = format!(
            "`{}` is a source of data and no name of a service; write --from before it",
            cut(filter, LONGEST_PLACE)
        );
        Err(ConfigError::Conflict { what })
    })
}

/// Most characters of a source that an error repeats.
const LONGEST_PLACE: usize = 120;

/// Why a service cannot be rehearsed, if there are mistakes in its labels.
fn unusable(service: &Service, mistakes: &[ConfigError]) -> Option<Diagnosis> {
    let message = match mistakes {
        [] => return None,
        [one] => one.to_string(),
        several => {
            let lines: String = several.iter().map(|mistake| format!("\n{mistake}")).collect();
            format!("{} labels of container {} cannot be used:{lines}", several.len(), service.container_name)
        }
    };
    // A wrong label may have a password: a login in the address of a check.
    let lines: Vec<String> = message.lines().map(scrub).collect();
    let message = Mask::of_services([service]).apply_to_lines(&lines).join("\n");
    Some(Diagnosis::new(Code::ConfigLabel, message))
}

/// The warning about labels that are not heard, because the image brings them.
fn labels_of_image(service: &Service) -> Option<Diagnosis> {
    const NAMED: usize = 5;
    let keys: Vec<String> = service.unheard.iter().map(|(key, _)| cut(key, LONGEST_PLACE)).collect();
    if keys.is_empty() {
        return None;
    }
    let more = keys.len().saturating_sub(NAMED);
    let named = keys.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let (container, image) = (&service.container_name, &service.image.reference);
    let message = format!("labels of the image {image} are not obeyed for container {container}: {named}{more}");
    Some(Diagnosis::new(Code::ConfigImageLabels, message))
}

/// The layers that set something for a service, by precedence.
struct Layers<'a>(Vec<&'a Overrides>);

impl<'a> Layers<'a> {
    /// The setting of the first layer that has it.
    fn first<T>(&self, setting: impl Fn(&'a Overrides) -> Option<T>) -> Option<T> {
        self.0.iter().find_map(|overrides| setting(overrides))
    }

    /// The value of the first layer that has it.
    fn value<T>(&self, value: impl Fn(&'a ServiceValues) -> &'a Option<T>) -> Option<&'a T> {
        self.first(|overrides| value(&overrides.values).as_ref())
    }

    /// A source with the snapshot and the keys of the first layer that has them.
    fn complete(&self, spec: SourceSpec) -> SourceSpec {
        let keys = Keys {
            passphrase: self.first(|set| set.keys.passphrase.clone()).or(spec.keys.passphrase),
            identity: self.first(|set| set.keys.identity.clone()).or(spec.keys.identity),
        };
        let snapshot = self.first(|set| set.snapshot.clone());
        SourceSpec { snapshot: snapshot.map_or(spec.snapshot, SnapshotSelector::name), keys, ..spec }
    }

    /// The checks of all layers. Of two with one name the first counts.
    fn checks(&self) -> Vec<Check> {
        let mut checks: Vec<Check> = Vec::new();
        for check in self.0.iter().flat_map(|overrides| &overrides.checks) {
            if checks.iter().all(|earlier| earlier.name != check.name) {
                checks.push(check.clone());
            }
        }
        checks
    }

    /// The rules of all layers, the first layer last: the last match wins.
    fn rules<T: Clone + 'a>(&self, rules: impl Fn(&'a Overrides) -> &'a Vec<T>) -> Vec<T> {
        self.0.iter().rev().flat_map(|overrides| rules(overrides).iter().cloned()).collect()
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
    /// Reads flags and environment for a command that makes reports and rehearses nothing.
    pub fn resolve(flags: &Flags, env: &Environment) -> Result<ReportTargets, ConfigError> {
        reports(flags, env)
    }
}

impl RawValue<'_> {
    fn positive_duration(&self) -> Result<Duration, ConfigError> {
        duration::parse_positive(&self.origin, self.text)
    }

    /// The permissions of a file in octal digits: `640`, `0644`.
    fn permissions(&self) -> Result<u32, ConfigError> {
        let digits = self.text.trim();
        let mode =
            u32::from_str_radix(digits, 8).ok().filter(|mode| digits.len() <= 4 && (0o400..=0o666).contains(mode));
        // A report is no program.
        mode.filter(|mode| mode & 0o111 == 0).ok_or_else(|| {
            let expected = "the permissions of a file that nobody runs, in octal digits, as in 600 or 0644";
            ConfigError::value(&self.origin, self.text, expected)
        })
    }

    /// A number of `least` or more.
    fn count_from<N: FromStr + PartialOrd + Display>(&self, least: N) -> Result<N, ConfigError> {
        match self.text.trim().parse() {
            Ok(count) if count >= least => Ok(count),
            _ => Err(ConfigError::value(&self.origin, self.text, format!("a number of {least} or more"))),
        }
    }
}

/// The flag as typed, else the first of its variables that is set.
fn given<'a>(flag: &'static str, typed: Option<&'a str>, env: &'a Environment) -> Option<RawValue<'a>> {
    let typed = typed.map(|text| RawValue { origin: SettingOrigin::Flag(flag), text });
    typed.or_else(|| {
        let mut variables = variables_of(flag).iter();
        variables.find_map(|&name| Some(RawValue { origin: SettingOrigin::Variable(name), text: env.get(name)? }))
    })
}

/// Whether a variable of the flag says yes.
fn variable_flag(flag: &'static str, env: &Environment) -> Result<bool, ConfigError> {
    given(flag, None, env).map_or(Ok(false), |raw| super::values::flag::parse(&raw.origin, raw.text))
}

/// The settings that flags and environment set for every service.
fn overrides(flags: &Flags, env: &Environment) -> Result<Overrides, ConfigError> {
    let values = SERVICE_VALUES.iter().flat_map(|setting| setting.keys.iter().map(move |key| (*key, setting)));
    let values = values.filter_map(|(key, setting)| {
        Some((key, given(setting.flag_name(), flags.values.get(key).map(String::as_str), env)?))
    });
    let map_flag = SettingOrigin::Flag("--map");
    let empty_flag = SettingOrigin::Flag("--allow-empty");
    Ok(Overrides {
        values: text_layer::read(values)?,
        strategies: strategies(flags, env)?,
        source: source(flags, env)?,
        sources: source_rules(flags, env)?,
        snapshot: given("--snapshot", flags.snapshot.as_deref(), env)
            .map(|raw| SnapshotSelector::parse(&raw.origin, raw.text))
            .transpose()?,
        keys: keys(flags, env),
        maps: flags.maps.iter().map(|text| map::parse(&map_flag, text)).collect::<Result<_, _>>()?,
        allow_empty: flags
            .allow_empty
            .iter()
            .map(|text| EmptyRule::parse(&empty_flag, text))
            .collect::<Result<_, _>>()?,
        load: LoadOptions::default(),
        skip: None,
        checks: Vec::new(),
    })
}

/// The variable that holds a passphrase itself.
const PASSPHRASE: &str = "REHEARSA_PASSPHRASE";

/// The source of the whole run.
fn source(flags: &Flags, env: &Environment) -> Result<Option<SourceRef>, ConfigError> {
    let mut typed = flags.from.iter().filter(|text| SourceRule::split(text).is_none());
    let (first, second) = (typed.next(), typed.next());
    if let (Some(first), Some(second)) = (first, second) {
        let what = format!(
            "--from names two sources, {first} and {second}; name one of them for its service: --from SERVICE=SOURCE"
        );
        return Err(ConfigError::Conflict { what });
    }
    let from = given("--from", first.map(String::as_str), env);
    let from = from.filter(|from| SourceRule::split(from.text).is_none());
    from.map(|from| SourceRef::read(&from.origin, from.text, Path::new(""))).transpose()
}

/// The sources of single services: the environment's, then the flags'.
fn source_rules(flags: &Flags, env: &Environment) -> Result<Vec<SourceRule>, ConfigError> {
    let of_env = given("--from", None, env).into_iter();
    let typed = flags.from.iter().map(|text| RawValue { origin: SettingOrigin::Flag("--from"), text });
    let rules = of_env.chain(typed).filter_map(|raw| Some((raw.origin, SourceRule::split(raw.text)?)));
    let read = |(origin, (service, source)): (SettingOrigin, (&str, &str))| {
        let source = SourceRef::read(&origin, source, Path::new(""))?;
        Ok(SourceRule { service: service.to_owned(), source })
    };
    rules.map(read).collect()
}

/// What opens the sources of the whole run.
pub fn keys(flags: &Flags, env: &Environment) -> Keys {
    let file = path("--passphrase-file", flags.passphrase_file.as_deref(), env).map(SecretPlace::File);
    Keys {
        passphrase: file.or_else(|| env.get(PASSPHRASE).map(|_| SecretPlace::Env(PASSPHRASE.to_owned()))),
        identity: path("--identity", flags.identity.as_deref(), env),
    }
}

/// The paths of programs for the whole run.
pub fn programs(flags: &Flags, env: &Environment) -> ProgramPaths {
    let named = |program: Program| Some((program, path(program.flag(), flags.programs.of(program), env)?));
    Program::ALL.into_iter().filter_map(named).collect()
}

/// The path of the flag, else of the first of its variables that is set.
fn path(flag: &'static str, typed: Option<&Path>, env: &Environment) -> Option<PathBuf> {
    typed.map(Path::to_owned).or_else(|| given(flag, None, env).map(|raw| PathBuf::from(raw.text)))
}

/// The environment's rules, then the flags': the last match wins.
fn strategies(flags: &Flags, env: &Environment) -> Result<Vec<StrategyRule>, ConfigError> {
    let of_env = given("--strategy", None, env).map(|raw| strategy::parse_list(&raw.origin, raw.text)).transpose()?;
    let mut rules = of_env.unwrap_or_default();
    for text in &flags.strategies {
        rules.push(strategy::parse(&SettingOrigin::Flag("--strategy"), text)?);
    }
    Ok(rules)
}

/// The flag, its variable, or the two variables that GitLab sets for a job with `parallel:`.
fn partition(flags: &Flags, env: &Environment) -> Result<Option<Partition>, ConfigError> {
    match given("--partition", flags.partition.as_deref(), env) {
        Some(raw) => partition::parse(&raw.origin, raw.text).map(Some),
        None => partition::of_ci(env),
    }
}

fn reports(flags: &Flags, env: &Environment) -> Result<ReportTargets, ConfigError> {
    let dir = path("--report-dir", flags.report_dir.as_deref(), env);
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
    let Flags { junit_flavor, badge_shows, tap_version, ci, .. } = *flags;
    let mode = given("--report-mode", flags.report_mode.as_deref(), env).map(|raw| raw.permissions()).transpose()?;
    let ci_asked = ci != CiChoice::Auto;
    Ok(ReportTargets { files, dir, mode, junit_flavor, badge_shows, tap_version, ci: ci.resolve(env), ci_asked })
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "precedence_tests.rs"]
mod precedence;

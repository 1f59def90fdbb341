//! `rehearsa score`: scores backups without a boot and without a sandbox. It opens the sources, lists their snapshots,
//! maps them to the services as `plan` does, and compares each snapshot with the ones before it.

use jiff::Timestamp;

use super::args::{Global, ScoreArgs};
use super::choices::TextOrJson;
use super::connection::Endpoint;
use super::exit::Failure;
use super::no_match::ServiceOrigin;
use super::prepare::{Host, find_services, source_options, with_settings};
use super::scored::{ScoredService, ScoredSnapshot};
use super::signals::interrupted;
use super::survey::{SurveyDepth, SurveyedSnapshot, survey_series};
use super::{console, identity, min_score, no_match, runtime, score_metrics, score_text, score_view, signals};
use crate::config::settings::{Selection, Settings};
use crate::config::{Environment, PlanFile};
use crate::model::diagnosis::{Code, Diagnosis, Severity};
use crate::model::event::{NoTests, Snapshot};
use crate::model::mount::{Mount, MountOrigin};
use crate::model::outcome::ExitCode;
use crate::model::plan::{DataSource, Plan, RestorePlan, ServicePlan, StackPlan};
use crate::model::score::facts::ScoreFacts;
use crate::model::score::history::{History, MOST_EARLIER, MountTally, SnapshotTally};
use crate::model::score::points::{self, Award};
use crate::model::score::weights::{Measure, Point, ScoredBy};
use crate::model::score::{self, Score};
use crate::model::service::Service;
use crate::model::settings::ServiceSettings;
use crate::model::source::ContentTally;
use crate::plan::{Survey, draft, resolve};

/// The command.
pub fn run(args: &ScoreArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let plan_file = PlanFile::find(args.plan.as_deref(), env, identity::user(env))?;
    let settings = Settings::resolve(&args.flags(), env)?.with_file(plan_file);
    let wanted = snapshots_of(&args.snapshots)?;
    let metrics = args.prometheus.as_deref().map(score_metrics::target).transpose()?;
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let depth = SurveyDepth { snapshots: wanted + MOST_EARLIER, read_content: if args.read_data { wanted } else { 0 } };
    let (scored, nothing) = runtime::start()?.block_on(async {
        let stop = signals::listen(env);
        let Host { daemon, services, stopped } = find_services(&endpoint, &stop).await?;
        let services = with_settings(services, &settings)?;
        let first = draft(services.clone(), &settings.selection);
        let options = source_options(&settings, env);
        let series = survey_series(&first.requests, Some(&daemon), &options, &stop, depth).await?;
        if stop.is_cancelled() {
            return Err(interrupted(&stop));
        }
        let series = Series { services, selection: settings.selection.clone(), series, now: identity::timestamp() };
        let plan = series.plan(0);
        min_score::refuse(&plan, ScoredBy::Score)?;
        let is_mistake = no_match::meaning(&first.selection, &settings) == NoTests::Fail;
        let nothing = plan.cases().next().is_none().then(|| {
            (no_match::reason(&first.selection, ServiceOrigin::Host(&stopped), &settings.selection), is_mistake)
        });
        Ok::<_, Failure>((series.scored(&plan, wanted), nothing))
    })?;
    if let Some((reason, is_mistake)) = nothing {
        console::note(&reason);
        return Ok(if is_mistake { ExitCode::NothingSelected } else { ExitCode::Passed });
    }
    if scored.iter().all(|service| service.source.is_none()) {
        return Err(Failure::usage("no backup is named for any of these services, so there is nothing to score")
            .hint("name it: --from SOURCE, as in --from tar:backups/app-*.tar.gz, or `source` in the plan file"));
    }
    match args.format {
        TextOrJson::Text => console::print_text(&score_text::render(&scored))?,
        TextOrJson::Json => {
            let view = score_view::view(&scored);
            let json = serde_json::to_string_pretty(&view).expect("a view has string keys only, so it serializes");
            console::print(&format!("{json}\n"))?;
        }
    }
    if let Some(target) = metrics {
        score_metrics::write(target, &scored, identity::timestamp())?;
    }
    Ok(exit_code(&scored))
}

fn snapshots_of(text: &str) -> Result<usize, Failure> {
    const MOST: usize = 1000;
    let count = text.trim().parse().ok().filter(|count| (1..=MOST).contains(count));
    count.ok_or_else(|| Failure::usage(format!("--snapshots: `{text}` is not a number from 1 to {MOST}")))
}

/// As of a rehearsal: failed before errored.
fn exit_code(scored: &[ScoredService]) -> ExitCode {
    let severities: Vec<Severity> = scored
        .iter()
        .flat_map(|service| &service.snapshots)
        .filter_map(|snapshot| snapshot.diagnosis.as_ref())
        .map(Diagnosis::severity)
        .collect();
    if severities.contains(&Severity::Failed) {
        ExitCode::Failed
    } else if severities.contains(&Severity::Errored) {
        ExitCode::Errored
    } else {
        ExitCode::Passed
    }
}

/// The services, and the snapshots of each of their sources.
struct Series {
    services: Vec<(Service, ServiceSettings)>,
    selection: Selection,
    /// By source, in the order of the draft's requests; each with its snapshots, the newest first.
    series: Vec<Result<Vec<SurveyedSnapshot>, Diagnosis>>,
    now: Timestamp,
}

impl Series {
    /// The plan as if the snapshot of this number (0 is the newest) were restored from each source.
    fn plan(&self, nth: usize) -> Plan {
        let surveys = self.series.iter().map(|series| match series {
            // A source with fewer snapshots keeps its oldest; its services have no row for this number.
            Ok(series) => series.get(nth).or(series.last()).map_or_else(|| Err(no_snapshot()), |(_, s)| s.clone()),
            Err(diagnosis) => Err(diagnosis.clone()),
        });
        resolve(draft(self.services.clone(), &self.selection), surveys.collect(), self.now)
    }

    /// Scores `wanted` snapshots of each service; the ones before them are for the comparison.
    fn scored(&self, newest: &Plan, wanted: usize) -> Vec<ScoredService> {
        let most = self.series.iter().flatten().map(Vec::len).max().unwrap_or(1);
        let plans: Vec<Plan> = (1..most).map(|nth| self.plan(nth)).collect();
        let plans: Vec<&Plan> = std::iter::once(newest).chain(&plans).collect();
        let cases = newest.stacks.iter().flat_map(|stack| &stack.services).filter(|service| service.selected);
        cases.map(|case| self.service(case, &plans, wanted)).collect()
    }

    fn service(&self, case: &ServicePlan, plans: &[&Plan], wanted: usize) -> ScoredService {
        let name = case.service.name.clone();
        // A service of another stack may be brought along, so the name alone does not find the case.
        let find = |plan: &'_ &Plan| -> Option<(StackPlan, ServicePlan)> {
            let stack = plan
                .stacks
                .iter()
                .find(|stack| stack.services.iter().any(|of| of.selected && of.service.name == name))?;
            let service = stack.services.iter().find(|of| of.selected && of.service.name == name)?;
            Some((stack.clone(), service.clone()))
        };
        let place = case.settings.source.as_ref().map(|spec| &spec.place);
        let mut scored = ScoredService {
            name: name.clone(),
            source: place.map(ToString::to_string),
            kind: place.map(|place| place.kind.name()),
            ignored: case.ignored.clone(),
            snapshots: Vec::new(),
        };
        let Some(index) = case.source.filter(|_| case.ignored.is_none()) else { return scored };
        let count = self.series.get(index).and_then(|series| series.as_ref().ok()).map_or(1, Vec::len).max(1);
        let found: Vec<(StackPlan, ServicePlan)> = plans.iter().take(count).filter_map(find).collect();
        let survey = |nth: usize| self.series.get(index)?.as_ref().ok()?.get(nth)?.1.as_ref().ok();
        let tallies: Vec<SnapshotTally> = found
            .iter()
            .enumerate()
            .map(|(nth, (stack, service))| tally(service, &stack.restores, survey(nth)))
            .collect();
        let is_judged = |nth: usize| found[nth].1.score_basis.listed;
        // Once a group has no older snapshot, the others alone are no backup of the service.
        let is_whole = |nth: usize| survey(nth).is_none() || tallies[nth].has_groups_of(&tallies[0]);
        let rows = (0..found.len()).take_while(|nth| is_whole(*nth)).count();
        for (nth, (_, service)) in found.iter().enumerate().take(wanted.min(rows)) {
            let earlier = (nth + 1..found.len()).filter(|earlier| is_judged(*earlier)).take(MOST_EARLIER);
            let earlier: Vec<SnapshotTally> = earlier.map(|earlier| tallies[earlier].clone()).collect();
            let snapshot =
                self.series.get(index).and_then(|series| series.as_ref().ok()?.get(nth)).map(|(s, _)| s.clone());
            scored.snapshots.push(scored_snapshot(service, snapshot, tallies[nth].clone(), &earlier));
        }
        scored
    }
}

fn no_snapshot() -> Diagnosis {
    Diagnosis::new(Code::SourceNoSnapshot, "the source has no snapshots")
}

fn scored_snapshot(
    case: &ServicePlan,
    snapshot: Option<Snapshot>,
    tally: SnapshotTally,
    earlier: &[SnapshotTally],
) -> ScoredSnapshot {
    let mut basis = case.score_basis.clone();
    basis.history = History::of(&tally, earlier).filter(|_| basis.listed);
    let (age, required, has_data) = (basis.age, basis.min_score, !basis.mounts.is_empty());
    let (history, lost_logs) = (basis.history.clone(), !basis.lost_logs.is_empty());
    let is_different = |point: Point| history.as_ref().is_some_and(|history| points::differs(point, history));
    let blocked = case.blocked.clone();
    let failed = blocked.as_ref().filter(|of| of.severity() == Severity::Failed).map(|of| of.code);
    let is_unknown = blocked.is_some() && failed.is_none();
    let score = (!is_unknown && has_data).then(|| Score::of(&ScoreFacts { basis, failed, rehearsal: None }));
    let below = score.as_ref().zip(required).filter(|(score, required)| score.points < *required);
    let below =
        below.map(|(of, required)| score::diagnosis(&case.service.name.to_string(), required, of, ScoredBy::Score));
    let is_finding = |award: &&Award| if award.point == Point::Sqlite { lost_logs } else { is_different(award.point) };
    let parts = score.iter().flat_map(|score| &score.parts).filter(|part| part.measure == Measure::Plausible);
    let findings = parts.flat_map(|part| &part.awards).filter(is_finding);
    let warnings = findings.map(|award| award.by.clone()).collect();
    ScoredSnapshot { snapshot, age, tally, warnings, diagnosis: blocked.or(below), score }
}

/// The content of a service's mounts in the snapshot that its plan restores.
fn tally(service: &ServicePlan, restores: &[RestorePlan], survey: Option<&Survey>) -> SnapshotTally {
    let groups_of = |place: &RestorePlan| -> Option<Vec<String>> {
        let survey = survey?;
        let path = match (&place.part, &place.supply) {
            (Some(part), _) => &part.path,
            (None, DataSource::Archive { source, .. }) => {
                &survey.inside.iter().find(|dump| dump.source == *source)?.path
            }
            (None, DataSource::HostTree(_) | DataSource::Live) => return None,
        };
        survey.groups.of_path.get(path).cloned()
    };
    let places = service.mounts.iter().filter_map(|mount| Some((mount, restores.get(mount.restore?)?)));
    let mounts = places.filter_map(|(mount, place)| {
        let holds = held_by(place)?;
        Some(MountTally {
            mount: title(&mount.mount),
            groups: groups_of(place).unwrap_or_default(),
            files: holds.own_files(),
            bytes: holds.amount.bytes,
            empty_files: holds.empty_files,
        })
    });
    let groups = survey.map(|survey| survey.groups.all.clone()).unwrap_or_default();
    SnapshotTally { mounts: mounts.collect(), groups }
}

/// The mount by a name that is the same in every snapshot: a dump bears the time of its own.
fn title(mount: &Mount) -> String {
    match mount.origin {
        MountOrigin::Dump { .. } => "dump".to_owned(),
        _ => mount.title(),
    }
}

/// What the backup holds for a place; `None`: nothing of it comes from the backup.
fn held_by(place: &RestorePlan) -> Option<&ContentTally> {
    match (&place.part, &place.supply) {
        (Some(part), _) => Some(&part.holds),
        (None, DataSource::Archive { holds, .. }) => Some(holds),
        (None, DataSource::HostTree(_) | DataSource::Live) => None,
    }
}

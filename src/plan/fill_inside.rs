//! Decides which services are loaded from dumps among the files of their backup, and says so where a dump is only
//! offered.

use super::choose::{Choice, inside};
use super::decide::{BackupDescription, shown};
use super::decisions::StackDecisions;
use super::draft::{Draft, DumpRequest, SourceRequest, StackDraft};
use super::inside::{DumpChoice, DumpRule};
use super::loading::{self, Dumped};
use super::patterns::is_explicit;
use super::survey::Survey;
use crate::config::values::suggest::nearest;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::dump_inside::DumpInside;
use crate::model::event::Amount;
use crate::model::mount::Mount;
use crate::model::plan::BackupRequest;
use crate::model::source::{ContentTally, MatchRule};

/// Most dumps that a message lists.
const LISTED: usize = 10;
/// Deepest place, in names, of a dump without a label that may be a service's. Deeper ones are files of applications.
const DEEPEST: usize = 4;

/// A place that is requested of the backup: the indices of its stack and of itself, its mount and its request.
pub(super) type RequestedPlace<'a> = ((usize, usize), &'a Mount, &'a BackupRequest);

/// The dumps of a backup that services are loaded from.
pub(super) struct DumpsInside {
    /// For each of [`SourceRequest::dumps`], the dump that the user names and that is there.
    named: Vec<Option<DumpInside>>,
    /// The dumps that are loaded, with their files.
    pub loaded: Vec<(Vec<u8>, ContentTally)>,
    /// The backup was not made of one mount alone: a service is loaded from a dump that is there by its name, or
    /// borgmatic put dumps into it.
    pub is_of_more: bool,
}

/// One service, and what the decision about its dump needs.
struct ServiceCase<'a> {
    stack: &'a StackDraft,
    request: &'a DumpRequest,
    survey: &'a Survey,
    backup: &'a BackupDescription<'a>,
}

impl DumpsInside {
    /// Finds the dumps. `survey` still has its candidates.
    pub fn of(request: &SourceRequest, survey: &Survey) -> DumpsInside {
        let found = &survey.found;
        let tally = |dump: &DumpInside| {
            let candidates = found.candidates.iter().flatten();
            let one = ContentTally { amount: Amount { files: 1, bytes: 0 }, ..ContentTally::default() };
            candidates.into_iter().find(|part| part.path == dump.path).map_or(one, |part| part.tally.clone())
        };
        DumpsInside {
            named: request.dumps.iter().map(|request| request.named_dump(found)).collect(),
            is_of_more: request.dumps.iter().any(|request| request.has_dump_of_its_name(found))
                || found.dumps.iter().any(is_of_borgmatic),
            loaded: request.dumps_to_read(found).iter().map(|dump| (dump.path.clone(), tally(dump))).collect(),
        }
    }

    /// Decides for each service of the source. The places that dumps fill get no other part of the backup.
    pub fn fill(
        &self,
        draft: &Draft,
        source: usize,
        survey: &Survey,
        places: &[RequestedPlace<'_>],
        choices: &mut [Choice],
        decisions: &mut [StackDecisions],
    ) {
        let backup = &BackupDescription {
            place: &draft.requests[source].spec.place,
            snapshot: &survey.snapshot,
            found: &survey.found,
        };
        for (request, named) in draft.requests[source].dumps.iter().zip(&self.named) {
            let (of_stack, index) = request.at;
            let case = ServiceCase { stack: &draft.stacks[of_stack], request, survey, backup };
            let decided = &mut decisions[of_stack];
            let taken = match (&request.named, named) {
                (Some(_), Some(dump)) => case.load(dump, false, decided),
                (Some((path, _)), None) => {
                    decided.services[index].block(case.missing(path));
                    continue;
                }
                (None, _) => case.load_found(places, choices, decided),
            };
            for place in taken {
                let at = places.iter().position(|(at, _, _)| *at == (of_stack, place));
                if let Some(at) = at {
                    choices[at] = Choice::None;
                }
            }
        }
    }
}

impl ServiceCase<'_> {
    fn name(&self) -> String {
        self.stack.services[self.request.at.1].service.name.to_string()
    }

    /// Loads the service from a dump that was read. Returns the places that the dump fills. `by_its_format`: nothing
    /// but its format tells the program that it is of.
    fn load(&self, dump: &DumpInside, by_its_format: bool, decided: &mut StackDecisions) -> Vec<usize> {
        let Self { stack, request, survey, backup } = self;
        let index = request.at.1;
        let if_found = stack.services[index].if_found;
        let refuse = |decided: &mut StackDecisions, diagnosis: Diagnosis| {
            if if_found {
                let words = format!("holds {}, which cannot be loaded", dump.shown());
                decided.services[index].live.get_or_insert(words);
            } else {
                decided.services[index].block(diagnosis);
            }
            Vec::new()
        };
        let Some(read) = survey.inside.iter().find(|read| read.path == dump.path) else {
            return refuse(decided, self.offered(&[dump]));
        };
        let summary = match &read.result {
            Ok(summary) => summary,
            Err(diagnosis) => return refuse(decided, diagnosis.clone()),
        };
        if by_its_format && summary.dump.format.program().is_none() {
            return refuse(decided, self.offered(&[dump]));
        }
        let mut content = summary.dump.clone();
        let of_database = dump.label.as_ref().and_then(|label| label.database.as_deref());
        // A plain dump of one database does not name it, and its place does.
        if let (true, Some(name)) = (content.databases.is_empty(), of_database) {
            content.databases.push(name.to_owned());
        }
        let dumped = Dumped {
            source: read.source,
            name: format!("{} of {}", dump.shown(), backup.what()),
            title: &summary.title,
            dump: &content,
            holds: &summary.holds,
            is_beside_files: true,
            of_database,
        };
        let filling = loading::fill(stack, index, &dumped, &|place| decided.places[place].emptied);
        if let Some(diagnosis) = filling.blocked {
            return refuse(decided, diagnosis);
        }
        let into = filling.load.as_ref().and_then(|load| load.into);
        let taken = into.into_iter().chain(filling.place).collect();
        decided.fill(index, filling, &dumped);
        taken
    }

    /// Loads the service from a dump that was found and not named, if its database is not among the files and there is
    /// no doubt about the dump. Returns the places that the dump fills.
    fn load_found(
        &self,
        places: &[RequestedPlace<'_>],
        choices: &[Choice],
        decided: &mut StackDecisions,
    ) -> Vec<usize> {
        let Self { request, survey, .. } = self;
        let (of_stack, index) = request.at;
        let at = request.home.and_then(|home| places.iter().position(|(at, _, _)| *at == (of_stack, home)));
        let Some(at) = at else { return Vec::new() };
        let (choice, (_, mount, wanted)) = (&choices[at], &places[at]);
        let has_no_files = match choice {
            Choice::None | Choice::Doubted(_) => true,
            Choice::One(part) => part.rule == MatchRule::OnlyCandidate,
            Choice::Several(_) | Choice::Shared(_) | Choice::Torn(..) => false,
        } && !is_explicit(&wanted.want);
        let is_required = wanted.required;
        let service = &mut decided.services[index];
        match request.choose(&survey.found) {
            DumpChoice::Certain { dump, rule, left }
                if has_no_files && (rule == DumpRule::Name || self.is_alone(dump, choice, choices)) =>
            {
                if !left.is_empty() {
                    let message = format!(
                        "{} of {} is loaded, and {} of the same server will not be",
                        dump.shown(),
                        self.backup.what(),
                        listed(&left)
                    );
                    service.warnings.push(Diagnosis::new(Code::RestoreDumpUnused, message));
                }
                return self.load(dump, rule == DumpRule::Only, decided);
            }
            DumpChoice::Certain { dump, rule: DumpRule::Name, .. } if matches!(choice, Choice::One(_)) => {
                service.warnings.push(self.unused(dump, mount));
            }
            DumpChoice::Several(dumps) if has_no_files && is_required => service.block(self.offered(&dumps)),
            DumpChoice::Unsupported(dump) if has_no_files && is_required => service.block(self.unsupported(dump)),
            DumpChoice::Possible(dumps) if is_required && matches!(choice, Choice::None | Choice::Doubted(_)) => {
                let near = dumps.into_iter().filter(|dump| dump.label.is_some() || is_apart(dump, choices));
                let near: Vec<&DumpInside> = near.collect();
                if !near.is_empty() {
                    service.block(self.offered(&near));
                }
            }
            _ => {}
        }
        Vec::new()
    }

    /// Whether nothing else in the backup may be the database: no part was taken for it but one with this dump alone,
    /// and the dump lies in no part of another mount.
    fn is_alone(&self, dump: &DumpInside, choice: &Choice, choices: &[Choice]) -> bool {
        match choice {
            Choice::None => is_apart(dump, choices),
            Choice::One(part) => part.tally.own_files() <= 1 && inside(&dump.path, &part.path).is_some(),
            Choice::Several(_) | Choice::Doubted(_) | Choice::Shared(_) | Choice::Torn(..) => false,
        }
    }

    fn missing(&self, path: &str) -> Diagnosis {
        let found = &self.survey.found;
        let dumps: Vec<&DumpInside> = found.dumps.iter().collect();
        let holds = if dumps.is_empty() { "no database dump".to_owned() } else { listed(&dumps) };
        let message = format!(
            "{} has no {path}, from which {} is to be loaded; it holds {holds}",
            self.backup.what(),
            self.name()
        );
        let names: Vec<String> =
            dumps.iter().map(|dump| dump.shown()).chain(found.parts.iter().map(|(path, _)| shown(path))).collect();
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let same = names.iter().find(|name| last(name) == last(path)).map(String::as_str);
        let others = names.iter().map(String::as_str).filter(|name| !path.starts_with(&format!("{name}/")));
        let near = same.or_else(|| nearest(path, others).first().copied());
        let near = near.map(|name| format!(" Did you mean `{name}`?")).unwrap_or_default();
        let remedy = format!("Correct load.from: its path begins at the top of the backup.{near}");
        Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreMountMissing, message) }
    }

    fn offered(&self, dumps: &[&DumpInside]) -> Diagnosis {
        let message = format!(
            "{} does not hold the files of the database of {}, and it is not clear which of its database dumps is the \
             one of {}: {}",
            self.backup.what(),
            self.name(),
            self.name(),
            listed(dumps)
        );
        Diagnosis { remedy: Some(self.setting(dumps)), ..Diagnosis::new(Code::RestoreAmbiguous, message) }
    }

    fn unused(&self, dump: &DumpInside, mount: &Mount) -> Diagnosis {
        let message = format!(
            "{} holds the files of {} and also {}, a dump of {}; the files are restored, and the dump is not loaded",
            self.backup.what(),
            mount.title(),
            dump.shown(),
            self.name()
        );
        let remedy = format!("If a restore would load the dump, say so. {}", self.setting(&[dump]));
        Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreDumpUnused, message) }
    }

    fn unsupported(&self, dump: &DumpInside) -> Diagnosis {
        let program = dump.label.as_ref().and_then(|label| label.unsupported.as_deref()).unwrap_or_default();
        let message = format!(
            "{} does not hold the files of the database of {}, but {}, a dump of {program}; Rehearsa cannot load it",
            self.backup.what(),
            self.name(),
            dump.shown()
        );
        let remedy = "Back up the files of the database beside its dump, or skip the service with the reason: \
            rehearsa.skip=REASON."
            .to_owned();
        Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::SourceOtherFormat, message) }
    }

    /// The setting that names one of these dumps.
    fn setting(&self, dumps: &[&DumpInside]) -> String {
        let path = dumps.first().map(|dump| dump.shown()).unwrap_or_default();
        format!(
            "Name the dump in the plan file, below [services.\"{}\"]: load = {{ from = \"{path}\" }}; or in the label \
             rehearsa.load.from={path}.",
            self.name()
        )
    }
}

/// Whether a dump lies where only borgmatic puts one.
fn is_of_borgmatic(dump: &DumpInside) -> bool {
    dump.label.as_ref().is_some_and(|label| label.program.is_some() || label.unsupported.is_some())
}

/// Whether a dump lies near the top of the backup and in no part that is restored to a mount.
fn is_apart(dump: &DumpInside, choices: &[Choice]) -> bool {
    let depth = dump.path.split(|byte| *byte == b'/').count();
    let is_in = |choice: &Choice| matches!(choice, Choice::One(part) if inside(&dump.path, &part.path).is_some());
    depth <= DEEPEST && !choices.iter().any(is_in)
}

fn listed(dumps: &[&DumpInside]) -> String {
    let mut names: Vec<String> = dumps.iter().take(LISTED).map(|dump| dump.shown()).collect();
    if dumps.len() > LISTED {
        names.push(format!("and {} more", dumps.len() - LISTED));
    }
    names.join(", ")
}

//! Turns the choice of a part into a decision about the mount, with a message for the person who has to act.

use super::choose::{Choice, can_fill};
use super::holes;
use super::patterns::is_explicit;
use crate::config::values::suggest::nearest;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::Snapshot;
use crate::model::host_tree::HostTree;
use crate::model::mount::{Mount, MountOrigin};
use crate::model::plan::{BackupPart, BackupRequest, DataSource};
use crate::model::source::{BackupContents, Candidate, ContentTally, Pattern, Shape, SourceLocation, SourcePlace};
use crate::model::source_kind::{LocationSyntax, SourceKind, is_dump_name};
use crate::model::units;

/// Parts of a backup that an error lists.
const LISTED: usize = 20;

/// The backup, for messages.
pub(super) struct BackupDescription<'a> {
    pub place: &'a SourcePlace,
    pub snapshot: &'a Snapshot,
    pub found: &'a BackupContents,
}

/// Where the data of a mount comes from.
pub(super) enum MountDecision {
    /// From this part of the backup.
    Supplied(BackupPart, DataSource),
    /// From the live mount; the warning says so.
    Live(Diagnosis),
    /// From nowhere: services that mount it cannot be booted.
    Blocked(Box<Diagnosis>),
}

/// Decides for one mount. `query` is the index of the request's query. `root`: the folder on the engine's host, if the
/// backup is such a folder.
pub(super) fn decide(
    choice: Choice,
    (query, request): (usize, &BackupRequest),
    mount: &Mount,
    backup: &BackupDescription<'_>,
    root: Option<&HostTree>,
) -> MountDecision {
    let case = MountCase { request, mount, backup, title: mount.title(), what: backup.what() };
    let found = &backup.found.holes;
    let refusal = case.too_many_entries().or_else(|| match &choice {
        Choice::One(candidate) => {
            let hole = holes::in_part(found, &candidate.path).filter(|_| !request.allow_empty);
            let lacking = || hole.map(|hole| holes::diagnosis(hole, mount, &case.what));
            case.cannot_fill(candidate).or_else(lacking).or_else(|| case.empty(candidate))
        }
        Choice::None if let Some(hole) = holes::around(found, query, request) => {
            Some(holes::diagnosis(hole, mount, &case.what))
        }
        Choice::None if is_explicit(&request.want) => Some(case.explicit_part_missing()),
        Choice::None | Choice::Doubted(_) if !request.required => None,
        Choice::None => Some(case.nothing_fits()),
        Choice::Several(candidates) => Some(case.several_fit(candidates)),
        Choice::Doubted(candidates) => Some(case.doubted(candidates)),
        Choice::Torn(candidate, other) => Some(case.torn(candidate, other)),
        Choice::Shared(candidate) => Some(case.shared(candidate)),
    });
    match (refusal, choice) {
        (Some(diagnosis), _) => MountDecision::Blocked(Box::new(diagnosis)),
        (None, Choice::One(candidate)) => case.supplied(candidate, root),
        (None, _) => MountDecision::Live(case.live_is_used()),
    }
}

/// A mount that needs data, with the names that messages use.
struct MountCase<'a> {
    request: &'a BackupRequest,
    mount: &'a Mount,
    backup: &'a BackupDescription<'a>,
    /// The mount, for people.
    title: String,
    /// The backup, for people.
    what: String,
}

impl MountCase<'_> {
    fn supplied(&self, candidate: Candidate, root: Option<&HostTree>) -> MountDecision {
        let sidecars = self.backup.found.whole.sidecars.saturating_sub(candidate.tally.sidecars);
        let holds = candidate.tally.clone();
        let part = BackupPart { path: candidate.path.clone(), rule: candidate.rule, sidecars, holds };
        let supply = match root {
            Some(root) => DataSource::HostTree(root.part(&String::from_utf8_lossy(&candidate.path))),
            None => DataSource::Archive {
                source: self.request.source,
                path: candidate.path,
                holds: candidate.tally,
                max_entries: self.request.max_entries,
                max_window: self.request.max_window,
                root_of_live: false,
            },
        };
        MountDecision::Supplied(part, supply)
    }

    fn live_is_used(&self) -> Diagnosis {
        let Self { title, what, mount, .. } = self;
        let message =
            format!("{title} (mounted read-only at {}) is not in {what}; the live data is used", mount.target);
        Diagnosis::new(Code::RestoreNotInBackup, message)
    }

    fn too_many_entries(&self) -> Option<Diagnosis> {
        let ContentTally { amount, folders, .. } = &self.backup.found.whole;
        let most = self.request.max_entries;
        (most > 0 && amount.files + folders > most).then(|| {
            let message = format!("{} has more entries than --max-entries allows ({most})", self.what);
            Diagnosis::new(Code::RestoreTooLarge, message)
        })
    }

    fn cannot_fill(&self, candidate: &Candidate) -> Option<Diagnosis> {
        if can_fill(candidate.tally.root, matches!(self.mount.origin, MountOrigin::Volume { .. })) {
            return None;
        }
        let is = if candidate.tally.root == Some(Shape::File) { "a file" } else { "a symlink, a pipe or a device" };
        let Self { title, what, mount, .. } = self;
        let message = format!(
            "{} of {what}, which is mapped to {title} (mounted at {}), is {is}; {}",
            shown(&candidate.path),
            mount.target,
            self.backup.listing()
        );
        Some(Diagnosis::new(Code::RestoreMountMissing, message))
    }

    fn empty(&self, candidate: &Candidate) -> Option<Diagnosis> {
        if candidate.tally.amount.bytes > 0 || !self.request.required || self.request.allow_empty {
            return None;
        }
        let Self { title, what, mount, .. } = self;
        let message = format!(
            "{} of {what}, which belongs to {title} (mounted at {}), does not hold a single byte",
            shown(&candidate.path),
            mount.target
        );
        let remedy = format!(
            "Check what the backup job reads: an empty folder is often a mount that was missing. If the mount may be \
             empty: --allow-empty '{}'.",
            self.request.rule_name
        );
        Some(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreEmpty, message) })
    }

    fn explicit_part_missing(&self) -> Diagnosis {
        let part = self.request.want.patterns.iter().find_map(|(_, pattern)| match pattern {
            Pattern::Top(path) => Some(shown(path)),
            Pattern::VolumeData(_) | Pattern::Suffix(_) => None,
        });
        let Self { title, what, mount, .. } = self;
        let part = part.unwrap_or_default();
        let message = format!(
            "{what} has no {part}, which is mapped to {title} (mounted at {}); {}",
            mount.target,
            self.backup.listing()
        );
        let names: Vec<String> = self.backup.found.parts.iter().map(|(path, _)| shown(path)).collect();
        let last = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let same = names.iter().find(|name| last(name) == last(&part)).map(String::as_str);
        // A folder on the way there is near by its letters only.
        let others = names.iter().map(String::as_str).filter(|name| !part.starts_with(&format!("{name}/")));
        let near = same.or_else(|| nearest(&part, others).first().copied());
        let near = near.map(|name| format!("Did you mean `{name}`?")).unwrap_or_default();
        let remedy = format!(
            "Correct the path in --map '{}=PATH': it begins at the top of the backup. {}",
            self.request.rule_name, near
        );
        Diagnosis { remedy: Some(remedy.trim_end().to_owned()), ..Diagnosis::new(Code::RestoreMountMissing, message) }
    }

    fn nothing_fits(&self) -> Diagnosis {
        let Self { title, what, mount, request, .. } = self;
        let rule = &request.rule_name;
        // An image declares such a volume for its data, so a service that starts without it has begun anew.
        let of_image = if mount.origin.is_anonymous() {
            " No volume of yours is mounted there: the image has made this one, often because a volume of yours is \
             mounted at another path than the service's data folder."
        } else {
            ""
        };
        let remedy = format!(
            "If the backup has it under another name: --map '{rule}=PATH/IN/THE/BACKUP'. Otherwise add it to the \
             backup.{of_image} If a restore needs nothing of it, as with a cache: --strategy '{rule}=empty'; a \
             database that begins there anew is no proof."
        );
        let remedy = self.backup.load_a_dump().unwrap_or(remedy);
        let message =
            format!("{what} holds nothing for {title} (mounted at {}); {}", mount.target, self.backup.listing());
        Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreMountMissing, message) }
    }

    fn several_fit(&self, candidates: &[Candidate]) -> Diagnosis {
        let Self { title, what, mount, .. } = self;
        let message = format!(
            "{} parts of {what} fit {title} (mounted at {}): {}",
            candidates.len(),
            mount.target,
            parts(candidates).join("; ")
        );
        self.ambiguous(candidates.first(), message)
    }

    fn doubted(&self, candidates: &[Candidate]) -> Diagnosis {
        let Self { title, what, mount, .. } = self;
        let message = format!(
            "{title} (mounted at {}) may be {} of {what}, but that name is a common one, and the backup holds more \
             than the mounts that are restored; {}",
            mount.target,
            parts(candidates).join(" or "),
            self.backup.listing()
        );
        self.ambiguous(candidates.first(), message)
    }

    fn shared(&self, candidate: &Candidate) -> Diagnosis {
        let Self { title, what, mount, .. } = self;
        let message = format!(
            "{} of {what} fits {title} (mounted at {}), and fits another mount equally well; {}",
            part(&candidate.path, &candidate.tally),
            mount.target,
            self.backup.listing()
        );
        self.ambiguous(Some(candidate), message)
    }

    fn torn(&self, candidate: &Candidate, other: &str) -> Diagnosis {
        let Self { title, what, mount, .. } = self;
        let message = format!(
            "{} of {what} belongs to {title} (mounted at {}), and {other} needs all or some of it, too; an archive is \
             read once, so each part of it can fill one mount only",
            part(&candidate.path, &candidate.tally),
            mount.target
        );
        let remedy = "Map each mount to a part of its own, or unpack the backup on the engine's host and restore from \
            there: --from daemon:FOLDER";
        Diagnosis { remedy: Some(remedy.to_owned()), ..Diagnosis::new(Code::RestoreAmbiguous, message) }
    }

    fn ambiguous(&self, candidate: Option<&Candidate>, message: String) -> Diagnosis {
        let path = candidate.map(|candidate| shown(&candidate.path)).unwrap_or_default();
        let remedy = format!("Choose the part: --map '{}={path}'", self.request.rule_name);
        let is_dump = candidate.is_some_and(|candidate| self.backup.is_of_dumps(&candidate.path));
        let remedy = self.backup.load_a_dump().filter(|_| is_dump).unwrap_or(remedy);
        Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::RestoreAmbiguous, message) }
    }
}

impl BackupDescription<'_> {
    /// The names of the database dumps among the parts of the backup.
    fn dumps(&self) -> impl Iterator<Item = String> {
        let files = self.found.parts.iter().filter(|(_, tally)| tally.root == Some(Shape::File));
        files.map(|(path, _)| shown(path)).filter(|path| is_dump_name(path))
    }

    /// Whether the files of a part are database dumps.
    fn is_of_dumps(&self, part: &[u8]) -> bool {
        let part = String::from_utf8_lossy(part);
        let is_inside = |path: &str| path.strip_prefix(part.as_ref()).is_some();
        let inside = self.found.parts.iter().filter(|(_, tally)| tally.root == Some(Shape::File));
        let mut inside = inside.map(|(path, _)| shown(path)).filter(|path| is_inside(path)).peekable();
        inside.peek().is_some() && inside.all(|path| is_dump_name(&path))
    }

    /// The advice to load a dump of the backup; `None`: it has none.
    fn load_a_dump(&self) -> Option<String> {
        let first = self.dumps().next()?;
        let path = match &self.place.location {
            SourceLocation::Path(path) => path.display().to_string(),
            SourceLocation::HostPath(_)
            | SourceLocation::Address(_)
            | SourceLocation::Dataset(_)
            | SourceLocation::Stdin => "FILE".to_owned(),
        };
        if matches!(self.place.kind.row().syntax, LocationSyntax::Repository { .. }) {
            return Some(format!(
                "The backup holds database dumps, which are loaded and not unpacked: restore {first} from the \
                 repository into a file, and load that with --from dump:FILE"
            ));
        }
        let sign = if self.place.kind == SourceKind::Tar { '#' } else { '/' };
        Some(format!(
            "The backup holds database dumps, which are loaded and not unpacked: --from 'dump:{path}{sign}{first}'"
        ))
    }

    /// The source, and the snapshot if the source's text does not name it.
    pub(super) fn what(&self) -> String {
        let BackupDescription { place, snapshot, .. } = self;
        let text = place.to_string();
        if text.ends_with(&snapshot.id) { text } else { format!("{text} (snapshot {})", snapshot.id) }
    }

    /// The parts of the backup and their sizes, as the end of a sentence.
    fn listing(&self) -> String {
        let BackupContents { parts, more_parts, whole, .. } = self.found;
        let volumes = parts.iter().filter(|(path, _)| path.ends_with(b"/_data"));
        let depth = |path: &[u8]| path.iter().filter(|byte| **byte == b'/').count();
        let tops = parts.iter().filter(|(path, _)| depth(path) == 0).count();
        let named: Vec<&(Vec<u8>, ContentTally)> = if volumes.clone().next().is_some() {
            volumes.collect()
        } else {
            // If there is a single top folder, its contents are listed instead.
            parts.iter().filter(|(path, _)| depth(path) == usize::from(tops == 1)).collect()
        };
        if named.is_empty() {
            return format!("it holds {} in total", units::amount(whole.amount));
        }
        let listed: Vec<String> = named.iter().take(LISTED).map(|(path, tally)| part(path, tally)).collect();
        let more = if named.len() > LISTED || *more_parts { "; and more" } else { "" };
        format!("it holds {}{more}", listed.join("; "))
    }
}

fn parts(candidates: &[Candidate]) -> Vec<String> {
    candidates.iter().map(|candidate| part(&candidate.path, &candidate.tally)).collect()
}

fn part(path: &[u8], tally: &ContentTally) -> String {
    format!("{} ({})", shown(path), units::amount(tally.amount))
}

/// A path of the backup for people; `.` for all of it.
pub(super) fn shown(path: &[u8]) -> String {
    if path.is_empty() { ".".to_owned() } else { String::from_utf8_lossy(path).into_owned() }
}

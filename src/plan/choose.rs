//! Chooses the part of a backup that belongs to a mount. A wrong guess is worse than none: the service would come up
//! green with other data.

use std::collections::BTreeSet;

use super::draft::StackDraft;
use super::patterns::{HOST_PATHS, SYSTEM, is_explicit};
use crate::model::mount::{Mount, MountOrigin};
use crate::model::plan::BackupRequest;
use crate::model::source::{BackupContents, Candidate, ContentTally, MatchRule, Pattern, Shape, is_sidecar};

/// Files that lie beside the data of a compose project and belong to no mount.
const OF_PROJECT: [&[u8]; 5] =
    [b".env", b"compose.yaml", b"compose.yml", b"docker-compose.yaml", b"docker-compose.yml"];

/// Which part was chosen for a mount.
#[derive(Debug)]
pub(super) enum Choice {
    /// No part fits.
    None,
    /// This part.
    One(Candidate),
    /// Several parts fit, and the user has to say which one is right.
    Several(Vec<Candidate>),
    /// These parts fit by a common name only, and the backup holds more than the mounts.
    Doubted(Vec<Candidate>),
    /// The part fits another mount just as well.
    Shared(Candidate),
    /// All or some of the part is needed for the other mount, named here, and an entry of a stream can fill one place
    /// only.
    Torn(Candidate, String),
}

/// A place, and the parts of the backup that fit it.
pub(super) struct MountCandidates<'a> {
    /// The index of the stack, and the index of the place in [`StackDraft::places`].
    pub at: (usize, usize),
    /// The first mount that shows the place.
    pub mount: &'a Mount,
    /// The patterns that were searched for in the backup.
    pub request: &'a BackupRequest,
    /// The parts that fit.
    pub candidates: Vec<Candidate>,
}

/// Paths of the services of the host.
pub(super) struct HostPaths<'a> {
    /// The targets of all mounts of the services of this source, also of those that need no data.
    pub shown: &'a [&'a str],
    /// The host paths that all services of the host mount, without slashes at their ends.
    pub binds: &'a BTreeSet<String>,
}

impl HostPaths<'_> {
    /// Whether a part that only ends like the host path `source` may hold it below a folder that the backup program
    /// put around it. A part at another path of the host is another folder, and so is one that ends more like another
    /// host path that is mounted.
    fn may_be_below(&self, source: &str, part: &[u8]) -> bool {
        let source = source.trim_matches('/');
        if Pattern::is_suffix_of(source.as_bytes(), part) {
            return true;
        }
        let top = part.split(|byte| *byte == b'/').next().unwrap_or_default();
        let own = common_end(source, part);
        !HOST_PATHS.iter().any(|name| name.as_bytes() == top)
            && !self.others(source).any(|other| common_end(other, part) > own)
    }

    /// Whether the part ends like another host path that is mounted, just as much as it ends like `source`.
    fn may_be_of_another(&self, source: &str, part: &[u8]) -> bool {
        let source = source.trim_matches('/');
        let own = common_end(source, part);
        self.others(source).any(|other| common_end(other, part) >= own)
    }

    fn others<'a>(&'a self, source: &'a str) -> impl Iterator<Item = &'a String> {
        self.binds.iter().filter(move |other| other.as_str() != source)
    }
}

/// How many names a host path and a part of a backup have in common at their ends.
fn common_end(path: &str, part: &[u8]) -> usize {
    let names = path.as_bytes().rsplit(|byte| *byte == b'/').zip(part.rsplit(|byte| *byte == b'/'));
    names.take_while(|(name, of_part)| name == of_part).count()
}

/// Chooses a part for each place. `is_of_more`: the backup holds more than these mounts, so no part is taken because
/// it is the only one. `loaded` are the dumps of the backup that services are loaded from.
pub(super) fn choose(
    mut asked: Vec<MountCandidates<'_>>,
    found: &BackupContents,
    host: &HostPaths<'_>,
    loaded: &[(Vec<u8>, ContentTally)],
    mut is_of_more: bool,
) -> Vec<Choice> {
    for asked in &mut asked {
        let is_volume = matches!(asked.mount.origin, MountOrigin::Volume { .. });
        asked.candidates.retain(|c| c.rule == MatchRule::Explicit || can_fill(c.tally.root, is_volume));
        // Docker keeps the data of a volume in `_data` below the volume's name.
        let paths: Vec<Vec<u8>> = asked.candidates.iter().map(|c| c.path.clone()).collect();
        // For a host path, a match of the whole path beats one of its end, and a longer end beats a shorter one.
        if let MountOrigin::Bind { source } = &asked.mount.origin {
            let source = source.trim_matches('/');
            let whole = [source.as_bytes().to_vec(), format!("backup/{source}").into_bytes()];
            let is_less = |path: &Vec<u8>| {
                !whole.contains(path)
                    && paths
                        .iter()
                        .any(|other| whole.contains(other) || other.ends_with(&[b"/", path.as_slice()].concat()))
            };
            asked.candidates.retain(|c| c.rule != MatchRule::Name || !is_less(&c.path));
            let before = asked.candidates.len();
            asked.candidates.retain(|c| c.rule != MatchRule::Suffix || host.may_be_below(source, &c.path));
            is_of_more |= asked.candidates.len() < before;
        }
        asked
            .candidates
            .retain(|c| c.rule == MatchRule::Explicit || !paths.contains(&[&c.path, &b"/_data"[..]].concat()));
    }
    let is_of_mounts = is_of_mounts(&asked, found, host.shown, loaded);
    let mut choices: Vec<Choice> = asked.iter().map(|asked| of_candidates(asked, host, is_of_mounts)).collect();
    let mut required = asked.iter().enumerate().filter(|(_, asked)| asked.request.required);
    if let (Some((place, only)), None) = (required.next(), required.next()) {
        // A backup that has a part for another mount was not made of this mount alone.
        let is_alone = asked.iter().enumerate().all(|(other, asked)| other == place || asked.candidates.is_empty());
        let part = if is_alone && !is_of_more && !is_explicit(&only.request.want) { only_part(found) } else { None };
        let choice = &mut choices[place];
        match part {
            Some(part) if matches!(choice, Choice::None) => *choice = Choice::One(part),
            Some(part) => {
                if let Choice::Doubted(doubted) = choice
                    && doubted.iter().all(|known| known.path != part.path)
                {
                    doubted.push(part);
                }
            }
            None => {}
        }
    }
    if !is_of_more {
        of_nested(&asked, found, &mut choices);
    }
    refuse_shared(&asked, &mut choices);
    choices
}

/// Chooses the parts of a backup that was made of one mount with all others below it (`tar c -C /data .` of a service
/// that mounts `/data` and `/data/sub`): all of it for the outer mount, and the folder where each inner one was seen.
fn of_nested(asked: &[MountCandidates<'_>], found: &BackupContents, choices: &mut [Choice]) {
    let within = |outer: &MountCandidates<'_>, inner: &MountCandidates<'_>| -> Option<Vec<u8>> {
        let (target, of_outer) = (inner.mount.target.trim_matches('/'), outer.mount.target.trim_matches('/'));
        let rest = inside(target.as_bytes(), of_outer.as_bytes())?;
        (!rest.is_empty() && outer.at.0 == inner.at.0).then(|| rest.to_vec())
    };
    let is_around = |outer: usize| (0..asked.len()).all(|i| i == outer || within(&asked[outer], &asked[i]).is_some());
    let Some(outer) = (0..asked.len()).find(|outer| asked.len() > 1 && is_around(*outer)) else { return };
    let is_free = asked[outer].candidates.is_empty() && asked.iter().all(|asked| !is_explicit(&asked.request.want));
    let Some(whole) = only_part(found).filter(|part| part.path.is_empty() && is_free) else { return };
    let mut parts = Vec::new();
    for (index, inner) in asked.iter().enumerate().filter(|(index, _)| *index != outer) {
        let path = within(&asked[outer], inner).unwrap_or_default();
        match inner.candidates.iter().find(|candidate| candidate.path == path) {
            Some(part) => parts.push((index, Candidate { rule: MatchRule::OnlyCandidate, ..part.clone() })),
            None if inner.request.required => return,
            None => {}
        }
    }
    parts.push((outer, whole));
    for (index, part) in parts {
        choices[index] = Choice::One(part);
    }
}

/// Whether a part of this shape can fill the mount: a volume needs a folder, a bind mount a folder or a file. `None`:
/// the backup has no entry for the part itself, only entries below it.
pub(super) fn can_fill(root: Option<Shape>, is_volume: bool) -> bool {
    match root {
        None | Some(Shape::Folder) => true,
        Some(Shape::File) => !is_volume,
        Some(Shape::Other) => false,
    }
}

/// Keeps the candidates of the strongest rule. An empty part counts like a full one: the empty one may be the
/// intended backup, and the full one a copy from another time.
fn of_candidates(asked: &MountCandidates<'_>, host: &HostPaths<'_>, is_of_mounts: bool) -> Choice {
    let candidates = &asked.candidates;
    let Some(strongest) = candidates.iter().map(|candidate| candidate.rule).min() else { return Choice::None };
    // The end of a path says enough only where no other place fits, also not by its path in the container.
    let is_fitting = |rule| rule == strongest || strongest == MatchRule::Suffix && rule == MatchRule::Target;
    // A folder around the one with the full name of the volume is no other place.
    let is_around = |outer: &Candidate| {
        matches!(asked.mount.origin, MountOrigin::Volume { .. })
            && outer.rule > strongest
            && candidates.iter().any(|part| part.rule == strongest && inside(&part.path, &outer.path).is_some())
    };
    let fitting = candidates.iter().filter(|candidate| is_fitting(candidate.rule) && !is_around(candidate));
    let mut fitting: Vec<Candidate> = fitting.cloned().collect();
    if strongest == MatchRule::Target && !is_of_mounts {
        return Choice::Doubted(fitting);
    }
    if strongest == MatchRule::Suffix
        && let ([only], MountOrigin::Bind { source }) = (fitting.as_slice(), &asked.mount.origin)
        && host.may_be_of_another(source, &only.path)
    {
        return Choice::Doubted(fitting);
    }
    if fitting.len() > 1 { Choice::Several(fitting) } else { fitting.pop().map_or(Choice::None, Choice::One) }
}

/// Whether everything in the backup belongs to a mount. If not, `config` may be a folder within the data of a mount
/// at `/config`, and `var/lib/mysql` may be the host's own.
fn is_of_mounts(
    asked: &[MountCandidates<'_>],
    found: &BackupContents,
    shown: &[&str],
    loaded: &[(Vec<u8>, ContentTally)],
) -> bool {
    let mut taken: Vec<(&[u8], &ContentTally)> =
        asked.iter().flat_map(|asked| &asked.candidates).map(|c| (c.path.as_slice(), &c.tally)).collect();
    let of_others = |path: &[u8]| {
        OF_PROJECT.contains(&path) || shown.iter().any(|target| target.trim_matches('/').as_bytes() == path)
    };
    taken.extend(found.parts.iter().filter(|(path, _)| of_others(path)).map(|(path, tally)| (path.as_slice(), tally)));
    taken.extend(loaded.iter().map(|(path, tally)| (path.as_slice(), tally)));
    // An entry within another part comes after that part in the order, and was counted there.
    taken.sort_unstable_by_key(|(path, _)| *path);
    let mut counted: Vec<&[u8]> = Vec::new();
    let mut files = 0;
    for (path, tally) in taken {
        if !counted.iter().any(|outer| inside(path, outer).is_some()) {
            counted.push(path);
            files += tally.own_files();
        }
    }
    files >= found.whole.own_files()
}

/// The part of a backup that was made of one mount alone: its single top folder; or all of it, when its root is an
/// entry of its own (`tar c -C /data .`) or its top has several entries. `None` when the backup looks like one of
/// more than a mount.
fn only_part(found: &BackupContents) -> Option<Candidate> {
    let part = |path: &[u8], tally: &ContentTally| Candidate {
        rule: MatchRule::OnlyCandidate,
        path: path.to_vec(),
        tally: tally.clone(),
    };
    let parts = || found.parts.iter().filter(|(path, _)| !is_sidecar(path));
    let tops: Vec<&(Vec<u8>, ContentTally)> = parts().filter(|(path, _)| !path.contains(&b'/')).collect();
    // A volume as Docker keeps it.
    if let [(path, tally)] = tops.as_slice()
        && path == b"_data"
    {
        return Some(part(path, tally));
    }
    let of_more = parts().any(|(path, _)| path == b"_data" || path.ends_with(b"/_data"));
    if of_more || tops.iter().any(|(path, _)| SYSTEM.iter().any(|name| name.as_bytes() == path)) {
        return None;
    }
    if found.whole.root.is_some() {
        return Some(part(b"", &found.whole));
    }
    match tops.as_slice() {
        [] => None,
        [(path, tally)] if tally.root != Some(Shape::File) => Some(part(path, tally)),
        // Only folders: these may as well belong to several services.
        _ if !found.more_parts && tops.iter().all(|(_, tally)| tally.root != Some(Shape::File)) => None,
        _ => Some(part(b"", &found.whole)),
    }
}

/// One part for two mounts is a guess for one of them, unless the user mapped it. Mounts that show the same place are
/// one.
fn refuse_shared(asked: &[MountCandidates<'_>], choices: &mut [Choice]) {
    let taken: Vec<Option<(MatchRule, Vec<u8>)>> = choices
        .iter()
        .map(|choice| match choice {
            Choice::One(candidate) => Some((candidate.rule, candidate.path.clone())),
            _ => None,
        })
        .collect();
    for (place, choice) in choices.iter_mut().enumerate() {
        let Some((rule, path)) = &taken[place] else { continue };
        let is_shared = taken.iter().enumerate().any(|(other, taken)| {
            asked[other].mount.origin != asked[place].mount.origin && taken.as_ref().is_some_and(|(_, of)| of == path)
        });
        if *rule != MatchRule::Explicit
            && is_shared
            && let Choice::One(candidate) = std::mem::replace(choice, Choice::None)
        {
            *choice = Choice::Shared(candidate);
        }
    }
}

/// In a stream each entry goes to one place, the innermost part that holds the entry; the outer part then lacks it.
/// That is right only where the inner mount covers that folder of the outer one.
pub(super) fn share_out(asked: &[(usize, usize)], choices: &mut [Choice], stacks: &[StackDraft]) {
    let parts: Vec<Option<Candidate>> = choices
        .iter()
        .map(|choice| match choice {
            Choice::One(candidate) => Some(candidate.clone()),
            _ => None,
        })
        .collect();
    let within = |outer: usize, inner: usize| -> Option<&[u8]> {
        let (outer_part, inner_part) = (parts[outer].as_ref()?, parts[inner].as_ref()?);
        (outer != inner && asked[outer].0 == asked[inner].0).then(|| inside(&inner_part.path, &outer_part.path))?
    };
    for outer in 0..choices.len() {
        let Some(mut candidate) = parts[outer].clone() else { continue };
        let stack = &stacks[asked[outer].0];
        let inner = (0..parts.len()).filter_map(|inner| Some((inner, within(outer, inner)?)));
        let mut torn = None;
        for (inner, rest) in inner {
            if rest.is_empty() || !is_covered(stack, asked[outer].1, asked[inner].1, rest) {
                torn = Some(stack.places[asked[inner].1].mount.title());
                break;
            }
            let is_direct = (0..parts.len()).all(|between| {
                between == inner || within(between, inner).is_none() || within(outer, between).is_none()
            });
            if let Some(part) = parts[inner].as_ref().filter(|_| is_direct) {
                less(&mut candidate.tally, &part.tally);
            }
        }
        choices[outer] = match torn {
            Some(other) => Choice::Torn(candidate, other),
            None => Choice::One(candidate),
        };
    }
}

/// Whether each service that mounts the outer place also mounts the inner place at `rest` within it.
fn is_covered(stack: &StackDraft, outer: usize, inner: usize, rest: &[u8]) -> bool {
    stack.services.iter().all(|service| {
        let targets = |restore| service.mounts.iter().filter(move |plan| plan.restore == Some(restore));
        targets(outer).all(|at| {
            targets(inner).any(|covering| {
                let (covering, at) = (covering.mount.target.as_bytes(), at.mount.target.as_bytes());
                inside(covering, at) == Some(rest)
            })
        })
    })
}

fn less(tally: &mut ContentTally, inner: &ContentTally) {
    tally.amount.files = tally.amount.files.saturating_sub(inner.amount.files);
    tally.amount.bytes = tally.amount.bytes.saturating_sub(inner.amount.bytes);
    // The folder itself counts, too, if it has an entry.
    tally.folders = tally.folders.saturating_sub(inner.folders + u64::from(inner.root == Some(Shape::Folder)));
}

/// The rest of `path` within `outer`; `None` when `path` is not in `outer`.
pub(super) fn inside<'a>(path: &'a [u8], outer: &[u8]) -> Option<&'a [u8]> {
    if outer.is_empty() || path == outer {
        return Some(&path[outer.len()..]);
    }
    path.strip_prefix(outer)?.strip_prefix(b"/")
}

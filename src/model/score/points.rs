//! Gives the points: each is judged by itself, and says what it was given for or why it was not.

use super::facts::{ControlFact, RehearsalFacts, ScoreFacts};
use super::history::{GroupHistory, History};
use super::weights::Point;
use crate::model::pluralize::pluralize;
use crate::model::units;

/// The points for one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Award {
    pub point: Point,
    /// The points that were given.
    pub points: u8,
    /// What was seen, for people.
    pub by: String,
}

impl Award {
    /// What would give the rest of the points; `None`: all were given.
    pub fn raised_by(&self) -> Option<&'static str> {
        (self.points < self.point.most()).then(|| self.point.raised_by())
    }
}

/// Names of checks and mounts that an explanation lists.
const NAMED: usize = 5;

/// Judges one point.
pub fn award(point: Point, facts: &ScoreFacts) -> Award {
    let (points, by) = match point {
        Point::TimeTold => all_if(point, time_told(facts)),
        Point::Age => age(facts),
        Point::Opened => all_if(point, opened(facts)),
        Point::Listed => all_if(point, listed(facts)),
        Point::Read => read(facts),
        Point::Covered => covered(facts),
        Point::Files | Point::Bytes | Point::Filled => all_if(point, usual(point, facts)),
        Point::Sqlite => all_if(point, sqlite(facts)),
        Point::Entries
        | Point::Contents
        | Point::Metadata
        | Point::Up
        | Point::Healthy
        | Point::Check
        | Point::Control
        | Point::Measured
        | Point::WithinRto => match &facts.rehearsal {
            None => (0, "the service was not booted".to_owned()),
            Some(seen) => of_rehearsal(point, seen, facts.basis.max_rto),
        },
    };
    Award { point, points, by }
}

fn of_rehearsal(point: Point, seen: &RehearsalFacts, max_rto: Option<u64>) -> (u8, String) {
    match point {
        Point::Entries => entries(seen),
        Point::Contents => all_if(point, contents(seen)),
        Point::Metadata => all_if(point, metadata(seen)),
        Point::Up if seen.stayed_up => (point.most(), "it started and stayed up".to_owned()),
        Point::Up => (0, "it did not stay up".to_owned()),
        Point::Healthy if seen.healthy => (point.most(), "its healthcheck passed".to_owned()),
        Point::Healthy if seen.listened => (2, "it answered on a port, and no healthcheck passed".to_owned()),
        Point::Healthy => (0, "no healthcheck passed".to_owned()),
        Point::Check => all_if(point, check(seen)),
        Point::Control => all_if(point, control(seen)),
        Point::Measured => match seen.ready_after {
            Some(after) => (point.most(), format!("ready {} after the restore began", units::seconds(after))),
            None => (0, "it was never ready after a restore".to_owned()),
        },
        _ => within(seen, max_rto),
    }
}

/// All points for something that is so, none for something that is not; both with their words.
fn all_if(point: Point, seen: Result<String, String>) -> (u8, String) {
    match seen {
        Ok(by) => (point.most(), by),
        Err(by) => (0, by),
    }
}

/// The share of the points, rounded down: a part of a mount is not a mount.
fn share(most: u8, part: u64, whole: u64) -> u8 {
    let points = (u64::from(most) * part).checked_div(whole).unwrap_or(0);
    u8::try_from(points).unwrap_or(most).min(most)
}

fn time_told(facts: &ScoreFacts) -> Result<String, String> {
    match (facts.basis.age, facts.basis.time_told) {
        (None, _) => Err("nothing tells when the snapshot was made".to_owned()),
        (Some(_), true) => Ok("the backup tells its own time".to_owned()),
        (Some(_), false) => Err("only the time of a file tells when the snapshot was made".to_owned()),
    }
}

fn age(facts: &ScoreFacts) -> (u8, String) {
    let most = Point::Age.most();
    let Some(age) = facts.basis.age else { return (0, "the age of the snapshot is not known".to_owned()) };
    let old = format!("{} old", units::span(age));
    let Some(allowed) = facts.basis.max_age else { return (0, format!("{old}, and no max_age is set")) };
    let by = format!("{old}, and max_age allows {}", units::span(allowed));
    let left = allowed.saturating_mul(2).saturating_sub(age);
    (if age <= allowed { most } else { share(most, left, allowed) }, by)
}

fn opened(facts: &ScoreFacts) -> Result<String, String> {
    if facts.basis.listed { Ok("the backup was opened".to_owned()) } else { Err(no_backup(facts)) }
}

fn listed(facts: &ScoreFacts) -> Result<String, String> {
    let by = "the list of its content was read to its end";
    if facts.basis.listed { Ok(by.to_owned()) } else { Err(no_backup(facts)) }
}

fn no_backup(facts: &ScoreFacts) -> String {
    match facts.failed {
        Some(code) => format!("no backup was read: {code}"),
        None => "no backup was read".to_owned(),
    }
}

fn read(facts: &ScoreFacts) -> (u8, String) {
    const LIST_ALONE: u8 = 2;
    let most = Point::Read.most();
    if !facts.basis.listed {
        return (0, no_backup(facts));
    }
    let (copied, restored) = facts.rehearsal.as_ref().map_or((0, 0), |seen| (seen.copied, seen.restored));
    if facts.basis.content_read {
        return (most, "all of the content was read".to_owned());
    }
    let by = match (copied, restored) {
        (_, 0) => "only the list of the content was read".to_owned(),
        (copied, restored) if copied == restored => "the content of each restored mount was read".to_owned(),
        (copied, restored) => {
            format!("the content of {copied} of {} was read", pluralize(restored as u64, "restored mount"))
        }
    };
    (LIST_ALONE + share(most - LIST_ALONE, copied as u64, restored as u64), by)
}

fn covered(facts: &ScoreFacts) -> (u8, String) {
    let mounts = &facts.basis.mounts;
    let found: u64 = mounts.iter().filter_map(|mount| mount.found).map(|found| found.percent()).sum();
    let points = share(Point::Covered.most(), found, mounts.len() as u64 * 100);
    let words = mounts.iter().take(NAMED).map(|mount| match mount.found {
        Some(found) => format!("{}: {}", mount.mount, found.words()),
        None => format!("{}: not from a backup", mount.mount),
    });
    let more = mounts.len().saturating_sub(NAMED);
    let more = if more > 0 { format!("; and {more} more") } else { String::new() };
    (points, format!("{}{more}", words.collect::<Vec<_>>().join("; ")))
}

fn entries(seen: &RehearsalFacts) -> (u8, String) {
    let most = Point::Entries.most();
    if let Some(dump) = seen.loaded.as_ref().filter(|_| seen.compared == 0) {
        return (most, format!("the whole of {dump} was loaded without an error"));
    }
    let points = share(most, seen.compared as u64, seen.restored as u64);
    let by = match seen.compared {
        0 => "nothing was compared with the backup".to_owned(),
        compared => format!(
            "{} as in the backup, in {compared} of {}",
            if seen.entries == 1 { "1 entry".to_owned() } else { format!("{} entries", seen.entries) },
            pluralize(seen.restored as u64, "restored mount")
        ),
    };
    (points, by)
}

fn contents(seen: &RehearsalFacts) -> Result<String, String> {
    match seen.contents {
        0 if seen.loaded.is_some() && seen.compared == 0 => Ok("the database took all of the dump".to_owned()),
        0 => Err("the contents of files were not compared".to_owned()),
        contents if contents < seen.restored => Err("the contents of some mounts were not compared".to_owned()),
        _ => Ok("the content of every restored file is as in the backup".to_owned()),
    }
}

fn metadata(seen: &RehearsalFacts) -> Result<String, String> {
    match seen.loaded {
        _ if seen.lost_metadata => Err("some attributes of files were lost".to_owned()),
        Some(_) if seen.compared == 0 => Ok("a dump has no attributes of files to lose".to_owned()),
        _ if seen.compared == 0 => Err("nothing was compared with the backup".to_owned()),
        _ => Ok("no attribute was lost".to_owned()),
    }
}

fn usual(point: Point, facts: &ScoreFacts) -> Result<String, String> {
    let Some(history) = &facts.basis.history else {
        return Err(match facts.rehearsal {
            Some(_) => "a rehearsal does not look at earlier snapshots".to_owned(),
            None => "there is no earlier snapshot to compare with".to_owned(),
        });
    };
    let (by, is_so) = worst(point, history);
    let lost = || history.groups.iter().find(|of| of.has_lost_data() || of.is_hollow());
    match (is_so, lost(), history.first.first()) {
        (false, ..) => Err(by),
        // What was lost may be what the other numbers do not show.
        (true, Some(of), _) => Err(format!("{by}; no points beside a loss{}", in_group(of))),
        (true, None, Some(first)) => Err(format!("{by}; no earlier snapshot of {first} to compare with")),
        (true, None, None) => Ok(by),
    }
}

/// Whether a snapshot differs from the ones before in what this point asks.
pub fn differs(point: Point, history: &History) -> bool {
    !worst(point, history).1
}

/// What was seen in the group that differs, or in the first one; and whether it is as usual.
fn worst(point: Point, history: &History) -> (String, bool) {
    let mut judged = history.groups.iter().map(|of| judge(point, of));
    let first = judged.next().unwrap_or_else(|| ("there is no earlier snapshot to compare with".to_owned(), false));
    if first.1 { judged.find(|(_, is_so)| !is_so).unwrap_or(first) } else { first }
}

fn in_group(of: &GroupHistory) -> String {
    if of.group.is_empty() { String::new() } else { format!(" in {}", of.group) }
}

/// What was seen in a group, and whether it is as usual.
fn judge(point: Point, of: &GroupHistory) -> (String, bool) {
    let group = if of.group.is_empty() { String::new() } else { format!(" of {}", of.group) };
    let before = format!("{}{group}", pluralize(of.earlier as u64, "earlier snapshot"));
    match point {
        Point::Files => {
            let (files, usual) = (units::files(of.files), units::files(of.usual_files));
            (format!("{files}; {usual} usual in {before}"), of.has_usual_files())
        }
        Point::Bytes => {
            let (bytes, usual) = (units::bytes(of.bytes), units::bytes(of.usual_bytes));
            (format!("{bytes}; {usual} usual in {before}"), of.has_usual_bytes())
        }
        _ if !of.emptied.is_empty() => {
            let emptied: Vec<&str> = of.emptied.iter().take(NAMED).map(String::as_str).collect();
            (format!("empty now, and not in earlier snapshots: {}", emptied.join(", ")), false)
        }
        _ => {
            let (now, usual) = (of.empty_percent, of.usual_empty_percent);
            let by = format!("no mount was emptied; {now} % of the files have no content, {usual} % are usual");
            (format!("{by}{}", in_group(of)), !of.has_more_empty_files())
        }
    }
}

fn sqlite(facts: &ScoreFacts) -> Result<String, String> {
    let lost = &facts.basis.lost_logs;
    if !lost.is_empty() {
        let named: Vec<&str> = lost.iter().take(NAMED).map(String::as_str).collect();
        return Err(format!("the write-ahead log is missing: {}", named.join(", ")));
    }
    match &facts.rehearsal {
        None if facts.basis.listed => Ok("no database lacks its write-ahead log, as far as names tell".to_owned()),
        None => Err(no_backup(facts)),
        Some(seen) => match seen.sqlite_warning {
            Some(code) => Err(code.title().to_owned()),
            None if seen.inspected == 0 || !facts.basis.listed => Err("no restored mount was inspected".to_owned()),
            None => Ok("no database in the restored mounts is damaged or lacks its log".to_owned()),
        },
    }
}

fn check(seen: &RehearsalFacts) -> Result<String, String> {
    if !seen.has_asked_data() {
        return Err("no check asked its data".to_owned());
    }
    let named: Vec<&str> = seen.data_checks.iter().take(NAMED).map(String::as_str).collect();
    let more = seen.data_checks.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Ok(if named.is_empty() { "checks of the user's passed".to_owned() } else { format!("{}{more}", named.join(", ")) })
}

fn control(seen: &RehearsalFacts) -> Result<String, String> {
    match seen.control {
        ControlFact::Noticed => Ok("without the data the service or its checks fail".to_owned()),
        ControlFact::Unnoticed => Err("its checks pass without the data, too".to_owned()),
        ControlFact::Unknown => Err("the boot without the data had no result".to_owned()),
        ControlFact::NotAsked => Err("it was not booted without its data".to_owned()),
    }
}

fn within(seen: &RehearsalFacts, max_rto: Option<u64>) -> (u8, String) {
    let most = Point::WithinRto.most();
    match (seen.ready_after, max_rto) {
        (None, _) => (0, "it was never ready after a restore".to_owned()),
        (Some(_), None) => (0, "no max_rto is set".to_owned()),
        (Some(after), Some(allowed)) => {
            let by = format!("max_rto allows {}", units::span(allowed));
            (if after <= allowed as f64 { most } else { 0 }, by)
        }
    }
}

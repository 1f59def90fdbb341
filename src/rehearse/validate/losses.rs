//! Hears the log of a service that is well: programs tell there which data they could not read, have thrown away or
//! have repaired, and go on without it.
//!
//! A line by which a known program tells of data that is gone or damaged, or of a store that it has begun anew, is a
//! failure. A line that tells of a repair, or only has words of damage, is a warning: a copy of a running service is
//! often repaired as after a power cut. What the live service says, too, is no difference between it and its backup: of
//! such lines, failures become warnings, and the others are not told. A store that was begun anew stays a failure.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use crate::model::diagnosis::{Code, Diagnosis, KnownCause, Severity};
use crate::model::pluralize::pluralize;
use crate::plan::dependents;
use crate::rehearse::running::{FAILURE_LOG, RunningService};
use crate::rehearse::shared_task::Diagnosed;

/// Log lines and bytes that are searched.
const LOG: (usize, usize) = (1000, 256 * 1024);
/// Characters of a line in a message.
const QUOTED: usize = 300;

/// What a line tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    /// The program has begun a new store beside or over the restored data. A live service that was made once says so,
    /// too, and is no excuse.
    Anew,
    /// Data is gone or damaged, and the program goes on without it.
    Damaged,
    /// Data was repaired or made anew, perhaps with a loss.
    Repaired,
    /// Words of damage, by a program that is not known.
    Words,
}
use Weight::{Anew, Damaged, Repaired, Words};

/// What programs say, and what it means. The first pattern that fits a line counts for the line.
const LOSSES: &[(Weight, &str, &str)] = &[
    (
        Damaged,
        concat!(
            r"invalid page in block \d+ of relation|page verification failed, calculated checksum|",
            r"could not read block \d+ in file|missing chunk number \d+ for toast|",
            r"could not access status of transaction|",
            r"could not open file .(base|global|pg_xact|pg_multixact|pg_tblspc)/.*No such file"
        ),
        "PostgreSQL cannot read a part of its tables",
    ),
    (
        Damaged,
        concat!(
            r"\[ERROR\] .*InnoDB: .*(corrupt|[Cc]hecksum|[Tt]ablespace .*(was not found|missing|does not exist)|",
            r"Cannot open (datafile|tablespace)|Could not find a valid tablespace|[Mm]issing tablespace)|",
            r"InnoDB: Database page corruption|Index for table .* is corrupt|Incorrect information in file|",
            r"doesn't exist in engine"
        ),
        "MariaDB or MySQL cannot read a table",
    ),
    (Repaired, r"is marked as crashed|Incorrect key file for table", "MariaDB or MySQL repairs a table"),
    (
        Damaged,
        r"database disk image is malformed|SQLITE_CORRUPT|file is not a database|SQLITE_NOTADB",
        "an SQLite database is damaged",
    ),
    (
        Damaged,
        r"(?i)failed to read meta\.json for a block|corrupted block|reloadBlocks.*(err|error)=.*(checksum|magic)",
        "Prometheus leaves a block of its series out",
    ),
    (
        Repaired,
        concat!(
            r"WAL read error, attempting repair|[Ss]tarting corruption repair|newer than corrupted segment|",
            r"Loading on-disk chunks failed|Deleting mmapped chunk files|[Rr]ewrite corrupted segment|unsupported chunk"
        ),
        "Prometheus throws away the newest samples from the damage on",
    ),
    (Damaged, r"(?i)persistence file is empty", "Mosquitto's database is empty, so no retained message came back"),
    (
        Damaged,
        r"Errors reading one or more WAL files|You may be missing data",
        "beanstalkd could not read all of its jobs",
    ),
    (
        Anew,
        r#"etcdserver: starting member [0-9a-f]+ in cluster|"msg": ?"starting local member""#,
        "etcd found no log of its cluster (member/wal) and has begun a new one beside the restored data",
    ),
    (
        Damaged,
        r"zone \S+: (not loaded due to errors|loading from master file \S+ failed)",
        "BIND does not serve a zone, whose file is missing, damaged or not to be read",
    ),
    (Damaged, r"MDB_(CORRUPTED|PAGE_NOTFOUND|INVALID|BAD_TXN)|Restore from backup!", "an LMDB database is damaged"),
    (
        Damaged,
        concat!(
            r"(error|fatal): .*(object file .* is empty|loose object .* is corrupt|pack checksum mismatch|",
            r"pack has bad object|inflate: data stream error|packfile .* (cannot be accessed|does not match index)|",
            r"(unable to|could not) read [0-9a-f]{40}|does not point to a valid object|bad object)"
        ),
        "a git repository lacks objects, or has damaged ones",
    ),
    (
        Damaged,
        r"(?i)cannot read corrupt tsm file|\.tsm\.bad|failed to open shard|tsm1?\b.*(invalid|bad) (magic|index|block)",
        "InfluxDB leaves a file of its series out",
    ),
    (
        Damaged,
        concat!(
            r"CorruptIndexException|TranslogCorruptedException|CorruptStateException|",
            r"File corrupted while reading record|",
            r"StreamCorruptedException|Corruption: (checksum|block|bad|corrupt|truncated|\d+ missing files)"
        ),
        "a store of Lucene, H2, LevelDB or RocksDB is damaged",
    ),
    (
        Damaged,
        r"WT_PANIC|WT_TRY_SALVAGE|WiredTiger error.*(checksum|corrupt|illegal file format)",
        "WiredTiger is damaged",
    ),
    (
        Damaged,
        r"not_a_log_file|bad_log_file|\{error,\{?(premature_eof|not_a_dets_file)|Failed to recover message store",
        "an Erlang program (Mnesia, RabbitMQ, ejabberd) cannot read its tables",
    ),
    (Repaired, r"dets: file .* not properly closed, repairing", "an Erlang program repairs its tables"),
    (
        Repaired,
        r"(?i)corrupted (index|transaction log|dbox|cache)|broken file .*/dovecot|fscking index file",
        "Dovecot makes an index of its mail anew",
    ),
    (
        Words,
        concat!(
            r"unserialize\(\): Error at offset|UnpicklingError|zlib\.error: Error|JSONDecodeError|",
            r"EOFError: (Ran out|Compressed)"
        ),
        "a program cannot read a file in its own format",
    ),
    (
        Damaged,
        r"Failed to load (item '[^']*'|properties of collection '[^']*')",
        "Radicale cannot read an entry or a collection",
    ),
    (
        Words,
        concat!(
            r"(?i)\b(ignor|skipp|discard|dropp|delet|remov|renam|quarantin)(ing|ed) .*",
            r"\b(corrupt(ed)?|unreadable|broken|damaged|incomplete)\b"
        ),
        "a program leaves damaged data out",
    ),
    (
        Words,
        concat!(
            r"(?i)\b(corrupt(ed|ion)?|damaged|(checksum|crc) (mismatch|error|failed|failure)|",
            r"(bad|invalid|wrong) (checksum|crc|magic))\b|\bdata loss\b|",
            r"\b(attempting|starting) (a )?(data |database |index |file )?(repair|salvage)\b|",
            r"\brepair(ed|ing) (the )?(database|index|table|store|file|segment|journal)\b"
        ),
        "a program speaks of damaged data",
    ),
];

/// Lines that have such words and tell of nothing: a check that found nothing, a setting, a client; and how PostgreSQL
/// finds the end of its log.
const NOTHING: &str = concat!(
    r"(?i)\b(no|not|without|never|0|zero|none|any)\b[^.;:]{0,40}\b(corrupt|damag|repair|mismatch)|",
    r"\b(corrupt\w*|damaged|repaired|mismatch\w*|loss)\W{1,4}(0|no|none|false|off)\b|",
    r"\b(check|scan|verif|test|detect|prevent|protect|avoid|may|might|could|can|risk|if)\w*\b[^.;]{0,30}\b",
    r"(corrupt|damag|data loss|mismatch)|",
    r"\b(client|connection|packet|request|option|setting|parameter|default|enabled|disabled|deprecated|passed|ok)\b|",
    r"in (WAL|log) segment|https?://"
);

static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(LOSSES.iter().map(|(_, pattern, _)| *pattern)).expect("the patterns of the list are valid")
});
static NOT: LazyLock<Regex> = LazyLock::new(|| Regex::new(NOTHING).expect("the pattern is valid"));

/// A line that tells of a loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Loss<'a> {
    weight: Weight,
    meaning: &'static str,
    line: &'a str,
}

/// Checks that the log of a service that is well does not tell of lost data; sends a warning if the log tells of a
/// repair.
pub(in crate::rehearse) async fn are_not_told(running: RunningService<'_>) -> Diagnosed<()> {
    let log = running.log_tail(LOG).await;
    let mut losses = find(&log);
    if losses.is_empty() {
        return Ok(());
    }
    let live = running.live_log(LOG).await;
    let says_live = |loss: &Loss<'_>| live.iter().any(|line| shape(line) == shape(loss.line));
    losses.retain(|loss| matches!(loss.weight, Anew | Damaged) || !says_live(loss));
    let Some(first) = losses.first() else { return Ok(()) };
    let more = losses.len() as u64 - 1;
    let diagnosis = diagnosis(running.name().to_string().as_str(), first, more, says_live(first));
    if diagnosis.severity() == Severity::Failed {
        return Err(Diagnosis { log_tail: running.log_tail(FAILURE_LOG).await, ..diagnosis });
    }
    running.cx.warn(dependents(&running.cx.plan, running.name()), diagnosis);
    Ok(())
}

/// The lines that tell of a loss, the heaviest first.
fn find(log: &[String]) -> Vec<Loss<'_>> {
    let mut losses: Vec<Loss<'_>> = log.iter().filter_map(|line| loss(line)).collect();
    losses.sort_by_key(|loss| loss.weight as u8);
    losses
}

fn loss(line: &str) -> Option<Loss<'_>> {
    let (weight, _, meaning) = LOSSES[SET.matches(line).into_iter().min()?];
    let tells = weight != Words || !NOT.is_match(line);
    tells.then(|| Loss { weight, meaning, line: line.trim() })
}

/// A line without its numbers: times and counts differ from start to start.
fn shape(line: &str) -> String {
    line.trim().chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn diagnosis(name: &str, first: &Loss<'_>, more: u64, says_live: bool) -> Diagnosis {
    let Loss { weight, meaning, line } = first;
    let line: String = line.chars().take(QUOTED).collect();
    let more = if more == 0 { String::new() } else { format!(" (and {} of this kind)", pluralize(more, "more line")) };
    let is_failure = *weight == Anew || *weight == Damaged && !says_live;
    let (code, says) = match weight {
        Anew => (Code::DataReinitialised, "but its log tells that it has begun anew"),
        Damaged if is_failure => (Code::DataCorrupt, "but its log tells of damaged data"),
        Damaged => (Code::DataRepaired, "and its log tells of damaged data, as the log of the live service does"),
        Repaired => (Code::DataRepaired, "and its log tells of a repair"),
        Words => (Code::DataRepaired, "and its log has words of damage"),
    };
    let message = format!("{name} is well, {says}: {meaning}: {line}{more}");
    let cause = is_failure.then(|| KnownCause { meaning: (*meaning).to_owned(), line });
    Diagnosis { cause, ..Diagnosis::new(code, message) }
}

#[cfg(test)]
#[path = "losses_tests.rs"]
mod tests;

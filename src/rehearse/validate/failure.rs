//! Known log lines and what they mean in a restore.

use std::sync::LazyLock;

use regex::{Regex, RegexSet};

use crate::model::diagnosis::KnownCause;

/// A host that has no address.
const NO_HOST: &str = concat!(
    r"(?i)could not resolve host|could not translate host name|Temporary failure in name resolution|",
    r"Name or service not known|no such host|getaddrinfo (EAI_AGAIN|ENOTFOUND)|UnknownHostException|wget: bad address"
);

/// Patterns and their meanings. The first pattern of this list that matches any line of the log wins, so causes stand
/// before their consequences.
const CAUSES: &[(&str, &str)] = &[
    (
        r"initialized with(out)? PG_CONTROL_VERSION",
        "PostgreSQL's control file (global/pg_control) is damaged in the restored data",
    ),
    (
        r"WAL file is from different database system|system identifier .* differs",
        "the restored data is mixed of two PostgreSQL clusters: its write-ahead log belongs to another one",
    ),
    (
        r"database files are incompatible",
        "the data was written by another major version of PostgreSQL than the image has",
    ),
    (
        r"version of the data .* is higher than the docker image",
        "the data is newer than the image: downgrades are not supported",
    ),
    (
        r"could not locate a valid checkpoint record",
        "PostgreSQL's write-ahead log (pg_wal) is missing or damaged in the restored data",
    ),
    (
        r"could not open directory .pg_wal.|required WAL directory .* does not exist",
        "PostgreSQL's write-ahead log (pg_wal) is not in the restored data",
    ),
    (
        concat!(
            r"incorrect checksum in control file|could not read file .global/pg_control.|",
            r"calculated CRC checksum does not match"
        ),
        "PostgreSQL's control file (global/pg_control) is damaged in the restored data",
    ),
    (
        r"could not open file .*global/pg_control.*No such file",
        "PostgreSQL's control file (global/pg_control) is missing: not all of the data directory came back",
    ),
    (
        r"initdb: error: directory .* exists but is not empty",
        "the data lacks its PG_VERSION, so the image takes the folder for an empty one and tries to initialise it, \
         which the other files prevent",
    ),
    (r"data directory .* has wrong ownership", "the restored data belongs to another user than the service runs as"),
    (r"data directory .* has invalid permissions", "the mode of the restored data folder is too open or too strict"),
    (
        r"Upgrade after a crash is not supported",
        "MariaDB/MySQL's redo log comes from an unclean copy by another version",
    ),
    (
        concat!(
            r"InnoDB: (File \S*ib_logfile0 (was not found|is too small)|ib_logfile0 is empty|",
            r"Invalid log header checksum|Missing FILE_CHECKPOINT|Log file \S* is (of different size|",
            r"corrupt)|Obtaining redo log encryption|The redo log)"
        ),
        "InnoDB's redo log (ib_logfile0) is missing, damaged or of another time than the tablespaces",
    ),
    (
        concat!(
            r"(?i)tablespace \d+ was not found|InnoDB: .*(missing tablespace|page corruption|is corrupted|",
            r"tablespace .*(is missing|does not exist)|could not find a valid tablespace)|doesn't exist in engine"
        ),
        "the file of an InnoDB table is missing from the restored data, or damaged",
    ),
    (
        r"collation version mismatch",
        "the image's C library sorts text differently from the one that built the indexes: reindex",
    ),
    (
        r"Bad file format reading the append only file",
        "Redis's append-only file is damaged; redis-check-aof can cut it at the damage",
    ),
    (
        r"[Ww]rong RDB checksum|Short read or OOM loading DB|Internal error in RDB reading",
        "Redis's dump, or the base of its append-only log, is damaged or cut off; redis-check-rdb tells where",
    ),
    (
        concat!(
            r"(?i)invalid AOF manifest file format|FATAL AOF MANIFEST FILE ERROR|",
            r"Unable to obtain the AOF file|The AOF file .* doesn't exist"
        ),
        "the files of Redis's append-only log (appendonlydir) are not all there, or its list of them is damaged",
    ),
    (
        r"(?i)unable to restore persistent database|couldn't open database\.",
        "Mosquitto's database (mosquitto.db) is damaged or cut off in the restored data",
    ),
    (
        concat!(
            r"(?i)freepages: |invalid freelist|",
            r"cannot open database at .*\((invalid database|file size too small)"
        ),
        "a database of bbolt (etcd and other programs in Go) is damaged or cut off in the restored data",
    ),
    (
        r"unexpected fault address|\bSIGBUS\b|\bBus error\b|fault occurred in (an|a recent) unsafe memory access",
        "the service reads a file as memory, and the restored file is shorter than it should be: it is cut off",
    ),
    (
        r"MDB_(INVALID|CORRUPTED|PAGE_NOTFOUND|BAD_TXN|VERSION_MISMATCH)",
        "a database of LMDB (OpenLDAP and others) is damaged or cut off in the restored data",
    ),
    (
        r"not_a_log_file|bad_log_file|premature_eof|not_a_dets_file",
        "a table of Mnesia (RabbitMQ, ejabberd) is damaged or cut off in the restored data",
    ),
    (
        r"CorruptIndexException|TranslogCorruptedException|File corrupted while reading record|Corruption: ",
        "a store of Lucene, H2, LevelDB or RocksDB is damaged in the restored data",
    ),
    (
        concat!(
            r"(?i)\b(crc|checksum)s? (mismatch|error|failed|does not match)|\b(invalid|bad|wrong|incorrect) ",
            r"(checksum|crc|magic)|corrupted block|\bis corrupt(ed)?\b|\bcorruption (in|of|at|on|detected|found)\b|",
            r"invalid (database|file) (file|format|header)|unrecogni[sz]ed file format|unexpected end of (file|data)"
        ),
        "the service finds a file of the restored data damaged, cut off or of another format",
    ),
    (r"database disk image is malformed", "an SQLite file is damaged"),
    (
        r"file is not a database",
        "a file that should be an SQLite database is not one: damaged, encrypted, or another file",
    ),
    (r"lock file .* already exists", "a lock or pid file was copied along with the live data and stops the service"),
    (r"password authentication failed", "the credentials in the environment do not match those in the restored data"),
    (
        r"Access denied for user .*using password: YES",
        "the credentials in the environment do not match those in the restored data",
    ),
    (r"role .* does not exist", "the restored database lacks a role that the service logs in as"),
    (r"no such table", "the restored database lacks a table: an empty or older database"),
    (r"relation .* does not exist", "the restored database lacks a table: an empty or older database"),
    (
        r"The data file .* must be writable",
        "the service may not write to a file: its owner or mode is not what the service's user needs",
    ),
    (r"No space left on device", "the engine's disk, or a size-limited tmpfs, is full"),
    (NO_HOST, "the service looks for a host that is not in the sandbox: another stack's service, or the outside"),
    (r"Address already in use", "two processes of the sandbox want the same port"),
    (
        r"(?i)permission denied|\bEACCES\b|AccessDeniedException",
        "the service may not read or write a file: its owner or mode is not what the service's user needs",
    ),
];

static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSet::new(CAUSES.iter().map(|(pattern, _)| *pattern)).expect("the patterns of the list are valid")
});
static EACH: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    CAUSES.iter().map(|(pattern, _)| Regex::new(pattern).expect("the patterns of the list are valid")).collect()
});

/// The known cause in these log lines; `None`: no pattern matches.
pub fn recognise(log: &[String]) -> Option<KnownCause> {
    let found = log.iter().flat_map(|line| SET.matches(line).into_iter()).min()?;
    let line = log.iter().find(|line| EACH[found].is_match(line))?;
    Some(KnownCause { meaning: CAUSES[found].1.to_owned(), line: line.trim().to_owned() })
}

/// How probes and access logs write that a server answered with an error of its own.
const SERVER_ERROR: &str = concat!(
    r"(?i)(returned error: (HTTP/[\d.]+ )?|HTTP Error |HTTP/[\d.]+\S* |\bstatus( code)?[:= ]+|",
    r"\bHTTP code |\bresponse code[:= ]+)5\d\d\b|\b5\d\d (Internal Server Error|Server Error|Service Unavailable)"
);
/// Lines by which an application tells its own error.
const OWN_ERROR: &str =
    r"(?i)\b(error|exception|fatal|critical|panic|traceback|failed|cannot|could not|unable to)\b|Error:|Exception:";

static SERVER: LazyLock<Regex> = LazyLock::new(|| Regex::new(SERVER_ERROR).expect("the pattern is valid"));
static OWN: LazyLock<Regex> = LazyLock::new(|| Regex::new(OWN_ERROR).expect("the pattern is valid"));

/// The cause of a healthcheck that fails because the service answers with an error of its own: the last line in which
/// the application tells its error, else the probe's. `probe` is the text with the probe's output; `None`: the service
/// does not answer like this.
pub fn answers_with_an_error(probe: &str, log: &[String]) -> Option<KnownCause> {
    let probed = probe.lines().find(|line| SERVER.is_match(line));
    let logged = log.iter().rev().find(|line| SERVER.is_match(line));
    let seen = probed.or(logged.map(String::as_str))?;
    let own = log.iter().rev().find(|line| OWN.is_match(line) && !SERVER.is_match(line));
    Some(KnownCause {
        meaning: "the service answers its healthcheck with an error of its own (HTTP 5xx): more time does not help"
            .to_owned(),
        line: own.map_or(seen, String::as_str).trim().to_owned(),
    })
}

/// Whether a cause is a host that has no address.
pub fn is_about_a_name(cause: &KnownCause) -> bool {
    CAUSES.iter().any(|(pattern, meaning)| *pattern == NO_HOST && *meaning == cause.meaning)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_explains_wins_over_what_follows() {
        let log = lines("cp: /x: Permission denied\nFATAL:  database files are incompatible with server\nbye");
        let cause = recognise(&log).expect("a known line");
        assert_eq!(cause.line, "FATAL:  database files are incompatible with server");
        assert!(cause.meaning.contains("major version"));
    }

    #[test]
    fn every_listed_line_is_recognised() {
        let samples = [
            "FATAL: database files are incompatible with server",
            "PANIC:  could not locate a valid checkpoint record",
            "FATAL: data directory \"/var/lib/postgresql/data\" has wrong ownership",
            "FATAL: data directory \"/var/lib/postgresql/data\" has invalid permissions",
            "InnoDB: Upgrade after a crash is not supported.",
            "WARNING: database \"x\" has a collation version mismatch",
            "Can't start Nextcloud because the version of the data (28.0.1) is higher than the docker image version \
             (27.1)",
            "file is not a database",
            "database disk image is malformed",
            "sqlite3.OperationalError: no such table: notes",
            "ERROR: relation \"users\" does not exist at character 15",
            "FATAL: role \"app\" does not exist",
            "FATAL:  password authentication failed for user \"app\"",
            "open /data/x: Permission denied",
            "bind: Address already in use",
            "curl: (6) Could not resolve host: example.org",
            "write: No space left on device",
            "FATAL:  lock file \"postmaster.pid\" already exists",
            "Bad file format reading the append only file: make a backup",
            "DETAIL:  The database cluster was initialized with PG_CONTROL_VERSION 4711, but the server was compiled \
             with",
            "LOG:  WAL file is from different database system: WAL file database system identifier is 1, pg_control 2",
            "FATAL:  required WAL directory \"pg_wal\" does not exist",
            "FATAL:  incorrect checksum in control file",
            "but could not open file \"/var/lib/postgresql/data/global/pg_control\": No such file or directory",
            "initdb: error: directory \"/var/lib/postgresql/data\" exists but is not empty",
            "[ERROR] InnoDB: File ./ib_logfile0 was not found",
            "[ERROR] InnoDB: File ./ib_logfile0 is too small",
            "[ERROR] InnoDB: ib_logfile0 is empty, and LSN is unknown.",
            "[ERROR] InnoDB: Invalid log header checksum",
            "[ERROR] InnoDB: The data file './ibdata1' must be writable",
            "[Warning] Access denied for user 'root'@'127.0.0.1' (using password: YES)",
            "# Internal error in RDB reading offset 0, function at rdb.c:3225 -> RDB CRC error",
            "# Wrong RDB checksum expected: (1) but got (2). Aborting now.",
            "# Unable to obtain the AOF file appendonly.aof.2.base.rdb length. stat: No such file or directory",
            "# Invalid AOF manifest file format",
            "open /data/index.bleve: permission denied",
            "Error: EACCES, open '/data/settings.json'",
            "2026-11-30 04:10:01 C | etcdmain: walpb: crc mismatch",
            "unexpected fault address 0x7f23c003f000",
            "[signal SIGBUS: bus error code=0x2 addr=0x7f23c003f000 pc=0x8fc635]",
            "java.lang.InternalError: a fault occurred in an unsafe memory access operation",
            "panic: freepages: failed to get all reachable pages (page 7: multiple references)",
            "cannot open database at /data/member/snap/db (file size too small)",
            "level=error err=\"opening storage failed: reloadBlocks: corrupted block 01M8: TOC: invalid checksum\"",
            "1796043646: Error: Unable to restore persistent database. Unrecognised file format.",
            "1796043644: Error: Couldn't open database.",
            "[ERROR] InnoDB: Tablespace 5 was not found at ./app/notes.ibd.",
            "mdb_db_open: database \"dc=x\" cannot be opened: MDB_INVALID: File is not an LMDB file (-30793).",
            "{error,{not_a_log_file,\"/data/mnesia/LATEST.LOG\"}}",
        ];
        for sample in samples {
            assert!(recognise(&lines(sample)).is_some(), "{sample}");
        }
    }

    #[test]
    fn another_cluster_and_a_damaged_control_file_are_told_before_what_they_lead_to() {
        let mixed =
            "LOG:  WAL file is from different database system\nPANIC:  could not locate a valid checkpoint record";
        assert!(recognise(&lines(mixed)).is_some_and(|cause| cause.meaning.contains("two PostgreSQL clusters")));
        let damaged = "FATAL:  database files are incompatible with server\n\
                       DETAIL:  The database cluster was initialized with PG_CONTROL_VERSION 4711";
        assert!(recognise(&lines(damaged)).is_some_and(|cause| cause.meaning.contains("pg_control")));
    }

    #[test]
    fn a_probe_without_a_password_is_no_cause() {
        let probe = "[Warning] Access denied for user 'root'@'127.0.0.1' (using password: NO)";
        assert_eq!(recognise(&lines(probe)), None);
    }

    #[test]
    fn an_error_of_the_applications_own_is_quoted_when_the_probe_meets_it() {
        let log = lines("booting\nPDOException: could not find table wiki.page\n\"GET / HTTP/1.1\" 500 12");
        for probe in [
            "the last probe exited with 22: curl: (22) The requested URL returned error: 500",
            "the last probe exited with 1: wget: server returned error: HTTP/1.1 503 Service Unavailable",
            "urllib.error.HTTPError: HTTP Error 500: Internal Server Error",
            "the last probe exited with 22 and said nothing",
        ] {
            let cause = answers_with_an_error(probe, &log).expect("it answers with an error");
            assert_eq!(cause.line, "PDOException: could not find table wiki.page", "{probe}");
        }
        let silent = answers_with_an_error("curl: (22) The requested URL returned error: 502", &[]);
        assert!(silent.is_some_and(|cause| cause.line.contains("502")));
        for other in ["curl: (7) Failed to connect to 127.0.0.1 port 5500", "curl: (22) returned error: 404", ""] {
            assert_eq!(answers_with_an_error(other, &lines("500 notes loaded")), None, "{other}");
        }
    }

    #[test]
    fn an_ordinary_log_has_no_known_cause() {
        assert_eq!(recognise(&lines("listening on 8080\nready")), None);
    }
}

//! Tests of what is heard in a log: each line as its program writes it.

use super::*;

fn weight_of(line: &str) -> Option<Weight> {
    loss(line).map(|loss| loss.weight)
}

#[test]
fn lost_data_is_heard_in_every_style() {
    for line in [
        "2026-11-30 04:10:01.1 UTC [71] ERROR:  invalid page in block 3 of relation base/5/16385",
        "WARNING:  page verification failed, calculated checksum 4711 but expected 0",
        "ERROR:  could not open file \"base/5/16385\": No such file or directory",
        "[ERROR] InnoDB: Tablespace 7 was not found at ./app/notes.ibd.",
        "2026-11-30 4:10:01 0 [ERROR] InnoDB: Database page corruption on disk or a failed read of file 'notes.ibd'",
        "sqlite3.DatabaseError: database disk image is malformed",
        "PHP Fatal error:  Uncaught PDOException: SQLSTATE[HY000]: General error: 26 file is not a database",
        "ts=2026-11-30T04:10:01Z level=error component=tsdb msg=\"failed to read meta.json for a block during repair \
         process; skipping\" dir=/data/01M8 err=\"unexpected end of JSON input\"",
        "1796043650: Warning: Persistence file is empty.",
        "beanstalkd: Errors reading one or more WAL files.",
        "[ERROR] An exception occurred during GET request on '/home/cal/': Failed to load item 'e1.ics' in 'home/cal'",
        "mdb_id2entry: MDB_PAGE_NOTFOUND: Requested page not found",
        "error: object file ./objects/44/22a5 is empty",
        "java.io.IOException: org.apache.lucene.index.CorruptIndexException: checksum failed",
        "{error,{not_a_log_file,\"/var/lib/rabbitmq/mnesia/rabbit@one/LATEST.LOG\"}}",
        "30-Nov-2026 04:10:01.911 zone example.org/IN: loading from master file org.zone failed: file not found",
        "30-Nov-2026 04:10:01.903 zone example.org/IN: not loaded due to errors.",
    ] {
        assert_eq!(weight_of(line), Some(Damaged), "{line}");
    }
}

/// The live service says the same if it was made once and never started again, and is no excuse.
#[test]
fn a_store_that_was_begun_anew_fails_whatever_live_says() {
    for line in [
        "2026-11-30 04:10:01.365614 I | etcdserver: starting member 8e9e05c52164694d in cluster cdf818194e3a8c32",
        "{\"level\":\"info\",\"caller\":\"etcdserver/raft.go:494\",\"msg\":\"starting local member\"}",
    ] {
        let loss = loss(line).expect("a loss");
        assert_eq!(loss.weight, Anew, "{line}");
        for says_live in [false, true] {
            let told = diagnosis("etcd", &loss, 0, says_live);
            assert_eq!((told.code, told.cause.is_some()), (Code::DataReinitialised, true), "{told}");
        }
    }
}

#[test]
fn a_repair_and_words_of_damage_are_heard() {
    for (line, weight) in [
        ("level=warn msg=\"Encountered WAL read error, attempting repair\" err=\"corruption in segment\"", Repaired),
        ("[ERROR] mysqld: Table './app/old' is marked as crashed and should be repaired", Repaired),
        ("dets: file \"/data/x.dets\" not properly closed, repairing ...", Repaired),
        ("WARN store: ignoring corrupted file users.json", Words),
        ("ERROR crc mismatch at offset 4711", Words),
        ("level=error msg=\"Invalid checksum\" file=chunk-7", Words),
        ("[error] journal damaged, starting repair", Words),
        ("W | snapshot db: data loss, 3 entries", Words),
    ] {
        assert_eq!(weight_of(line), Some(weight), "{line}");
    }
}

#[test]
fn an_ordinary_start_is_not_taken_for_a_loss() {
    for line in [
        "LOG:  database system was interrupted; last known up at 2026-11-30 04:10:01 UTC",
        "LOG:  database system was not properly shut down; automatic recovery in progress",
        "LOG:  invalid record length at 0/1A2B3C4: wanted 24, got 0",
        "LOG:  invalid magic number 0000 in log segment 000000010000000000000001, offset 9674752",
        "FATAL:  the database system is starting up",
        "2026-11-30  4:10:01 0 [Note] InnoDB: Starting crash recovery from checkpoint LSN=45022,46590",
        "[Note] InnoDB: End of log at LSN=46590",
        "1:M 30 Nov 2026 04:10:01.000 * DB loaded from append only file: 0.000 seconds",
        "level=info msg=\"Found healthy block\" mint=1700000000000",
        "level=warn msg=\"A TSDB lockfile from a previous execution already existed. It was replaced\"",
        "checking the index for corruption",
        "scan finished: 0 corrupted, 0 repaired",
        "no corruption found in 17 segments",
        "integrity check: corrupted=0",
        "data checksums are disabled; a damaged page would not be noticed",
        "the option --repair is deprecated: repairing the index is the default",
        "this could lead to data loss",
        "WARNING: a crash could corrupt the cache, see https://example.org/corruption",
        "invalid checksum in packet from client 10.0.0.7",
        "Creating shared tablespace for temporary tables",
        "listening on 8080",
        "I | etcdserver: restarting member 8e9e05c52164694d in cluster cdf818194e3a8c32 at commit index 155",
        "{\"level\":\"info\",\"msg\":\"restarting local member\",\"commit-index\":155}",
        "30-Nov-2026 04:10:01.911 zone example.org/IN: loaded serial 2026113001",
        "30-Nov-2026 04:10:01.911 managed-keys-zone: loaded serial 0",
    ] {
        assert_eq!(weight_of(line), None, "{line}");
    }
}

#[test]
fn the_heaviest_line_is_told_and_what_live_says_is_no_failure() {
    let log = ["crc mismatch at 7", "Warning: Persistence file is empty.", "ready"].map(str::to_owned);
    let losses = find(&log);
    let told = diagnosis("broker", &losses[0], 1, false);
    assert_eq!(told.code, Code::DataCorrupt);
    assert!(told.message.contains("Persistence file is empty") && told.message.contains("1 more line"), "{told}");
    let as_live = diagnosis("broker", &losses[0], 0, true);
    assert_eq!((as_live.code, as_live.cause.is_none()), (Code::DataRepaired, true));
    assert_eq!(shape("12: at 7"), shape("9: at 55"));
}

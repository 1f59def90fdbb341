//! Tests of what an answer is worth.

use super::*;

fn ended(exit: i64, stdout: &str, stderr: &str) -> ExecOutput {
    ExecOutput::Ended { exit, stdout: stdout.into(), stderr: stderr.into() }
}

fn mask() -> Mask {
    Mask::of_secrets(["fixture-Answer-secret"])
}

#[track_caller]
fn wrong(heard: CheckResult, part: &str) {
    let CheckResult::Fail(why) = heard else { panic!("{heard:?} is not wrong") };
    assert!(why.contains(part), "{why}");
    assert!(!why.contains("fixture-Answer-secret"), "{why}");
}

#[track_caller]
fn cannot_ask(heard: CheckResult, part: &str) {
    let CheckResult::Invalid(why) = heard else { panic!("{heard:?} could be asked") };
    assert!(why.contains(part), "{why}");
}

#[test]
fn a_command_is_right_by_its_exit_code_and_its_output() {
    assert_eq!(to_exec(&ended(0, "", ""), 0, None, &mask()), CheckResult::Pass);
    assert_eq!(to_exec(&ended(3, "", ""), 3, None, &mask()), CheckResult::Pass);
    assert_eq!(to_exec(&ended(0, "1\n", ""), 0, Some("^1$"), &mask()), CheckResult::Pass);
    wrong(to_exec(&ended(1, "", "fixture-Answer-secret!"), 0, None, &mask()), "expected exit code 0, found 1");
    wrong(to_exec(&ended(0, "12\n", ""), 0, Some("^1$"), &mask()), "matches `^1$`, but the command ended and said: 12");
    wrong(to_exec(&ended(0, &"x".repeat(999), ""), 0, Some("y"), &mask()), &format!("{}…", "x".repeat(300)));
}

#[test]
fn a_command_that_is_not_there_is_no_answer() {
    cannot_ask(to_exec(&ended(127, "", "sh: psql: not found"), 0, None, &mask()), "psql: not found");
    cannot_ask(to_exec(&ExecOutput::NotStarted("no such file".to_owned()), 0, None, &mask()), "no such file");
    // Who asks for it gets it.
    assert_eq!(to_exec(&ended(127, "", ""), 127, None, &mask()), CheckResult::Pass);
}

#[test]
fn a_file_is_right_by_its_size_its_age_and_its_hash() {
    let hash = "ab".repeat(32);
    let said = format!("11 1000 1060\n{hash}  -\n");
    let look = |size, sha256, newer_than: Option<u64>| {
        to_file(&ended(0, &said, ""), size, sha256, newer_than.map(Duration::from_secs), &mask())
    };
    assert_eq!(look(Some(11), Some(hash.as_str()), Some(60)), CheckResult::Pass);
    let told =
        |heard, part: &str| assert!(matches!(&heard, CheckResult::FailFinal(why) if why.contains(part)), "{heard:?}");
    told(look(Some(12), None, None), "expected at least 12 bytes, found 11");
    told(look(None, Some("cd"), None), "expected the SHA-256 cd, found abab");
    told(look(None, None, Some(59)), "within the last 59s, found one 1m ago");
    told(to_file(&ended(0, "missing\n", ""), None, None, None, &mask()), "it is not there");
    cannot_ask(to_file(&ended(1, "", "stat: denied"), None, None, None, &mask()), "stat: denied");
}

#[test]
fn rows_are_counted_and_the_first_is_compared() {
    let sql = |stdout: &str, value, min_rows| to_sql(&ended(0, stdout, ""), value, min_rows, &mask());
    assert_eq!(sql("2\n", Some("2"), 1), CheckResult::Pass);
    assert_eq!(sql("a|b\0c|d\0", Some("a|b"), 2), CheckResult::Pass);
    assert_eq!(sql("a\tb\nc\td\n", Some("a|b"), 2), CheckResult::Pass);
    assert_eq!(sql("two\nlines\0next\0", Some("two\nlines"), 2), CheckResult::Pass);
    wrong(sql("2\n", Some("3"), 1), "expected `3`, found `2`");
    wrong(sql("", None, 1), "expected at least 1 rows, found 0");
    wrong(sql("fixture-Answer-secret\n", Some("3"), 1), "found `•••`");
}

#[test]
fn a_refused_query_is_no_answer_and_a_database_that_starts_is_asked_again() {
    let said = |exit, stderr| to_sql(&ended(exit, "", stderr), None, 1, &mask());
    cannot_ask(said(1, "ERROR:  syntax error at or near \"SELEC\""), "refuses the query: ERROR:  syntax error");
    cannot_ask(said(127, "there is neither psql nor mariadb nor mysql"), "no client");
    for words in ["psql: error: connection to server failed: the database system is starting up", "ERROR 2002 (HY000)"]
    {
        assert!(matches!(said(2, words), CheckResult::Retry(_)), "{words}");
    }
}

#[test]
fn a_database_that_answers_with_damage_is_no_wrong_check() {
    let said = |stderr: &str| to_sql(&ended(1, "", stderr), None, 1, &mask());
    for damage in [
        "ERROR 1932 (42S02) at line 1: Table 'app.notes' doesn't exist in engine",
        "ERROR 1812 (HY000) at line 1: Tablespace is missing for a table",
        "ERROR 1034 (HY000) at line 1: Index for table 'notes' is corrupt; try to repair it",
        "ERROR:  invalid page in block 4 of relation base/5/16385",
        "ERROR:  could not open file \"base/5/16385\": No such file or directory",
    ] {
        assert!(matches!(said(damage), CheckResult::Damaged(why) if why.contains(damage)), "{damage}");
    }
    for no_damage in
        ["ERROR:  relation \"notes\" does not exist", "ERROR 1146 (42S02) at line 1: Table 'app.notes' doesn't exist"]
    {
        assert!(matches!(said(no_damage), CheckResult::Lacking { .. }), "{no_damage}");
    }
    let damaged =
        to_sqlite(&Queried::Refused { words: "database disk image is malformed".to_owned() }, None, 1, &mask());
    assert!(matches!(damaged, CheckResult::Damaged(_)), "{damaged:?}");
}

#[test]
fn a_table_that_is_not_there_is_named_before_the_check_is_doubted() {
    let by_client = |stderr: &str| to_sql(&ended(1, "", stderr), None, 1, &mask());
    let by_sqlite = |words: &str| to_sqlite(&Queried::Refused { words: words.to_owned() }, None, 1, &mask());
    for (heard, missing) in [
        (by_client("ERROR:  relation \"u\" does not exist\nLINE 1: SELECT count(*) FROM u"), "u"),
        (by_client("ERROR 1146 (42S02) at line 1: Table 'app.u' doesn't exist"), "app.u"),
        (by_sqlite("no such table: main.u"), "main.u"),
    ] {
        let CheckResult::Lacking { table, words } = heard else { panic!("{heard:?} misses no table") };
        assert_eq!(table, missing);
        let diagnosis = without_table(Diagnosis::new(Code::CheckCannotAsk, "x"), &table, words);
        assert!(misses_table(&diagnosis), "{diagnosis:?}");
        let first = format!("The restored data has no table {missing}; if the live database has it, the backup lacks");
        assert!(diagnosis.remedy().starts_with(&first), "{}", diagnosis.remedy());
    }
    cannot_ask(by_client("ERROR:  column \"u\" does not exist"), "refuses the query");
    assert!(!misses_table(&Diagnosis::new(Code::CheckCannotAsk, "the image has no client")));
}

#[test]
fn a_log_has_what_it_should_and_not_what_it_should_not() {
    let log = ["ready in 3 s".to_owned(), "error: fixture-Answer-secret".to_owned()];
    assert_eq!(to_log(&log, Some("^ready"), Some("panic"), &mask()), CheckResult::Pass);
    wrong(to_log(&log, Some("^steady"), None, &mask()), "found none in 2 lines");
    let CheckResult::FailFinal(why) = to_log(&log, None, Some("^error"), &mask()) else { panic!("an error is there") };
    assert!(why.ends_with("found: error: •••"), "{why}");
    cannot_ask(to_log(&log, Some("("), None, &mask()), "");
}

#[test]
fn an_answer_over_http_is_right_by_status_and_content() {
    let ask = HttpCheck {
        method: "GET".to_owned(),
        path: "/".to_owned(),
        port: 80,
        tls: false,
        headers: Vec::new(),
        login: None,
        status: 200,
        contains: Some("remembered".to_owned()),
        matches: Some("\"id\": ?1".to_owned()),
        json: vec![("/0/id".to_owned(), Some(1.0.into())), ("/0/text".to_owned(), None)],
    };
    let said = |status, body| to_http(&ask, status, body, false, &mask());
    assert_eq!(said(200, r#"[{"id": 1, "text": "remembered"}]"#), CheckResult::Pass);
    wrong(said(500, "fixture-Answer-secret"), "expected status 200, found 500: •••");
    wrong(said(200, "[]"), "a body with `remembered`, found: []");
    wrong(said(200, r#"[{"id": 2, "text": "remembered"}]"#), "matches");
    wrong(said(200, r#"{"id": 1, "text": "remembered"}"#), "expected something at `/0/id`");
    let other = HttpCheck { matches: None, ..ask };
    let body = r#"[{"id": 2, "text": "remembered"}]"#;
    wrong(to_http(&other, 200, body, false, &mask()), "expected 1.0 at `/0/id` of the body, found 2");
    wrong(to_http(&other, 200, "remembered", false, &mask()), "a body of JSON");
    cannot_ask(to_http(&other, 200, "[\"remembered", true, &mask()), "too long");
}

#[test]
fn base64_is_that_of_the_standard() {
    for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
        assert_eq!(base64(text.as_bytes()), encoded);
    }
    assert_eq!(base64(&[0xfb, 0xff]), "+/8=");
}

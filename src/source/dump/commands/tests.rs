//! What is found in dumps that dump programs write, and in dumps with more.

use super::*;

fn found(dump: &str) -> FoundCommands {
    let mut scan = CommandScan::default();
    // The pieces in which a dump is read end anywhere.
    dump.as_bytes().chunks(7).for_each(|piece| scan.take(piece));
    scan.finish()
}

#[track_caller]
fn psql(dump: &str, expected: Option<(u64, &str)>) {
    let found = found(dump).of_psql;
    assert_eq!(found.as_ref().map(|found| (found.line, found.text.as_str())), expected, "{dump}");
}

#[track_caller]
fn mysql(dump: &str, expected: Option<(u64, &str)>) {
    let found = found(dump).of_mysql;
    assert_eq!(found.as_ref().map(|found| (found.line, found.text.as_str())), expected, "{dump}");
}

/// From dumps of pg_dump 15.18: `--create`, a function, a body without quotes, a view, a comment, rows.
#[test]
fn what_pg_dump_writes_is_no_foreign_command() {
    for dump in [
        "\\restrict vpQ6LQInB86G2Zza\nSET a = 1;\n\\unrestrict vpQ6LQInB86G2Zza\n\\encoding SQL_ASCII\n\
         \\connect -reuse-previous=on \"dbname='my app'\"\n\\connect template1\n",
        "CREATE FUNCTION f() RETURNS text AS $$select '\\! x'::text$$;\n",
        "CREATE FUNCTION g() RETURNS text AS $x$ begin return '\\! $y$'; -- it's \\! z\nend $x$;\nSELECT $1;\n",
        "CREATE FUNCTION h() BEGIN ATOMIC\n SELECT '\\! a'::text AS text;\nEND;\n",
        "COMMENT ON TABLE t IS 'it''s \\! in a\n\\! comment';\n-- it's \\! one\n/* it's \\! /* too */ \\! */\n",
        "CREATE TABLE \"od\\d\" (b int); SELECT 'q\\', E'\\'\\! a', E'a'\n'\\'\\! b', 'C:\\';\n",
        "COPY public.t (a) FROM stdin;\n\\\\! touch x\nline\\n\\\\.\nit's\\t\\N\n\\.\nSELECT 1;\n",
        "COPY t (a) FROM stdin;\r\na\r\n\\.\r\n\\.\nSET standard_conforming_strings = off;\nSELECT '\\'\\!';\n",
    ] {
        psql(dump, None);
    }
    psql(&format!("COPY t ({}) FROM stdin;\nit's\n\\.\n", "a_long_name, ".repeat(2000)), None);
}

#[test]
fn a_foreign_command_of_psql_is_found_with_its_line() {
    psql("SELECT 1;\n\\! touch x\n", Some((2, "\\! touch x")));
    psql("SELECT 1 \\! touch x", Some((1, "\\! touch x")));
    psql("SELECT 'a'\\echo hi\n", Some((1, "\\echo hi")));
    psql("SELECT 1 \\g |cat\n", Some((1, "\\g |cat")));
    psql("\\i /dev/zero\n\\o x\n", Some((1, "\\i /dev/zero")));
    psql("\\connect `touch x`\n", Some((1, "\\connect `touch x`")));
    psql("\\connect a \\! touch x\n", Some((1, "\\connect a \\! touch x")));
    psql("\\restrict a \\! touch x\n", Some((1, "\\restrict a \\! touch x")));
    psql("SELECT $a$ $b$ $a$; \\! x\n", Some((1, "\\! x")));
    psql("SELECT 'a'; -- it's\n/* /* */ */ \\! x\n", Some((2, "\\! x")));
    // The server may refuse the COPY, and psql then takes the rows for commands.
    psql("COPY none FROM stdin;\n\\! touch x\n\\.\n", Some((2, "\\!")));
    psql("COPY t FROM stdin;\na\n\\.\n\\! x\n", Some((4, "\\! x")));
    psql("COPY t FROM PROGRAM 'touch x';\n", Some((1, "COPY T FROM PROGRAM 'TOUCH X';")));
    psql("SET standard_conforming_strings = off;\nSELECT '\\'\\! x'; \\! y\n", Some((2, "\\! y")));
    psql("SET standard_conforming_strings = 0;\nSELECT '\\'\\! x'; \\! y\n", Some((2, "\\! y")));
    psql("SELECT 1$$ ' $$ \\! x\n--';\n", Some((1, "\\! x")));
    psql("COPY t FROM/**/PROGRAM'touch x';\n", Some((1, "COPY T FROM PROGRAM'TOUCH X';")));
    psql("COPY(SELECT 1)TO PROGRAM'touch x';\n", Some((1, "COPY(SELECT 1)TO PROGRAM'TOUCH X';")));
    psql("COPY (SELECT 1 FROM stdin_tab) TO '/dev/null';\nSELECT '\n\\.\n'; \\! x\n", Some((4, "\\! x")));
}

#[test]
fn what_mariadb_dump_writes_is_no_foreign_command() {
    for dump in [
        "/*M!999999\\- enable the sandbox mode */ \n-- MariaDB dump it's\n/*!40101 SET @OLD=@@X */;\n",
        "/*!999999\\- enable the sandbox mode */\nINSERT INTO a VALUES ('it\\'s \\\\','\\! \"',\\N,\"\\.\");\n",
        "DELIMITER ;;\nCREATE TRIGGER a BEGIN\n  SET b = '\\! x';\n  # it's \\!\nEND ;;\nDELIMITER ;\nUSE x;\n",
        "CREATE TABLE t (\n  source text,\nsystem int\n);\n/* it's \\! */ SELECT 1--1;\n",
        "INSERT INTO t VALUES ('\nsource x\nsystem y\n');\n",
        "SET sql_mode = 'ANSI,NO_BACKSLASH_ESCAPES';\nINSERT INTO t VALUES ('C:\\');\n",
    ] {
        mysql(dump, None);
    }
}

#[test]
fn a_foreign_command_of_mysql_is_found_with_its_line() {
    mysql("USE x;\n\\! touch x\n", Some((2, "\\!")));
    mysql("SELECT 1 \\! touch x\n", Some((1, "SELECT 1 \\!")));
    mysql("USE x;\nsystem touch x\n", Some((2, "system touch x")));
    mysql("-- a\n  SOURCE /dev/zero\n", Some((2, "SOURCE /dev/zero")));
    mysql("/*!999999\\- x */\ntee x\n", Some((2, "tee x")));
    mysql("/*!50000 \\! touch x */;\n", Some((1, "/*!50000 \\!")));
    mysql("DELIMITER //\nSELECT ';' //\npager cat", Some((3, "pager cat")));
    mysql("SELECT 'a\\\\'; \\. x\n", Some((1, "SELECT 'a\\\\'; \\.")));
}

/// psql takes the byte behind a 0x83 for a part of its character, and the quote would not end the string.
#[test]
fn an_encoding_that_hides_quotes_is_refused() {
    for dump in [
        "\\encoding SJIS\n",
        "\\encoding gb18030\n",
        "\\encoding windows-932\n",
        "SET client_encoding = 'SJIS';\n",
        "SET   SESSION\n client_encoding TO BIG5;\n",
        "SET NAMES 'GBK';\n",
        "SELECT pg_catalog.set_config('client_encoding', 'UHC', false);\n",
        "SELECT set_config('client_encoding', 'UTF8', false), set_config('client_encoding', 'SJIS', false);\n",
        "SET client_encoding = 'Windows-936';\n",
        "ALTER DATABASE a SET client_encoding TO 'JOHAB';\n",
    ] {
        assert!(found(dump).of_psql.is_some(), "{dump}");
    }
    psql(&format!("SET{}client_encoding = 'SJIS';\n", " ".repeat(2000)), Some((1, "SET CLIENT_ENCODING = 'SJIS';")));
    for encoding in ["UTF8", "utf-8", "LATIN1", "ISO_8859_5", "EUC_JP", "SQL_ASCII", "WIN1252", "KOI8R", "Windows-1251"]
    {
        psql(&format!("\\encoding {encoding}\nSET client_encoding = '{encoding}';\nSET NAMES '{encoding}';\n"), None);
    }
    psql(
        "SELECT pg_catalog.current_setting('client_encoding');\nINSERT INTO t VALUES ('client_encoding', 'SJIS');\n",
        None,
    );
}

#[test]
fn a_connection_to_more_than_a_database_is_refused() {
    for argument in [
        "\"host=192.0.2.2 dbname=a\"",
        "-reuse-previous=on \"dbname='a' client_encoding='SJIS'\"",
        "a postgres 192.0.2.2",
        "postgresql://192.0.2.2/a",
        "dbname=a",
        "\"dbname=a\"",
    ] {
        assert!(found(&format!("\\connect {argument}\n")).of_psql.is_some(), "{argument}");
    }
    for argument in ["\"my \"\"app\"", "-reuse-previous=on \"dbname='it\\'s \"\"a\"\" b=c'\"", "a-b_c.d"] {
        psql(&format!("\\connect {argument}\n"), None);
    }
}

#[test]
fn a_command_that_ends_the_load_or_connects_elsewhere_is_found() {
    for word in
        ["quit", "EXIT", "connect a 192.0.2.2", "charset sjis", "delimiter ZZZZ", "delimiter", "go", "\\q", "\\u b"]
    {
        assert!(found(&format!("USE x;\n{word}\nUSE y;\n")).of_mysql.is_some(), "{word}");
    }
    mysql("USE x; quit;\n", Some((1, "USE x; quit;")));
    mysql("USE x;\nquit\n;\n", Some((2, "quit")));
    mysql("CREATE TABLE t (\nstatus int,\n`quit` int,\nexit\n);\nINSERT INTO t VALUES ('\nquit\n');\n", None);
    psql("SELECT 1;\n\\q\n", Some((2, "\\q")));
}

#[test]
fn an_end_within_a_statement_or_a_comment_is_told() {
    for dump in ["SELECT 1;\n/* \nSELECT 2;\n", "SELECT 1;\nSELECT 'a;\n", "SELECT 1;\nSELECT 2\n"] {
        let found = found(dump);
        assert!(found.psql_is_open && found.mysql_is_open, "{dump}");
    }
    assert!(found("SELECT $a$ 1;\n").psql_is_open);
    assert!(found("COPY t FROM stdin;\n1\n").psql_is_open);
    assert!(found("DELIMITER ;;\nSELECT 1 ;;\n").mysql_is_open);
    for dump in ["SELECT 1;\n-- end\n\n", "SELECT 1; /* end */\n", "/*!40101 SET A=1 */;\n-- Dump completed\n"] {
        let found = found(dump);
        assert!(!found.psql_is_open && !found.mysql_is_open, "{dump}");
    }
    assert!(!found("COPY t FROM stdin;\n1\n\\.\n\n-- end\n\\unrestrict a\n").psql_is_open);
    assert!(
        !found("/*M!999999\\- enable the sandbox mode */ \nDELIMITER ;;\nSELECT 1 ;;\nDELIMITER ;\n").mysql_is_open
    );
}

//! What a summary of a dump says.

use super::*;

fn seen(text: &str) -> SqlSummary {
    summarize(text.as_bytes()).expect("bytes can be read")
}

const PLAIN: &str = "\
    --\n\
    -- PostgreSQL database dump\n\
    --\n\n\
    -- Dumped from database version 15.4\n\
    -- Dumped by pg_dump version 15.4 (Debian 15.4-1)\n\n\
    SET lock_timeout = 0;\n\
    CREATE TABLE public.notes (\n    text text\n\
    );\n\
    ALTER TABLE public.notes OWNER TO \"App Owner\";\n\
    COPY public.notes (text) FROM stdin;\n\
    INSERT INTO is a note\n\
    remembered\n\
    \\.\n\n\
    GRANT SELECT ON TABLE public.notes TO reader;\n\
    GRANT ALL ON TABLE public.notes TO PUBLIC;\n\
    --\n\
    -- PostgreSQL database dump complete\n\
    --\n\n";

#[test]
fn a_dump_of_one_database_tells_its_rows_and_roles() {
    let SqlSummary { dump, lacks, .. } = seen(PLAIN);
    assert_eq!(lacks, None);
    assert_eq!(dump.format, DumpFormat::PostgresSql);
    assert_eq!((dump.tables, dump.rows, dump.version.as_deref()), (1, Some(2), Some("15.4")));
    assert_eq!(dump.roles, ["App Owner", "reader"]);
    assert!(dump.databases.is_empty() && !dump.names_its_place);
    assert_eq!(dump.bytes, PLAIN.len() as u64);
}

#[test]
fn the_lines_that_remove_something_are_known() {
    let text = "\
        ALTER TABLE ONLY public.t DROP CONSTRAINT k;\n\
        DROP TABLE public.t;\n\
        CREATE TABLE public.t (a int);\n\
        COPY public.t (a) FROM stdin;\n\
        DROP TABLE x\n\
        \\.\n";
    assert_eq!(seen(text).dump.removals, [1, 2]);
}

#[test]
fn wherever_a_dump_is_cut_off_it_is_told() {
    let end = PLAIN.find("-- PostgreSQL database dump complete").expect("it has an end");
    let head = PLAIN.find("SET lock").expect("it has a head");
    for at in head..end {
        assert!(seen(&PLAIN[..at]).lacks.is_some(), "cut at {at}");
    }
    assert!(seen("").lacks.is_some_and(|words| words.contains("empty")));
    assert!(seen("-- nothing\n").lacks.is_some());
}

#[test]
fn lines_in_pairs_tell_the_end_of_a_dump_without_comments() {
    let notes =
        ("/*!40111 SET @OLD_SQL_NOTES=@@SQL_NOTES, SQL_NOTES=0 */;", "/*!40111 SET SQL_NOTES=@OLD_SQL_NOTES */;");
    let restricted = ("\\restrict k3y", "\\unrestrict k3y");
    for (begin, end) in [notes, restricted] {
        let cut = format!("{begin}\nCREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n");
        let SqlSummary { dump, lacks, .. } = seen(&format!("{cut}{end}\n"));
        assert_eq!((lacks, dump.lacks_end), (None, false), "{begin}");
        assert!(seen(&cut).lacks.is_some_and(|words| words.contains(begin)), "{begin}");
    }
    let nothing_tells = seen("CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n");
    assert!(nothing_tells.lacks.is_none() && nothing_tells.dump.lacks_end);
    assert!(!seen(PLAIN).dump.lacks_end);
}

#[test]
fn a_cluster_makes_its_roles_and_enters_its_databases() {
    let text = "\
        --\n\
        -- PostgreSQL database cluster dump\n\
        --\n\
        CREATE ROLE app;\n\
        ALTER ROLE app WITH NOSUPERUSER;\n\
        \\connect template1\n\
        --\n\
        -- PostgreSQL database dump\n\
        --\n\
        -- PostgreSQL database dump complete\n\
        --\n\
        CREATE DATABASE \"my app\" WITH TEMPLATE = template0;\n\
        ALTER DATABASE \"my app\" OWNER TO app;\n\
        \\connect -reuse-previous=on \"dbname='my app'\"\n\
        CREATE TABLE public.t (a integer);\n\
        ALTER TABLE public.t OWNER TO other;\n\
        COPY public.t (a) FROM stdin;\n\
        1\n\
        \\.\n\
        --\n\
        -- PostgreSQL database dump complete\n\
        --\n";
    let whole = format!("{text}--\n-- PostgreSQL database cluster dump complete\n--\n");
    let SqlSummary { dump, lacks, .. } = seen(&whole);
    assert_eq!((lacks, dump.format), (None, DumpFormat::PostgresCluster));
    assert_eq!(dump.databases, ["template1", "my app"]);
    assert_eq!((dump.roles, dump.rows), (vec!["other".to_owned()], Some(1)));
    assert!(seen(text).lacks.is_some_and(|words| words.contains("cluster dump complete")));
}

#[test]
fn mariadb_and_mysql_name_their_database_and_their_end() {
    let head = "\
        /*M!999999\\- enable the sandbox mode */ \n\
        -- MariaDB dump 10.19  Distrib 10.11.6-MariaDB\n\
        --\n\
        -- Host: localhost    Database: app\n\
        -- ------------------------------------------------------\n\
        -- Server version\t10.11.6-MariaDB-0\n\n\
        /*!40101 SET @OLD=@@X */;\n\
        CREATE TABLE `notes` (\n  `text` text\n\
        );\n";
    let rows = "INSERT INTO `notes` VALUES\n('remembered');\n";
    let end = "-- Dump completed on 2026-11-25 10:00:00\n";
    let SqlSummary { dump, lacks, .. } = seen(&format!("{head}{rows}{end}"));
    assert_eq!((lacks, dump.format), (None, DumpFormat::MySql));
    assert_eq!((dump.databases, dump.names_its_place), (vec!["app".to_owned()], false));
    assert_eq!((dump.tables, dump.rows, dump.version.as_deref()), (1, Some(1), Some("10.11.6-MariaDB-0")));
    assert!(dump.roles.is_empty());
    assert!(seen(&format!("{head}{rows}")).lacks.is_some_and(|words| words.contains("Dump completed")));
    assert_eq!(seen(&format!("{head}{end}")).dump.rows, Some(0));
    let of_all = format!("{}--\n-- Current Database: `other`\n--\nUSE `other`;\n{end}", head.replace("app", ""));
    let dump = seen(&of_all).dump;
    assert_eq!((dump.databases, dump.names_its_place), (vec!["other".to_owned()], true));
}

#[test]
fn statements_without_a_name_are_believed_as_far_as_they_go() {
    let SqlSummary { dump, lacks, of_sqlite } = seen("CREATE TABLE t (a int);\nINSERT INTO t VALUES (1);\n");
    assert_eq!((dump.format, lacks, of_sqlite), (DumpFormat::Sql, None, false));
    assert!(seen("CREATE TABLE t (a int);\nINSERT INTO t VAL").lacks.is_some());
    assert!(seen("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n").of_sqlite);
}

#[test]
fn ends_of_lines_that_a_terminal_wrote_are_the_cause() {
    let dump = PLAIN.replace('\n', "\r\r\n");
    assert!(seen(&dump).lacks.is_some_and(|words| words.contains("\\r\\r\\n") && words.contains("-t")));
    assert_eq!(seen(&PLAIN.replace('\n', "\r\n")).lacks, None);
}

#[test]
fn a_nul_byte_is_damage_and_its_place_is_named() {
    for at in [PLAIN.find("remembered").expect("it is there") + 3, PLAIN.find("SET").expect("it is there")] {
        let mut dump = PLAIN.as_bytes().to_vec();
        dump[at] = 0;
        let line = PLAIN[..at].matches('\n').count() + 1;
        let lacks = summarize(dump.as_slice()).expect("bytes can be read").lacks.expect("it is damaged");
        assert!(lacks.contains(&format!("at byte {at}, in line {line})")), "{lacks}");
    }
    let long = format!("INSERT INTO t VALUES ('{}\0');\n", "x".repeat(10 * LINE));
    assert!(seen(&long).lacks.is_some_and(|words| words.contains("NUL")));
}

#[test]
fn a_comment_that_is_not_ended_is_told() {
    let dump = format!("/*!40101 SET A=1 */;\n/* \n{}-- Dump completed\n", "INSERT INTO t VALUES (1);\n".repeat(3));
    assert!(seen(&dump).lacks.is_some_and(|words| words.contains("never ended")));
}

#[test]
fn a_line_without_an_end_costs_no_memory() {
    let long = format!("INSERT INTO t VALUES ('{}');\nINSERT INTO t VALUES (1);\n", "x".repeat(10 * LINE));
    let dump = seen(&long).dump;
    assert_eq!((dump.rows, dump.bytes), (Some(2), long.len() as u64));
}

#[test]
fn the_tables_that_a_dump_fills_are_known() {
    let names = |text: &str| {
        let filled = seen(text).dump.filled.into_iter();
        let parts = filled.map(|table| [table.database, table.schema, Some(table.name)]);
        parts.map(|parts| parts.into_iter().flatten().collect::<Vec<_>>().join("/")).collect::<Vec<_>>()
    };
    assert_eq!(names(PLAIN), ["public/notes"]);
    let text = "-- PostgreSQL database dump\nCOPY public.none (a) FROM stdin;\n\\.\n\
        INSERT INTO s.\"T x\" VALUES ('\nINSERT INTO no VALUES\n');\n\
        CREATE FUNCTION f() AS $$ BEGIN\nINSERT INTO log VALUES (1);\nEND $$;\n\
        -- PostgreSQL database dump complete\n";
    assert_eq!(names(text), ["s/T x"]);
    let text = "/*!40101 SET A=1 */;\nUSE `shop`;\nINSERT INTO `c` VALUES\n(1);\nDELIMITER ;;\n\
        CREATE TRIGGER t BEGIN\nINSERT INTO log VALUES (1);\nEND ;;\nDELIMITER ;\n";
    assert_eq!(names(text), ["shop/c"]);
    // What others wrote may remove again what it fills.
    assert!(names("INSERT INTO t VALUES (1);\nDROP TABLE t;\n").is_empty());
}

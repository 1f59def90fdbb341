//! Database dumps: what a dump can lack, and where it does not belong.

use Form::{Custom, Inside, Sql, SqlGz, Tar};
use Kind::{MariaDb, Postgres};

use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;

pub fn faults() -> Vec<Fault> {
    let mut all = told();
    all.extend(not_run());
    all.extend(beside_files());
    all
}

/// Dumps that a backup has beside other files: its service's database is not among the files.
fn beside_files() -> Vec<Fault> {
    vec![
        fault(35, "without a byte", Postgres, Inside)
            .data("truncate -s 0 \"$1\"")
            .failed("restore/incomplete", &["postgresql_databases", "it is empty"]),
        fault(35, "cut off in the middle of its rows", Postgres, Inside)
            .data("cut_to \"$1\" 40")
            .failed("restore/incomplete", &["in the middle of the rows"]),
        fault(35, "of another database", MariaDb, Inside)
            .data("sed -i 's/Database: app/Database: other/' \"$1\"; mv \"$1\" \"$(dirname \"$1\")/other\"")
            .failed("restore/incomplete", &["mariadb_databases", "dump of other", "MARIADB_DATABASE"]),
        fault(35, "of another program", Postgres, Inside)
            .data("printf '/*!1 SET a */;\\nINSERT INTO t VALUES (1);\\n' >\"$1\"")
            .failed("restore/incomplete", &["MariaDB or MySQL", "runs PostgreSQL"]),
        fault(35, "of another server", Postgres, Inside)
            .data("mv \"$(dirname \"$1\")\" data/borgmatic/postgresql_databases/elsewhere")
            .errored("restore/ambiguous", &["postgresql_databases/elsewhere/postgres"]),
        fault(35, "two dumps of one server", Postgres, Inside)
            .data("cp \"$1\" \"$(dirname \"$1\")/other\"")
            .errored("restore/ambiguous", &["/other,", "/postgres"]),
        fault(35, "beside the files of the database", Postgres, Inside)
            .data("cp -a --reflink=auto \"$3/$2\" data")
            .warned("restore/dump-unused", &["holds the files of volume", "/postgres"]),
    ]
}

/// Dumps with commands that no dump program writes, and dumps that are none.
fn not_run() -> Vec<Fault> {
    let command = |what, kind, form, damage, words| {
        fault(40, what, kind, form).backup(damage).failed("dump/client-command", words)
    };
    vec![
        command(
            "a command of psql in a line of its own",
            Postgres,
            Sql,
            "sed -i '0,/^COPY /s//\\\\! touch x\\n&/' \"$1\"",
            &["in line", "\\! touch x", "PostgreSQL"],
        ),
        command(
            "a command of psql behind a statement",
            Postgres,
            SqlGz,
            "(zcat \"$1\"; echo 'SELECT 1 \\g |cat') >y; gzip <y >\"$1\"",
            &["\\g |cat"],
        ),
        command(
            "a command of psql in the rows of a table that is not there",
            Postgres,
            Sql,
            "sed -i '0,/^COPY /s//COPY none FROM stdin;\\n\\\\! touch x\\n\\\\.\\n&/' \"$1\"",
            &["\\!"],
        ),
        command(
            "a program that the server runs",
            Postgres,
            Sql,
            "sed -i \"0,/^COPY /s//COPY notes FROM PROGRAM 'id';\\\\n&/\" \"$1\"",
            &["PROGRAM"],
        ),
        command("a command of MariaDB's client", MariaDb, Sql, "echo '\\! touch x' >>\"$1\"", &["\\!", "MariaDB"]),
        command("the same by its name", MariaDb, Sql, "echo 'system touch x' >>\"$1\"", &["system touch x"]),
        fault(40, "a statement that never ends", Postgres, Sql)
            .backup("sed -i '0,/^COPY /s//SELECT pg_sleep(100000);\\n&/' \"$1\"")
            .with(&["--timeout", "40s"])
            .errored("restore/failed", &["had not ended after 40s"]),
        fault(41, "text in UTF-16", Postgres, Sql)
            .backup("iconv -f UTF-8 -t UTF-16 \"$1\" >y; mv y \"$1\"")
            .errored("source/other-format", &["UTF-16"]),
        fault(41, "several dumps in an archive", Postgres, Sql)
            .backup("cp \"$1\" other.sql; tar -czf y.tgz \"$1\" other.sql")
            .with(&["--from", "dump:y.tgz"])
            .errored("source/several", &["x.sql, other.sql"]),
        fault(41, "one of several dumps in an archive", Postgres, Sql)
            .backup("sed 's/kept/other/' \"$1\" >other.sql; tar -czf y.tgz \"$1\" other.sql")
            .with(&["--from", "dump:y.tgz#x.sql"])
            .harmless(),
        fault(41, "dumps in an archive that is given for its files", Postgres, Tar)
            .backup("mkdir d; echo 'SELECT 1;' >d/app.sql; tar -C d -cf \"$1\" .")
            .errored("restore/ambiguous", &["app.sql"]),
    ]
}

fn told() -> Vec<Fault> {
    let lacks = |what, kind, form, damage, words| {
        fault(35, what, kind, form).backup(damage).failed("restore/incomplete", words)
    };
    vec![
        lacks("cut off in the middle of its rows", Postgres, Sql, "cut_to \"$1\" 40", &["in the middle of the rows"]),
        lacks(
            "cut off after its rows",
            Postgres,
            SqlGz,
            "zcat \"$1\" | sed '/dump complete/,$d' | gzip >y; mv y \"$1\"",
            &["its last line"],
        ),
        lacks("its packing is cut off", Postgres, SqlGz, "cut_to \"$1\" 50", &["ends in the middle"]),
        lacks("cut off in its table of contents", Postgres, Custom, "truncate -s 700 \"$1\"", &["table of contents"]),
        lacks("cut off in its rows", Postgres, Custom, "cut_to \"$1\" 80", &["pg_restore"]),
        lacks("without a byte", Postgres, Sql, "truncate -s 0 \"$1\"", &["it is empty"]),
        lacks("its schema only", Postgres, Sql, "sed -i '/^COPY /,/^\\\\\\.$/d' \"$1\"", &["and no row"]),
        lacks(
            "of roles that are not there",
            Postgres,
            Sql,
            "sed -i 's/OWNER TO postgres/OWNER TO keeper/' \"$1\"",
            &["keeper"],
        ),
        lacks(
            "a statement that fails",
            Postgres,
            Sql,
            "sed -i 's/^COPY public.notes /COPY public.others /' \"$1\"",
            &["others"],
        ),
        lacks(
            "of another program",
            Postgres,
            Sql,
            "printf '/*!1 SET a */;\\nINSERT INTO t VALUES (1);\\n' >\"$1\"",
            &["MariaDB or MySQL", "psql"],
        ),
        lacks("cut off in the middle", MariaDb, Sql, "cut_to \"$1\" 60", &["Dump completed"]),
        lacks("its schema only", MariaDb, Sql, "sed -i '/^INSERT INTO/d' \"$1\"", &["and no row"]),
        lacks(
            "of another database",
            MariaDb,
            Sql,
            "sed -i 's/Database: app/Database: other/' \"$1\"",
            &["other", "MARIADB_DATABASE"],
        ),
        lacks(
            "a statement that fails",
            MariaDb,
            Sql,
            "sed -i 's/INSERT INTO `notes`/INSERT INTO `others`/' \"$1\"",
            &["others"],
        ),
        lacks(
            "its lines end as a terminal ends them",
            Postgres,
            Sql,
            "sed -i 's/$/\r\r/' \"$1\"",
            &["\\r\\r\\n", "-t"],
        ),
        fault(35, "a bit flipped", Postgres, SqlGz).backup("flip \"$1\"").failed("source/corrupt", &["x.sql.gz"]),
        fault(35, "of another database, whose name it does not say", Postgres, Sql)
            .backup("sed -i 's/public.notes/public.pages/g' \"$1\"")
            .failed("restore/incomplete", &[])
            .but_today(
                ("passed", ""),
                "a plain dump of one PostgreSQL database does not name it; a check of a row notices",
            ),
    ]
}

//! Database dumps: what a dump can lack, and where it does not belong.

use Form::{Custom, Sql, SqlGz};
use Kind::{MariaDb, Postgres};

use crate::fault::{Fault, fault};
use crate::form::Form;
use crate::kind::Kind;

pub fn faults() -> Vec<Fault> {
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

//! Checks before the boot that the image can read data of this version: a program may spoil data of another version,
//! and at best it exits with a message that only experts understand.
//!
//! The image's environment and labels tell the version of its program. Where they do not, or where that version does
//! not fit, the program itself is asked (`--version`) in a container of its own. A version that cannot be found out is
//! no mismatch.

use std::time::Duration;

use crate::docker::ImageMetadata;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::fingerprint::{VersionFile, VersionFileKind};
use crate::model::mount::Mount;
use crate::model::plan::{DataSource, ServicePlan};
use crate::model::sandbox::ContainerSpec;

use super::versions::{Mismatch, Program, ProgramName, mismatch};
use crate::rehearse::shared_task::Diagnosed;
use crate::rehearse::stack_context::StackContext;
use crate::rehearse::state::MountedPlace;

/// Longest time that a program may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(20);
/// Interval at which its container is looked at, in case an event is lost.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Most lines and bytes of its output that are read.
const WORDS: (usize, usize) = (50, 16 * 1024);
/// Memory in bytes: enough for a server that only says its version.
const MEMORY: i64 = 512 * 1024 * 1024;

/// Checks the version of the data that was restored for a service. The error is a version that its image, which has the
/// id `image`, is known not to read.
pub(in crate::rehearse) async fn fits_image(
    cx: &StackContext,
    plan: &ServicePlan,
    image: &str,
    mounts: &[MountedPlace],
) -> Diagnosed<()> {
    for kind in [VersionFileKind::Postgres, VersionFileKind::MySql, VersionFileKind::Redis] {
        if let Some(diagnosis) = mismatch_diagnosis(cx, plan, image, mounts, kind).await {
            return Err(diagnosis);
        }
    }
    Ok(())
}

async fn mismatch_diagnosis(
    cx: &StackContext,
    plan: &ServicePlan,
    image: &str,
    mounts: &[MountedPlace],
    kind: VersionFileKind,
) -> Option<Diagnosis> {
    let places: Vec<MarkedMount<'_>> = mounts.iter().filter_map(|mounted| marked(cx, mounted, kind)).collect();
    if places.is_empty() {
        return None;
    }
    let reference = &plan.service.image.reference;
    let words = match cx.run.daemon.image_words(image).await {
        Ok(words) => words,
        Err(error) => {
            tracing::debug!(%error, image = reference, "what the image says of itself");
            ImageMetadata::default()
        }
    };
    if upgrades_by_itself(kind, &words) {
        return None;
    }
    let own = plan.service.env.iter().find(|var| var.name == "PGDATA").and_then(|var| var.value.as_ref());
    let home = own.map(|value| value.reveal().to_owned()).or_else(|| words.var("PGDATA").map(str::to_owned));
    let places: Vec<MarkedMount<'_>> = places.into_iter().filter_map(|place| place.at_home(home.as_deref())).collect();
    let told = declared_version(kind, &words);
    let doubtful = told.as_ref().is_none_or(|program| first_mismatch(&places, program).is_some());
    // Data copied from a running service fits its image unless the image itself says otherwise.
    if !doubtful || places.is_empty() || told.is_none() && places.iter().all(|place| place.live) {
        return None;
    }
    let asked = ask_version(cx, plan, image, kind).await;
    let (program, by) = match (asked.as_slice(), told) {
        ([], Some(told)) => (told, "by its labels and variables"),
        ([program], _) => (program.clone(), "by its --version"),
        // An image with several versions of the program can upgrade the data.
        _ => return None,
    };
    let (place, mark, found) = first_mismatch(&places, &program)?;
    let message = format!(
        "{} was not started, so that its data stays as it was restored: {} is of {} ({} says {}), and the image {} \
         has {program} ({by}): {}",
        plan.service.name,
        place.mount.title(),
        found.data,
        mark.file,
        mark.says,
        reference,
        found.why,
    );
    Some(Diagnosis { remedy: Some(found.remedy), ..Diagnosis::new(Code::DataVersionMismatch, message) })
}

/// The version files of a kind in a mount that the service can write to; `None` if there are none.
fn marked<'a>(cx: &StackContext, mounted: &'a MountedPlace, kind: VersionFileKind) -> Option<MarkedMount<'a>> {
    let mount = &mounted.mount.mount;
    let found = &mounted.place.inspected.version_files;
    let marks: Vec<&VersionFile> = found.iter().filter(|mark| mark.kind == kind && !mount.read_only).collect();
    let index = mounted.mount.restore?;
    let live = matches!(cx.plan.restores[index].supply, DataSource::Live);
    (!marks.is_empty()).then_some(MarkedMount { mount, marks, live })
}

/// Asks the programs in a service's image for their versions. Empty when there are none, or none that can be run.
async fn ask_version(cx: &StackContext, plan: &ServicePlan, image: &str, kind: VersionFileKind) -> Vec<Program> {
    let role = format!("version-{}-{}", program_word(kind), cx.short_name(&plan.service.name));
    let id = match cx.client.create_container(&role, version_probe(image, kind)).await {
        Ok(id) => id,
        Err(error) => {
            tracing::debug!(%error, service = %plan.service.name, "asking for a version");
            return Vec::new();
        }
    };
    let lines = tokio::time::timeout(PATIENCE, words_of(cx, &id)).await.ok().flatten();
    cx.client.remove_in_background(id);
    let mut found: Vec<Program> = Vec::new();
    for program in lines.unwrap_or_default().iter().filter_map(|line| parse_version_line(line)) {
        if program.name.marks() == kind && !found.contains(&program) {
            found.push(program);
        }
    }
    tracing::debug!(service = %plan.service.name, ?found, "asked for its version");
    found
}

/// Starts a container, waits for its end, and returns its output.
async fn words_of(cx: &StackContext, id: &str) -> Option<Vec<String>> {
    let daemon = &cx.run.daemon;
    let mut seen = cx.run.watch().await.ok()?.of(id);
    daemon.start_container(id).await.ok()?;
    while daemon.state(id).await.ok()?.running {
        tokio::select! {
            Ok(()) = seen.changed() => {}
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
    daemon.log_tail(id, WORDS.0, WORDS.1).await.ok()
}

/// A mount and the version files in it.
struct MarkedMount<'a> {
    mount: &'a Mount,
    marks: Vec<&'a VersionFile>,
    /// Its data was copied from the live service.
    live: bool,
}

impl<'a> MarkedMount<'a> {
    /// Keeps only the version file of the folder that `PGDATA` names: others belong to another server, or to an older
    /// one. `None`: that folder is not in this mount.
    fn at_home(self, home: Option<&str>) -> Option<Self> {
        let (Some(home), VersionFileKind::Postgres) = (home, self.marks[0].kind) else { return Some(self) };
        let target = self.mount.target.trim_end_matches('/');
        let below = home.trim_end_matches('/').strip_prefix(target)?;
        if !below.is_empty() && !below.starts_with('/') {
            return None;
        }
        let file = format!("{below}/PG_VERSION");
        let own: Vec<&'a VersionFile> =
            self.marks.iter().copied().filter(|m| m.file == file.trim_start_matches('/')).collect();
        // Without a version file there, the service would initialise a new database beside the others: compare those.
        Some(if own.is_empty() { self } else { Self { marks: own, ..self } })
    }
}

/// The first version file that this program does not read. `None` if it reads one PostgreSQL cluster of several: the
/// others were left by an upgrade. Redis reads every file that is there.
fn first_mismatch<'p, 'a>(
    places: &'p [MarkedMount<'a>],
    program: &Program,
) -> Option<(&'p MarkedMount<'a>, &'a VersionFile, Mismatch)> {
    let mut first = None;
    for place in places {
        for mark in &place.marks {
            match mismatch(mark, program) {
                Some(found) if first.is_none() => first = Some((place, *mark, found)),
                None if mark.kind == VersionFileKind::Postgres => return None,
                _ => {}
            }
        }
    }
    first
}

fn program_word(kind: VersionFileKind) -> &'static str {
    match kind {
        VersionFileKind::Postgres => "postgres",
        VersionFileKind::MySql => "mysql",
        VersionFileKind::Redis => "redis",
    }
}

/// Whether an image is made for bringing data from one version to another: pgautoupgrade, and images with two
/// servers.
fn upgrades_by_itself(kind: VersionFileKind, words: &ImageMetadata) -> bool {
    kind == VersionFileKind::Postgres && ["PGTARGET", "PGBINOLD"].iter().any(|name| words.var(name).is_some())
}

/// The version that an image declares: by the variables of the official images, else by a label whose title names the
/// program.
fn declared_version(kind: VersionFileKind, words: &ImageMetadata) -> Option<Program> {
    let variables: &[(ProgramName, &str)] = match kind {
        VersionFileKind::Postgres => &[(ProgramName::Postgres, "PG_MAJOR"), (ProgramName::Postgres, "PG_VERSION")],
        VersionFileKind::MySql => &[
            (ProgramName::MariaDb, "MARIADB_VERSION"),
            (ProgramName::MariaDb, "MARIADB_MAJOR"),
            (ProgramName::MySql, "MYSQL_VERSION"),
            (ProgramName::MySql, "MYSQL_MAJOR"),
        ],
        VersionFileKind::Redis => &[(ProgramName::Valkey, "VALKEY_VERSION"), (ProgramName::Redis, "REDIS_VERSION")],
    };
    let by_variable = variables.iter().find_map(|(name, variable)| Program::new(*name, words.var(variable)?));
    by_variable.or_else(|| {
        let title = words.labels.get("org.opencontainers.image.title")?.to_ascii_lowercase();
        let name = match title.as_str() {
            "postgres" | "postgresql" => ProgramName::Postgres,
            "mariadb" | "mariadb database" | "mariadb server" => ProgramName::MariaDb,
            "mysql" | "mysql server" => ProgramName::MySql,
            "redis" => ProgramName::Redis,
            "valkey" => ProgramName::Valkey,
            _ => return None,
        };
        let version = words.labels.get("org.opencontainers.image.version")?;
        Program::new(name, version).filter(|program| program.name.marks() == kind)
    })
}

/// A script in which every server of a kind tells its version. Debian's servers are not in the search path.
fn script(kind: VersionFileKind) -> String {
    let programs = match kind {
        VersionFileKind::Postgres => {
            "postgres /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres /usr/libexec/postgresql*/postgres \
             /usr/local/pgsql*/bin/postgres /opt/bitnami/postgresql/bin/postgres"
        }
        VersionFileKind::MySql => {
            "mariadbd mysqld /usr/sbin/mariadbd /usr/sbin/mysqld /usr/libexec/mariadbd /usr/libexec/mysqld \
             /opt/bitnami/*/sbin/mariadbd /opt/bitnami/*/bin/mysqld"
        }
        VersionFileKind::Redis => {
            "redis-server valkey-server /opt/redis-stack/bin/redis-server /opt/bitnami/*/bin/redis-server"
        }
    };
    format!("for program in {programs}; do \"$program\" --version; done 2>/dev/null; exit 0")
}

/// The program and version in a line of output of `--version`.
fn parse_version_line(line: &str) -> Option<Program> {
    let word = |text: &str| text.split_whitespace().next().unwrap_or("").to_owned();
    if let Some(rest) = line.strip_prefix("postgres (PostgreSQL) ") {
        return Program::new(ProgramName::Postgres, &word(rest));
    }
    if let Some(rest) = line.strip_prefix("Redis server v=") {
        return Program::new(ProgramName::Redis, &word(rest));
    }
    if let Some(rest) = line.strip_prefix("Valkey server v=") {
        return Program::new(ProgramName::Valkey, &word(rest));
    }
    let (program, rest) = line.split_once(" Ver ")?;
    let is_server = ["mysqld", "mariadbd"].iter().any(|name| program.trim().ends_with(name));
    let name = if rest.to_ascii_lowercase().contains("mariadb") { ProgramName::MariaDb } else { ProgramName::MySql };
    is_server.then(|| Program::new(name, &word(rest))).flatten()
}

/// A container of the service's image that says its version and can do nothing else.
fn version_probe(image: &str, kind: VersionFileKind) -> ContainerSpec {
    ContainerSpec { memory: Some(MEMORY), ..ContainerSpec::locked_down(image, "sh", &["-c", &script(kind)]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mount::MountOrigin;

    fn words(env: &[&str], labels: &[(&str, &str)]) -> ImageMetadata {
        let env = env.iter().filter_map(|line| line.split_once('='));
        ImageMetadata {
            env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            labels: labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
        }
    }

    #[test]
    fn images_say_what_they_have_in_their_environment_or_their_labels() {
        const TITLE: &str = "org.opencontainers.image.title";
        const VERSION: &str = "org.opencontainers.image.version";
        let shown = |kind, words: &ImageMetadata| declared_version(kind, words).map(|program| program.to_string());
        for (kind, env, labels, expected) in [
            (
                VersionFileKind::Postgres,
                &["PG_MAJOR=15", "PG_VERSION=15.4-1.pgdg110+1"][..],
                &[][..],
                Some("PostgreSQL 15"),
            ),
            (VersionFileKind::Postgres, &["PG_VERSION=15.4-1"], &[], Some("PostgreSQL 15.4-1")),
            (VersionFileKind::MySql, &["MARIADB_VERSION=1:11.4.2+maria~ubu"], &[], Some("MariaDB 11.4.2+maria~ubu")),
            (VersionFileKind::MySql, &["MYSQL_MAJOR=8.0"], &[], Some("MySQL 8.0")),
            (VersionFileKind::Redis, &["VALKEY_VERSION=8.0.1"], &[], Some("Valkey 8.0.1")),
            (VersionFileKind::Redis, &[], &[(TITLE, "redis"), (VERSION, "7.2.4")], Some("Redis 7.2.4")),
            // The version of something else.
            (VersionFileKind::Redis, &["PG_MAJOR=15"], &[(TITLE, "shop"), (VERSION, "7.2.4")], None),
            (VersionFileKind::Redis, &[], &[(TITLE, "postgresql"), (VERSION, "16.2.0")], None),
            (VersionFileKind::Redis, &["REDIS_VERSION=latest"], &[(VERSION, "7.2.4")], None),
        ] {
            assert_eq!(shown(kind, &words(env, labels)).as_deref(), expected, "{env:?} {labels:?}");
        }
        assert!(upgrades_by_itself(VersionFileKind::Postgres, &words(&["PGTARGET=17"], &[])));
        assert!(!upgrades_by_itself(VersionFileKind::Redis, &words(&["PGTARGET=17"], &[])));
    }

    #[test]
    fn programs_are_understood_by_their_answers() {
        for (line, expected) in [
            ("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)", Some("PostgreSQL 15.20")),
            (
                "mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64",
                Some("MariaDB 10.11.19-MariaDB-0+deb12u1"),
            ),
            ("/usr/sbin/mysqld  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", Some("MySQL 8.0.36")),
            ("mysql  Ver 8.0.36 for Linux on x86_64 (MySQL Community Server - GPL)", None),
            ("Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc", Some("Redis 7.0.15")),
            ("Valkey server v=8.0.1 sha=00000000:0", Some("Valkey 8.0.1")),
            ("KeyDB server v=6.3.4 sha=0", None),
            ("sh: redis-server: not found", None),
        ] {
            assert_eq!(parse_version_line(line).map(|program| program.to_string()).as_deref(), expected, "{line}");
        }
    }

    fn mount(target: &str) -> Mount {
        let origin = MountOrigin::Volume { name: "data".to_owned(), driver: "local".to_owned() };
        Mount { target: target.to_owned(), origin, read_only: false }
    }

    fn mark(kind: VersionFileKind, file: &str, says: &str) -> VersionFile {
        VersionFile { kind, file: file.to_owned(), says: says.to_owned() }
    }

    /// The file of the mark that is found not to fit, with `PGDATA` and the image's version.
    fn found(target: &str, marks: &[VersionFile], home: Option<&str>, program: (ProgramName, &str)) -> Option<String> {
        let mount = mount(target);
        let place = MarkedMount { mount: &mount, marks: marks.iter().collect(), live: false };
        let places: Vec<MarkedMount<'_>> = place.at_home(home).into_iter().collect();
        let program = Program::new(program.0, program.1).expect("a version");
        first_mismatch(&places, &program).map(|(_, mark, _)| mark.file.clone())
    }

    #[test]
    fn only_the_data_that_the_server_starts_on_counts() {
        let (pg, image) = (VersionFileKind::Postgres, (ProgramName::Postgres, "16"));
        let both = [mark(pg, "15/docker/PG_VERSION", "15"), mark(pg, "16/docker/PG_VERSION", "16")];
        assert_eq!(found("/var/lib/postgresql", &both, None, image), None, "an upgrade left the old one");
        let home = Some("/var/lib/postgresql/16/docker");
        assert_eq!(found("/var/lib/postgresql", &both, home, image), None);
        let old = Some("15/docker/PG_VERSION".to_owned());
        assert_eq!(found("/var/lib/postgresql", &both[..1], home, image), old);
        assert_eq!(found("/backups", &both[..1], home, image), None, "it is not where the server looks");
        let own = [mark(pg, "PG_VERSION", "15"), mark(pg, "old/PG_VERSION", "16")];
        assert_eq!(found("/pg", &own, Some("/pg/"), image), Some("PG_VERSION".to_owned()));
        assert_eq!(found("/pg", &own, Some("/pgdata"), image), None);
    }

    #[test]
    fn of_redis_every_file_is_read() {
        let marks =
            [mark(VersionFileKind::Redis, "dump.rdb", "REDIS0009"), mark(VersionFileKind::Redis, "a.aof", "REDIS0012")];
        assert_eq!(found("/data", &marks, None, (ProgramName::Redis, "7.0.15")), Some("a.aof".to_owned()));
        assert_eq!(found("/data", &marks, None, (ProgramName::Redis, "7.4.0")), None);
    }
}

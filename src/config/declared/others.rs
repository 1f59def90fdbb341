//! The settings that are not of one service, or are more than one value.

use super::setting::{
    ALLOW_EMPTY, DEPENDS_ON, IGNORE, LOAD_COMMAND, LOAD_DATABASE, LOAD_FROM, MAP, MOUNTS, NOWHERE, SKIP, SOURCE,
    Setting,
};

/// The settings that are no `ServiceValues`.
pub const OTHERS: &[Setting] = &[
    Setting {
        flag: "--allow-empty [SERVICE:]MOUNT",
        label: ALLOW_EMPTY,
        keys: &["mounts.M.allow_empty"],
        about: "Permits an empty part of the backup for this mount",
        ..NOWHERE
    },
    Setting {
        flag: "--allow-label-paths",
        variables: &["REHEARSA_ALLOW_LABEL_PATHS"],
        keys: &["allow_label_paths"],
        default: "off",
        about: "Lets labels name sources by their paths, and not only sources of the plan file",
        ..NOWHERE
    },
    Setting { flag: "--as-new-host", default: "off", about: "Takes a running stack from its files", ..NOWHERE },
    Setting { flag: "--badge PATH", about: "Writes a status badge as SVG", ..NOWHERE },
    Setting {
        flag: "--badge-shows WHAT",
        default: "`result`",
        about: "What the badge shows: `result`, or the lowest [score](score.md) (`score`)",
        ..NOWHERE
    },
    Setting {
        flag: "--baseline REPORT",
        variables: &["REHEARSA_BASELINE"],
        about: "[Compares](reports.md#compare-with-an-earlier-run) the run with an earlier one",
        ..NOWHERE
    },
    Setting {
        flag: "--borg-path FILE",
        variables: &["REHEARSA_BORG_PATH"],
        keys: &["borg_path"],
        default: "`borg` in `PATH`",
        about: "The program that reads repositories of Borg",
        ..NOWHERE
    },
    Setting { flag: "--build", default: "off", about: "Builds images as the Compose files say how", ..NOWHERE },
    Setting {
        flag: "--ci SYSTEM",
        default: "`auto`",
        about: "Tells a CI system in its own way: `auto`, `github`, `gitlab`, `gitea` or `none`",
        ..NOWHERE
    },
    Setting { flag: "--color WHEN", default: "`auto`", about: "Colours: `auto`, `always` or `never`", ..NOWHERE },
    Setting { flag: "--ctrf PATH", about: "Writes a report in the Common Test Report Format", ..NOWHERE },
    Setting {
        flag: "--compose-path FILE",
        variables: &["REHEARSA_COMPOSE_PATH"],
        default: "the plugin of the Docker CLI, or `docker-compose` in `PATH`",
        about: "The program that reads Compose files",
        ..NOWHERE
    },
    Setting {
        flag: "--docker-wait DURATION",
        variables: &["REHEARSA_DOCKER_WAIT"],
        about: "Waits this long for an engine that is still starting",
        ..NOWHERE
    },
    Setting {
        flag: "--env-file FILE",
        default: "`.env` in the project's folder",
        about: "Reads the variables of a stack's files from this file; needs `--file`",
        ..NOWHERE
    },
    Setting {
        flag: "--events PATH",
        about: "Writes the record of the run, from which `rehearsa report` makes all other reports",
        ..NOWHERE
    },
    Setting { flag: "--exact", default: "off", about: "A FILTER must be the whole name", ..NOWHERE },
    Setting {
        flag: "--fail-fast",
        default: "off",
        about: "Starts no more rehearsals after the first that is not green",
        ..NOWHERE
    },
    Setting {
        flag: "--file FILE",
        short: "-f",
        about: "Takes the services of this [Compose file](compose.md) instead of the running ones",
        ..NOWHERE
    },
    Setting {
        flag: "--format FORMAT",
        default: "`pretty`",
        about: "The lines on standard output: `pretty`, `terse` or `json`",
        ..NOWHERE
    },
    Setting {
        flag: "--from [SERVICE=]SOURCE",
        variables: &["REHEARSA_FROM"],
        label: SOURCE,
        keys: &["source", "sources.S.from"],
        default: "`live`",
        about: "Where the data comes from: a backup, a source of the plan file, or `live`; the flag holds for the \
                selected services, or for one",
        ..NOWHERE
    },
    Setting {
        flag: "--global-timeout DURATION",
        variables: &["REHEARSA_GLOBAL_TIMEOUT"],
        about: "Ends the run after this time",
        ..NOWHERE
    },
    Setting {
        flag: "--history FOLDER",
        variables: &["REHEARSA_HISTORY"],
        keys: &["history"],
        about: "Keeps the [profile](checks.md#what-it-held-last-time) of each green service in this folder, and fails \
                a service whose backup holds less than in its last green run",
        ..NOWHERE
    },
    Setting {
        flag: "--host ADDRESS",
        short: "-H",
        variables: &["DOCKER_HOST"],
        default: "the Docker CLI's context",
        about: "The Docker engine",
        ..NOWHERE
    },
    Setting { flag: "--html PATH", about: "Writes an HTML report", ..NOWHERE },
    Setting {
        flag: "--identity PATH",
        variables: &["REHEARSA_IDENTITY"],
        keys: &["sources.S.identity"],
        about: "The file with the age keys that open an encrypted backup",
        ..NOWHERE
    },
    Setting { flag: "--ignored", default: "off", about: "Rehearses only the services that are ignored", ..NOWHERE },
    Setting { flag: "--include-ignored", default: "off", about: "Rehearses the ignored services too", ..NOWHERE },
    Setting { flag: "--json PATH", about: "Writes a JSON report", ..NOWHERE },
    Setting { flag: "--junit PATH", about: "Writes a JUnit XML report", ..NOWHERE },
    Setting {
        flag: "--junit-flavor FLAVOR",
        default: "`default`",
        about: "The dialect of the JUnit report: `default` or `jenkins`",
        ..NOWHERE
    },
    Setting { flag: "--keep", default: "off", about: "Keeps the sandbox of a failed rehearsal", ..NOWHERE },
    Setting { flag: "--list", default: "off", about: "Lists the services and rehearses nothing", ..NOWHERE },
    Setting {
        flag: "--map [SERVICE:]MOUNT=PATH",
        label: MAP,
        keys: &["mounts.M.path"],
        about: "The part of the backup that belongs to a mount; `.` is all of it",
        ..NOWHERE
    },
    Setting { flag: "--markdown PATH", about: "Writes a summary in Markdown", ..NOWHERE },
    Setting { flag: "--max-fail N", about: "Starts no more rehearsals after N that are not green", ..NOWHERE },
    Setting {
        flag: "--no-tests MEANING",
        default: "`fail`",
        about: "What it means when no service is selected: `fail`, `warn` or `pass`",
        ..NOWHERE
    },
    Setting { flag: "--nocapture", default: "off", about: "Changes nothing; accepted as in `cargo test`", ..NOWHERE },
    Setting {
        flag: "--notify ADDRESS",
        variables: &["REHEARSA_NOTIFY"],
        keys: &["notify"],
        about: "[Notifies](notify.md) of the run: `ntfy://`, `ntfys://`, `https://`, `ping:` or `mailto:`",
        ..NOWHERE
    },
    Setting {
        flag: "--notify-timeout DURATION",
        variables: &["REHEARSA_NOTIFY_TIMEOUT"],
        keys: &["notify_timeout"],
        default: "`10s`",
        about: "The time for all notifications together",
        ..NOWHERE
    },
    Setting {
        flag: "--notify-when WHEN",
        variables: &["REHEARSA_NOTIFY_WHEN"],
        keys: &["notify_when"],
        default: "`always`",
        about: "Notifies of each run (`always`), of one that is no success (`failure`), or of another verdict than in \
                the last run (`change`)",
        ..NOWHERE
    },
    Setting {
        flag: "--partition KIND:PART/PARTS",
        variables: &["REHEARSA_PARTITION"],
        other_variables: "`CI_NODE_INDEX` with `CI_NODE_TOTAL`",
        about: "Takes a part of the selected services: `slice:1/3` or `hash:1/3`",
        ..NOWHERE
    },
    Setting {
        flag: "--passphrase-file PATH",
        variables: &["REHEARSA_PASSPHRASE_FILE"],
        other_variables: "`REHEARSA_PASSPHRASE` (the passphrase itself)",
        keys: &["sources.S.passphrase"],
        about: "The file whose first line is the passphrase of an encrypted backup",
        ..NOWHERE
    },
    Setting {
        flag: "--plan FILE",
        variables: &["REHEARSA_PLAN"],
        default: "`rehearsa.toml`, if it exists",
        about: "The plan file",
        ..NOWHERE
    },
    Setting { flag: "--profile NAME", about: "Takes the services of this profile of a stack too", ..NOWHERE },
    Setting {
        flag: "--project-directory DIR",
        default: "the folder of the first file",
        about: "The folder from which relative paths of a stack's files are taken",
        ..NOWHERE
    },
    Setting {
        flag: "--project-name NAME",
        short: "-p",
        default: "as Compose names it",
        about: "The name of a stack that is read from its files",
        ..NOWHERE
    },
    Setting { flag: "--prometheus PATH", about: "Writes metrics for Prometheus' textfile collector", ..NOWHERE },
    Setting { flag: "--quiet", short: "-q", default: "off", about: "Prints one character a service", ..NOWHERE },
    Setting {
        flag: "--report-dir DIR",
        variables: &["REHEARSA_REPORT_DIR"],
        about: "Writes all reports into a folder",
        ..NOWHERE
    },
    Setting {
        flag: "--report-mode MODE",
        variables: &["REHEARSA_REPORT_MODE"],
        default: "`0600`; by the umask for metrics and the badge",
        about: "The permissions of the report files, as in `0644`",
        ..NOWHERE
    },
    Setting { flag: "--rerun-failed REPORT", about: "Takes only what was not green in an earlier run", ..NOWHERE },
    Setting {
        flag: "--rclone-path FILE",
        variables: &["REHEARSA_RCLONE_PATH"],
        keys: &["rclone_path"],
        default: "`rclone` in `PATH`",
        about: "The program that reads archives and dumps in a [store](backups.md#archives-in-a-store)",
        ..NOWHERE
    },
    Setting {
        flag: "--restic-path FILE",
        variables: &["REHEARSA_RESTIC_PATH"],
        keys: &["restic_path"],
        default: "`restic` in `PATH`",
        about: "The program that reads repositories of restic",
        ..NOWHERE
    },
    Setting {
        flag: "--retries N",
        variables: &["REHEARSA_RETRIES"],
        default: "0",
        about: "Tries an errored rehearsal up to N times more",
        ..NOWHERE
    },
    Setting {
        flag: "--retry-failures",
        default: "off",
        about: "Tries failed rehearsals again too; needs `--retries`",
        ..NOWHERE
    },
    Setting { flag: "--skip FILTER", about: "Leaves out services with this in their name", ..NOWHERE },
    Setting {
        flag: "--slow-after DURATION",
        variables: &["REHEARSA_SLOW_AFTER"],
        default: "`60s`",
        about: "Says so when a rehearsal takes longer",
        ..NOWHERE
    },
    Setting {
        flag: "--snapshot NAME",
        variables: &["REHEARSA_SNAPSHOT"],
        keys: &["sources.S.snapshot"],
        default: "`latest`",
        about: "The snapshot to restore",
        ..NOWHERE
    },
    Setting {
        flag: "--stack FOLDER",
        about: "Takes the stack of this folder of the backup, with its \
                [Compose file](compose.md#nothing-but-the-backup)",
        ..NOWHERE
    },
    Setting {
        flag: "--strategy [SERVICE:]MOUNT=STRATEGY",
        variables: &["REHEARSA_STRATEGY"],
        label: MOUNTS,
        keys: &["mounts.M.strategy"],
        default: "by the mount",
        about: "How a mount gets its data: `copy`, `readonly`, `overlay`, `empty` or `omit`",
        ..NOWHERE
    },
    Setting { flag: "--tap PATH", about: "Writes a TAP report", ..NOWHERE },
    Setting {
        flag: "--tap-version VERSION",
        default: "13",
        about: "The version in the head of the TAP report: 13 or 14",
        ..NOWHERE
    },
    Setting {
        flag: "--test-threads N",
        variables: &["REHEARSA_TEST_THREADS", "RUST_TEST_THREADS"],
        default: "2",
        about: "The number of rehearsals at a time",
        ..NOWHERE
    },
    Setting {
        flag: "--verbose",
        short: "-v",
        variables: &["REHEARSA_LOG"],
        default: "warnings",
        about: "Says more on standard error; `-vv` says much more",
        ..NOWHERE
    },
    Setting {
        flag: "--with SERVICE",
        about: "Boots this service too, before every service that shares a network with it",
        ..NOWHERE
    },
    Setting { label: "rehearsa.check.NAME", keys: &["checks"], about: "A [check of your own](checks.md)", ..NOWHERE },
    Setting {
        label: DEPENDS_ON,
        default: "what Compose says",
        about: "Services that must be up first, as `db:service_healthy`; also lone containers and `stack::service`",
        ..NOWHERE
    },
    Setting { label: IGNORE, default: "`false`", about: "Hides the container from Rehearsa", ..NOWHERE },
    Setting {
        label: LOAD_COMMAND,
        keys: &["load.command"],
        default: "by the dump",
        about: "The command that loads a [dump](dumps.md) from `$DUMP`",
        ..NOWHERE
    },
    Setting {
        label: LOAD_DATABASE,
        keys: &["load.database"],
        default: "by the environment",
        about: "The database that a [dump](dumps.md) goes into",
        ..NOWHERE
    },
    Setting {
        label: LOAD_FROM,
        keys: &["load.from"],
        about: "The path of the service's [dump](dumps.md#dumps-beside-files) among the files of the backup",
        ..NOWHERE
    },
    Setting {
        label: SKIP,
        keys: &["skip"],
        about: "Lists the service as ignored, with this reason; `false` takes a skip back",
        ..NOWHERE
    },
    Setting {
        keys: &["egress"],
        default: "`false`",
        about: "A way out of the sandbox; only `false` is accepted",
        ..NOWHERE
    },
];

//! Every setting, declared once: where it can be written, its default, and what it does.
//!
//! A setting of a service that is one value stands in [`ServiceValues`]: its entry makes the field, the key of the plan
//! file, the label and the variable. What else a setting needs is its flag (`cli::args`), its merged value
//! (`model::settings`) and the line in [`super::resolve`] that merges it. All other settings are rows of `OTHERS`.
//! Labels, variables and suggestions are read from here. `ci/generate` writes the table of docs/settings.md from here.

#[cfg(test)]
mod page;

use serde::Deserialize;

use super::values::patterns::Patterns;
use super::values::points::Points;
use super::values::proof::RequiredProof;
use super::values::pull::PullWhen;
use super::values::text::{Bytes, Count, Memory, Processes, TimeSpan, Timeout};

/// A setting and the places where it can be written. An empty text or list: not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The flag and the name of its value: `--timeout DURATION`.
    pub flag: &'static str,
    /// The short form of the flag: `-q`.
    pub short: &'static str,
    /// The environment variables, by precedence.
    pub variables: &'static [&'static str],
    /// Variables of another meaning, as the documentation shows them.
    pub other_variables: &'static str,
    /// The label of a container.
    pub label: &'static str,
    /// The keys in the plan file: `timeout`, `mounts.M.path`.
    pub keys: &'static [&'static str],
    /// The default, in Markdown.
    pub default: &'static str,
    /// A value as the plan file has it, for the file that `rehearsa init` writes.
    pub example: &'static str,
    /// What the setting does, in Markdown.
    pub about: &'static str,
}

const NOWHERE: Setting = Setting {
    flag: "",
    short: "",
    variables: &[],
    other_variables: "",
    label: "",
    keys: &[],
    default: "",
    example: "",
    about: "",
};

impl Setting {
    /// The flag without the name of its value; empty when there is no flag.
    pub fn flag_name(&self) -> &'static str {
        self.flag.split(' ').next().unwrap_or("")
    }
}

/// Every setting.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SERVICE_VALUES.iter().chain(OTHERS)
}

/// The variables that stand for a flag, by precedence.
pub fn variables_of(flag: &str) -> &'static [&'static str] {
    all().find(|setting| setting.flag_name() == flag).map_or(&[], |setting| setting.variables)
}

/// The labels that containers can have.
pub fn labels() -> impl Iterator<Item = &'static str> {
    all().map(|setting| setting.label).filter(|label| !label.is_empty())
}

/// Declares the settings of a service that are one value each: the sentence about a setting, its key in the plan file,
/// the type of its value, and the other columns of [`Setting`].
macro_rules! service_values {
    ($($(#[doc = $about:literal])+ $key:ident: $value:ty { $($column:ident: $written:expr),+ $(,)? })+) => {
        /// The settings of a service that are one value each, as one layer sets them. `None`: not set in this layer.
        #[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
        #[cfg_attr(test, derive(schemars::JsonSchema))]
        #[serde(deny_unknown_fields)]
        pub struct ServiceValues {
            $($(#[doc = $about])+ pub $key: Option<$value>,)+
        }

        /// The rows of [`ServiceValues`].
        pub const SERVICE_VALUES: &[Setting] = &[
            $(Setting { keys: &[stringify!($key)], about: concat!($($about),+), $($column: $written,)+ ..NOWHERE },)+
        ];
    };
}

service_values! {
    /// The time a service has to become ready
    timeout: Timeout {
        flag: "--timeout DURATION",
        variables: &["REHEARSA_TIMEOUT"],
        label: "rehearsa.timeout",
        default: "`2m`, or what the healthcheck allows if that is longer",
        example: "\"2m\"",
    }
    /// The time a service must stay well after it is ready
    settle: TimeSpan {
        flag: "--settle DURATION",
        variables: &["REHEARSA_SETTLE"],
        label: "rehearsa.settle",
        default: "`3s`",
        example: "\"3s\"",
    }
    /// The most that is restored of a mount; 0 for no limit
    max_copy: Bytes {
        flag: "--max-copy SIZE",
        variables: &["REHEARSA_MAX_COPY"],
        label: "rehearsa.max-copy",
        default: "`20GiB`",
        example: "\"20GiB\"",
    }
    /// The most entries of an archive; 0 for no limit
    max_entries: Count {
        flag: "--max-entries N",
        variables: &["REHEARSA_MAX_ENTRIES"],
        label: "rehearsa.max-entries",
        default: "20000000",
        example: "20_000_000",
    }
    /// The longest window of a compressed archive, which its decoder keeps in memory; 0 for no limit
    max_window: Bytes {
        flag: "--max-window SIZE",
        variables: &["REHEARSA_MAX_WINDOW"],
        label: "rehearsa.max-window",
        default: "`128MiB`",
        example: "\"128MiB\"",
    }
    /// Memory for a service without a limit of its own, at least 6 MiB; 0 for the default
    memory: Memory {
        flag: "--memory SIZE",
        variables: &["REHEARSA_MEMORY"],
        label: "rehearsa.memory",
        default: "half of the host's memory",
        example: "\"2GiB\"",
    }
    /// The most processes of a service without a limit of its own; 0 for the default
    pids: Processes {
        flag: "--pids N",
        variables: &["REHEARSA_PIDS"],
        label: "rehearsa.pids",
        default: "4096",
        example: "4096",
    }
    /// The greatest age of a snapshot: an older one fails; 0 for no limit
    max_age: TimeSpan {
        flag: "--max-age DURATION",
        variables: &["REHEARSA_MAX_AGE"],
        label: "rehearsa.max-age",
        default: "no limit",
        example: "\"26h\"",
    }
    /// The most time from the start of the restore until the service is ready; 0 for no limit
    max_rto: TimeSpan {
        flag: "--max-rto DURATION",
        variables: &["REHEARSA_MAX_RTO"],
        label: "rehearsa.max-rto",
        default: "no limit",
        example: "\"10m\"",
    }
    /// Boots each green service once more on empty mounts, to see whether its checks notice
    control: bool {
        flag: "--control",
        variables: &["REHEARSA_CONTROL"],
        label: "rehearsa.control",
        default: "off",
        example: "true",
    }
    /// Fails a green service that has shown less: `restored`, `complete`, `matches-live`, `healthy` or `data-proven`;
    /// `none` requires nothing
    require_proof: RequiredProof {
        flag: "--require-proof LEVEL",
        variables: &["REHEARSA_REQUIRE_PROOF"],
        label: "rehearsa.require-proof",
        default: "`none`",
        example: "\"restored\"",
    }
    /// Fails a green service whose backup has a lower [score](score.md); 0 requires nothing
    min_score: Points {
        flag: "--min-score N",
        variables: &["REHEARSA_MIN_SCORE"],
        label: "rehearsa.min-score",
        default: "0",
        example: "60",
    }
    /// Fails a service for each warning of the plan about its files or its configuration (`config/` codes)
    strict: bool {
        flag: "--strict",
        variables: &["REHEARSA_STRICT"],
        label: "rehearsa.strict",
        default: "off",
        example: "true",
    }
    /// Lets the tools that check data stores read all of the data, however much it is
    deep: bool {
        flag: "--deep",
        variables: &["REHEARSA_DEEP"],
        label: "rehearsa.deep",
        default: "off",
        example: "true",
    }
    /// Compares the content of every restored file, which reads all of the backup once more
    verify_content: bool {
        flag: "--verify-content",
        variables: &["REHEARSA_VERIFY_CONTENT"],
        label: "rehearsa.verify-content",
        default: "off",
        example: "true",
    }
    /// Paths that the backup leaves out on purpose, relative to a mount: they are not missed when the restored data is
    /// [compared with live](backups.md#what-live-still-has); commas between several
    exclude: Patterns {
        flag: "--exclude PATTERN",
        variables: &["REHEARSA_EXCLUDE"],
        label: "rehearsa.exclude",
        default: "none",
        example: "[\"cache/**\"]",
    }
    /// How long a backup took at most, of which only the end is known; live files that changed in this time before its
    /// end are not compared
    witness_slack: TimeSpan {
        flag: "--witness-slack DURATION",
        variables: &["REHEARSA_WITNESS_SLACK"],
        label: "rehearsa.witness-slack",
        default: "`1h`",
        example: "\"1h\"",
    }
    /// When the service's [image](images.md) is pulled: `missing` (if the engine does not have it), `always` or `never`
    pull: PullWhen {
        flag: "--pull WHEN",
        variables: &["REHEARSA_PULL"],
        label: "rehearsa.pull",
        default: "`missing`",
        example: "\"missing\"",
    }
    /// How long the pull of an image may stand still
    pull_timeout: Timeout {
        flag: "--pull-timeout DURATION",
        variables: &["REHEARSA_PULL_TIMEOUT"],
        label: "rehearsa.pull-timeout",
        default: "`2m`",
        example: "\"2m\"",
    }
}

/// The label that hides a container from Rehearsa.
pub const IGNORE: &str = "rehearsa.ignore";
/// The label that skips a service, with the reason.
pub const SKIP: &str = "rehearsa.skip";
/// The label for the strategies of mounts.
pub const MOUNTS: &str = "rehearsa.mounts";
/// The label for the source of the data.
pub const SOURCE: &str = "rehearsa.source";
/// The label for the parts of the backup that belong to mounts.
pub const MAP: &str = "rehearsa.map";
/// The label for mounts whose part of the backup may be empty.
pub const ALLOW_EMPTY: &str = "rehearsa.allow-empty";
/// The label for the path of a dump in the snapshot.
pub const LOAD_FROM: &str = "rehearsa.load.from";
/// The label for the database that a dump goes into.
pub const LOAD_DATABASE: &str = "rehearsa.load.database";
/// The label for the command that loads a dump.
pub const LOAD_COMMAND: &str = "rehearsa.load.command";
/// The label for the services that must be up first; discovery reads it.
pub const DEPENDS_ON: &str = "rehearsa.depends_on";
/// What the label of a check begins with; the name of the check follows.
pub const CHECK: &str = "rehearsa.check.";

/// The settings that are no [`ServiceValues`].
const OTHERS: &[Setting] = &[
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

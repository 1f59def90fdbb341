//! Every setting, declared once: where it can be written, its default, and what it does.
//!
//! A setting of a service that is one value stands in [`ServiceValues`]: its entry makes the field, the key of the plan
//! file, the label and the variable. What else a setting needs is its flag (`cli::args`), its merged value
//! (`model::settings`) and the line in [`super::resolve`] that merges it. All other settings are rows of `OTHERS`.
//! Labels, variables and suggestions are read from here. `ci/generate` writes the table of docs/settings.md from here.

mod others;
#[cfg(test)]
mod page;
mod setting;

use serde::Deserialize;

use self::others::OTHERS;
use self::setting::NOWHERE;
pub use self::setting::{
    ALLOW_EMPTY, CHECK, DEPENDS_ON, IGNORE, LOAD_COMMAND, LOAD_DATABASE, LOAD_FROM, MAP, MOUNTS, SKIP, SOURCE, Setting,
};

use super::values::patterns::Patterns;
use super::values::points::Points;
use super::values::proof::RequiredProof;
use super::values::pull::PullWhen;
use super::values::text::{Bytes, Count, Memory, Processes, TimeSpan, Timeout};
use super::values::tolerance::Tolerated;

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
    /// How much less the data may be than in the [last green run](checks.md#what-it-held-last-time): the percent of the
    /// files or bytes of a folder and of the keys, the percent of the rows of a table, and whether tables, data stores
    /// and mounts may be gone; a single percent is for all, and `100%` allows everything
    tolerance: Tolerated {
        flag: "--tolerance RULES",
        variables: &["REHEARSA_TOLERANCE"],
        label: "rehearsa.tolerance",
        default: "`files=50%, rows=10%`",
        example: "\"files=80%, rows=20%, gone\"",
    }
}

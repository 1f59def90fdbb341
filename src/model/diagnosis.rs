//! Diagnoses: the closed list of things that go wrong. Each has a cause, a remedy and a meaning for the backup.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What a diagnosis means for the rehearsal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The service does not come back from this data.
    Failed,
    /// The rehearsal could not find out whether the service comes back.
    Errored,
    /// Something worth knowing, which does not change the verdict.
    Warning,
}

macro_rules! codes {
    ($($variant:ident $code:literal $severity:ident $title:literal, $cause:literal, $remedy:literal;)*) => {
        /// A stable code such as `boot/exited`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $(#[doc = $title] #[serde(rename = $code)] $variant,)*
        }

        impl Code {
            /// All codes, in the order of the list.
            pub const ALL: &'static [Code] = &[$(Code::$variant),*];

            /// The code as written in reports.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            /// What the code means for the rehearsal.
            pub fn severity(self) -> Severity {
                match self { $(Code::$variant => Severity::$severity,)* }
            }

            /// What went wrong, in one line.
            pub fn title(self) -> &'static str {
                match self { $(Code::$variant => $title,)* }
            }

            /// The usual reason.
            pub fn cause(self) -> &'static str {
                match self { $(Code::$variant => $cause,)* }
            }

            /// What the user can do.
            pub fn remedy(self) -> &'static str {
                match self { $(Code::$variant => $remedy,)* }
            }
        }
    };
}

codes! {
    BootExited "boot/exited" Failed "the service exited",
        "The container stopped while it should have been starting or running on the restored data.",
        "Read the last log lines: they name the file, the setting or the service it missed. If the same image runs live, the difference is in the data.";
    BootCrashLoop "boot/crash-loop" Failed "the service exits again and again",
        "The service was started as often as its restart policy would have it, and exited each time.",
        "Read the last log lines of the last attempt; a service that waits for another by crashing needs a depends_on condition.";
    BootOomKilled "boot/oom-killed" Failed "the service was killed for memory",
        "The service used more memory than its limit, in the sandbox as it would live.",
        "Raise the service's own memory limit, or the sandbox's when the live service has none.";
    BootNotStarted "boot/not-started" Failed "the container could not be started",
        "The engine refused to start the container: its command, user, working directory or a mount does not fit.",
        "Read the engine's message; it names the path or the setting.";
    HealthTimeout "health/timeout" Failed "the service did not become ready in time",
        "Neither the healthcheck passed nor the exposed ports were listened on within the time allowed.",
        "Look at the probe's last output and the log; raise --timeout if the service is only slow.";
    HealthUnhealthy "health/unhealthy" Failed "the healthcheck fails",
        "The healthcheck failed as often in a row as the service allows.",
        "Run the healthcheck's command in a kept sandbox (--keep) and see what it misses.";
    OrderDependencyFailed "order/dependency-failed" Failed "a service it depends on did not come up",
        "depends_on names a service that failed first; this one was never started.",
        "Look at the dependency's own result; this one says nothing of its own data.";
    OrderDependencyErrored "order/dependency-errored" Errored "a service it depends on could not be rehearsed",
        "depends_on names a service about which nothing could be found out, or that is not on this host.",
        "See to the dependency's error first.";
    OrderCycle "order/cycle" Errored "services depend on each other in a circle",
        "depends_on leads back to the service it started from, so no order would do.",
        "Break the circle in the stack's depends_on.";
    DataTornCopy "data/torn-copy" Warning "files changed while they were copied",
        "The live service wrote to its data during the copy, so the copy may show no single moment.",
        "Rehearse from a snapshot, or at a quiet time; databases usually recover from it, as after a power cut.";
    DataMetadataLost "data/metadata-lost" Warning "attributes were lost",
        "The file system that holds the copy does not take some owners, attributes or lists of rights.",
        "Keep the engine's volumes on a file system that has them; tmpfs and network file systems often lack user attributes.";
    DataOwnership "data/ownership" Failed "files came back with another owner",
        "The owner of a restored file is neither what the backup says nor what the live file has: the restore ran as the wrong user, or the target cannot hold owners.",
        "Make and restore the backup as root, with numeric owners (tar --numeric-owner, rsync -a --numeric-ids).";
    DataPermissions "data/permissions" Failed "files came back with another mode",
        "The mode of a restored file is neither what the backup says nor what the live file has.",
        "Make and restore the backup with modes (tar -p, rsync -a, cp -a), and look at the umask of the job.";
    DataSqliteCorrupt "data/sqlite-corrupt" Failed "an SQLite database is damaged",
        "SQLite's own check finds the file damaged: it was copied while it was written to, or its disk failed.",
        "Back it up with `sqlite3 FILE \".backup COPY\"` or with the service stopped; restore from an older snapshot.";
    DataSqliteWalMissing "data/sqlite-wal-missing" Failed "an SQLite database lacks its write-ahead log",
        "The database is in WAL mode and came back without the `-wal` file that holds its last writes.",
        "Back the `-wal` file up with the database, in one moment: stop the service, take a snapshot, or use `.backup`.";
    DataSqliteWalAbsent "data/sqlite-wal-absent" Warning "an SQLite database came without a write-ahead log",
        "The database is in WAL mode and the live one has a `-wal` file, the backup's has none. A backup made with the service stopped, or by SQLite itself, rightly has none; one made of the files of a running service lacks the last writes.",
        "If the backup copies files while the service runs, back the `-wal` file up with the database, in one moment, or use `sqlite3 FILE \".backup COPY\"`.";
    DataVersionMismatch "data/version-mismatch" Failed "the data is of another version than the image",
        "The data was written by another major version of the program than the image has, which cannot read it.",
        "Pin the image to the version that the data is of, or upgrade the data by the program's own way first.";
    DataUnlikeLive "data/unlike-live" Warning "what came back looks nothing like the live data",
        "At the top of the restored mount there is not one name that the live mount has: it may be other data, or next to none of it.",
        "Compare the part of the backup that `rehearsa plan` shows with what is live.";
    DataReinitialised "data/reinitialised" Failed "the service does not run on the restored data",
        "The service came up well, and what was restored for it is gone, or lies unread beside what it began anew: it took its data for none.",
        "See in its log why it began anew: another path for its data, a setting that is not in the backup, a store that was restored by half.";
    DataNothingRestored "data/nothing-restored" Warning "no data was restored",
        "The service passed without a single file of data: its volumes are empty, were left empty or left out, or it has none.",
        "See where the service keeps its data: only volumes and writable bind mounts come along. If it keeps none, its pass says that it starts, and no more.";
    CheckFailed "check/failed" Failed "a check found something else",
        "The service runs, and a check of yours did not find in it what it should.",
        "Compare the expected and the found in the message with the live service.";
    CheckCannotAsk "check/cannot-ask" Errored "a check could not be asked",
        "The question itself is wrong, or what it is asked with is not there: a client that the image lacks, a query that the database refuses.",
        "Correct the check in the plan file or the label; try it on the live service.";
    CheckNotDataSensitive "check/not-data-sensitive" Warning "the checks pass without the data, too",
        "The same service was booted on empty mounts, and the same checks passed: they say nothing of the data.",
        "Add a check that only the data can pass: a query for a row, a page of a user, a file.";
    SourceCorrupt "source/corrupt" Failed "the backup is damaged",
        "The archive is cut off, its compression or a header in it is broken, or it is no archive at all: what comes after the damage is lost.",
        "Restore from an older snapshot, and look at how this one was written: a full disk or a killed job cuts archives off.";
    SourceOtherFormat "source/other-format" Errored "the backup is of a format that is not read here",
        "The file begins as something else that is known: another kind of archive, a dump, something packed or encrypted in a way that is not read here.",
        "Unpack it and restore from the folder (--from dir:FOLDER), or pipe it, as in `lz4 -dc app.tar.lz4 | rehearsa test --from tar:-`. A dump of a database is loaded with --from dump:FILE.";
    SourceLockedOut "source/locked-out" Failed "the backup cannot be decrypted",
        "The passphrase or key that was given does not open the backup; in an emergency nobody would get at the data.",
        "Find the right passphrase or key, and keep it where it survives the loss of this host.";
    SourceUnreachable "source/unreachable" Errored "the backup cannot be read",
        "The file or folder is not there or cannot be opened, so nothing can be said about it.",
        "See that the path is right, mounted and readable for the user that runs rehearsa.";
    SourceToolMissing "source/tool-missing" Errored "a program that the backup needs is missing",
        "The backup can only be read with a program that is not installed here.",
        "Install it where rehearsa runs.";
    SourceNoSnapshot "source/no-snapshot" Failed "there is no such snapshot",
        "The source holds no snapshot, or none that is wanted.",
        "See that the backup job runs and where it writes; `rehearsa plan` shows what is found.";
    SourceSeveral "source/several" Errored "the archives are of different things",
        "A folder or a pattern was given, and the names of what fits it differ in more than their times: the newest one may be of another service.",
        "Write a pattern that fits the archives of one thing only, as in tar:backups/app-*.tar.gz, or name one with --snapshot.";
    SourceStale "source/stale" Failed "the newest snapshot is too old",
        "The newest snapshot is older than max_age allows: the backup job has silently stopped, or writes elsewhere.",
        "Look at the backup job's log and at its schedule.";
    RestoreMountMissing "restore/mount-missing" Failed "the backup holds nothing for a mount",
        "The service writes to this mount, and the backup has nothing that belongs to it: a restore would lose it.",
        "Add the mount to the backup; if it is there under another name, say so with --map, and if it need not be there, with the strategy empty.";
    RestoreEmpty "restore/empty" Failed "the backup's part for a mount is empty",
        "The backup has a place for this mount and not one file in it; many services come up healthy on nothing.",
        "Look at what the backup job reads: an empty folder is often a mount that was not there. If it may be empty, say allow_empty.";
    RestoreAmbiguous "restore/ambiguous" Errored "it is not clear which part of the backup belongs to a mount",
        "More than one path in the backup fits the mount, or the one there is looks like something else, and rehearsa does not guess.",
        "Say which with --map, as the message shows.";
    RestoreIncomplete "restore/incomplete" Failed "not all of the backup came back",
        "What was restored is not what the backup says it holds, or the backup itself holds less than it should.",
        "Look at what the message names; restore from an older snapshot and compare.";
    RestoreUnsafeEntry "restore/unsafe-entry" Failed "the backup has an entry that leads out of its place",
        "An entry of the archive would be written outside of the volume it belongs to, or is a device: no honest backup of data has such.",
        "Find out who wrote this archive before you unpack it anywhere; nothing was written outside of the sandbox.";
    RestoreNotInBackup "restore/not-in-backup" Warning "a read-only mount is not in the backup",
        "The service only reads this mount; the backup has nothing for it, so the live one was used. On a new host it would be missing.",
        "Add it to the backup, or keep it where the stack's files are kept.";
    RestoreTooSlow "restore/too-slow" Failed "the restore took longer than allowed",
        "From the beginning of the restore until the service was ready it took longer than max_rto.",
        "Look at the times of the steps in the report; raise max_rto if they are what you can live with.";
    RestoreNoSpace "restore/no-space" Errored "no room for the restored data",
        "The data is larger than the free space where the engine keeps its volumes.",
        "Free some space, or use another strategy for the mount: readonly, overlay, empty or omit.";
    RestoreTooLarge "restore/too-large" Errored "there is more than may be restored",
        "A mount or a backup holds more than a rehearsal may bring into the sandbox.",
        "Raise the bound that the message names, or use another strategy for the mount: readonly, overlay, empty or omit.";
    RestoreUnreadable "restore/unreadable" Errored "the data could not be read",
        "Reading the source failed, so nothing can be said about it.",
        "See to the named file or volume; a failing disk shows like this.";
    RestoreFailed "restore/failed" Errored "the data could not be brought into the sandbox",
        "Copying into the new volume failed for another reason than space.",
        "Read the message; the file system below the engine may not hold what the data needs (owners, attributes).";
    SandboxNotIsolated "sandbox/not-isolated" Errored "the sandbox is not isolated",
        "Something outside answered from inside the sandbox, so no service was booted in it.",
        "Look at the engine's network settings (firewall off, gateway mode); do not rehearse on this host before this is clear.";
    SandboxWithheld "sandbox/withheld" Errored "the service did not come up without what the sandbox withholds",
        "The service works with a socket, a device or privileges of the host, which no sandbox gives, so that its failure says nothing of its data.",
        "Skip it with the label rehearsa.skip=reason, or split what holds the data from what needs the host.";
    SandboxFailed "sandbox/failed" Errored "the sandbox could not be built",
        "The engine refused a network, a volume or a container.",
        "Read the engine's message; `rehearsa clean` frees what earlier runs left.";
    SandboxNetworksExhausted "sandbox/networks-exhausted" Errored "the engine has no free address range for a network",
        "Every network takes an address range, and all are in use.",
        "Remove unused networks (`docker network prune`), run `rehearsa clean`, or widen the engine's default-address-pools.";
    SandboxLeftBehind "sandbox/left-behind" Errored "something of the sandbox is left",
        "Objects of this run could not be removed.",
        "Run `rehearsa clean` when the engine answers again; the message names what is left.";
    ConfigImageUnavailable "config/image-unavailable" Failed "the image cannot be had",
        "The image that the service runs on is not on the host any more.",
        "Pull or rebuild it, and keep a copy: without it there is no restore.";
    ConfigImageDrift "config/image-drift" Warning "the tag means another image now",
        "The live container runs an image that its tag no longer points to; a restore by tag would run the other one.",
        "Recreate the live service from the tag, or pin the image by digest.";
    ConfigVolumeDriver "config/volume-driver" Errored "the volume's driver does not answer",
        "The volume belongs to a driver that is missing or failing on this host, so its data cannot be read.",
        "Install or start the volume plugin, or give the mount another strategy.";
    ConfigMissingFile "config/missing-file" Failed "a file the service mounts is missing",
        "The path of a bind mount does not exist on the host any more.",
        "Restore or recreate it; a service recreated now would get an empty folder in its place.";
    ConfigMountType "config/mount-type" Failed "a folder stands where a file should, or the reverse",
        "A mount of a single file came back as a folder, or the reverse. Docker makes an empty folder of a file that it shall mount and does not find, and the service then reads a folder.",
        "Put the file (or the folder) back in its place, in the backup or on the host, and recreate the service.";
    HostUnreachable "host/unreachable" Errored "the engine does not answer",
        "The connection to the Docker daemon failed or broke.",
        "See that the daemon runs and DOCKER_HOST or the context is right; then run `rehearsa clean`.";
    HostServiceVanished "host/service-vanished" Errored "the live container is gone",
        "The container was removed or recreated while it was being rehearsed.",
        "Run again; updates and rehearsals should not overlap.";
    WorkerFailed "worker/failed" Errored "the worker failed",
        "The throw-away container that copies and looks at the data did not start, stopped or did not answer.",
        "Read the message; if the engine is another architecture than this machine, use the build for it.";
    RunCancelled "run/cancelled" Errored "the run was interrupted",
        "A signal ended the run. What was not done by then was not found out.",
        "Run it again.";
    RunTimedOut "run/timed-out" Errored "the time for the run was over",
        "The run had --global-timeout to end in. What was not done by then was not found out.",
        "Give it more time, more --test-threads, or share the work with --partition.";
    RunUnfinished "run/unfinished" Errored "the run has not ended",
        "The report was written while the run went on, or the run was killed before it could write the end.",
        "If the run still goes on, wait for it; if it was killed, `rehearsa clean` removes what it left. Then run it again.";
    RunNothingSelected "run/nothing-selected" Errored "nothing was rehearsed",
        "No service of the host was selected, so the run proves nothing.",
        "See with `rehearsa test --list` what there is; `--no-tests=pass` is for runs in which that may be.";
    RunReportLost "run/report-lost" Errored "a report could not be written",
        "The run went on without it; what the report should have told is known to its other reports only.",
        "See that its place can be written to and has room. With `--events` written, `rehearsa report` makes it again.";
    RunPartMissing "run/part-missing" Errored "a part of the run is missing",
        "Several jobs shared the work. One part has no record, or a record that its job did not finish.",
        "See in that job's log why it ended early, run it again, and merge the records of all parts.";
    RunPanicked "run/panicked" Errored "rehearsa itself failed",
        "A defect in rehearsa.",
        "Please report it with the message.";
}

impl Code {
    /// Finds a code by its name; `None`: there is no such code.
    pub fn parse(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.as_str() == name)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing that went wrong, with the evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Diagnosis {
    /// The kind of problem.
    #[cfg_attr(test, schemars(with = "String"))]
    pub code: Code,
    /// What happened to what, in one sentence or a few lines; free of secrets.
    pub message: String,
    /// The cause that a log line shows; `None`: no line was recognised.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<KnownCause>,
    /// The remedy for this case; `None`: the code's general remedy.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub remedy: Option<String>,
    /// The service's last log lines, masked; empty when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub log_tail: Vec<String>,
}

/// A recognised log line and its meaning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct KnownCause {
    /// The meaning of the line, for people.
    pub meaning: String,
    /// The line itself, masked.
    pub line: String,
}

impl Diagnosis {
    /// Makes a diagnosis that has only a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cause: None, remedy: None, log_tail: Vec::new() }
    }

    /// What the diagnosis means for the rehearsal.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }

    /// What the user can do: the remedy for this case, else the code's.
    pub fn remedy(&self) -> &str {
        self.remedy.as_deref().unwrap_or(self.code.remedy())
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_parse_back() {
        for code in Code::ALL {
            assert_eq!(Code::parse(code.as_str()), Some(*code));
            assert_eq!(serde_json::to_string(code).expect("a code serializes"), format!("\"{code}\""));
        }
    }

    #[test]
    fn every_code_says_what_to_do() {
        for code in Code::ALL {
            assert!(code.as_str().contains('/'), "{code}");
            assert!(!code.cause().is_empty() && code.remedy().ends_with('.'), "{code}");
        }
    }
}

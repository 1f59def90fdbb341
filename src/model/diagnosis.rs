//! Diagnoses: the closed list of things that go wrong. Each has a cause, a remedy and a meaning for the backup.

mod kinds;

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
        "Read the last log lines: they name the file, the setting or the service that is missing. `rehearsa plan` \
         lists the differences between the sandbox and the live service; if none of them is the reason, the difference \
         is in the data.";
    BootCrashLoop "boot/crash-loop" Failed "the service exits again and again",
        "The service was started again as its restart policy demands, and exited each time.",
        "Read the last log lines of the last attempt. A service that crashes until another one is up needs a \
         condition: depends_on in its compose file, or the label rehearsa.depends_on=NAME:service_healthy.";
    BootOomKilled "boot/oom-killed" Failed "the service was killed for lack of memory",
        "The service used more memory than its limit allows. The sandbox keeps the limit of the live service.",
        "Raise the service's own memory limit, or the sandbox's if the live service has none.";
    BootNotStarted "boot/not-started" Failed "the container could not be started",
        "The engine refused to start the container: its command, user, working directory or a mount does not fit.",
        "Read the engine's message: it names the path or the setting.";
    HealthTimeout "health/timeout" Failed "the service did not become ready in time",
        "Within the allowed time the healthcheck did not pass, or nothing listened on any exposed port.",
        "Read the probe's last output and the log. Raise --timeout if the service is only slow.";
    HealthPortSilent "health/port-silent" Warning "nothing listens on a port of the live service",
        "The service is ready as far as its exposed ports tell, but one that the live service listens on, or \
         publishes, is not listened on.",
        "If the live service uses that port, add a check that asks it, as in rehearsa.check.web='tcp 443'. Else take \
         the port out of the published ones.";
    HealthUnhealthy "health/unhealthy" Failed "the healthcheck fails",
        "The healthcheck failed as many times in a row as the service allows.",
        "Run the healthcheck's command in a kept sandbox (--keep) to see what it misses.";
    OrderDependencyFailed "order/dependency-failed" Failed "a dependency of the service did not come up",
        "depends_on names a service that failed, so this service was never started.",
        "Read the dependency's own result. This result says nothing about this service's data.";
    OrderDependencyErrored "order/dependency-errored" Errored "a dependency of the service could not be rehearsed",
        "depends_on names a service whose rehearsal errored, or that is not on this host.",
        "Remove the dependency's error first.";
    OrderNeighbourMissing "order/neighbour-missing" Errored "a neighbour of the service was not in the sandbox",
        "The service looks for another container that it shares a network with live, and nothing says that the two \
         belong together. So its failure says nothing about its data.",
        "Bring the neighbour along with --with NAME, or name it in the label rehearsa.depends_on=NAME.";
    OrderCycle "order/cycle" Errored "services depend on each other in a circle",
        "depends_on leads back to the service that it started from, so there is no order of starts.",
        "Break the circle in the stack's depends_on.";
    DataTornCopy "data/torn-copy" Warning "files changed while they were copied",
        "The live service wrote to its data during the copy, so the copy may mix several moments.",
        "Rehearse from a snapshot, or at a quiet time. Databases usually recover from such a copy, as after a power \
         cut.";
    DataMetadataLost "data/metadata-lost" Warning "attributes were lost",
        "The file system of the copy does not accept some owners, attributes or access control lists.",
        "Keep the engine's volumes on a file system that stores them. tmpfs and network file systems often lack user \
         attributes.";
    DataOwnership "data/ownership" Failed "files came back with another owner",
        "The owner of a restored file differs from the backup's and from the live file's. Either the restore ran as \
         the wrong user, or the target cannot store owners.",
        "Make and restore the backup as root, with numeric owners (tar --numeric-owner, rsync -a --numeric-ids).";
    DataPermissions "data/permissions" Failed "files came back with another mode",
        "The mode of a restored file differs from the backup's and from the live file's, or the service's processes \
         may not read most of the restored files.",
        "Make and restore the backup with modes (tar -p, rsync -a, cp -a), and check the umask of the job.";
    DataCorrupt "data/corrupt" Failed "the data is damaged",
        "The service came up, and a program that reads its data (the service itself, as its log tells, or a tool of \
         its image) finds that data is damaged or missing.",
        "Read what the message quotes, and look whether the live data has the same damage. If it has none, the backup \
         was made while the service wrote, or lost a part: restore from an older snapshot, and back up with the \
         service stopped, with a dump or from a snapshot of the file system.";
    DataRepaired "data/repaired" Warning "the service's log speaks of damaged or repaired data",
        "The service is well, and a line of its log since the start tells of a repair, of data that was left out, or \
         of damage. After a copy of a running service that is often harmless, as after a power cut.",
        "Read the line, and ask the service for its newest data. If something is missing, back up with the service \
         stopped, with a dump or from a snapshot of the file system.";
    DataUnchecked "data/unchecked" Warning "a data store was not checked",
        "The service keeps data in a store that a tool of its own can check. The image lacks the tool, or the tool \
         could not tell in time.",
        "Run the tool on a restored copy by hand, or add a check of your own that reads the data. --deep gives the \
         tools more time.";
    DataSqliteCorrupt "data/sqlite-corrupt" Failed "an SQLite database is damaged",
        "SQLite's own check finds the file damaged, or the file is no database although the live one is. It was copied \
         while the service wrote to it, or a disk failed.",
        "Back the database up with `sqlite3 FILE \".backup COPY\"` or with the service stopped. Restore from an older \
         snapshot.";
    DataSqliteWalMissing "data/sqlite-wal-missing" Failed "an SQLite database lacks its write-ahead log",
        "The database is in WAL mode and came back without the `-wal` file, which holds its last writes.",
        "Back the `-wal` file up together with the database: stop the service, take a snapshot, or use `.backup`.";
    DataSqliteMissing "data/sqlite-missing" Failed "an SQLite database is missing, and only its log came back",
        "The `-wal` file of the database came back, and the database itself did not, or is empty. The log holds the \
         last writes only, and SQLite deletes it when it opens an empty database.",
        "Back the database up together with its `-wal` file, and check what the backup job leaves out.";
    DataSqliteUnchecked "data/sqlite-unchecked" Warning "an SQLite database was not checked",
        "SQLite's own check of the database needs more memory than a rehearsal gives it. Nothing is known about the \
         database but what the service and your own checks say.",
        "Run `PRAGMA quick_check` on a restored copy by hand, and add a check of your own that reads the database.";
    DataSqliteBlank "data/sqlite-blank" Warning "a file with a database's name holds zeros",
        "The file is called as SQLite databases are, begins with nothing but zeros, and the live service has no file \
         of this name. A crash, a full disk or a failed copy leaves such files, and what was in them is lost.",
        "Look into older snapshots whether the file is a database there, and restore the newest in which it is one.";
    DataSqliteWalAbsent "data/sqlite-wal-absent" Warning "an SQLite database came without a write-ahead log",
        "The database is in WAL mode. The live one has a `-wal` file, and the backup has none. That is right for a \
         backup made by SQLite itself or with the service stopped. A backup of a running service's files lacks the \
         last writes.",
        "If the backup copies files while the service runs, back the `-wal` file up together with the database, or use \
         `sqlite3 FILE \".backup COPY\"`.";
    DataVersionMismatch "data/version-mismatch" Failed "the data is of another version than the image",
        "Another major version of the program wrote the data, and the image's version cannot read it.",
        "Pin the image to the version that wrote the data, or upgrade the data first as the program's manual says.";
    DataDiffersFromLive "data/differs-from-live" Failed "what live has not touched is not in the backup as it is live",
        "Live files that have not been touched since the backup began are missing in it, are smaller or have other \
         content. Nothing but the backup can have lost them: it leaves files out, was read from somewhere else, or is \
         damaged.",
        "Compare the named files in the backup with the live ones. If the backup leaves them out on purpose, say so: \
         exclude = [\"FOLDER/**\"] in the plan file, or the label rehearsa.exclude. If only the end of the backup is \
         known and it took longer than an hour, raise --witness-slack.";
    DataUnlikeLive "data/unlike-live" Warning "the restored data looks nothing like the live data",
        "The top level of the restored mount has no name in common with the live mount, a database has no table in \
         common with the live one, is another cluster, or lacks the database that the service names, most files came \
         back empty, or files differ from live ones that seem older than the backup on a host whose clock was wrong. \
         The data may belong to something else, or much of it is missing.",
        "Compare the part of the backup that `rehearsa plan` shows with the live data.";
    DataShrunk "data/shrunk" Failed "the backup holds less than in the last green run",
        "Folders, tables or data stores that an earlier green run of this service found in its backup have lost more \
         than is normal, or are gone. The backup may be whole by its own list: what is missing was deleted before, or \
         is left out since then.",
        "Compare the named folders and tables with live and with the older snapshot, and keep that snapshot until you \
         know. If the loss is meant, run once with --tolerance 100%: the next runs are compared with that one. To \
         allow more every time, set tolerance in the plan file (tolerance = \"files=80%\") or the label \
         rehearsa.tolerance.";
    DataUnlikeEarlier "data/unlike-earlier" Warning "the data is of another kind than in the last green run",
        "A data store has another identity: it was made anew by its program, or belongs to another instance. Or a \
         table or a data store of the earlier run is gone, while the service has another image than then, which may \
         keep its data under another name.",
        "If the database was set up anew or the program was upgraded, this is right and is told once. Else compare \
         the content with live and with the older snapshot.";
    DataReinitialised "data/reinitialised" Failed "the service does not run on the restored data",
        "The service became ready, but the restored data is gone or unused beside newly created data. The service did \
         not recognise it and started from scratch.",
        "Find the reason in the service's log: another path for its data, a setting that is not in the backup, a data \
         store that was only partly restored.";
    DataUnused "data/unused" Failed "the service does not use the restored data",
        "The service is well, but has not opened the restored data. Its data lies somewhere else: in the container's \
         own layer, or in a volume for which nothing was restored. After a real restore the service would come up like \
         this, too, without its data.",
        "Compare the folder that the service uses (PGDATA, datadir, dir, the database's path in its settings) with the \
         targets of its mounts. Mount the volume where the service looks for its data.";
    DataNotUsed "data/not-used" Warning "no restored file of a mount was read",
        "The service is well, and since its start no restored file of the mount was read or changed. Either the \
         service reads its data only when it is asked, or it looks for its data elsewhere.",
        "Add a check that makes the service read its data: a page, a query, a file. If that does not end the warning, \
         compare the target of the mount with the service's settings.";
    DataNothingRestored "data/nothing-restored" Warning "no data was restored",
        "The service passed without any file of data: its volumes are empty, were left empty or left out, or it has \
         none.",
        "Find out where the service keeps its data: only volumes and writable bind mounts are restored. If it keeps \
         none, the pass only shows that it starts.";
    CheckFailed "check/failed" Failed "a check got another answer than expected",
        "The service runs, but a check of yours did not get the answer that it expects.",
        "Compare the expected and the found value in the message with the live service.";
    CheckCannotAsk "check/cannot-ask" Errored "a check could not be asked",
        "The check itself is wrong, or something that it needs is missing: the image lacks a client, or the database \
         refuses the query.",
        "Correct the check in the plan file or the label. Try it on the live service.";
    CheckNotDataSensitive "check/not-data-sensitive" Warning "the checks pass without the data",
        "The same service was booted on empty mounts, and the same checks passed. So they say nothing about the data.",
        "Add a check that only the data can pass: a query for a row, a page of a user, a file.";
    ProofBelowRequired "proof/below-required" Failed "less was shown than is required",
        "The service passed, but the rehearsal did not show what --require-proof demands: the data is not from a \
         backup, it was not compared, or nothing asked the service or its data.",
        "Rehearse a backup (--from), and give the service a healthcheck and checks of its data. Where a service cannot \
         show more, require less of it.";
    ScoreBelowRequired "score/below-required" Failed "the score is lower than required",
        "The service passed, but the run did not see as much of its backup as min_score demands.",
        "Read in the report which points are missing and what would give them. Where a service cannot reach more, \
         require less of it.";
    SourceCorrupt "source/corrupt" Failed "the backup is damaged",
        "The archive is cut off, its compression or a header in it is broken, or the file is no archive at all. \
         Everything after the damage is lost.",
        "Restore from an older snapshot, and check how this one was written: a full disk or a killed job cuts archives \
         off.";
    SourceOtherFormat "source/other-format" Errored "the format of the backup is not supported",
        "The file begins like another known format: another kind of archive, a dump, or an unsupported compression or \
         encryption.",
        "Unpack the file and restore from the folder (--from dir:FOLDER), or pipe it, as in `lz4 -dc app.tar.lz4 | \
         rehearsa test --from tar:-`. Load a database dump with --from dump:FILE.";
    SourceLockedOut "source/locked-out" Failed "the backup cannot be decrypted",
        "The given passphrase or key does not open the backup. In an emergency nobody could read the data.",
        "Find the right passphrase or key, and keep it where it survives the loss of this host.";
    SourceUnreachable "source/unreachable" Errored "the backup cannot be read",
        "The file or folder does not exist or cannot be opened, so nothing is known about its content.",
        "Check that the path is right, is mounted and can be read by the user who runs rehearsa.";
    SourceExchanged "source/exchanged" Errored "the backup's folder was exchanged during the run",
        "A folder of the engine's host was looked through, and another one (or a link) was in its place when it was to \
         be restored. Nothing of it was used.",
        "Look who may write to the folders above it, and whether a program renames or replaces snapshots there.";
    SourceToolMissing "source/tool-missing" Errored "a program that the backup needs is missing",
        "The backup can only be read with a program that is not installed on this machine.",
        "Install the program on the machine that runs rehearsa.";
    SourceNoSnapshot "source/no-snapshot" Failed "there is no such snapshot",
        "The source holds no snapshot, or not the wanted one.",
        "Check that the backup job runs and where it writes. `rehearsa plan` shows what is found.";
    SourceSeveral "source/several" Errored "the archives are of different things",
        "The folder or pattern fits files whose names differ in more than their times. The newest one may belong to \
         another service.",
        "Write a pattern that fits the archives of one thing only, as in tar:backups/app-*.tar.gz, or choose one with \
         --snapshot.";
    SourceStale "source/stale" Failed "the newest snapshot is too old",
        "The newest snapshot is older than max_age allows. The backup job has stopped, or writes to another place.",
        "Check the backup job's log and schedule.";
    SourceLive "source/live" Errored "the backup is the live data itself",
        "The folder that was given as the backup is the folder that the live service writes to. Whatever happens to \
         the live data happens to it, too. No backup was read, so nothing is known about one.",
        "Give --from the place that the backup job writes to. To rehearse on a copy of the live data, leave --from \
         out.";
    RestoreMountMissing "restore/mount-missing" Failed "the backup holds nothing for a mount",
        "The service writes to this mount, and the backup has nothing that belongs to it. A restore would lose its \
         data.",
        "Add the mount to the backup. If the backup has it under another name, say so with --map. If a restore needs \
         nothing of it, as with a cache, give it the strategy empty.";
    RestoreEmpty "restore/empty" Failed "the backup's part for a mount is empty",
        "The backup has a place for this mount, but not one file in it. Many services come up healthy on nothing.",
        "Check what the backup job reads: an empty folder is often a mount that was missing. If the mount may be \
         empty, set allow_empty.";
    RestoreAmbiguous "restore/ambiguous" Errored "it is not clear which part of the backup belongs to a mount",
        "More than one path in the backup fits the mount, or the only one looks like something else. Rehearsa does not \
         guess.",
        "Choose the path with --map, as the message shows.";
    RestoreIncomplete "restore/incomplete" Failed "not all of the backup came back",
        "The restored data differs from what the backup says it holds, or the backup itself holds less than it should.",
        "Check what the message names, and compare with a restore from an older snapshot.";
    RestoreUnsafeEntry "restore/unsafe-entry" Failed "the backup has an entry that leads out of its folder",
        "The archive has an entry that would be written outside of its volume, or that is a device. No honest backup \
         of data has such an entry.",
        "Find out who wrote this archive before you unpack it anywhere. Nothing was written outside of the sandbox.";
    DumpClientCommand "dump/client-command" Failed "the dump has a command for the database client",
        "Between its statements the dump has a command that runs in the client and not in the database, such as `\\!`. \
         No dump program writes it: somebody changed the dump, or it was written by hand.",
        "Find out who wrote this dump before you load it anywhere. Nothing of it was run. A script of your own is \
         loaded by a command of your own: load = { command = \"…\" }.";
    RestoreNotInBackup "restore/not-in-backup" Warning "a read-only mount is not in the backup",
        "The service only reads this mount. The backup has nothing for it, so the live data was used. On a new host \
         the data would be missing.",
        "Add the data to the backup, or keep it where the stack's files are kept.";
    RestoreDependencyLive "restore/dependency-live" Warning "a dependency runs on live data",
        "The backup was given for the selected services. It does not hold the data of a service that one of them \
         depends on, so that service was started on a copy of its live data.",
        "Name the backup of the dependency with --from SERVICE=SOURCE. The result says nothing about that backup.";
    RestoreDumpUnused "restore/dump-unused" Warning "a database dump of the backup was not loaded",
        "The backup holds a dump of the service's database that the rehearsal did not load: it restored the files of \
         the database, or loaded another dump. So nothing is known about that dump.",
        "If a restore would load the dump, name its path in the plan file: load = { from = \"PATH\" }, or in the \
         label rehearsa.load.from.";
    RestoreDumpNoEnd "restore/dump-no-end" Warning "nothing tells that the dump is whole",
        "The dump has no line by which its end could be told: it was written without comments, or by hand. A dump that \
         was cut off between two statements looks the same, and loads without an error.",
        "Write dumps with their comments (without --skip-comments, --compact, and filters), and without `| head`. Add \
         a check that counts the rows of the last tables.";
    RestoreTooSlow "restore/too-slow" Failed "the restore took longer than allowed",
        "From the beginning of the restore until the service was ready, more time passed than max_rto allows.",
        "Look at the times of the steps in the report. Raise max_rto if they are acceptable.";
    RestoreNoSpace "restore/no-space" Errored "no room for the restored data",
        "The data needs more space or files (inodes) than are free on the file system of the engine's volumes.",
        "Free some space, or use another strategy for the mount: readonly, overlay, empty or omit.";
    RestoreTooLarge "restore/too-large" Errored "the data is larger than the limit",
        "A mount or a backup holds more than a rehearsal may restore into the sandbox.",
        "Raise the limit that the message names, or use another strategy for the mount: readonly, overlay, empty or \
         omit.";
    RestoreUnreadable "restore/unreadable" Errored "the data could not be read",
        "Reading the data failed, so nothing is known about its content.",
        "Check the file or volume that the message names. A failing disk is a possible cause.";
    RestoreFailed "restore/failed" Errored "the data could not be brought into the sandbox",
        "Copying into the new volume failed for another reason than lack of space.",
        "Read the message. The file system of the engine's volumes may not store what the data needs (owners, \
         attributes).";
    SandboxNotIsolated "sandbox/not-isolated" Errored "the sandbox is not isolated",
        "From inside the sandbox something outside answered, so no service was booted in it.",
        "Check the engine's network settings (firewall off, gateway mode). Do not rehearse on this host before the \
         cause is known.";
    SandboxWithheld "sandbox/withheld" Errored "the service did not come up without what the sandbox withholds",
        "The service works with something that no sandbox gives: a socket, a device, a privilege, a fixed address or \
         a name of the host. So its failure says nothing about its data.",
        "Skip the service with the label rehearsa.skip=reason, or separate the part with the data from the part that \
         needs the host.";
    SandboxFailed "sandbox/failed" Errored "the sandbox could not be built",
        "The engine refused a network, a volume or a container.",
        "Read the engine's message. `rehearsa clean` removes what earlier runs left.";
    SandboxNetworksExhausted "sandbox/networks-exhausted" Errored "the engine has no free address range for a network",
        "Every network needs an address range, and all ranges are in use.",
        "Remove unused networks (`docker network prune`), run `rehearsa clean`, or widen the engine's \
         default-address-pools.";
    SandboxLeftBehind "sandbox/left-behind" Errored "something of the sandbox is left",
        "Objects of this run could not be removed.",
        "Run `rehearsa clean` when the engine answers again. The message names what is left.";
    ConfigLabel "config/label" Errored "a label of the service cannot be used",
        "A label of the container has a value that cannot be read, or names a source or a mount that does not exist. \
         What it asks for is not known, so the service was not rehearsed.",
        "Correct the label where the container is declared, and create the container again (`docker compose up -d`). \
         `rehearsa plan --check` reads all labels of the host.";
    ConfigImageLabels "config/image-labels" Warning "the image brings labels for Rehearsa",
        "The image itself has labels that Rehearsa reads. Whoever makes an image must not choose what is read, run or \
         skipped on this host, so only labels of the container itself are obeyed.",
        "If you want what a label says, give the label to the container. An image that was made by `docker commit` has \
         the labels of the container that it was made from.";
    ConfigImageUnavailable "config/image-unavailable" Errored "the image is not available",
        "The engine does not have the image of the service, and it could not be pulled or built. Nothing was restored, \
         so this says nothing about the backup. Without the image there is no restore.",
        "See that `docker pull` of the image works on the engine's host, or build the image anew. Keep a copy of it \
         (`docker save`), and bring the copy to the engine with `docker load`.";
    ConfigImageDrift "config/image-drift" Warning "the tag names another image now",
        "The live container runs an image that its tag no longer names, or the image is another one than in the \
         project's rehearsa.lock. A restore by tag would run the other image.",
        "Recreate the live service from the tag, or pin the image by digest. After a green run on the new image \
         `rehearsa lock` writes the lock anew.";
    ConfigVariableNotSet "config/variable-not-set" Warning "a variable has no value",
        "Compose puts a blank in the place of the variable. On a new host the service would start with the blank.",
        "Keep the file with the variables (`.env`) where the backup is, and name it with --env-file.";
    ConfigBlankVariable "config/blank-variable" Failed "a variable without a value breaks the project",
        "The variable stands in an image, a mount, a port or a name. A blank there makes another one, or Compose \
         stops.",
        "Keep the file with the variables (`.env`) where the backup is, and name it with --env-file.";
    ConfigValueChanged "config/value-changed" Warning "a value does not arrive as it is written",
        "YAML reads a number or a truth value where a text is meant: 1.10 arrives as 1.1, and 0644 as 420.",
        "Write the value in quotes.";
    ConfigExternal "config/external" Warning "the project needs a network or a volume that it does not make",
        "Somebody else makes it. A new host has none, and `docker compose up` stops there. The sandbox makes its own.",
        "Make it on the new host before `docker compose up`.";
    ConfigPortTwice "config/port-twice" Warning "two services want one port of the host",
        "The service that starts second cannot have the port, and does not start. A sandbox publishes no ports.",
        "Give one of the services another port of the host.";
    ConfigFixedName "config/fixed-name" Warning "containers have names of their own",
        "A name is there once on a host, so a second copy of the project does not start beside the first.",
        "Leave out `container_name`.";
    ConfigPathOutside "config/path-outside" Warning "a service mounts a path outside of its project",
        "A copy of the project's folder does not bring the path to a new host.",
        "See that the backup has the path, or move it below the project's folder.";
    ConfigUnpinnedImage "config/unpinned-image" Warning "the image's tag names another image tomorrow",
        "A restore gets the image of that day. A newer program may refuse the old data, or change it for good.",
        "Write the version into the tag, or the digest after it.";
    ConfigVolumeNotCovered "config/volume-not-covered" Warning "no mount covers the image's data",
        "The engine makes an anonymous volume for the folder. No backup of the named volumes has what is in it.",
        "Mount the volume where this version of the image keeps its data.";
    ConfigVolumeDriver "config/volume-driver" Errored "the volume's driver does not answer",
        "The volume belongs to a driver that is missing or failing on this host, so the volume's data cannot be read.",
        "Install or start the volume plugin, or give the mount another strategy.";
    ConfigChangedSinceUp "config/changed-since-up" Warning "the running container is another one than its files make",
        "The Compose file, a variable or a tag was changed after the container was made. A new host starts what the \
         files say today, on data that a container made otherwise has written.",
        "Recreate the container from its files, see that it works, and back up again.";
    ConfigFileDiffers "config/file-differs" Warning "a file is another one in the backup",
        "A file of the project is in its folder and in the backup, and the two differ. A rehearsal takes the one of \
         the folder, and a restore may bring the other one.",
        "Compare the two, and keep the right one with the Compose file.";
    ConfigMissingFile "config/missing-file" Failed "a file that the service mounts is missing",
        "The path of a bind mount no longer exists on the host.",
        "Restore or recreate the file. A service recreated now would get an empty folder in its place.";
    ConfigMountType "config/mount-type" Failed "a folder stands where a file should, or the reverse",
        "A mount of a single file came back as a folder, or the reverse. Docker makes an empty folder if the file of a \
         mount does not exist, and the service then finds a folder.",
        "Put the file (or the folder) back in its place, in the backup or on the host, and recreate the service.";
    ConfigComposeMissing "config/compose-missing" Errored "Compose is missing or too old",
        "Compose files are read by Docker Compose itself, version 2 or newer. This machine has none, or an older one.",
        "Install Compose: docker-compose-plugin from Docker's packages, docker-compose-v2 on Ubuntu, docker-compose on \
         Debian from 13 on. Or name the program with --compose-path.";
    ConfigComposeFailed "config/compose-failed" Errored "Compose could not be run, or did not finish",
        "Docker Compose is there and gave no answer that can be used: it could not be started, took longer than it \
         may, printed more than any project needs, or no JSON. A file whose aliases grow without bound does that, too.",
        "Run `docker compose config` in the project's folder and look at what it says, how long it takes and how much \
         it prints. Look for YAML aliases (`*name`) that repeat each other.";
    ConfigComposeUnsafe "config/compose-unsafe" Errored "the Compose file of a backup is not given to Compose",
        "Compose files out of a backup are a stranger's. This one names files outside of its own folder or on other \
         machines, or is written in a way in which that cannot be judged. Compose would read such files on this \
         machine.",
        "Look at the line that the message names. If you trust the file, check it out into a folder and name it with \
         -f.";
    ConfigComposeStops "config/compose-stops" Failed "Compose refuses the project",
        "Compose itself cannot read the files of the project, or misses a file or a variable that they demand. A \
         restore on a new host would stop at the same place.",
        "Mend what Compose names, and keep the files and the values that it misses where they survive the loss of the \
         host.";
    ConfigComposeUnknown "config/compose-unknown" Errored "the Compose file has something that Rehearsa does not know",
        "The installed Compose is newer than this version of Rehearsa and gives a setting that Rehearsa cannot judge, \
         or the file has a setting that no sandbox can provide.",
        "Update Rehearsa, or take the setting out of the file.";
    ConfigProjectName "config/project-name" Warning "the backup's volumes have another project's name",
        "The backup holds the volumes under the name of another project. A restore that starts this project would make \
         new, empty volumes beside the restored ones.",
        "Give the project the name that it had: `name: NAME` at the top of the Compose file, or COMPOSE_PROJECT_NAME.";
    ConfigStrict "config/strict" Failed "a warning that is not permitted",
        "The plan has a warning about the files or the configuration of the service, and --strict permits none. The \
         service was not started.",
        "Mend what the message names, or rehearse without --strict (`strict`, `rehearsa.strict`).";
    HostUnreachable "host/unreachable" Errored "the engine does not answer",
        "The connection to the Docker daemon failed or broke.",
        "Check that the daemon runs and that DOCKER_HOST or the context is right. Then run `rehearsa clean`.";
    HostEngineRestarted "host/engine-restarted" Errored "the engine was restarted",
        "The Docker engine was stopped or restarted during the rehearsal. That ends the containers of the sandbox, so \
         their end says nothing about the data.",
        "Run again when the engine runs, and keep its updates apart from rehearsals. `rehearsa clean` removes what is \
         left.";
    HostServiceVanished "host/service-vanished" Errored "the live container is gone",
        "The container was removed or recreated during its rehearsal.",
        "Run again. Updates and rehearsals should not overlap.";
    WorkerFailed "worker/failed" Errored "the worker failed",
        "The throw-away container that copies and inspects the data did not start, stopped or did not answer.",
        "Read the message. If the engine has another architecture than this machine, use the build for that \
         architecture.";
    RunCancelled "run/cancelled" Errored "the run was interrupted",
        "A signal ended the run. Nothing is known about what was not done by then.",
        "Run it again.";
    RunTimedOut "run/timed-out" Errored "the time for the run was over",
        "--global-timeout ended the run. Nothing is known about what was not done by then.",
        "Give the run more time or more --test-threads, or share the work with --partition.";
    RunUnfinished "run/unfinished" Errored "the run has not ended",
        "The report was written during the run, or the run was killed before it could write the end.",
        "If the run still goes on, wait for it. If it was killed, `rehearsa clean` removes what it left. Then run it \
         again.";
    RunNothingSelected "run/nothing-selected" Errored "nothing was rehearsed",
        "No service of the host was selected, so the run proves nothing.",
        "List the services with `rehearsa test --list`. If an empty selection is no mistake, set `--no-tests=pass`.";
    RunReportLost "run/report-lost" Errored "a report could not be written",
        "The run went on without this report. Only the run's other reports have its content.",
        "Check that the report's place is writable and has room. From a record (`--events`), `rehearsa report` writes \
         the report again.";
    RunNotNotified "run/not-notified" Warning "a notification was not delivered",
        "The result of the run stands, and whoever waits for this notification does not know of it.",
        "Read the message: it names the server and what it answered. Check the address that --notify names, and that \
         this host reaches the server; --notify-timeout gives a slow one more time.";
    RunPartMissing "run/part-missing" Errored "a part of the run is missing",
        "Several jobs shared the work. One part has no record, or a record that its job did not finish.",
        "Read that job's log to see why it ended early, run it again, and merge the records of all parts.";
    RunPanicked "run/panicked" Errored "rehearsa itself failed",
        "Rehearsa has a defect.",
        "Please report the defect with the message.";
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
#[path = "diagnosis_tests.rs"]
mod tests;

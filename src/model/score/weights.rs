//! The weights of the score: points for what was seen, and caps for what was not. `docs/score.md` is written from this
//! table (`ci/generate`).

/// The command whose run gives a score.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoredBy {
    /// `rehearsa test`: the service boots from the backup.
    Test,
    /// `rehearsa score`: the backup is looked at, and nothing boots.
    Score,
}

/// A group of points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    Fresh,
    Readable,
    Covered,
    Complete,
    Plausible,
    Boots,
    DataProven,
    InTime,
}

impl Measure {
    /// All groups, in the order of reports.
    pub const ALL: [Measure; 8] = [
        Measure::Fresh,
        Measure::Readable,
        Measure::Covered,
        Measure::Complete,
        Measure::Plausible,
        Measure::Boots,
        Measure::DataProven,
        Measure::InTime,
    ];

    /// The name in reports for programs.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Fresh => "fresh",
            Measure::Readable => "readable",
            Measure::Covered => "covered",
            Measure::Complete => "complete",
            Measure::Plausible => "plausible",
            Measure::Boots => "boots",
            Measure::DataProven => "data-proven",
            Measure::InTime => "in-time",
        }
    }

    /// The question that the group answers, for people.
    pub fn question(self) -> &'static str {
        match self {
            Measure::Fresh => "Is the snapshot young enough?",
            Measure::Readable => "Can the backup be read?",
            Measure::Covered => "Does the backup hold every mount that the service writes to?",
            Measure::Complete => "Did everything come back as the backup says?",
            Measure::Plausible => "Does the snapshot look like the snapshots before?",
            Measure::Boots => "Does the service come up on the data?",
            Measure::DataProven => "Is the data in the service right?",
            Measure::InTime => "Is the restore fast enough?",
        }
    }

    /// The most points of the group.
    pub fn most(self) -> u8 {
        Point::ALL.iter().filter(|point| point.measure() == self).map(|point| point.most()).sum()
    }
}

macro_rules! points {
    ($($point:ident $measure:ident $most:literal $name:literal $by:ident, $for:literal, $raised_by:literal;)+) => {
        /// A single thing that gives points.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Point {
            $(#[doc = $for] $point,)+
        }

        impl Point {
            /// All points, by group.
            pub const ALL: &'static [Point] = &[$(Point::$point),+];

            /// The group.
            pub fn measure(self) -> Measure {
                match self { $(Point::$point => Measure::$measure,)+ }
            }

            /// The most that is given for it.
            pub fn most(self) -> u8 {
                match self { $(Point::$point => $most,)+ }
            }

            /// The name in reports.
            pub fn name(self) -> &'static str {
                match self { $(Point::$point => $name,)+ }
            }

            /// Whether a run of this command can give it.
            pub fn is_seen_by(self, command: ScoredBy) -> bool {
                match self { $(Point::$point => Commands::$by.has(command),)+ }
            }

            /// What it is given for.
            pub fn given_for(self) -> &'static str {
                match self { $(Point::$point => $for,)+ }
            }

            /// What gives it, for a run that did not.
            pub fn raised_by(self) -> &'static str {
                match self { $(Point::$point => $raised_by,)+ }
            }
        }
    };
}

/// The commands that can see something.
#[derive(Debug, Clone, Copy)]
enum Commands {
    Test,
    Score,
    Both,
}

impl Commands {
    fn has(self, command: ScoredBy) -> bool {
        match self {
            Commands::Test => command == ScoredBy::Test,
            Commands::Score => command == ScoredBy::Score,
            Commands::Both => true,
        }
    }
}

points! {
    TimeTold Fresh 2 "time" Both,
        "The backup tells its own time, by its tool or in its name. The time of a file is that of any copy.",
        "a time in the name of the backup, as in app-2026-11-30.tar.gz";
    Age Fresh 8 "age" Both,
        "The snapshot is not older than `max_age`. Above that the points fall, to 0 at twice `max_age`.",
        "a newer snapshot, and a max_age that says what is new enough";
    Opened Readable 2 "opened" Both,
        "The backup was opened, with its key if it has one.",
        "a backup that opens";
    Listed Readable 5 "listed" Both,
        "The list of its content was read to its end, and nothing in it is damaged.",
        "a backup whose list of content is whole";
    Read Readable 8 "read" Both,
        "The content was read in this run, by its share of the service's mounts. For the list alone: 2.",
        "reading the content: a rehearsal that copies it, or `rehearsa score --read-data`";
    Covered Covered 15 "covered" Both,
        "The share of the mounts that the service writes to and that the backup holds. A part found by its name or by \
         `--map` counts in full, a part found by the path in the container 0.8, the only candidate 0.6.",
        "a backup of every mount, with parts that have the names of their volumes, or --map";
    Entries Complete 6 "entries" Test,
        "Number, size, owner and mode of everything restored are as the backup says, by the share of restored mounts.",
        "a rehearsal that copies the data, which compares every entry";
    Contents Complete 2 "contents" Test,
        "The content of every restored file was compared too.",
        "--verify-content";
    Metadata Complete 2 "metadata" Test,
        "No attribute that the backup has was lost.",
        "a file system below the engine's volumes that stores all attributes";
    Files Plausible 3 "files" Score,
        "The number of files is within 50 % of the median of up to ten earlier snapshots.",
        "earlier snapshots with about as many files; `rehearsa score` compares them";
    Bytes Plausible 3 "bytes" Score,
        "The number of bytes is within 50 % of the median of up to ten earlier snapshots.",
        "earlier snapshots with about as many bytes; `rehearsa score` compares them";
    Filled Plausible 2 "filled" Score,
        "No mount that held files before is empty, and the share of files without content rose by at most 10 points.",
        "earlier snapshots to compare with; `rehearsa score` compares them";
    Sqlite Plausible 2 "sqlite" Both,
        "No SQLite database lacks its write-ahead log; in a rehearsal: SQLite's own check finds them sound.",
        "a backup of SQLite databases with their -wal files, or made by `.backup`";
    Up Boots 4 "up" Test,
        "The service started and stayed up.",
        "a boot: `rehearsa test`";
    Healthy Boots 6 "healthcheck" Test,
        "Its own healthcheck passed. A service that only listens on a port gets 2.",
        "a healthcheck of the image or of its compose file";
    Check DataProven 13 "check" Test,
        "A check that looks at the data got the right answer.",
        "a check of yours that only the data can pass: exec, sql, sqlite, http or file";
    Control DataProven 12 "control" Test,
        "The negative control shows that the missing data is noticed.",
        "--control, which boots the service once more without its data";
    Measured InTime 2 "measured" Test,
        "The time from the start of the restore until the service was ready was measured.",
        "a boot: `rehearsa test`";
    WithinRto InTime 3 "within" Test,
        "That time is within `max_rto`.",
        "a max_rto that says how long a restore may take";
}

macro_rules! caps {
    ($($cap:ident $at:literal $name:literal, $when:literal, $without:literal, $lifted_by:literal;)+) => {
        /// A bound of the score. Where several hold, the lowest counts.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Cap {
            $(#[doc = $when] $cap,)+
        }

        impl Cap {
            /// All caps, lowest first.
            pub const ALL: &'static [Cap] = &[$(Cap::$cap),+];

            /// The most points under the cap.
            pub fn at(self) -> u8 {
                match self { $(Cap::$cap => $at,)+ }
            }

            /// The name in reports for programs.
            pub fn name(self) -> &'static str {
                match self { $(Cap::$cap => $name,)+ }
            }

            /// When it holds.
            pub fn when(self) -> &'static str {
                match self { $(Cap::$cap => $when,)+ }
            }

            /// The end of "so many points can be had …".
            pub fn without(self) -> &'static str {
                match self { $(Cap::$cap => $without,)+ }
            }

            /// What lifts it.
            pub fn lifted_by(self) -> &'static str {
                match self { $(Cap::$cap => $lifted_by,)+ }
            }
        }
    };
}

caps! {
    Failed 20 "failed", "The verdict is failed: the service does not come back from this backup.",
        "while the service does not come back", "a backup that the service comes back from";
    NotFromBackup 20 "not-from-backup", "A mount that the service writes to did not come from a backup.",
        "without a backup of every mount", "a backup of every mount: --from SOURCE";
    Stale 30 "stale", "The snapshot is older than twice `max_age`.",
        "with a snapshot this old", "a newer snapshot";
    LostData 30 "lost-data",
        "More than half of the files or bytes of the snapshots before are gone, or many files have lost their content.",
        "with a snapshot that lost data", "a snapshot with all of the data";
    Repaired 40 "repaired", "The snapshot was rewritten or repaired, and is smaller than the snapshots before.",
        "with a repaired snapshot", "a new snapshot, made after the repair";
    NotBooted 50 "not-booted", "The service was not booted.",
        "without booting", "a boot: `rehearsa test`";
    NoDataCheck 60 "no-data-check", "No check looked at the data.",
        "without a check of the data", "a check of yours that only the data can pass: exec, sql, sqlite, http or file";
    NoControl 80 "no-control", "No negative control shows that the checks notice missing data.",
        "without a negative control", "--control, which boots the service once more without its data";
}

/// The most points that a run of this command can give.
pub fn most_of(command: ScoredBy) -> u8 {
    Point::ALL.iter().filter(|point| point.is_seen_by(command)).map(|point| point.most()).sum()
}

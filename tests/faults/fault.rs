//! One fault: how a backup is damaged, and the verdict, code and words that its rehearsal must end with.

use std::path::Path;
use std::time::Instant;

use libtest_mimic::Failed;

use crate::form::Form;
use crate::kind::Kind;
use crate::record::{Line, record};
use crate::subject::{Subject, subject};
use crate::support::backup::{folder, sh};
use crate::support::{Live, Rehearsal, Wanted, rehearsa, rehearse_by, shown};
use crate::support::{borg, restic};

/// How a rehearsal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// `passed`, `failed` or `errored`.
    pub verdict: &'static str,
    /// The diagnosis's code, or a warning's code if the service passed; empty if there is none.
    pub code: &'static str,
    /// Words that the message or the known cause must contain.
    pub words: &'static [&'static str],
}

/// Makes the container that is rehearsed instead of the service itself.
pub type Instead = fn(&Subject) -> Wanted;
/// Runs the whole trial, in a folder of its own.
pub type Own = fn(&Path) -> Rehearsal;

/// A fault of the table.
pub struct Fault {
    pub row: u8,
    pub what: &'static str,
    pub kind: Kind,
    pub form: Form,
    pub hot: bool,
    pub asked: bool,
    data: Vec<&'static str>,
    backup: Option<&'static str>,
    args: Vec<&'static str>,
    instead: Option<Instead>,
    own: Option<Own>,
    programs: bool,
    wanted: End,
    gap: Option<(End, &'static str)>,
}

/// Shell functions for damaging files.
const TOOLS: &str = r#"
flip() { # FILE [OFFSET]: another bit, by default in the middle
  at=${2:-$(($(stat -c %s "$1") / 2))}; byte=$(od -An -tu1 -j "$at" -N 1 "$1")
  printf "\\$(printf %o $((byte ^ 16)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}
blank() { size=$(stat -c %s "$1"); truncate -s 0 "$1"; truncate -s "$size" "$1"; } # FILE: zeros
cut_to() { truncate -s "$(($(stat -c %s "$1") * $2 / 100))" "$1"; } # FILE PERCENT
# The same noise each time: what a program makes of a damaged page depends on what stands there.
noise() { # FILE PAGE PAGES
  head -c "$(($3 * 4096))" /dev/zero | openssl enc -aes-128-ctr -K 0f1e2d3c4b5a69788796a5b4c3d2e1f0 -iv 01 2>/dev/null |
    dd of="$1" bs=4096 seek="$2" count="$3" iflag=fullblock conv=notrunc status=none
}
"#;

/// A fault of this row, on this service from this source. How it must end is added by the methods below.
pub fn fault(row: u8, what: &'static str, kind: Kind, form: Form) -> Fault {
    Fault {
        row,
        what,
        kind,
        form,
        hot: false,
        asked: false,
        data: Vec::new(),
        backup: None,
        args: Vec::new(),
        instead: None,
        own: None,
        programs: true,
        wanted: End { verdict: "", code: "", words: &[] },
        gap: None,
    }
}

impl Fault {
    /// A script that changes the data before the backup: the data is in `$1`, the volume's name is `$2`. For a dump
    /// beside other files, the dump is `$1`, and the folder of the undamaged volume is `$3`.
    pub fn data(mut self, script: &'static str) -> Self {
        self.data.push(script);
        self
    }

    /// A script that changes the backup: the archive is `$1`.
    pub fn backup(mut self, script: &'static str) -> Self {
        self.backup = Some(script);
        self
    }

    /// Uses a backup that was made while the service ran.
    pub fn hot(mut self) -> Self {
        self.hot = true;
        self
    }

    /// Adds the kind's own check of the data. A wrong answer is repeated until the timeout.
    pub fn asked(mut self) -> Self {
        self.asked = true;
        self
    }

    /// Adds arguments; `@` at the start of one is the folder of the backup.
    pub fn with(mut self, args: &[&'static str]) -> Self {
        self.args.extend(args);
        self
    }

    /// Rehearses another container on the service's volume.
    pub fn instead(mut self, make: Instead) -> Self {
        self.instead = Some(make);
        self
    }

    /// Rehearses on a machine where no program is found.
    pub fn without_programs(mut self) -> Self {
        self.programs = false;
        self
    }

    /// Replaces the whole trial by this function.
    pub fn own(mut self, own: Own) -> Self {
        self.own = Some(own);
        self
    }

    /// The rehearsal must fail with this code and these words.
    pub fn failed(self, code: &'static str, words: &'static [&'static str]) -> Self {
        self.ends("failed", code, words)
    }

    /// The rehearsal must be errored with this code and these words: nothing is known about the backup.
    pub fn errored(self, code: &'static str, words: &'static [&'static str]) -> Self {
        self.ends("errored", code, words)
    }

    /// The service must pass with this warning.
    pub fn warned(self, code: &'static str, words: &'static [&'static str]) -> Self {
        self.ends("passed", code, words)
    }

    /// The service must pass without a warning: it works with this data, and that is right.
    pub fn harmless(self) -> Self {
        self.ends("passed", "", &[])
    }

    fn ends(mut self, verdict: &'static str, code: &'static str, words: &'static [&'static str]) -> Self {
        self.wanted = End { verdict, code, words };
        self
    }

    /// A known gap: today the rehearsal ends like this, for this reason.
    pub fn but_today(mut self, (verdict, code): (&'static str, &'static str), why: &'static str) -> Self {
        self.gap = Some((End { verdict, code, words: &[] }, why));
        self
    }

    /// The trial's name.
    pub fn name(&self) -> String {
        let gap = if self.gap.is_some() { " (known gap)" } else { "" };
        format!("{:02} {} from {}: {}{gap}", self.row, self.kind.word(), self.form.word(), self.what)
    }

    /// Rehearses from the damaged backup, and checks that the end is the table's.
    pub fn is_told(&self) -> Result<(), Failed> {
        let began = Instant::now();
        let rehearsal = self.rehearse();
        let result = self.judge(&rehearsal);
        let (code, _) = said(&rehearsal, self.wanted.code);
        let verdict = verdict(&rehearsal);
        record(&Line {
            row: self.row,
            what: self.what,
            service: self.kind.word(),
            source: self.form.word(),
            twin: false,
            gap: self.gap.map(|(_, why)| why),
            wanted: format!("{} {}", self.wanted.verdict, self.wanted.code),
            got: format!("{verdict} {code}"),
            harmless: self.wanted.verdict == "passed" && self.wanted.code.is_empty(),
            detected: verdict != "passed" || !code.is_empty(),
            right: ends(&rehearsal, self.wanted).is_ok(),
            ok: result.is_ok(),
            seconds: began.elapsed().as_secs_f64(),
        });
        result.map_err(Failed::from)
    }

    fn judge(&self, rehearsal: &Rehearsal) -> Result<(), String> {
        let Some((today, why)) = self.gap else { return ends(rehearsal, self.wanted) };
        if ends(rehearsal, self.wanted).is_ok() {
            return Err(format!("the gap is closed (it was: {why}); take `but_today` out of the table"));
        }
        ends(rehearsal, today)
    }

    fn rehearse(&self) -> Rehearsal {
        let dir = folder();
        if let Some(own) = self.own {
            let rehearsal = own(dir.path());
            rehearsal.nothing_is_left();
            return rehearsal;
        }
        let subject = subject(self.kind);
        let instead: Option<Live> = self.instead.map(|make| make(subject).start());
        let name = instead.as_ref().map_or(&subject.name, |live| &live.name);
        let mut args = Vec::new();
        if self.form.is_dump() {
            subject.copy_dumps_to(dir.path());
            args = self.form.make(dir.path());
        } else if self.form == Form::Inside {
            let dump = subject.lay_dump_in(dir.path());
            for script in &self.data {
                let words = [dump.as_str(), &subject.volume, &subject.undamaged()];
                sh(dir.path(), &format!("{TOOLS}{script}"), &words);
            }
            args = self.form.make(dir.path());
        } else if self.form != Form::Live {
            subject.copy_to(dir.path(), self.hot);
            for script in &self.data {
                let data = format!("data/{}", subject.volume);
                sh(dir.path(), &format!("{TOOLS}{script}"), &[&data, &subject.volume]);
            }
            args = self.form.make(dir.path());
        }
        if let Some(script) = self.backup {
            let script = format!("{}{}{TOOLS}{script}", borg::TOOLS, restic::TOOLS);
            sh(dir.path(), &script, &[&self.form.file().unwrap_or_default()]);
        }
        let at = |arg: &str| arg.strip_prefix('@').map_or(arg.to_owned(), |file| shown(&dir.path().join(file)));
        args.extend(self.args.iter().map(|arg| at(arg)));
        let check = self.asked.then(|| self.kind.check());
        let rehearsal = rehearse_here(dir.path(), name, check, &args, self.programs);
        rehearsal.nothing_is_left();
        rehearsal
    }
}

/// Rehearses in this folder. With a `check`, a plan file with this check is written there. Without `programs`, PATH
/// has none.
pub fn rehearse_here(folder: &Path, name: &str, check: Option<&str>, args: &[String], programs: bool) -> Rehearsal {
    if let Some(check) = check {
        let plan = format!("[services.\"{name}\"]\nchecks = [{check}]\n");
        std::fs::write(folder.join("rehearsa.toml"), plan).expect("written");
    }
    let mut command = rehearsa(&[]);
    command.current_dir(folder).env("GNUPGHOME", folder.join("home"));
    if !programs {
        command.env("PATH", "/none");
    }
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    // If a flag is given twice, the last value counts: it is the fault's own.
    for flag in ["--from", "--identity", "--passphrase-file"] {
        while args.iter().filter(|arg| **arg == flag).count() > 1 {
            let first = args.iter().position(|arg| *arg == flag).expect("there are two");
            args.drain(first..first + 2);
        }
    }
    if !args.contains(&"--timeout") {
        args.extend(["--timeout", "60s"]);
    }
    // A service may change its data a moment after it is ready.
    if !args.contains(&"--settle") {
        args.extend(["--settle", "1s"]);
    }
    rehearse_by(command, &[name], &args)
}

fn verdict(rehearsal: &Rehearsal) -> &str {
    rehearsal.case()["verdict"].as_str().unwrap_or_default()
}

/// Code and words of the diagnosis. If the service passed: of the wanted warning, else of the first one.
fn said(rehearsal: &Rehearsal, wanted: &str) -> (String, String) {
    let case = rehearsal.case();
    let of = |diagnosis: &serde_json::Value| {
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let cause = &diagnosis["cause"];
        let words = [text(&diagnosis["message"]), text(&cause["meaning"]), text(&cause["line"])];
        (text(&diagnosis["code"]), words.join("\n"))
    };
    if verdict(rehearsal) != "passed" {
        return of(&case["diagnosis"]);
    }
    let warnings = case["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let told = warnings.iter().find(|warning| warning["code"] == wanted);
    told.or_else(|| warnings.iter().find(|warning| !is_about_the_live(warning))).map(of).unwrap_or_default()
}

/// Whether a warning is about the live SQLite log; it comes with every backup made at rest.
pub fn is_about_the_live(warning: &serde_json::Value) -> bool {
    warning["code"] == "data/sqlite-wal-absent"
}

/// Checks the end of a rehearsal. The error says what differs.
fn ends(rehearsal: &Rehearsal, end: End) -> Result<(), String> {
    let (code, words) = said(rehearsal, end.code);
    let (got, wanted) = (format!("{} {code}", verdict(rehearsal)), format!("{} {}", end.verdict, end.code));
    if got != wanted {
        return Err(format!("ended as `{got}`, not as `{wanted}`\n{rehearsal}"));
    }
    // The service must not be booted then: the boot would change or damage the data.
    if code == "data/version-mismatch"
        && (!rehearsal.steps("boot").is_empty() || rehearsal.diagnosis()["remedy"].is_null())
    {
        return Err(format!("it was booted, or is not told what to do\n{rehearsal}"));
    }
    match end.words.iter().find(|word| !words.contains(**word)) {
        Some(word) => Err(format!("`{got}` does not say `{word}`\n{rehearsal}")),
        None => Ok(()),
    }
}

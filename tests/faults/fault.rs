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

/// How a rehearsal ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// `passed`, `failed` or `errored`.
    pub verdict: &'static str,
    /// The diagnosis's code, or that of a warning where the service passed; nothing where nothing is said.
    pub code: &'static str,
    /// Words of the message, the recognised cause among them.
    pub words: &'static [&'static str],
}

/// Makes the container that is rehearsed in place of the service itself.
pub type Instead = fn(&Subject) -> Wanted;
/// Does all by itself, in a folder of its own.
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
    wanted: End,
    gap: Option<(End, &'static str)>,
}

/// Shell functions for those who do damage.
const TOOLS: &str = r#"
flip() { # FILE [OFFSET]: another bit, by default in the middle
  at=${2:-$(($(stat -c %s "$1") / 2))}; byte=$(od -An -tu1 -j "$at" -N 1 "$1")
  printf "\\$(printf %o $((byte ^ 16)))" | dd of="$1" bs=1 seek="$at" conv=notrunc status=none
}
cut_to() { truncate -s "$(($(stat -c %s "$1") * $2 / 100))" "$1"; } # FILE PERCENT
noise() { dd if=/dev/urandom of="$1" bs=4096 seek="$2" count="$3" conv=notrunc status=none; } # FILE PAGE PAGES
"#;

/// A fault of this row, on this service from this source, that has yet to be said how it is told.
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
        wanted: End { verdict: "", code: "", words: &[] },
        gap: None,
    }
}

impl Fault {
    /// What is done to the data before it is backed up: the data is in `$1`, the volume's name is `$2`.
    pub fn data(mut self, script: &'static str) -> Self {
        self.data.push(script);
        self
    }

    /// What is done to the backup: the archive is `$1`.
    pub fn backup(mut self, script: &'static str) -> Self {
        self.backup = Some(script);
        self
    }

    /// Of a backup that was made while the service ran.
    pub fn hot(mut self) -> Self {
        self.hot = true;
        self
    }

    /// With the question of the service's owner to its data. A wrong answer is asked for again until the timeout.
    pub fn asked(mut self) -> Self {
        self.asked = true;
        self
    }

    /// With more arguments; `@` at the start of one is the folder of the backup.
    pub fn with(mut self, args: &[&'static str]) -> Self {
        self.args.extend(args);
        self
    }

    /// Another container on the service's volume is rehearsed.
    pub fn instead(mut self, make: Instead) -> Self {
        self.instead = Some(make);
        self
    }

    /// All of it is done by this.
    pub fn own(mut self, own: Own) -> Self {
        self.own = Some(own);
        self
    }

    /// It must fail like this.
    pub fn failed(self, code: &'static str, words: &'static [&'static str]) -> Self {
        self.ends("failed", code, words)
    }

    /// It must end in an error like this: nothing can be said of the backup.
    pub fn errored(self, code: &'static str, words: &'static [&'static str]) -> Self {
        self.ends("errored", code, words)
    }

    /// It must be green, with this warning.
    pub fn warned(self, code: &'static str, words: &'static [&'static str]) -> Self {
        self.ends("passed", code, words)
    }

    /// It must be green: the service lives with it, and does rightly so.
    pub fn harmless(self) -> Self {
        self.ends("passed", "", &[])
    }

    fn ends(mut self, verdict: &'static str, code: &'static str, words: &'static [&'static str]) -> Self {
        self.wanted = End { verdict, code, words };
        self
    }

    /// It is not told yet, but ends like this, for this reason.
    pub fn but_today(mut self, (verdict, code): (&'static str, &'static str), why: &'static str) -> Self {
        self.gap = Some((End { verdict, code, words: &[] }, why));
        self
    }

    /// The trial's name.
    pub fn name(&self) -> String {
        let gap = if self.gap.is_some() { " (known gap)" } else { "" };
        format!("{:02} {} from {}: {}{gap}", self.row, self.kind.word(), self.form.word(), self.what)
    }

    /// Rehearses from the spoilt backup: it ends as the table says.
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
        } else if self.form != Form::Live {
            subject.copy_to(dir.path(), self.hot);
            for script in &self.data {
                let data = format!("data/{}", subject.volume);
                sh(dir.path(), &format!("{TOOLS}{script}"), &[&data, &subject.volume]);
            }
            args = self.form.make(dir.path());
        }
        if let Some(script) = self.backup {
            sh(dir.path(), &format!("{TOOLS}{script}"), &[&self.form.file().unwrap_or_default()]);
        }
        let at = |arg: &str| arg.strip_prefix('@').map_or(arg.to_owned(), |file| shown(&dir.path().join(file)));
        args.extend(self.args.iter().map(|arg| at(arg)));
        let rehearsal = rehearse_here(dir.path(), name, self.asked.then(|| self.kind.check()), &args);
        rehearsal.nothing_is_left();
        rehearsal
    }
}

/// Rehearses in this folder, with a plan file that asks this of the service if it is to be asked something.
pub fn rehearse_here(folder: &Path, name: &str, check: Option<&str>, args: &[String]) -> Rehearsal {
    if let Some(check) = check {
        let plan = format!("[services.\"{name}\"]\nchecks = [{check}]\n");
        std::fs::write(folder.join("rehearsa.toml"), plan).expect("written");
    }
    let mut command = rehearsa(&[]);
    command.current_dir(folder).env("GNUPGHOME", folder.join("home"));
    let mut args: Vec<&str> = args.iter().map(String::as_str).collect();
    // The last word counts: what is said twice is what a fault wants otherwise.
    for flag in ["--from", "--identity", "--passphrase-file"] {
        while args.iter().filter(|arg| **arg == flag).count() > 1 {
            let first = args.iter().position(|arg| *arg == flag).expect("there are two");
            args.drain(first..first + 2);
        }
    }
    if !args.contains(&"--timeout") {
        args.extend(["--timeout", "60s"]);
    }
    // What a service does to its data, or what becomes of it, may take a moment after it is ready.
    if !args.contains(&"--settle") {
        args.extend(["--settle", "1s"]);
    }
    rehearse_by(command, &[name], &args)
}

fn verdict(rehearsal: &Rehearsal) -> &str {
    rehearsal.case()["verdict"].as_str().unwrap_or_default()
}

/// What was said of the service: code and words. Of several warnings it is the one that is looked for.
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

/// A live log of SQLite makes every backup at rest worth this word.
pub fn is_about_the_live(warning: &serde_json::Value) -> bool {
    warning["code"] == "data/sqlite-wal-absent"
}

/// Whether it ended so; else what is wrong.
fn ends(rehearsal: &Rehearsal, end: End) -> Result<(), String> {
    let (code, words) = said(rehearsal, end.code);
    let (got, wanted) = (format!("{} {code}", verdict(rehearsal)), format!("{} {}", end.verdict, end.code));
    if got != wanted {
        return Err(format!("ended as `{got}`, not as `{wanted}`\n{rehearsal}"));
    }
    // The boot would have changed the data by the version's own way, or spoilt it.
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

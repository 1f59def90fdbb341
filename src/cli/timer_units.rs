//! The text of the service and the timer of systemd that rehearse regularly. Pure.

use std::path::Path;

/// First line of every file that `rehearsa timer` writes. A file without it is not Rehearsa's and is left alone.
pub const MARK: &str = "# Written by `rehearsa timer`, which also removes it.";

/// What goes into the files.
#[derive(Debug, Clone)]
pub struct TimerSpec<'a> {
    /// The name of both files, without their endings.
    pub name: &'a str,
    /// When to start, as a calendar event of systemd.
    pub calendar: &'a str,
    /// This executable.
    pub program: &'a str,
    /// The arguments of Rehearsa.
    pub command: &'a [String],
    /// The working directory.
    pub folder: &'a Path,
    /// Variables, and the files of the credentials that their values name.
    pub credentials: &'a [(String, String)],
    /// The unit that is started when the service fails.
    pub on_failure: Option<&'a str>,
    /// The longest time of a run.
    pub time_limit: &'a str,
    /// The service manager is that of a user, who may not depend on units of the system.
    pub is_user: bool,
}

impl TimerSpec<'_> {
    /// The service.
    pub fn service(&self) -> String {
        let Self { name, folder, time_limit, .. } = self;
        let program = quoted(self.program);
        let words: Vec<String> = self.command.iter().map(|word| quoted(word)).collect();
        let after = if self.is_user {
            String::new()
        } else {
            "Wants=network-online.target\nAfter=network-online.target docker.service\n".to_owned()
        };
        let on_failure = self.on_failure.map(|unit| format!("OnFailure={unit}\n")).unwrap_or_default();
        let credentials: String = self.credentials.iter().map(|(variable, file)| credential(variable, file)).collect();
        format!(
            "{MARK}\n\n\
             [Unit]\n\
             Description=Rehearsal of restores ({name})\n\
             {after}{on_failure}\n\
             [Service]\n\
             Type=oneshot\n\
             WorkingDirectory={}\n\
             {credentials}\
             ExecStart={program} {}\n\
             # Removes what a rehearsal left that was killed.\n\
             ExecStopPost=-{program} clean --spare-kept\n\
             # At the end of the time only Rehearsa is asked to end, and then cleans up.\n\
             TimeoutStartSec={time_limit}\n\
             TimeoutStopSec=30s\n\
             KillMode=mixed\n\
             Nice=10\n",
            // A path is not quoted here; only specifiers are known in it.
            folder.display().to_string().replace('%', "%%"),
            words.join(" "),
        )
    }

    /// The timer.
    pub fn timer(&self) -> String {
        let Self { name, calendar, .. } = self;
        format!(
            "{MARK}\n\n\
             [Unit]\n\
             Description=Starts {name}.service\n\n\
             [Timer]\n\
             OnCalendar={calendar}\n\
             # A time that was missed because the machine was off is made up for.\n\
             Persistent=true\n\n\
             [Install]\n\
             WantedBy=timers.target\n"
        )
    }
}

/// The lines of a credential. Its name is that of the variable, which then holds its path.
fn credential(variable: &str, file: &str) -> String {
    format!("LoadCredential={variable}:{}\nEnvironment={variable}=%d/{variable}\n", file.replace('%', "%%"))
}

/// A word of a command line as systemd reads it: without specifiers, variables and quotes of its own.
fn quoted(word: &str) -> String {
    let mut text = String::new();
    for c in word.chars() {
        match c {
            '%' => text.push_str("%%"),
            '$' => text.push_str("$$"),
            '"' | '\\' => text.extend(['\\', c]),
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            _ => text.push(c),
        }
    }
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
    if !word.is_empty() && word.chars().all(|c| is_plain(c) || matches!(c, '%' | '$')) {
        text
    } else {
        format!("\"{text}\"")
    }
}

/// The calendar event of systemd that TIME means. Anything but a time of the day, with or without days before it, is
/// taken as it is. Errors with what is wrong with the time.
pub fn calendar(at: &str) -> Result<String, String> {
    let at = at.trim();
    let is_known = |c: char| c.is_ascii_alphanumeric() || " *,./:~-+_".contains(c);
    if at.is_empty() || !at.chars().all(is_known) {
        return Err(format!("`{at}` is no time; write `04:00`, `Sun 04:00`, or a calendar event of systemd"));
    }
    let (days, time) = at.rsplit_once(' ').map_or(("", at), |(days, time)| (days, time));
    let Some((hour, minute)) = time.split_once(':').filter(|(_, minute)| !minute.contains(':')) else {
        return Ok(at.to_owned());
    };
    let below = |text: &str, bound: u8| text.len() == 2 && text.parse::<u8>().is_ok_and(|value| value < bound);
    let is_number = |text: &str| text.chars().all(|c| c.is_ascii_digit());
    if !is_number(hour) || !is_number(minute) {
        return Ok(at.to_owned());
    }
    if !below(hour, 24) || !below(minute, 60) {
        return Err(format!("`{time}` is no time of the day; write `04:00` up to `23:59`"));
    }
    if days.contains(|c: char| c.is_ascii_digit() || c == '*') {
        return Ok(at.to_owned());
    }
    let days = if days.is_empty() { String::new() } else { format!("{days} ") };
    Ok(format!("{days}*-*-* {hour}:{minute}:00"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::generated;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn generated_units_are_committed() {
        let command = words(
            "test --max-age 26h --report-dir reports --prometheus /var/lib/prometheus/node-exporter/rehearsa.prom",
        );
        let credentials = [("RESTIC_PASSWORD_FILE".to_owned(), "/etc/rehearsa/restic-password".to_owned())];
        let spec = TimerSpec {
            name: "rehearsa",
            calendar: &calendar("04:00").expect("a time"),
            program: "/usr/local/bin/rehearsa",
            command: &command,
            folder: Path::new("/srv/rehearsa"),
            credentials: &credentials,
            on_failure: None,
            time_limit: "2h",
            is_user: false,
        };
        generated::check("ci/systemd/rehearsa.service", &spec.service());
        generated::check("ci/systemd/rehearsa.timer", &spec.timer());
    }

    #[test]
    fn words_reach_the_command_as_they_are() {
        for (word, written) in [
            ("--from", "--from"),
            ("tar:b-%H.tar", "tar:b-%%H.tar"),
            ("$HOME", "$$HOME"),
            ("a b", "\"a b\""),
            ("", "\"\""),
            ("say \"x\"\\", "\"say \\\"x\\\"\\\\\""),
            ("*.tar;", "\"*.tar;\""),
        ] {
            assert_eq!(quoted(word), written, "{word}");
        }
    }

    #[test]
    fn a_time_of_the_day_becomes_a_calendar_event() {
        for (at, event) in [
            ("04:00", "*-*-* 04:00:00"),
            ("Sun 23:59", "Sun *-*-* 23:59:00"),
            ("Mon..Fri 04:00", "Mon..Fri *-*-* 04:00:00"),
            ("daily", "daily"),
            ("*-*-01 04:00", "*-*-01 04:00"),
            ("04:00:30", "04:00:30"),
        ] {
            assert_eq!(calendar(at).as_deref(), Ok(event), "{at}");
        }
        for at in ["", "24:00", "4:00", "04:60", "04:00\nExecStart=x", "04:00;"] {
            assert!(calendar(at).is_err(), "{at}");
        }
    }
}

//! Judges the comparison of the restored data with the live mount: what live has not touched since the backup began
//! must have come back as it is live. A service seldom notices that files of its users are gone.

use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::event::WitnessSummary;
use crate::model::pluralize::pluralize;
use crate::model::units;
use crate::worker::protocol::{DifferingFiles, Witnessed};

/// Files of one kind that a message names.
const NAMED: usize = 4;
/// Files with impossible times from which on the clock of the host is in doubt, if they are one of so many.
const DOUBTFUL: u64 = 3;
const ONE_OF: u64 = 10;

/// What the comparison says.
#[derive(Debug, Default)]
pub(super) struct Testimony {
    /// What was compared, for the report.
    pub summary: WitnessSummary,
    /// What is not as live.
    pub failure: Option<Diagnosis>,
    /// What is not as live, where the times of the live files are in doubt.
    pub warning: Option<Diagnosis>,
    /// Other owners or modes, in case the service does not come up.
    pub suspicion: Option<Diagnosis>,
}

/// Judges the comparison of a mount of this title.
pub(super) fn judge_witness(title: &str, witnessed: Witnessed) -> Testimony {
    if let Some(why) = witnessed.silent {
        return Testimony { summary: WitnessSummary::silent(why), ..Testimony::default() };
    }
    let mut summary = WitnessSummary {
        silent: None,
        differs: None,
        live: witnessed.live,
        unchanged: witnessed.unchanged,
        read: witnessed.read,
        exempt: witnessed.exempt,
    };
    let difference = difference(title, &witnessed);
    let suspicion = suspicion(title, &witnessed);
    let doubt = clock_doubt(&witnessed);
    let warning = difference.as_ref().zip(doubt.as_ref()).map(|(difference, doubt)| {
        let message = format!("{}; but {doubt}, so the times of the live files may be wrong", difference.message);
        Diagnosis { remedy: difference.remedy.clone(), ..Diagnosis::new(Code::DataUnlikeLive, message) }
    });
    summary.differs = warning.as_ref().or(suspicion.as_ref()).map(|found| found.message.clone());
    Testimony { summary, failure: difference.filter(|_| doubt.is_none()), warning, suspicion }
}

/// Why the times of live files may be wrong; `None`: nothing speaks against them.
pub(super) fn clock_doubt(witnessed: &Witnessed) -> Option<String> {
    let Witnessed { live, of_the_future, out_of_order, .. } = witnessed;
    if *of_the_future > 0 {
        return Some(format!("{} changed in the future by this host's clock", units::files(*of_the_future)));
    }
    let many = *out_of_order >= DOUBTFUL && out_of_order * ONE_OF > live.files;
    many.then(|| format!("{} were modified later than they were changed last", units::files(*out_of_order)))
}

fn difference(title: &str, witnessed: &Witnessed) -> Option<Diagnosis> {
    let Witnessed { live, unchanged, missing, smaller, other, .. } = witnessed;
    let kinds = [(missing, "missing"), (smaller, "smaller"), (other, "not the same")];
    let count: u64 = kinds.iter().map(|(files, _)| files.named.count).sum();
    if count == 0 {
        return None;
    }
    let parts: Vec<String> =
        kinds.into_iter().filter(|(files, _)| files.named.count > 0).map(|(files, what)| told(files, what)).collect();
    let (of, all) = (units::files(live.files), unchanged.files);
    let has = if all == 1 { "has" } else { "have" };
    let (are, they_are) = if count == 1 { ("is", "it is") } else { ("are", "they are") };
    let message = format!(
        "{title}: of {of} of the live service, {all} {has} not been touched since the backup began, and {count} of \
         them {are} not in it as {they_are} live: {}",
        parts.join("; ")
    );
    let remedy = format!(
        "Look for these files in the backup itself and in older snapshots, and find out why the job leaves them out or \
         reads them wrongly. If the backup leaves them out on purpose, say so: exclude = [\"{}\"] for this service in \
         rehearsa.toml, or the label rehearsa.exclude. If the live service is another instance with data of its own: \
         exclude = [\"**\"].",
        left_out(witnessed)
    );
    Some(Diagnosis { remedy: Some(remedy), ..Diagnosis::new(Code::DataDiffersFromLive, message) })
}

/// `35 are missing (35 MB; 30 in data/pages; data/pages/a, data/pages/b and 33 more)`.
fn told(files: &DifferingFiles, what: &str) -> String {
    let DifferingFiles { named, bytes, folders } = files;
    let verb = if named.count == 1 { "is" } else { "are" };
    let mut inside = vec![units::bytes(*bytes)];
    // The top of the mount is no folder that anybody looks for.
    let folders = folders.iter().filter(|(folder, _)| folder != ".");
    inside.extend(folders.map(|(folder, count)| format!("{count} in {folder}")));
    inside.push(examples(files));
    format!("{} {verb} {what} ({})", named.count, inside.join("; "))
}

fn examples(DifferingFiles { named, .. }: &DifferingFiles) -> String {
    let first = named.first.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match named.count.saturating_sub(NAMED.min(named.first.len()) as u64) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

/// The pattern that names what differs most: a folder, or one file.
fn left_out(Witnessed { missing, smaller, other, .. }: &Witnessed) -> String {
    let of = [missing, smaller, other].into_iter().find(|files| files.named.count > 0);
    let folder = of.and_then(|files| files.folders.first()).filter(|(folder, _)| folder != ".");
    if let Some((folder, _)) = folder {
        return format!("/{folder}/**");
    }
    let file = of.and_then(|files| files.named.first.first()).map_or("PATH", String::as_str);
    // What differs follows the path.
    let words = [" has ", " holds ", " is ", " leads to "];
    let end = words.iter().filter_map(|word| file.rfind(word)).max().unwrap_or(file.len());
    format!("/{}", &file[..end])
}

/// Other owners or modes of files that are surely as they were. It is only a suspicion, since many services change them
/// when they start, and some backups do not keep them.
fn suspicion(title: &str, Witnessed { owned, owners, modes, .. }: &Witnessed) -> Option<Diagnosis> {
    let (files, code, what) = match (owners.named.count, modes.named.count) {
        (0, 0) => return None,
        (0, _) => (modes, Code::DataPermissions, "another mode"),
        _ => (owners, Code::DataOwnership, "another owner"),
    };
    let message = format!(
        "{title}: of {} that live has not touched since the backup began, {} came back with {what}: {}",
        pluralize(*owned, "file or folder").replace("file or folders", "files and folders"),
        files.named.count,
        examples(files)
    );
    Some(Diagnosis::new(code, message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::Amount;
    use crate::model::sampled::Sampled;

    fn files(names: &[&str], folders: &[(&str, u64)]) -> DifferingFiles {
        let mut named = Sampled::default();
        names.iter().for_each(|name| named.add(|| (*name).to_owned()));
        let folders = folders.iter().map(|(folder, count)| ((*folder).to_owned(), *count)).collect();
        DifferingFiles { named, bytes: 3_000, folders }
    }

    fn witnessed() -> Witnessed {
        let live = Amount { files: 1310, bytes: 9_000 };
        Witnessed {
            live,
            unchanged: Amount { files: 1204, bytes: 8_000 },
            owned: 1204,
            complete: true,
            ..Witnessed::default()
        }
    }

    #[test]
    fn what_is_there_as_live_is_no_failure() {
        let Testimony { summary, failure, warning, suspicion } = judge_witness("volume v", witnessed());
        assert_eq!((summary.live.files, summary.unchanged.files, summary.silent), (1310, 1204, None));
        assert!(summary.differs.is_none() && failure.is_none() && warning.is_none() && suspicion.is_none());
        let silent = judge_witness("volume v", Witnessed::silent("why"));
        assert_eq!((silent.summary.silent.as_deref(), silent.failure), (Some("why"), None));
    }

    #[test]
    fn a_failure_names_counts_folders_and_examples_and_the_line_that_excludes_them() {
        let top = (".", 2);
        let missing = files(&["data/a", "data/b", "data/c", "data/d", "data/e", "x"], &[("data", 5), top]);
        let other = files(&["y z holds zeros"], &[]);
        let failure =
            judge_witness("volume v", Witnessed { missing, other, ..witnessed() }).failure.expect("a failure");
        assert_eq!(failure.code, Code::DataDiffersFromLive);
        let expected = "volume v: of 1310 files of the live service, 1204 have not been touched since the backup \
            began, and 7 of them are not in it as they are live: 6 are missing (3.0 kB; 5 in data; data/a, data/b, \
            data/c, data/d and 2 more); 1 is not the same (3.0 kB; y z holds zeros)";
        assert_eq!(failure.message, expected);
        assert!(failure.remedy.expect("a remedy").contains("exclude = [\"/data/**\"]"));
        let smaller = files(&["a is b has 0 B instead of 4 B"], &[]);
        let failure = judge_witness("volume v", Witnessed { smaller, ..witnessed() }).failure.expect("a failure");
        assert!(failure.message.contains("and 1 of them is not in it as it is live: 1 is smaller"), "{failure}");
        assert!(failure.remedy.expect("a remedy").contains("exclude = [\"/a is b\"]"));
    }

    #[test]
    fn where_the_clock_is_in_doubt_a_difference_is_a_warning() {
        for (of_the_future, out_of_order, doubted) in [(1, 0, true), (0, 200, true), (0, 131, false), (0, 2, false)] {
            let found = Witnessed { missing: files(&["a"], &[]), of_the_future, out_of_order, ..witnessed() };
            let Testimony { summary, failure, warning, .. } = judge_witness("volume v", found);
            assert_eq!(summary.differs, warning.as_ref().map(|warning| warning.message.clone()), "it is no match");
            assert_eq!((failure.is_none(), warning.is_some()), (doubted, doubted), "{of_the_future} {out_of_order}");
            assert!(warning.is_none_or(|warning| warning.code == Code::DataUnlikeLive));
        }
        assert!(judge_witness("volume v", Witnessed { of_the_future: 5, ..witnessed() }).warning.is_none());
    }

    #[test]
    fn owners_and_modes_are_a_suspicion() {
        let owners = files(&["a belongs to 0:0 instead of 9:9"], &[]);
        let modes = files(&["b has the mode 0600 instead of 0644"], &[]);
        let found = Witnessed { owners, modes: modes.clone(), ..witnessed() };
        let Testimony { failure, suspicion, .. } = judge_witness("volume v", found);
        let suspicion = suspicion.expect("a suspicion");
        assert!(failure.is_none() && suspicion.code == Code::DataOwnership);
        assert!(suspicion.message.contains("of 1204 files and folders that live") && suspicion.message.contains("9:9"));
        let suspicion = judge_witness("volume v", Witnessed { modes, ..witnessed() }).suspicion;
        assert_eq!(suspicion.map(|suspicion| suspicion.code), Some(Code::DataPermissions));
    }
}

//! Variables that are not set: every place that uses them, and what a blank does there.

use std::collections::{BTreeMap, BTreeSet};

use super::notes::{Notes, Place, SourceFile};
use crate::compose_places::variables::UseForm;
use crate::model::diagnosis::Code;
use crate::model::service::ServiceName;

/// Keys of a service that break with a blank in them.
const BREAKS: &[&str] = &["container_name", "image", "networks", "ports", "volumes"];

/// The variables that have no value. `words` are what Compose said: it names each that it replaced by a blank, and the
/// first that it cannot do without. `has` says whether a variable has a value, for those that Compose did not come to.
pub fn unset_variables(files: &[SourceFile], words: &[String], has: &dyn Fn(&str) -> bool) -> BTreeSet<String> {
    let named = words.iter().filter_map(|line| {
        let after = |mark: &str| line.split_once(mark).map(|(_, rest)| rest);
        let blank = after("The \"").filter(|_| line.contains("variable is not set"));
        let blank = blank.and_then(|rest| rest.split_once('"')).map(|(name, _)| name);
        blank.or_else(|| after("required variable ")?.split([' ', ':']).next())
    });
    let mut unset: BTreeSet<String> = named.map(str::to_owned).collect();
    let uses = files.iter().flat_map(|of| of.file.uses().0);
    let required = uses.filter(|of| of.form == UseForm::Required && !of.nested && !has(&of.name));
    unset.extend(required.map(|of| of.name));
    unset
}

pub(super) fn find(notes: &mut Notes<'_>) {
    let mut used: BTreeMap<String, Vec<Used>> = BTreeMap::new();
    let extended: BTreeSet<(usize, String)> =
        notes.checkout.services.iter().flat_map(|service| notes.files_of(&service.name.service)).collect();
    for (number, source) in notes.checkout.files.iter().enumerate() {
        let (mut uses, bad) = source.file.uses();
        if source.is_base {
            let is_extended = |path: &[String]| match path {
                [section, key, ..] if section == "services" => extended.contains(&(number, key.clone())),
                _ => false,
            };
            uses.retain(|of| is_extended(&of.path));
        }
        for of in uses.into_iter().filter(|of| notes.checkout.unset.contains(&of.name)) {
            let matters = match of.form {
                UseForm::Plain | UseForm::Required => !of.nested,
                UseForm::Default | UseForm::Alternative => false,
            };
            if matters {
                let place = (number, of.at);
                used.entry(of.name).or_default().push(Used { place, form: of.form, path: of.path });
            }
        }
        for of in bad {
            let what = format!("a `${{` is wrong: {}; Compose stops there", of.why);
            let mend = "Mend the braces, or write `$$` for a `$` that is none of a variable.".to_owned();
            notes.add(Some((number, of.at)), None, Code::ConfigBlankVariable, &what, mend);
        }
    }
    for (name, uses) in used {
        add(notes, &name, &uses);
    }
}

struct Used {
    place: Place,
    form: UseForm,
    path: Vec<String>,
}

impl Used {
    /// Why nothing works with a blank there; `None`: the blank arrives in the container.
    fn breaks(&self) -> Option<&'static str> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        if self.form == UseForm::Required {
            return Some("Compose stops without a value");
        }
        match path.as_slice() {
            ["services", _, key, ..] if BREAKS.contains(key) => Some("a blank there makes another mount, port or name"),
            ["name"] | ["volumes" | "networks", _, "name"] => Some("a blank there makes another name"),
            ["secrets" | "configs", _, "file"] => Some("a blank there names no file"),
            _ => None,
        }
    }

    /// What gets the blank: `services.web.image`.
    fn what(&self) -> String {
        self.path.iter().map(|step| step.trim_start_matches('#')).collect::<Vec<_>>().join(".")
    }
}

/// One finding for a variable: the worst of its uses comes first.
fn add(notes: &mut Notes<'_>, name: &str, uses: &[Used]) {
    let breaking = uses.iter().find(|of| of.breaks().is_some());
    let Some(first) = breaking.or(uses.first()) else { return };
    let others: Vec<String> =
        uses.iter().filter(|of| of.place != first.place).map(|of| notes.shown(of.place)).collect();
    let also = if others.is_empty() { String::new() } else { format!("; it is also used at {}", others.join(", ")) };
    let (code, effect) = match first.breaks() {
        Some(why) => (Code::ConfigBlankVariable, why),
        None => (Code::ConfigVariableNotSet, "it gets a blank"),
    };
    let what = format!("${name} is not set, and {} uses it: {effect}{also}", first.what());
    let mend = format!(
        "Write `{name}=VALUE` into the .env file of the project or into the one of --env-file, and keep that file \
         where the backup is. `${{{name}:-VALUE}}` in the Compose file gives it a default."
    );
    let is_base = |(number, _): Place| notes.checkout.files.get(number).is_some_and(|of| of.is_base);
    let service = match first.path.as_slice() {
        // The service has another key here.
        _ if is_base(first.place) => None,
        [section, key, ..] if section == "services" => notes.service(key).map(|service| service.name.clone()),
        _ => None,
    };
    // A variable that several services use is a matter of the project.
    let of_one = |service: &ServiceName| uses.iter().all(|of| of.path.get(1) == Some(&service.service));
    notes.add(Some(first.place), service.filter(of_one).as_ref(), code, &what, mend);
}

//! `rehearsa profile`: what a service held in its last green runs.

use std::collections::BTreeSet;
use std::path::Path;

use super::args::ProfileArgs;
use super::choices::TextOrJson;
use super::exit::Failure;
use super::history::{open_history, tell_unusable};
use super::{console, identity, profile_text};
use crate::config::settings::Settings;
use crate::config::values::suggest::suggestion;
use crate::config::{Environment, PlanFile};
use crate::history::{KeptProfile, ReadHistory};
use crate::model::outcome::ExitCode;

/// The command.
pub fn run(args: &ProfileArgs, env: &Environment) -> Result<ExitCode, Failure> {
    let plan_file = PlanFile::find(args.plan.as_deref(), env, identity::user(env))?;
    let settings = Settings::resolve(&args.flags(), env)?.with_file(plan_file);
    let Some(folder) = settings.history() else {
        return Err(Failure::usage("no history is named, so there are no profiles")
            .hint("name the folder that `rehearsa test --history FOLDER` keeps: --history FOLDER"));
    };
    let history = open_history(folder, env);
    history.check().map_err(|error| {
        Failure::usage(format!("cannot read {}, the folder of --history: {error}", folder.display()))
            .hint("name the folder that `rehearsa test --history FOLDER` keeps")
    })?;
    let ReadHistory { found, unusable } = history.all(|name| is_named(name, &args.service));
    tell_unusable(&unusable);
    let kept: Vec<KeptProfile> = match choose(&found, &args.service)? {
        Some(name) => found.into_iter().filter(|kept| kept.service == name).collect(),
        None => return Err(unknown(&args.service, &history.services(), folder)),
    };
    match args.format {
        TextOrJson::Text => console::print_text(&profile_text::render(&kept))?,
        TextOrJson::Json => {
            let json = serde_json::to_string_pretty(&kept).expect("a profile has string keys only, so it serializes");
            console::print(&format!("{json}\n"))?;
        }
    }
    Ok(ExitCode::Passed)
}

/// Whether a service is meant by its full name or by its own.
fn is_named(name: &str, wanted: &str) -> bool {
    name == wanted || name.rsplit("::").next() == Some(wanted)
}

/// The full name of the service that is meant: the only one with that name of its own, if none has it as the full one.
fn choose(found: &[KeptProfile], wanted: &str) -> Result<Option<String>, Failure> {
    let names: BTreeSet<&str> = found.iter().map(|kept| kept.service.as_str()).collect();
    if names.contains(wanted) {
        return Ok(Some(wanted.to_owned()));
    }
    if names.len() > 1 {
        let named = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" or ");
        return Err(Failure::usage(format!("`{wanted}` may be {named}; give the full name")));
    }
    Ok(names.first().map(|name| (*name).to_owned()))
}

fn unknown(wanted: &str, names: &[String], folder: &Path) -> Failure {
    let near =
        suggestion(wanted, names.iter().map(String::as_str)).map_or_else(String::new, |near| format!("; {near}"));
    let hint = if names.is_empty() {
        "a profile is kept after the first green run on a backup: rehearsa test --history FOLDER --from SOURCE"
    } else {
        "a service has a profile after its first green run on a backup"
    };
    Failure::usage(format!("{} holds no profile of `{wanted}`{near}", folder.display())).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::profile::Profile;

    fn kept(service: &str) -> KeptProfile {
        KeptProfile {
            profile_version: KeptProfile::VERSION,
            service: service.to_owned(),
            at: "2026-11-29T04:30:00Z".parse().expect("a time"),
            session: "1".to_owned(),
            source: "tar".to_owned(),
            snapshot: None,
            snapshot_time: None,
            image: String::new(),
            profile: Profile::default(),
        }
    }

    #[test]
    fn a_service_is_found_by_its_full_name_or_by_its_own_if_only_one_has_it() {
        let find = |wanted: &str| {
            let all = ["shop::db", "blog::db", "shop::web", "db2", "web2", "shop::web2"].map(kept);
            let found: Vec<KeptProfile> = all.into_iter().filter(|kept| is_named(&kept.service, wanted)).collect();
            choose(&found, wanted).map_err(|failure| failure.error.to_string())
        };
        let named = |name: &str| Ok(Some(name.to_owned()));
        assert_eq!(
            (find("shop::db"), find("web"), find("web2")),
            (named("shop::db"), named("shop::web"), named("web2"))
        );
        assert_eq!(find("db"), Err("`db` may be `blog::db` or `shop::db`; give the full name".to_owned()));
        assert_eq!(find("shop::webb"), Ok(None));
        let failure = unknown("shop::webb", &["shop::web".to_owned()], Path::new("profiles"));
        let words = failure.error.to_string();
        assert!(words.contains("profiles holds no profile of `shop::webb`") && words.contains("shop::web"), "{words}");
    }
}

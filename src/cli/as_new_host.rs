//! `--as-new-host`: a running stack is read from the files that the labels of its containers name, as somebody would
//! start it on a new host. What differs from the running containers is told.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::args::{ComposeArgs, Global};
use super::connection::Endpoint;
use super::exit::Failure;
use super::no_match::{self, ServiceOrigin};
use super::prepare::{Host, find_services, plan_names, with_settings};
use super::{console, project_sources};
use crate::config::settings::Settings;
use crate::model::environment::Environment;
use crate::model::outcome::ExitCode;
use crate::model::service::Service;
use crate::rehearse::sandbox::stop::StopSignal;

/// Label with the Compose files, separated by commas.
const FILES: &str = "com.docker.compose.project.config_files";
/// Label with the project's folder.
const FOLDER: &str = "com.docker.compose.project.working_dir";
/// Label with the files of `--env-file`, separated by commas.
const ENV_FILES: &str = "com.docker.compose.project.environment_file";

/// A running stack.
pub struct RunningStack {
    /// The flags that read it from its files.
    pub args: ComposeArgs,
    /// Its services as they run.
    pub live: Vec<Service>,
}

/// Finds the running stack that the filters select; `None`: that is not asked for.
pub async fn find(
    args: &ComposeArgs,
    global: &Global,
    settings: &Settings,
    env: &Environment,
    stop: &StopSignal,
) -> Result<Option<RunningStack>, Failure> {
    if !args.as_new_host {
        return Ok(None);
    }
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let Host { daemon: _, services, stopped } = find_services(&endpoint, stop).await?;
    let selection = plan_names(with_settings(services.clone(), settings)?, &settings.selection).selection;
    let selected: BTreeSet<&str> =
        selection.iter().filter(|of| of.is_selected()).map(|of| of.service.stack_name()).collect();
    let stacks: Vec<&str> = selected.into_iter().collect();
    let stack = match stacks.as_slice() {
        [stack] => *stack,
        [] => {
            let told = no_match::reason(&selection, ServiceOrigin::Host(&stopped), &settings.selection);
            return Err(Failure { exit: ExitCode::NothingSelected, ..Failure::errored(told) });
        }
        several => {
            let told = format!("--as-new-host reads one stack, and these are selected: {}", several.join(", "));
            return Err(Failure::usage(told).hint("name services of one stack: rehearsa test STACK:: --as-new-host"));
        }
    };
    let live = services.into_iter().filter(|service| service.name.stack_name() == stack).collect();
    of_stack(stack, live, args).map(Some)
}

/// The flags that read a running stack from its files.
fn of_stack(stack: &str, live: Vec<Service>, args: &ComposeArgs) -> Result<RunningStack, Failure> {
    let labelled = live.iter().find_map(|service| Some((service, service.label(FILES)?)));
    let Some((service, written)) = labelled.filter(|(_, files)| !files.is_empty()) else {
        let told = format!("{stack} was not started by Docker Compose: no container of it has the label {FILES}");
        return Err(Failure::usage(told).hint("name its Compose file: rehearsa test -f FILE --from SOURCE"));
    };
    let folder = PathBuf::from(service.label(FOLDER).unwrap_or_default());
    let paths = |text: &str| -> Vec<PathBuf> {
        text.split(',').filter(|path| !path.is_empty()).map(|path| folder.join(path)).collect()
    };
    let files = paths(written);
    if let Some(gone) = files.iter().find(|file| !file.is_absolute() || !file.exists()) {
        let told = format!(
            "the container {} was made from {}, and this machine has no such file",
            service.container_name,
            gone.display()
        );
        let hint = "on a new host there is none either, if no backup has it. If the file is elsewhere, name it: \
                    rehearsa test -f FILE --from SOURCE; `--stack FOLDER` takes it out of the backup";
        return Err(Failure::errored(told).hint(hint));
    }
    let other = |of: &&Service| of.label(FILES).is_some_and(|files| files != written);
    if let Some(other) = live.iter().find(other) {
        console::note(&format!(
            "{} was made from other files than {}; the files of {} are read",
            other.name, service.name, service.name
        ));
    }
    let profile = profiles(&files, &folder, &live);
    let args = ComposeArgs {
        file: files,
        project_name: Some(stack.to_owned()),
        env_file: service.label(ENV_FILES).map(paths).unwrap_or_default(),
        profile,
        project_directory: Some(folder),
        ..args.clone()
    };
    Ok(RunningStack { args, live })
}

/// The profiles without which a running service would not be there.
fn profiles(files: &[PathBuf], folder: &Path, live: &[Service]) -> Vec<String> {
    let files = project_sources::load(files, folder);
    let mut profiles = BTreeSet::new();
    for of in files.iter().filter(|of| !of.is_base) {
        for service in live {
            let list = of.file.find(&["services", &service.name.service, "profiles"]);
            let items = list.into_iter().flat_map(|(_, list)| list.items()).filter_map(|item| item.text());
            profiles.extend(items.filter(|name| !name.contains('$')).map(str::to_owned));
        }
    }
    profiles.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sample;
    use crate::model::service::ServiceName;

    fn service(labels: &[(&str, &str)]) -> Service {
        let mut service = sample::service(ServiceName::of_stack("shop", "web"));
        service.labels = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        service
    }

    #[test]
    fn a_stack_is_read_from_the_files_that_its_labels_name() {
        let dir = tempfile::tempdir().expect("a folder");
        let folder = dir.path().display().to_string();
        let text = "services: {web: {image: x, profiles: [full, '$P']}, other: {image: y, profiles: [more]}}";
        std::fs::write(dir.path().join("a.yaml"), text).expect("written");
        std::fs::write(dir.path().join("b.yaml"), "services: {}").expect("written");
        let files = format!("{folder}/a.yaml,{folder}/b.yaml");
        let live = vec![service(&[(FILES, &files), (FOLDER, &folder), (ENV_FILES, "prod.env")])];
        let RunningStack { args, live } = of_stack("shop", live, &ComposeArgs::default()).expect("it is found");
        assert_eq!(args.file, [dir.path().join("a.yaml"), dir.path().join("b.yaml")]);
        assert_eq!(args.env_file, [dir.path().join("prod.env")]);
        assert_eq!((args.project_name.as_deref(), args.profile), (Some("shop"), vec!["full".to_owned()]));
        assert_eq!((args.project_directory.as_deref(), live.len()), (Some(dir.path()), 1));
    }

    #[test]
    fn a_stack_without_files_says_what_is_missing() {
        let told = |labels: &[(&str, &str)]| {
            let found = of_stack("shop", vec![service(labels)], &ComposeArgs::default());
            found.err().expect("refused").render(false)
        };
        assert!(told(&[]).contains("was not started by Docker Compose"));
        let gone = told(&[(FILES, "/none/compose.yaml")]);
        assert!(gone.contains("made from /none/compose.yaml, and this machine has no"), "{gone}");
    }
}

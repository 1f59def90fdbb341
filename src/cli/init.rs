//! `rehearsa init`: writes a plan file for what runs on the host.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::args::{Global, InitArgs};
use super::connection::Endpoint;
use super::exit::Failure;
use super::test::unless_stopped;
use super::{console, identity, init_text, nothing, rehearsal, runtime, signals};
use crate::config::settings::{Rehearsal, Settings};
use crate::config::{ConfigError, Environment, Origin, plan_file, source};
use crate::discover;
use crate::model::outcome::ExitCode;
use crate::model::service::Service;
use crate::model::source::SourcePlace;

/// The command.
pub fn run(args: &InitArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(plan_file::NAME));
    let to_stdout = path == Path::new("-");
    if !to_stdout && !args.force && path.exists() {
        return Err(there_already(&path));
    }
    let source = args.from.as_deref().map(|text| source_for(text, &path)).transpose()?.flatten();
    let mut settings = Settings::default();
    settings.selection.filters.clone_from(&args.filters);
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let services = runtime()?.block_on(async {
        let stop = signals::listen();
        unless_stopped(&stop, async { Ok(discover::live(&endpoint.connect().await?).await?) }).await
    })?;
    // A label may name a source of the very file that is to be written.
    let with_settings = |service: Service| {
        let rehearsal = settings.for_service(&service).unwrap_or_default();
        (service, rehearsal)
    };
    let services: Vec<(Service, Rehearsal)> = services.into_iter().map(with_settings).collect();
    let plan = rehearsal::plan(services.clone(), &settings);
    let count = plan.cases().count();
    if count == 0 {
        console::note(&nothing::reason(&services, &settings.selection));
        return Ok(ExitCode::NothingSelected);
    }
    let text = init_text::render(&plan, source.as_deref(), &[]);
    if to_stdout {
        console::print(&text)?;
        return Ok(ExitCode::Passed);
    }
    write(&path, &text, args.force)?;
    let file = path.display();
    let services = if count == 1 { "1 service".to_owned() } else { format!("{count} services") };
    console::note(&format!("Wrote {file} for {services}; `rehearsa plan --check` says whether it holds"));
    Ok(ExitCode::Passed)
}

/// The source as the file names it: `None` for the live service. What is relative to the working directory must be found from the
/// file's folder too.
fn source_for(text: &str, file: &Path) -> Result<Option<String>, Failure> {
    if text.trim() == "live" {
        return Ok(None);
    }
    let place = source::parse(&Origin::Flag("--from"), text, Path::new(""))?;
    let beside = file.parent().is_none_or(|folder| folder.as_os_str().is_empty());
    let full = |path: PathBuf| if beside { path } else { identity::working_dir().join(path) };
    let place = match place {
        SourcePlace::Dir(path) => SourcePlace::Dir(full(path)),
        SourcePlace::Tar(path) => SourcePlace::Tar(full(path)),
        elsewhere @ (SourcePlace::DaemonDir(_) | SourcePlace::TarStdin) => elsewhere,
    };
    Ok(Some(place.to_string()))
}

fn write(path: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    match options.open(path).and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(there_already(path)),
        Err(error) => Err(ConfigError::Conflict { what: format!("cannot write {}: {error}", path.display()) }.into()),
    }
}

fn there_already(path: &Path) -> Failure {
    Failure::usage(format!("{} is there already, and nothing was written", path.display()))
        .hint("--force replaces it; --output - shows what would be written")
}

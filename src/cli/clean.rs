//! `rehearsa clean`: removes what crashed runs left, and says what it removed and what it left alone.

use std::fmt::Write as _;

use serde::Serialize;

use super::args::{CleanArgs, Global};
use super::choices::TextOrJson;
use super::connection::Endpoint;
use super::exit::Failure;
use super::{console, identity, runtime};
use crate::config::Environment;
use crate::docker::{Daemon, DockerErrorKind, ForeignObject, Object, ObjectKind, labels};
use crate::model::outcome::ExitCode;
use crate::model::pluralize::pluralize;
use crate::rehearse::sandbox::stop::StopSignal;
use crate::rehearse::sandbox::sweep::{self, SpareReason, Spared, SweepDecision, SweepReach};
use crate::rehearse::survey::leftovers;
use crate::worker::client::WorkerImage;

/// What a clean-up did; also the JSON output.
#[derive(Debug, Default, Serialize)]
struct Cleaned {
    schema_version: u32,
    dry_run: bool,
    /// Objects that were removed, or would be without --dry-run.
    removed: Vec<Line>,
    /// Objects that could not be removed.
    left: Vec<LeftLine>,
    /// Sessions that were left alone.
    spared: Vec<SparedLine>,
    /// Objects that carry a label of Rehearsa and are not Rehearsa's; left alone.
    foreign: Vec<ForeignLine>,
}

#[derive(Debug, Serialize)]
struct Line {
    kind: &'static str,
    name: String,
}

#[derive(Debug, Serialize)]
struct LeftLine {
    kind: &'static str,
    name: String,
    error: String,
}

#[derive(Debug, Serialize)]
struct ForeignLine {
    kind: &'static str,
    name: String,
    /// Why it is not Rehearsa's.
    why: String,
    /// The sentence for people.
    #[serde(skip)]
    told: String,
}

#[derive(Debug, Serialize)]
struct SparedLine {
    session: String,
    stack: String,
    host: String,
    process: String,
    /// Unix seconds.
    expires: i64,
    objects: usize,
    why: &'static str,
}

/// The command.
pub fn run(args: &CleanArgs, global: &Global, env: &Environment) -> Result<ExitCode, Failure> {
    let endpoint = Endpoint::resolve(&global.connection, env)?;
    let cleaned = runtime::start()?.block_on(async {
        let daemon = endpoint.connect().await?;
        clean(&daemon, args).await
    })?;
    match args.format {
        TextOrJson::Text => console::print_text(&text(&cleaned, args.session.as_deref()))?,
        TextOrJson::Json => {
            let json = serde_json::to_string_pretty(&cleaned).expect("a view has string keys only, so it serializes");
            console::print(&format!("{json}\n"))?;
        }
    }
    if cleaned.left.is_empty() {
        return match (&args.session, cleaned.spared.first()) {
            (Some(session), Some(spared)) => {
                Err(Failure::errored(format!("session {session} was left alone: {}", spared.why))
                    .hint("wait until that run ends, or stop it; then run the command again"))
            }
            _ => Ok(ExitCode::Passed),
        };
    }
    let names: Vec<String> = cleaned.left.iter().map(|left| format!("{} {}", left.kind, left.name)).collect();
    Err(Failure::errored(format!("these objects could not be removed: {}", names.join(", ")))
        .hint("the reasons are above; stop what still uses the objects, then run `rehearsa clean` again"))
}

async fn clean(daemon: &Daemon, args: &CleanArgs) -> Result<Cleaned, Failure> {
    let objects = daemon.objects_left(args.session.as_deref()).await?;
    let reach = if args.spare_kept { SweepReach::Automatic } else { SweepReach::Asked };
    let SweepDecision { remove, spared } =
        sweep::decide(&objects, identity::now(), &identity::host(), identity::is_alive, reach);
    let mut cleaned = Cleaned { schema_version: 1, dry_run: args.dry_run, ..Cleaned::default() };
    cleaned.spared = spared.iter().map(spared_line).collect();
    cleaned.foreign = objects.foreign.iter().map(foreign_line).collect();
    if args.dry_run {
        let line = |(kind, object): (ObjectKind, &Object)| Line { kind: kind.name(), name: object.name.clone() };
        cleaned.removed = sweep::in_order(&remove).map(line).collect();
    } else {
        let removed = &mut cleaned.removed;
        let mut on_removed =
            |kind: ObjectKind, name: &str| removed.push(Line { kind: kind.name(), name: name.to_owned() });
        let session = identity::session("clean-");
        let left = leftovers::remove(daemon, &session, remove, &StopSignal::new(), &mut on_removed).await;
        let left = leftovers::remove_again(daemon, left, on_removed).await;
        let line = |left: sweep::LeftObject| LeftLine {
            kind: left.kind.name(),
            name: left.name,
            error: left.error.to_string(),
        };
        cleaned.left = left.into_iter().map(line).collect();
    }
    if args.all {
        images(daemon, args.dry_run, &mut cleaned).await?;
    }
    Ok(cleaned)
}

/// The worker images. One that a live run uses cannot be removed, and is left as it should be.
async fn images(daemon: &Daemon, dry_run: bool, cleaned: &mut Cleaned) -> Result<(), Failure> {
    let images = daemon.images_labelled(labels::WORKER).await?;
    let foreign = images.iter().filter(|image| !WorkerImage::is_one(image));
    let parents: Vec<&String> = foreign.filter_map(|image| image.parent.as_ref()).collect();
    for image in &images {
        let name = image.tags.first().unwrap_or(&image.id).clone();
        if !WorkerImage::is_one(image) {
            let why = "it was made from a worker image, or has another name".to_owned();
            let told =
                format!("image {name} carries Rehearsa's label and is no worker image ({why}); it is left alone");
            cleaned.foreign.push(ForeignLine { kind: "image", name, why, told });
            continue;
        }
        let removed = if dry_run { Ok(()) } else { daemon.remove_image(&image.id).await };
        match removed {
            Ok(()) => cleaned.removed.push(Line { kind: "image", name }),
            Err(error) if matches!(error.kind, DockerErrorKind::Conflict(_)) && !cleaned.spared.is_empty() => {
                console::note(&format!("Left alone image {name}: a running rehearsal uses it"));
            }
            Err(error) if matches!(error.kind, DockerErrorKind::Conflict(_)) && parents.contains(&&image.id) => {
                console::note(&format!("Left alone image {name}: another image was made from it"));
            }
            Err(error) => cleaned.left.push(LeftLine { kind: "image", name, error: error.to_string() }),
        }
    }
    Ok(())
}

fn foreign_line(foreign: &ForeignObject) -> ForeignLine {
    let ForeignObject { kind, name, why } = foreign;
    let told = sweep::left_alone(foreign);
    ForeignLine { kind: kind.name(), name: name.clone(), why: why.to_string(), told }
}

fn spared_line(spared: &Spared) -> SparedLine {
    let marks = spared.marks.clone();
    SparedLine {
        session: marks.session,
        stack: marks.stack,
        host: marks.host,
        process: marks.process,
        expires: marks.expires,
        objects: spared.objects,
        why: match spared.why {
            SpareReason::Alive => "it is running",
            SpareReason::OtherHost => "it may still run on its host",
            SpareReason::Kept => "it was kept on request",
        },
    }
}

/// The result for people. Writing to a string cannot fail, so those results are ignored.
fn text(cleaned: &Cleaned, session: Option<&str>) -> String {
    let mut text = String::new();
    let verb = if cleaned.dry_run { "Would remove" } else { "Removed" };
    for line in &cleaned.removed {
        let _ = writeln!(text, "{verb} {} {}", line.kind, line.name);
    }
    for left in &cleaned.left {
        let _ = writeln!(text, "Could not remove {} {}: {}", left.kind, left.name, left.error);
    }
    for spared in &cleaned.spared {
        let (session, host, why) = (&spared.session, &spared.host, spared.why);
        let objects = pluralize(spared.objects, "object");
        let _ = write!(text, "Left alone {objects} of session {session} of {host}: {why}");
        if let Some(until) = jiff::Timestamp::from_second(spared.expires).ok().filter(|_| why != "it is running") {
            let _ = write!(text, "; `rehearsa clean` removes them from {until} on");
        }
        text.push('\n');
    }
    let is_nothing = text.is_empty();
    for foreign in &cleaned.foreign {
        let _ = writeln!(text, "Not Rehearsa's: {}", foreign.told);
    }
    if is_nothing {
        match session {
            // An unknown id and a session that was removed earlier look the same here; only the user knows which it
            // is.
            Some(session) => {
                let _ = writeln!(
                    text,
                    "There is no session {session} on this engine: its objects are removed already, or the id is \
                     wrong. `rehearsa clean --dry-run` lists what there is."
                );
            }
            None => text.push_str("Nothing is left of earlier runs.\n"),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_to_clean_is_said() {
        assert_eq!(text(&Cleaned::default(), None), "Nothing is left of earlier runs.\n");
        let said = text(&Cleaned::default(), Some("nosuch"));
        assert!(said.starts_with("There is no session nosuch on this engine"), "{said}");
    }

    #[test]
    fn what_is_not_ours_is_named_and_is_nothing_to_clean() {
        let told = "volume mine carries Rehearsa's label and is not Rehearsa's (why); it is left alone".to_owned();
        let foreign = ForeignLine { kind: "volume", name: "mine".to_owned(), why: "why".to_owned(), told };
        let cleaned = Cleaned { foreign: vec![foreign], ..Cleaned::default() };
        assert_eq!(
            text(&cleaned, None),
            "Not Rehearsa's: volume mine carries Rehearsa's label and is not Rehearsa's (why); it is left alone\n\
             Nothing is left of earlier runs.\n"
        );
    }

    #[test]
    fn each_object_is_named_with_what_became_of_it() {
        let cleaned = Cleaned {
            removed: vec![Line { kind: "container", name: "rehearsa-1-web".to_owned() }],
            left: vec![LeftLine { kind: "volume", name: "rehearsa-1-data".to_owned(), error: "in use".to_owned() }],
            spared: vec![SparedLine {
                session: "s2".to_owned(),
                stack: "web".to_owned(),
                host: "nas/0".to_owned(),
                process: "1.1".to_owned(),
                expires: 0,
                objects: 3,
                why: "it may still run on its host",
            }],
            ..Cleaned::default()
        };
        assert_eq!(
            text(&cleaned, None),
            "Removed container rehearsa-1-web\n\
             Could not remove volume rehearsa-1-data: in use\n\
             Left alone 3 objects of session s2 of nas/0: it may still run on its host; \
             `rehearsa clean` removes them from 1970-01-01T00:00:00Z on\n"
        );
    }
}

//! Tests of the plan file that is written.

use std::path::Path;

use super::*;
use crate::config::PlanFile;
use crate::config::overrides::SourceRef;
use crate::config::settings::{Selection, Settings};
use crate::model::mount::Mount;
use crate::model::sample;
use crate::model::service::Service;
use crate::model::source::SourcePlace;
use crate::model::source_kind::SourceKind;
use crate::plan::{draft, resolve};

fn volume(name: &str, target: &str) -> Mount {
    let origin = MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() };
    Mount { target: target.to_owned(), origin, read_only: false }
}

fn bind(source: &str, target: &str) -> Mount {
    Mount { target: target.to_owned(), origin: MountOrigin::Bind { source: source.to_owned() }, read_only: false }
}

fn services() -> Vec<Service> {
    let mut jellyfin = sample::service(ServiceName::of_stack("media", "jellyfin"));
    jellyfin.mounts = vec![
        volume("media_config", "/config"),
        // Whatever people call their folders.
        bind("/srv/my \"films\"\n[x]", "/media/a \"b\" \u{7f} \\"),
        bind("/var/run/docker.sock", "/var/run/docker.sock"),
    ];
    let mut skipped = sample::service(ServiceName::lone("my.app"));
    skipped.labels = vec![("rehearsa.skip".to_owned(), "too large\n[for now]".to_owned())];
    vec![jellyfin, skipped]
}

fn written(source: Option<&str>, found: &[FoundPart]) -> (String, PlanFile) {
    let settings = Settings::default();
    let with_settings = |service: Service| {
        let rehearsal = settings.for_service(&service).expect("its labels are right");
        (service, rehearsal)
    };
    let services = services().into_iter().map(with_settings).collect();
    let plan = resolve(draft(services, &Selection::default()), Vec::new(), jiff::Timestamp::UNIX_EPOCH);
    let source = source.map(|from| WrittenSource { from: from.to_owned(), keys: Keys::default() });
    let text = render(&plan, source.as_ref(), found);
    let file = PlanFile::parse(Path::new("rehearsa.toml"), &text, None).unwrap_or_else(|e| panic!("{e} in\n{text}"));
    (text, file)
}

#[test]
fn what_is_written_is_read_and_fits_the_host() {
    let (text, file) = written(None, &[]);
    assert_eq!(file.remarks(&services()), []);
    assert_eq!(file.services.keys().collect::<Vec<_>>(), ["media::jellyfin", "my.app"]);
    assert_eq!(file.all.source, Some(SourceRef::Live));
    assert!(text.contains("# mounts.\"/config\".path = \"…\" # volume media_config\n"), "{text}");
    assert!(text.contains("# It is not rehearsed: the label rehearsa.skip says: too large [for now]\n"), "{text}");
    assert!(!text.contains("docker.sock"), "it holds no data:\n{text}");
}

#[test]
fn a_source_and_what_was_found_in_it_are_set() {
    let part = |mount: &str, path: &str| FoundPart {
        service: ServiceName::of_stack("media", "jellyfin"),
        mount: mount.to_owned(),
        path: path.to_owned(),
    };
    let odd = "/media/a \"b\" \u{7f} \\";
    let (text, file) = written(Some("tar:/b/app \"1\"-*.tar"), &[part("/config", "backup/config"), part(odd, "")]);
    let place = SourcePlace::at_path(SourceKind::Tar, "/b/app \"1\"-*.tar");
    assert_eq!(file.sources[SOURCE].spec.place, place);
    assert!(matches!(&file.all.source, Some(SourceRef::Backup(spec)) if spec.place == place));
    let maps = &file.services["media::jellyfin"].overrides.maps;
    let maps: Vec<(&str, &str)> = maps.iter().map(|rule| (rule.mount.as_str(), rule.path.as_str())).collect();
    assert_eq!(maps, [("/config", "backup/config"), (odd, "")]);
    assert_eq!(file.remarks(&services()), []);
    assert!(!text.contains('…'), "nothing is left to fill in:\n{text}");
}

/// What stands in comments is there to be taken into use: it has to be right too.
#[test]
fn every_comment_that_is_a_setting_is_a_right_one() {
    let (text, _) = written(None, &[]);
    let mut used = 0;
    let is_setting = |line: &str| line.contains(" = ") || line.starts_with("[sources");
    let uncomment = |line: &str| match line.strip_prefix("# ").filter(|line| is_setting(line)) {
        Some(setting) => setting.replace('…', "part"),
        None => line.to_owned(),
    };
    let mut lines: Vec<String> = Vec::new();
    let (mut of_services, mut examples) = (false, Vec::new());
    for line in text.lines() {
        of_services |= line.contains("below a service");
        let setting = uncomment(line);
        used += usize::from(setting != line);
        // The examples of what a service may have stand above the first one.
        if of_services && setting != line && !line.contains('…') {
            examples.push(setting);
        } else {
            lines.push(setting);
        }
    }
    lines.push("[services.example]".to_owned());
    lines.extend(examples);
    assert!(used > 12, "{used} settings in\n{text}");
    let text = lines.join("\n");
    PlanFile::parse(Path::new("p.toml"), &text, Some(Path::new("/home/me")))
        .unwrap_or_else(|e| panic!("{e} in\n{text}"));
}

#[test]
fn what_opens_the_backups_is_written_down_and_a_variable_stays_one() {
    let opened = |passphrase, identity: Option<&str>| {
        let plan = resolve(draft(Vec::new(), &Selection::default()), Vec::new(), jiff::Timestamp::UNIX_EPOCH);
        let keys = Keys { passphrase, identity: identity.map(Into::into) };
        let text = render(&plan, Some(&WrittenSource { from: "restic:/srv/repo".to_owned(), keys }), &[]);
        let file = PlanFile::parse(Path::new("rehearsa.toml"), &text, None);
        file.unwrap_or_else(|e| panic!("{e} in\n{text}")).sources[SOURCE].spec.keys.clone()
    };
    let file = Some(SecretPlace::File("/etc/a \"b\"".into()));
    let keys = Keys { passphrase: file.clone(), identity: Some("/etc/key.txt".into()) };
    assert_eq!(opened(file, Some("/etc/key.txt")), keys);
    assert_eq!(opened(Some(SecretPlace::Env("REHEARSA_PASSPHRASE".to_owned())), None), Keys::default());
}

//! Tests of the findings in Compose files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;
use crate::compose_places::ComposeFile;
use crate::model::diagnosis::Code;
use crate::model::mount::{Mount, MountOrigin};
use crate::model::sample;
use crate::model::secret::Secret;
use crate::model::service::{EnvVar, Image, Service, ServiceName, Setting};

/// A file of a project in /p.
fn file(path: &str, text: &str) -> SourceFile {
    let file = ComposeFile::parse(path, text).unwrap_or_else(|error| panic!("{error:?}"));
    let location = normal(&Path::new("/p").join(path));
    let folder = location.parent().expect("it lies in a folder").to_owned();
    SourceFile { file, location, folder, is_base: false }
}

/// A project in /p, with the services that Compose made of it.
#[derive(Default)]
struct Project {
    files: Vec<SourceFile>,
    services: Vec<Service>,
    unset: BTreeSet<String>,
    drifts: BTreeMap<String, String>,
    live: Vec<Service>,
    here: Vec<&'static str>,
    /// `None`: there is no backup.
    backup: Option<Vec<&'static str>>,
    /// What the backup has another file for.
    differs: Vec<&'static str>,
}

impl Project {
    fn of(text: &str) -> Self {
        Self { files: vec![file("compose.yaml", text)], ..Self::default() }
    }

    /// With one more file before the last one; its services are only extended.
    fn base(mut self, path: &str, text: &str) -> Self {
        self.files.insert(0, SourceFile { is_base: true, ..file(path, text) });
        self
    }

    fn service(mut self, name: &str, change: impl FnOnce(&mut Service)) -> Self {
        let mut service = sample::service(ServiceName::of_stack("p", name));
        change(&mut service);
        self.services.push(service);
        self
    }

    fn unset(mut self, names: &[&str]) -> Self {
        self.unset = names.iter().map(|&name| name.to_owned()).collect();
        self
    }

    fn found(&self) -> Vec<Finding> {
        let look = |path: &Path| {
            if self.here.iter().any(|here| Path::new(here) == path) { OnDisk::File } else { OnDisk::Nothing }
        };
        let has = |path: &Path| {
            if self.differs.iter().any(|of| Path::new(of) == path) {
                return InBackup::Other("2 B here, 3 B there".to_owned());
            }
            let is_there = self.backup.iter().flatten().any(|has| Path::new(has) == path);
            if is_there { InBackup::There } else { InBackup::Nothing }
        };
        let checkout = Checkout {
            files: &self.files,
            folder: Path::new("/p"),
            services: &self.services,
            variables: &[PathBuf::from("/p/.env")],
            unset: &self.unset,
            drifts: &self.drifts,
            live: &self.live,
            look: &look,
            in_backup: self.backup.as_ref().map(|_| &has as &dyn Fn(&Path) -> InBackup),
        };
        find(&checkout)
    }

    /// Code, place with message, and remedy of each finding.
    fn told(&self) -> Vec<(Code, String, String)> {
        let told = self.found().into_iter().map(|of| {
            let remedy = of.diagnosis.remedy().to_owned();
            (of.diagnosis.code, of.diagnosis.message, remedy)
        });
        told.collect()
    }

    /// The findings of one code.
    #[track_caller]
    fn only(&self, code: Code) -> Vec<(String, String)> {
        let told = self.told();
        told.into_iter().filter(|(of, ..)| *of == code).map(|(_, message, remedy)| (message, remedy)).collect()
    }

    #[track_caller]
    fn one(&self, code: Code, message: &str, remedy: &str) {
        let found = self.only(code);
        let [(told, mend)] = found.as_slice() else { panic!("one {code}: {found:#?}") };
        assert!(told.starts_with(message), "{told}\nnot {message}");
        assert!(mend.contains(remedy), "{mend}\nlacks {remedy}");
    }
}

fn volume(name: &str, target: &str) -> Mount {
    let origin = MountOrigin::Volume { name: name.to_owned(), driver: "local".to_owned() };
    Mount { target: target.to_owned(), origin, read_only: false }
}

fn bind(source: &str, target: &str) -> Mount {
    Mount { target: target.to_owned(), origin: MountOrigin::Bind { source: source.to_owned() }, read_only: false }
}

#[test]
fn a_variable_that_is_not_set_is_told_once_with_every_place() {
    let project = Project::of(
        "\
services:
  web:
    image: app:1
    environment:
      URL: db://$DB_PASSWORD@db
      OTHER: ${DB_PASSWORD}
      FINE: ${DB_PASSWORD:-x}${SET}
",
    )
    .unset(&["DB_PASSWORD"]);
    project.one(
        Code::ConfigVariableNotSet,
        "compose.yaml:5:17: $DB_PASSWORD is not set, and services.web.environment.URL uses it: it gets a blank; it is \
         also used at compose.yaml:6:14",
        "`DB_PASSWORD=VALUE` into the .env",
    );
    assert_eq!(project.told().len(), 1);
}

#[test]
fn a_blank_in_an_image_a_volume_a_port_or_a_name_is_an_error() {
    for (text, place) in [
        ("services:\n  a:\n    image: app:$X\n", "3:16"),
        ("services:\n  a:\n    volumes: ['${X}/db:/db']\n", "3:16"),
        ("services:\n  a:\n    ports: ['$X:80']\n", "3:14"),
        ("services:\n  a:\n    container_name: a$X\n", "3:22"),
        ("volumes:\n  a:\n    name: ${X}\n", "3:11"),
        ("name: $X\n", "1:7"),
        ("services:\n  a:\n    user: ${X:?say so}\n", "3:11"),
    ] {
        let message = format!("compose.yaml:{place}: $X is not set");
        Project::of(text).unset(&["X"]).one(Code::ConfigBlankVariable, &message, "X=VALUE");
    }
    // What is left blank on purpose, or has a default, is fine.
    let fine = "services:\n  a:\n    image: app:${X:-1}${X:+y}\n    volumes: ['${A:-$X}:/db']\n";
    assert_eq!(Project::of(fine).unset(&["X"]).told(), []);
}

#[test]
fn the_worst_use_of_a_variable_comes_first() {
    let text = "services:\n  a:\n    environment: {T: $X}\n    image: app:$X\n";
    let message = "compose.yaml:4:16: $X is not set";
    Project::of(text).unset(&["X"]).one(Code::ConfigBlankVariable, message, "X=VALUE");
}

#[test]
fn braces_that_compose_stops_at_are_told() {
    let message = "compose.yaml:3:16: a `${` is wrong: its brace is not closed";
    Project::of("services:\n  a:\n    image: app:${X\n").one(Code::ConfigBlankVariable, message, "`$$`");
}

#[test]
fn variables_without_a_value_are_those_that_compose_names_and_those_that_it_would() {
    let file = file("c", "services:\n  a:\n    image: ${A:?}${B?}${C:-${D:?}}$E\n");
    let words = [
        "The \"E\" variable is not set. Defaulting to a blank string.".to_owned(),
        "error while interpolating services.a.image: required variable A is missing a value".to_owned(),
    ];
    let unset = unset_variables(&[file], &words, &|name| name == "Z");
    assert_eq!(unset.iter().collect::<Vec<_>>(), ["A", "B", "E"]);
}

#[test]
fn a_value_that_yaml_reads_as_a_number_is_told_and_a_secret_is_not_shown() {
    let var = |name: &str, value: &str| EnvVar { name: name.to_owned(), value: Some(Secret::new(value)) };
    let project = Project::of(
        "\
services:
  a:
    environment:
      VERSION: 1.10
      QUOTED: '1.10'
      PIN_PASSWORD: 0644
      COUNT: 10
      FROM: $X
      NONE:
    labels:
      ratio: 1e3
",
    )
    .service("a", |service| {
        service.env = vec![
            var("VERSION", "1.1"),
            var("QUOTED", "1.10"),
            var("PIN_PASSWORD", "420"),
            var("COUNT", "10"),
            var("FROM", "else"),
            var("NONE", "of the shell"),
        ];
        service.labels = vec![("ratio".to_owned(), "1000".to_owned())];
    });
    let told = project.only(Code::ConfigValueChanged);
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(told[0].0.starts_with("compose.yaml:4:7: VERSION of a arrives as `1.1` and not as `1.10`"), "{told:#?}");
    assert_eq!(told[0].1, "Write `VERSION: \"1.10\"`.");
    assert!(!told[1].0.contains("0644") && !told[1].0.contains("420") && !told[1].1.contains("0644"), "{told:#?}");
    assert!(told[2].0.starts_with("compose.yaml:11:7: ratio of a arrives as `1000`"), "{told:#?}");
}

#[test]
fn an_env_file_a_secret_and_a_config_that_are_not_there_are_told() {
    let mut project = Project::of(
        "\
services:
  a:
    env_file:
      - ./vpn.env
      - {path: maybe.env, required: false}
      - path: here.env
      - $DIR/x.env
  b:
    env_file: one.env
secrets:
  key: {file: ./secrets/key}
configs:
  conf:
    file: ../conf
",
    );
    project.here = vec!["/p/here.env"];
    project.backup = Some(vec!["/p/secrets/key"]);
    let told: Vec<String> = project.only(Code::ConfigMissingFile).into_iter().map(|(message, _)| message).collect();
    let starts = [
        "compose.yaml:4:9: the env_file ./vpn.env of a is not here: Compose stops without it. The backup has it \
         neither.",
        "compose.yaml:9:5: the env_file one.env of b is not here",
        "compose.yaml:11:9: the file ./secrets/key of key (secrets) is not here: Docker makes an empty folder",
        "compose.yaml:14:5: the file ../conf of conf (configs) is not here",
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}\nnot {start}");
    }
    assert!(told[2].ends_with("The backup has it."), "{told:#?}");
}

#[test]
fn host_paths_that_nobody_has_or_that_lie_outside_are_told() {
    let text = "\
services:
  a:
    volumes:
      - ./gone:/gone
      - ./here:/here
      - /srv/media:/media
      - /srv/saved:/saved
      - /etc/localtime:/etc/localtime
      - /srv/lost:/lost
";
    let mounts = |service: &mut Service| {
        service.mounts = vec![
            bind("/p/gone", "/gone"),
            bind("/p/here", "/here"),
            bind("/srv/media", "/media"),
            bind("/srv/saved", "/saved"),
            bind("/etc/localtime", "/etc/localtime"),
            bind("/srv/lost", "/lost"),
        ];
    };
    let mut project = Project::of(text).service("a", mounts);
    project.here = vec!["/p/here", "/srv/media"];
    // Without a backup nobody knows what it has.
    assert_eq!(project.only(Code::ConfigMissingFile), []);
    assert_eq!(project.only(Code::ConfigPathOutside).len(), 3);
    project.backup = Some(vec!["/srv/saved"]);
    let missing: Vec<String> = project.only(Code::ConfigMissingFile).into_iter().map(|(told, _)| told).collect();
    assert_eq!(missing.len(), 2, "{missing:#?}");
    assert!(missing[0].starts_with("compose.yaml:4:9: a mounts ./gone at /gone, and neither"), "{missing:#?}");
    assert!(missing[1].starts_with("compose.yaml:9:9: a mounts /srv/lost at /lost"), "{missing:#?}");
    let message = "compose.yaml:6:9: a mounts /srv/media at /media, which lies outside of the project";
    project.one(Code::ConfigPathOutside, message, "/srv/media");
}

#[test]
fn external_networks_and_volumes_are_told_with_the_command_that_makes_them() {
    let text = "\
networks:
  proxy: {external: true}
  named:
    external: true
    name: web
  old: {external: {name: older}}
  own: {}
  not: {external: false}
";
    let told = Project::of(text).only(Code::ConfigExternal);
    let commands: Vec<&str> = told.iter().filter_map(|(_, mend)| mend.split('`').nth(3)).collect();
    assert_eq!(commands, ["docker network create proxy", "docker network create web", "docker network create older"]);
    assert!(told[0].0.starts_with("compose.yaml:2:3: the network proxy is external"), "{told:#?}");
    let message = "compose.yaml:2:3: the volume data is external";
    Project::of("volumes:\n  data:\n    external: true\n").one(
        Code::ConfigExternal,
        message,
        "docker volume create data",
    );
}

#[test]
fn mounts_of_a_container_outside_of_the_project_are_an_error_of_the_service_that_takes_them() {
    let text = "services:\n  app:\n    image: app:1\n    volumes_from: ['container:keeper:ro']\n";
    let setting = Setting { field: "volumes_from".to_owned(), value: "container:keeper:ro".to_owned() };
    let project = Project::of(text).service("app", |service| service.other.push(setting)).service("web", |_| ());
    let message = "compose.yaml:4:5: app takes the mounts of the container keeper, which is not of the project";
    project.one(Code::ConfigComposeUnknown, message, "the volumes of keeper under `volumes` of app");
    let found = project.found();
    let one = found.iter().find(|found| found.diagnosis.code == Code::ConfigComposeUnknown).expect("it is told");
    assert_eq!(one.service.as_ref().map(|name| name.service.as_str()), Some("app"));
}

#[test]
fn an_external_network_or_volume_is_told_to_the_services_that_name_it() {
    let text = "\
services:
  a: {networks: [proxy], volumes: ['data:/data']}
  b: {networks: {proxy: {aliases: [web]}}}
  c: {volumes: [{type: volume, source: data, target: /data}]}
  d: {networks: [own], volumes: ['./data:/data']}
networks: {proxy: {external: true}, own: {}, unused: {external: true}}
volumes: {data: {external: true}}
";
    let project = ["a", "b", "c", "d"].iter().fold(Project::of(text), |of, name| of.service(name, |_| ()));
    let told: BTreeSet<String> = project
        .found()
        .iter()
        .filter(|found| found.diagnosis.code == Code::ConfigExternal)
        .map(|found| {
            let what = found.diagnosis.message.split(' ').skip(2).take(2).collect::<Vec<_>>().join(" ");
            let service = found.service.as_ref().map_or("all", |name| name.service.as_str());
            format!("{service}: {what}")
        })
        .collect();
    let expected = ["a: network proxy", "a: volume data", "all: network unused", "b: network proxy", "c: volume data"];
    assert_eq!(told, expected.map(str::to_owned).into());
}

#[test]
fn two_services_on_one_port_are_told_and_different_addresses_are_not() {
    let text = "services:\n  a:\n    ports: ['80:80']\n  b:\n    ports: ['80:8080']\n";
    let with = |one: &str, other: &str| {
        let port = |text: &str| {
            let text = text.to_owned();
            move |service: &mut Service| service.published = vec![text]
        };
        Project::of(text).service("a", port(one)).service("b", port(other))
    };
    for (one, other) in [("80->80/tcp", "80->8080/tcp"), ("127.0.0.1:80->80/tcp", "0.0.0.0:80->80/tcp")] {
        with(one, other).one(
            Code::ConfigPortTwice,
            "compose.yaml:5:5: a and b both want port 80/tcp",
            "b another port",
        );
    }
    for (one, other) in [
        ("80->80/tcp", "80->80/udp"),
        ("127.0.0.1:80->80/tcp", "10.0.0.1:80->80/tcp"),
        ("any->80/tcp", "any->80/tcp"),
        ("80->80/tcp", "81->80/tcp"),
    ] {
        assert_eq!(with(one, other).only(Code::ConfigPortTwice), [], "{one} {other}");
    }
}

#[test]
fn fixed_names_are_one_finding_and_loose_tags_one_each() {
    let text = "\
services:
  a: {container_name: a, image: app}
  b: {container_name: b, image: 'host:5000/app:latest'}
  c: {image: 'app:1'}
  d: {image: 'app@sha256:00'}
";
    let image = |reference: &str| {
        let reference = reference.to_owned();
        move |service: &mut Service| service.image.reference = reference
    };
    let project = Project::of(text)
        .service("a", image("app"))
        .service("b", image("host:5000/app:latest"))
        .service("c", image("app:1"))
        .service("d", image("app@sha256:00"));
    project.one(Code::ConfigFixedName, "compose.yaml:2:7: a and 1 more have a fixed container_name", "container_name");
    let told = project.only(Code::ConfigUnpinnedImage);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].0.starts_with("compose.yaml:2:26: the image app of a has no tag"), "{told:#?}");
    assert!(told[1].1.contains("`image: host:5000/app:VERSION`"), "{told:#?}");
}

#[test]
fn an_image_that_is_not_the_locked_one_is_told_at_its_line() {
    let mut project = Project::of("services:\n  a: {image: 'app:1'}\n").service("a", |service| {
        service.image.reference = "app:1".to_owned();
    });
    assert_eq!(project.only(Code::ConfigImageDrift), []);
    project.drifts = [("a".to_owned(), "app:1 is sha256:2, and rehearsa.lock has sha256:1".to_owned())].into();
    let message = "compose.yaml:2:7: the image of a is not the one that was locked: app:1 is sha256:2, and";
    project.one(Code::ConfigImageDrift, message, "`rehearsa lock`");
}

/// PostgreSQL 18 keeps its data beside the place where older ones had it.
#[test]
fn a_volume_of_the_image_that_nothing_covers_is_told_if_a_mount_lies_near() {
    let bare = "ab".repeat(32);
    let with = |bare_at: &str, mounted_at: &str| {
        Project::of("services:\n  db:\n    volumes: ['data:/x']\n")
            .service("db", |service| service.mounts = vec![volume(&bare, bare_at), volume("data", mounted_at)])
            .only(Code::ConfigVolumeNotCovered)
    };
    let told = with("/var/lib/postgresql", "/var/lib/postgresql/data");
    assert!(told[0].0.starts_with("compose.yaml:3:5: the image of db keeps data in /var/lib/postgresql,"), "{told:#?}");
    assert!(told[0].1.contains("Mount the volume at /var/lib/postgresql,"), "{told:#?}");
    assert_eq!(with("/var/lib/app/data", "/var/lib/app/more").len(), 1);
    for (bare_at, mounted_at) in [("/data", "/config"), ("/var/lib/mysql", "/var/lib/other"), ("/cache", "/data/x")] {
        assert_eq!(with(bare_at, mounted_at), [], "{bare_at} {mounted_at}");
    }
}

#[test]
fn a_later_file_has_the_last_word_and_its_name_is_told() {
    let mut project = Project::of("services:\n  a: {image: app}\n").service("a", |service| {
        service.image.reference = "app".to_owned();
    });
    project.files.push(file("prod.yaml", "services:\n  a:\n    image: app\n"));
    project.one(Code::ConfigUnpinnedImage, "prod.yaml:3:5: the image app", "VERSION");
}

/// A chain over two folders: what stands in a file is relative to it, and named by it.
#[test]
fn what_a_service_extends_is_told_in_the_file_where_it_stands() {
    let main = "services:\n  app:\n    extends: {file: one/base.yaml, service: base}\n";
    let base = "services:\n  base:\n    extends: {file: ../two/root.yaml, service: root}\n    env_file: ./gone.env\n";
    let root = "\
services:
  root:
    image: app
    volumes: [./data:/data, '$X/more:/more']
  other:
    image: $X
    env_file: none.env
networks: {proxy: {external: true}}
";
    let project = || {
        Project::of(main).base("one/base.yaml", base).base("two/root.yaml", root).service("app", |service| {
            service.image.reference = "app".to_owned();
            service.mounts = vec![bind("/p/two/data", "/data")];
        })
    };
    project().one(Code::ConfigUnpinnedImage, "two/root.yaml:3:5: the image app of app has no tag", "VERSION");
    let message = "one/base.yaml:4:5: the env_file ./gone.env of app is not here";
    project().one(Code::ConfigMissingFile, message, "./one/gone.env");
    assert_eq!(project().only(Code::ConfigExternal), [], "networks are not extended");
    let message = "two/root.yaml:4:30: $X is not set, and services.root.volumes.1 uses it";
    project().unset(&["X"]).one(Code::ConfigBlankVariable, message, "X=VALUE");
    let mut lost = project();
    lost.backup = Some(Vec::new());
    let told = lost.only(Code::ConfigMissingFile);
    let mount = "two/root.yaml:4:15: app mounts ./two/data at /data, and neither this machine nor the backup has it";
    assert!(told.iter().any(|(told, _)| told.starts_with(mount)), "{told:#?}");
}

#[test]
fn an_included_file_has_its_own_folder() {
    let mut project = Project::of("include: [sub/compose.yaml]\n").service("db", |_| ());
    let text = "services:\n  db: {image: 'db:1', env_file: db.env}\nnetworks: {web: {external: true}}\n";
    project.files.insert(0, file("sub/compose.yaml", text));
    project.one(
        Code::ConfigMissingFile,
        "sub/compose.yaml:2:23: the env_file db.env of db is not here",
        "./sub/db.env",
    );
    project.one(Code::ConfigExternal, "sub/compose.yaml:3:12: the network web is external", "network create web");
}

#[test]
fn a_file_that_is_another_one_in_the_backup_is_told() {
    let text = "\
services:
  a:
    env_file: a.env
    volumes: ['./a.conf:/a.conf:ro', './same.conf:/same.conf:ro']
secrets: {key: {file: ./key}}
";
    let mut project = Project::of(text).service("a", |service| {
        service.mounts = vec![bind("/p/a.conf", "/a.conf"), bind("/p/same.conf", "/same.conf")];
    });
    project.here = vec!["/p/a.env", "/p/a.conf", "/p/same.conf", "/p/key"];
    project.backup = Some(vec!["/p/same.conf"]);
    project.differs = vec!["/p/a.env", "/p/a.conf", "/p/key", "/p/compose.yaml", "/p/.env"];
    let told: Vec<String> = project.only(Code::ConfigFileDiffers).into_iter().map(|(told, _)| told).collect();
    let starts = [
        "the file with variables ./.env is another one",
        "compose.yaml:1:1: the Compose file compose.yaml is another one",
        "compose.yaml:3:5: the env_file a.env of a is another one than in the backup (2 B here, 3 B there)",
        "compose.yaml:4:15: ./a.conf, which a mounts at /a.conf, is another one",
        "compose.yaml:5:17: the file ./key of key (secrets) is another one",
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(start), "{told}\nnot {start}");
    }
}

#[test]
fn what_differs_from_the_running_container_is_told_without_values() {
    let var = |name: &str, value: &str| EnvVar { name: name.to_owned(), value: Some(Secret::new(value)) };
    let changed = |service: &mut Service| {
        service.image = Image { reference: "app:2".to_owned(), id: "sha256:2".to_owned() };
        service.env = vec![var("SAME", "x"), var("NEW", "fixture-new"), var("OTHER", "fixture-b")];
        let read_only = Mount { read_only: true, ..bind("/p/conf", "/conf") };
        service.mounts =
            vec![volume("data2", "/data"), bind("/p/x/../same", "/same"), read_only, bind("text", "/run/x")];
    };
    let mut project = Project::of("services:\n  a: {image: 'app:2'}\n").service("a", changed);
    let mut live = project.services[0].clone();
    project.live = vec![live.clone()];
    assert_eq!(project.only(Code::ConfigChangedSinceUp), []);
    live.image = Image { reference: "app:1".to_owned(), id: "sha256:1".to_owned() };
    live.env = vec![var("SAME", "x"), var("OLD", "fixture-old"), var("OTHER", "fixture-a")];
    live.mounts = vec![volume("data1", "/data"), bind("/p/same", "/same"), bind("/p/conf", "/conf")];
    let gone = Service { name: ServiceName::of_stack("p", "gone"), ..live.clone() };
    project.live = vec![live, gone];
    let told = project.only(Code::ConfigChangedSinceUp);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].0.starts_with("gone runs, and the files start no such service"), "{told:#?}");
    let expected = "compose.yaml:2:3: a runs as it was made, and its files say otherwise now: the image is app:1 in \
                    the container, and app:2 in the files; variables only in the files: NEW; variables only in the \
                    container: OLD; variables with another value: OTHER; /conf is bind mount /p/conf in the container, \
                    and bind mount /p/conf, read-only in the files; /data is volume data1 in the container, and volume \
                    data2 in the files";
    assert_eq!(told[1].0, expected);
}

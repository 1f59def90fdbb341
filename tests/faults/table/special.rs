//! Faults that need more than a damaged backup: a host that lacks a file, a disk that is too small, a writer during
//! the rehearsal.

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::support::backup::{data_of, kept, sh, tar};
use crate::support::engine::Engine;
use crate::support::proxy::{Proxy, Then};
use crate::support::{Live, Rehearsal, Wanted, rehearse, service, shown};

/// An archive with a note and entries that no honest backup has.
macro_rules! hostile {
    ($entries:literal) => {
        concat!(
            r#"python3 -c "
import io, sys, tarfile
with tarfile.open(sys.argv[1], 'w') as out:
    for path, kind, link in [('./note', tarfile.REGTYPE, '')] + "#,
            $entries,
            r#":
        entry = tarfile.TarInfo(path)
        entry.type, entry.linkname, entry.size = kind, link, 4 if kind == tarfile.REGTYPE else 0
        out.addfile(entry, io.BytesIO(b'kept'))
" "$1""#
        )
    };
}

pub const UP: &str = hostile!("[('./' + '../' * 12 + 'tmp/canary', tarfile.REGTYPE, '')]");
pub const INSIDE: &str = hostile!("[('./a/../../canary', tarfile.REGTYPE, '')]");
pub const THROUGH_LINK: &str = hostile!("[('./way', tarfile.SYMTYPE, '/tmp'), ('./way/canary', tarfile.REGTYPE, '')]");
pub const HARD_LINK: &str = hostile!("[('./hard', tarfile.LNKTYPE, '../' * 12 + 'etc/passwd')]");
pub const DEVICE: &str = hostile!("[('./device', tarfile.BLKTYPE, '')]");

/// A file of a backup folder vanishes between the survey and the restore.
pub fn vanishing(folder: &Path) -> Rehearsal {
    let live = kept().start();
    sh(
        folder,
        "mkdir data; cp -a \"$1\" \"data/$2\"; echo x >\"data/$2/other\"",
        &[&data_of(live.first_volume()), live.first_volume()],
    );
    let other = folder.join("data").join(live.first_volume()).join("other");
    let proxy = Proxy::start(move |line| {
        if line.starts_with("POST ") && line.contains("/networks/create") {
            // It is missing once the second stack's network is created.
            let _ = fs::remove_file(&other);
        }
        Then::Forward
    });
    rehearse(&[&live.name], &["--host", &proxy.host(), "--from", &format!("dir:{}", shown(&folder.join("data")))])
}

/// A second engine whose disk is too small for the backup.
pub fn too_large_for_the_disk(folder: &Path) -> Rehearsal {
    let engine = Engine::start(900, 20_000, &["rehearsa-fixture/broken"]);
    let run = ["run", "--detach", "--network", "none", "--name", "app", "--volume", "films:/data"];
    engine.docker(&[&run[..], &["rehearsa-fixture/broken", "healthy"]].concat());
    sh(folder, "mkdir films; head -c 600M /dev/zero >films/film; tar -c films | zstd -q >x.tar.zst; rm -r films", &[]);
    let from = tar(folder.join("x.tar.zst"));
    let rehearsal = rehearse(&["app"], &["--host", &engine.host(), "--from", &from]);
    engine.has_nothing_left();
    rehearsal
}

/// A writer changes a file of this folder until the rehearsal ends.
fn while_written_to(folder: &Path, rehearse: impl FnOnce() -> Rehearsal) -> Rehearsal {
    let path = folder.join("busy");
    // Large enough for several writes while it is copied, also where others use the machine.
    fs::write(&path, vec![b'x'; 128 << 20]).expect("written");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::File::options().write(true).open(&path).expect("it is there");
            while !done.load(Ordering::Relaxed) {
                file.seek(SeekFrom::Start(0)).and_then(|_| file.write_all(b"y")).expect("written");
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        let rehearsal = rehearse();
        done.store(true, Ordering::Relaxed);
        rehearsal
    })
}

/// The live volume is written to.
pub fn torn_live(_: &Path) -> Rehearsal {
    let live = kept().start();
    while_written_to(Path::new(&data_of(live.first_volume())), || rehearse(&[&live.name], &[]))
}

/// The folder of the backup is written to.
pub fn torn_folder(folder: &Path) -> Rehearsal {
    let live = kept().start();
    sh(folder, "mkdir data; cp -a \"$1\" \"data/$2\"", &[&data_of(live.first_volume()), live.first_volume()]);
    let from = format!("daemon:{}", shown(&folder.join("data")));
    let written = folder.join("data").join(live.first_volume());
    while_written_to(&written, || rehearse(&[&live.name], &["--from", &from]))
}

/// The live volume is given as the backup.
pub fn live_as_dir(_: &Path) -> Rehearsal {
    let live = kept().start();
    rehearse(&[&live.name], &["--from", &format!("dir:{}", data_of(live.first_volume()))])
}

/// A link that leads to the live volume is given as the backup.
pub fn live_as_daemon(folder: &Path) -> Rehearsal {
    let live = kept().start();
    sh(folder, "ln -s \"$1\" backup", &[&data_of(live.first_volume())]);
    rehearse(&[&live.name], &["--from", &format!("daemon:{}", shown(&folder.join("backup")))])
}

/// A service with a volume and a bind mount; its healthcheck does not read the bind mount.
pub(super) fn with_bind(source: &Path, target: &str) -> Wanted {
    kept().options(&["--volume", &format!("{}:{target}", shown(source))])
}

/// The archive of its volume alone.
fn volume_alone(folder: &Path, live: &Live) -> String {
    sh(
        folder,
        "mkdir data; cp -a \"$1\" \"data/$2\"; tar -C data -cf x.tar .",
        &[&data_of(live.first_volume()), live.first_volume()],
    );
    tar(folder.join("x.tar"))
}

fn key(folder: &Path) -> std::path::PathBuf {
    let key = folder.join("key");
    fs::write(&key, "fixture-key-secret").expect("written");
    key
}

pub fn key_gone(folder: &Path) -> Rehearsal {
    let key = key(folder);
    let live = with_bind(&key, "/run/key:ro").start();
    fs::remove_file(&key).expect("removed");
    rehearse(&[&live.name], &[])
}

pub fn secrets_gone(folder: &Path) -> Rehearsal {
    let secrets = folder.join("secrets");
    fs::create_dir(&secrets).expect("made");
    let live = with_bind(&secrets, "/run/secrets").start();
    fs::remove_dir(&secrets).expect("removed");
    rehearse(&[&live.name], &[])
}

pub fn key_not_backed_up(folder: &Path) -> Rehearsal {
    let live = with_bind(&key(folder), "/run/key:ro").start();
    let from = volume_alone(folder, &live);
    rehearse(&[&live.name], &["--from", &from])
}

pub fn key_nowhere(folder: &Path) -> Rehearsal {
    let key = key(folder);
    let live = with_bind(&key, "/run/key:ro").start();
    let from = volume_alone(folder, &live);
    fs::remove_file(&key).expect("removed");
    rehearse(&[&live.name], &["--from", &from])
}

pub fn written_key_not_backed_up(folder: &Path) -> Rehearsal {
    let live = with_bind(&key(folder), "/run/key").start();
    volume_alone(folder, &live);
    rehearse(&[&live.name], &["--from", &format!("daemon:{}", shown(&folder.join("data")))])
}

/// A missing file on the host, and what the engine makes in its place.
fn file_that_became_a_folder(folder: &Path, wanted: impl FnOnce(&Path) -> Wanted) -> Live {
    let file = folder.join("app.conf");
    fs::write(&file, "listen 80").expect("written");
    let live = wanted(&file).start();
    fs::remove_file(&file).expect("removed");
    fs::create_dir(&file).expect("made");
    live
}

pub fn folder_for_file_live(folder: &Path) -> Rehearsal {
    let live = file_that_became_a_folder(folder, |file| with_bind(file, "/config/app.conf"));
    rehearse(&[&live.name], &[])
}

/// The engine mounts no folder on a file that the image has.
pub fn folder_for_file_of_image(folder: &Path) -> Rehearsal {
    let live = file_that_became_a_folder(folder, |file| {
        fs::write(file, "server { listen 80; root /usr/share/nginx/html; }").expect("written");
        service("nginx").options(&["--volume", &format!("{}:/etc/nginx/conf.d/default.conf:ro", shown(file))])
    });
    rehearse(&[&live.name], &[])
}

pub fn folder_for_file_in_backup(folder: &Path) -> Rehearsal {
    let file = folder.join("app.conf");
    fs::write(&file, "listen 80").expect("written");
    let live = with_bind(&file, "/config/app.conf").start();
    sh(
        folder,
        "mkdir data; cp -a \"$1\" \"data/$2\"; mkdir data/app.conf; echo x >data/app.conf/x; tar -C data -cf x.tar .",
        &[&data_of(live.first_volume()), live.first_volume()],
    );
    rehearse(&[&live.name], &["--from", &tar(folder.join("x.tar"))])
}

pub fn file_for_folder_in_backup(folder: &Path) -> Rehearsal {
    let conf = folder.join("conf");
    fs::create_dir(&conf).expect("made");
    fs::write(conf.join("app.conf"), "listen 80").expect("written");
    let live = with_bind(&conf, "/conf").start();
    sh(
        folder,
        "mkdir data; cp -a \"$1\" \"data/$2\"; echo x >data/conf",
        &[&data_of(live.first_volume()), live.first_volume()],
    );
    rehearse(&[&live.name], &["--from", &format!("dir:{}", shown(&folder.join("data")))])
}

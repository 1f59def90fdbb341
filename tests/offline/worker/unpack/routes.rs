//! Which part of an archive goes where.

use super::*;
use crate::support::archives::{Archive, device, file, folder, hard_link, symlink};
use rehearsa::model::event::Amount;
use rehearsa::worker::protocol::RootKind;

#[test]
fn entries_go_to_the_longest_prefix_and_others_nowhere() {
    let field = Field::new();
    let routes = [field.route("backup/app", "to"), field.route("backup/app/db", "to2")];
    let archive = Archive::of([
        folder("backup"),
        folder("backup/app").owner(70, 71),
        file("backup/app/a", "app"),
        folder("backup/app/db"),
        file("backup/app/db/b", "db"),
        file("backup/app/dbx", "app"),
        file("backup/application", "no"),
        device("dev/null"),
        file("../../nobody/wants/this", "no"),
    ]);
    let places = field.unpack_to(&routes, UnpackBounds::default(), &archive.finish()).unwrap();
    let names = |path: &str| {
        let names = std::fs::read_dir(field.folder.path().join(path)).unwrap();
        let mut names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>();
        names.sort();
        names
    };
    assert_eq!(names("to"), ["a", "dbx"]);
    assert_eq!(names("to2"), ["b"]);
    assert_eq!(places[0].amount, Amount { files: 2, bytes: 6 });
    assert_eq!((places[0].root, places[0].folders), (Some(RootKind::Folder), 0));
    assert_eq!(places[1].amount, Amount { files: 1, bytes: 2 });
}

#[test]
fn a_route_that_names_a_file_lands_as_one() {
    let field = Field::new();
    let routes = [field.route("etc/app.conf", "to"), field.route("not/there", "to2")];
    let archive = Archive::of([file("etc/app.conf", "one").mode(0o640).owner(5, 6), file("etc/app.conf", "two")]);
    let places = field.unpack_to(&routes, UnpackBounds::default(), &archive.finish()).unwrap();
    assert_eq!(content(&field.to("file")), "two");
    assert_eq!((places[0].root, places[0].amount.files), (Some(RootKind::File), 1));
    assert_eq!((places[1].root, places[1].amount.files), (None, 0));
}

#[test]
fn a_root_cannot_be_two_things() {
    let field = Field::new();
    let routes = [field.route("p", "to")];
    let run = |archive: Archive| failure(field.unpack_to(&routes, UnpackBounds::default(), &archive.finish()));
    let words = |failure| match failure {
        Failure::Unsafe { path, error } => format!("{path} {error}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        words(run(Archive::of([file("p", ""), file("p/a", "")]))),
        "p/a would be written through p, which is a file"
    );
    assert_eq!(words(run(Archive::of([folder("p"), file("p", "")]))), "p is a file here and was a folder before");
    assert_eq!(words(run(Archive::of([file("p/a", ""), file("p", "")]))), "p is a file here and was a folder before");
    assert_eq!(words(run(Archive::of([file("p", ""), folder("p")]))), "p is a folder here and was a file before");
    assert_eq!(words(run(Archive::of([hard_link("p", "p")]))), "p is another name of itself or of a folder");
}

#[test]
fn a_root_that_is_no_folder_and_no_file() {
    let field = Field::new();
    let routes = [field.route("p", "to")];
    for entry in [symlink("p", "/mnt/elsewhere"), device("p")] {
        let failure = failure(field.unpack_to(&routes, UnpackBounds::default(), &Archive::of([entry]).finish()));
        assert_eq!(failure, Failure::WrongKind { root: RootKind::Other });
    }
}

#[test]
fn a_hard_link_between_mounts_is_told_as_that() {
    let field = Field::new();
    let routes = [field.route("a", "to"), field.route("b", "to2")];
    let run = |first: &str| {
        let archive = Archive::of([file("b/x", "x"), file("c/x", "x"), hard_link("a/h", first)]);
        match failure(field.unpack_to(&routes, UnpackBounds::default(), &archive.finish())) {
            Failure::Unsafe { path, error } => format!("{path} {error}"),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(run("b/x"), "a/h is another name of b/x, which belongs to another mount");
    assert_eq!(run("c/x"), "a/h is another name of c/x, which belongs to no mount that is restored");
    assert_eq!(run("/etc/passwd"), "a/h is another name of etc/passwd, which belongs to no mount that is restored");
    assert_eq!(run("a/../b/x"), "a/h is another name of a/../b/x, which leads out of the archive");
}

#[test]
fn each_route_has_its_own_bound() {
    let field = Field::new();
    let routes = [field.route("a", "to"), field.route("b", "to2")];
    let bounds = UnpackBounds { max_bytes: 10, ..UnpackBounds::default() };
    let both = Archive::of([file("a/x", [0; 10]), file("b/x", [0; 10]), file("c/x", [0; 99])]);
    assert!(field.unpack_to(&routes, bounds, &both.clone().finish()).is_ok());
    let more = failure(field.unpack_to(&routes, bounds, &both.with(file("b/y", [0; 1])).finish()));
    assert_eq!(more, Failure::TooLarge { bytes: 11, max_bytes: 10 });
}

#[test]
fn two_routes_of_one_prefix_make_no_sense() {
    let field = Field::new();
    let routes = [field.route("a", "to"), field.route("a", "to2")];
    let failure = failure(field.unpack_to(&routes, UnpackBounds::default(), &Archive::default().finish()));
    assert!(matches!(failure, Failure::BadRequest { .. }), "{failure:?}");
}

//! No circle of files: a file of `src/` that uses another is not used by it, directly or by way of others.
//!
//! The files are read as text. What counts as a use, and of which file:
//!
//! - A `use` and a path in the code (`super::ledger::Ledger`, `boot::start`) use the file of the longest module path
//!   that they begin with. A path begins at `crate`, `self` or `super`, at a child of the file's module, or at a module
//!   that the file has imported. Groups and `as` are followed. Paths into other crates are ignored.
//! - A name that a module re-exports (`pub use client::Daemon`) belongs to the file that the re-export leads to:
//!   `crate::docker::Daemon` uses `docker/client.rs`. Only where no re-export has the name, the path uses the module's
//!   own file (`mod.rs`).
//! - `mod x;` is no use, and a re-export is none unless the file needs the name itself: a parent may open and publish
//!   its children. If a parent uses an item of its child and the child one of the parent, they are a circle.
//! - Unit tests, comments and text count for nothing; `main.rs` is left out. Methods are called without a path, so a
//!   circle that consists of method calls only is not found.

use std::collections::{BTreeMap, BTreeSet};

use super::architecture::files;
use super::syntax::{is_word, tokens};

/// Re-exports that are followed in a row.
const LONGEST_CHAIN: usize = 8;

type ModulePath = Vec<String>;

/// What a file imports by one name.
struct Import {
    path: ModulePath,
    name: String,
    public: bool,
}

/// A source file taken apart.
struct SourceFile {
    path: String,
    module: ModulePath,
    imports: Vec<Import>,
    /// The tokens outside of imports.
    code: Vec<String>,
}

/// Which file uses which other one, and a path by which it does so.
pub struct UseGraph {
    uses: BTreeMap<String, BTreeMap<String, String>>,
}

impl UseGraph {
    /// The graph of the source tree.
    pub fn of_source_tree() -> Self {
        let files: Vec<(String, String)> =
            files().into_iter().map(|(_, path, text)| (path.to_string_lossy().into_owned(), text)).collect();
        Self::of(&files)
    }

    /// The graph of these files, each a path below `src` and a text.
    fn of(files: &[(String, String)]) -> Self {
        let shipped = files.iter().filter(|(path, _)| path != "main.rs" && !is_test(path));
        let files: Vec<SourceFile> = shipped.map(|(path, text)| SourceFile::read(path, text)).collect();
        let tree = Tree::of(&files);
        let uses = files.iter().map(|file| (file.path.clone(), tree.uses_of(file))).collect();
        Self { uses }
    }

    /// Every use: the file, the file that it uses, and the path by which it does so.
    pub fn uses(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.uses.iter().flat_map(|(file, used)| {
            used.iter().map(move |(other, path)| (file.as_str(), other.as_str(), path.as_str()))
        })
    }

    /// The largest sets of files each of which uses every other, directly or by way of others.
    fn circles(&self) -> Vec<Vec<&str>> {
        let reach: BTreeMap<&str, BTreeSet<&str>> =
            self.uses.keys().map(|file| (file.as_str(), self.reach(file))).collect();
        let mut circles: Vec<Vec<&str>> = Vec::new();
        for (file, reached) in &reach {
            if reached.contains(file) && !circles.iter().any(|circle| circle.contains(file)) {
                circles.push(reached.iter().copied().filter(|other| reach[*other].contains(file)).collect());
            }
        }
        circles
    }

    /// The files that this one uses, directly or by way of others.
    fn reach<'a>(&'a self, file: &'a str) -> BTreeSet<&'a str> {
        let mut reached = BTreeSet::new();
        let mut open = vec![file];
        while let Some(next) = open.pop() {
            let used = self.uses[next].keys().map(String::as_str);
            open.extend(used.filter(|used| reached.insert(*used)));
        }
        reached
    }

    /// The uses inside a circle, a line each.
    fn describe(&self, circle: &[&str]) -> String {
        let inside = self.uses().filter(|(file, used, _)| circle.contains(file) && circle.contains(used));
        let lines: Vec<String> = inside.map(|(file, used, path)| format!("  {file} uses {used} ({path})")).collect();
        format!("{} files in a circle:\n{}", circle.len(), lines.join("\n"))
    }
}

/// Unit tests use what they test, and nothing uses them.
fn is_test(path: &str) -> bool {
    path.trim_end_matches(".rs").split('/').any(|part| part == "tests" || part.ends_with("_tests"))
}

impl SourceFile {
    fn read(path: &str, text: &str) -> Self {
        let mut module: ModulePath = path.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        if module.last().is_some_and(|last| last == "mod") || path == "lib.rs" {
            module.pop();
        }
        let tokens = tokens(text);
        let is = |at: usize, token: &str| tokens.get(at).is_some_and(|there| there == token);
        let (mut imports, mut code) = (Vec::new(), Vec::new());
        let mut at = 0;
        while at < tokens.len() {
            if is(at, "use") && !is(at + 1, "<") {
                let public = at > 0 && (is(at - 1, "pub") || is(at - 1, ")"));
                at = read_import(&tokens, at + 1, &[], &mut |path, name| imports.push(Import { path, name, public }));
            } else if is(at, "mod") && is(at + 2, ";") {
                at += 3;
            } else if is(at, "pub") && is(at + 1, "(") {
                // Who may see an item is no use of that module.
                at += tokens[at..].iter().position(|token| token == ")").map_or(1, |length| length + 1);
            } else {
                code.push(tokens[at].clone());
                at += 1;
            }
        }
        Self { path: path.to_owned(), module, imports, code }
    }

    fn mentions(&self, name: &str) -> bool {
        self.code.iter().any(|token| token == name)
    }

    /// The paths of two words or more in the code, from their beginning.
    fn paths(&self) -> Vec<ModulePath> {
        let mut paths: Vec<ModulePath> = Vec::new();
        let mut goes_on = false;
        for (at, token) in self.code.iter().enumerate() {
            let next_is_colons = self.code.get(at + 1).is_some_and(|next| next == "::");
            if token == "::" {
                continue;
            } else if !is_word(token) {
                goes_on = false;
            } else if goes_on {
                if let Some(path) = paths.last_mut() {
                    path.push(token.clone());
                }
                goes_on = next_is_colons;
            } else if next_is_colons && (at == 0 || self.code[at - 1] != "::") {
                paths.push(vec![token.clone()]);
                goes_on = true;
            }
        }
        paths
    }
}

/// Reads a tree of imports from `at` and tells of each path with the name it goes by. Returns the index after the tree.
fn read_import(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    found: &mut dyn FnMut(ModulePath, String),
) -> usize {
    let mut path = before.to_vec();
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.as_str() {
            "::" => {}
            "{" => {
                while let Some(token) = tokens.get(at) {
                    at = match token.as_str() {
                        "}" => return at + 1,
                        "," => at + 1,
                        _ => read_import(tokens, at, &path, found),
                    };
                }
            }
            word => {
                // The `self` of a group is the module before the group.
                if word != "self" || path.is_empty() {
                    path.push(word.to_owned());
                }
                match tokens.get(at).map(String::as_str) {
                    Some("::") => {}
                    Some("as") => {
                        found(path, tokens.get(at + 1).cloned().unwrap_or_default());
                        return at + 2;
                    }
                    _ => {
                        let name = path.last().cloned().unwrap_or_default();
                        found(path, name);
                        return at;
                    }
                }
            }
        }
    }
    at
}

/// The modules of a tree, and what each re-exports.
struct Tree<'a> {
    files: BTreeMap<&'a [String], &'a SourceFile>,
    exports: BTreeMap<&'a [String], BTreeMap<&'a str, ModulePath>>,
}

impl<'a> Tree<'a> {
    fn of(files: &'a [SourceFile]) -> Self {
        let mut tree =
            Self { files: files.iter().map(|file| (file.module.as_slice(), file)).collect(), exports: BTreeMap::new() };
        for file in files {
            let public = file.imports.iter().filter(|import| import.public);
            let exports = public.filter_map(|import| {
                Some((import.name.as_str(), tree.absolute(&import.path, file, &BTreeMap::new())?))
            });
            let exports = exports.collect();
            tree.exports.insert(&file.module, exports);
        }
        tree
    }

    /// A path from the crate's root; `None` where it leads to another crate, or to nothing that is a module.
    fn absolute(
        &self,
        path: &[String],
        file: &SourceFile,
        imported: &BTreeMap<&str, ModulePath>,
    ) -> Option<ModulePath> {
        let first = path.first()?;
        let ups = path.iter().take_while(|part| *part == "super").count();
        let (base, rest) = match first.as_str() {
            "crate" => (Vec::new(), &path[1..]),
            "self" => (file.module.clone(), &path[1..]),
            "super" => (file.module[..file.module.len().checked_sub(ups)?].to_vec(), &path[ups..]),
            name => match imported.get(name) {
                Some(module) => (module.clone(), &path[1..]),
                None => {
                    let child = [file.module.as_slice(), &path[..1]].concat();
                    self.files.get(child.as_slice())?;
                    (file.module.clone(), path)
                }
            },
        };
        Some([base.as_slice(), rest].concat())
    }

    /// The file that a path from the crate's root leads to.
    fn file_of(&self, path: &[String], chain: usize) -> Option<&'a SourceFile> {
        let length = (0..=path.len()).rev().find(|&length| self.files.contains_key(&path[..length]))?;
        let (module, item) = path.split_at(length);
        if let Some(name) = item.first()
            && let Some(led) = self.exports.get(module).and_then(|exports| exports.get(name.as_str()))
            && chain < LONGEST_CHAIN
        {
            let led = [led.as_slice(), &item[1..]].concat();
            return self.file_of(&led, chain + 1);
        }
        self.files.get(module).copied()
    }

    /// The other files that this one uses, each with a path by which it does so.
    fn uses_of(&self, file: &SourceFile) -> BTreeMap<String, String> {
        let none = BTreeMap::new();
        let mut imported = BTreeMap::new();
        let mut paths = Vec::new();
        for import in &file.imports {
            let Some(path) = self.absolute(&import.path, file, &none) else { continue };
            if !import.public || file.mentions(&import.name) {
                paths.push(path.clone());
            }
            imported.insert(import.name.as_str(), path);
        }
        paths.extend(file.paths().iter().filter_map(|path| self.absolute(path, file, &imported)));
        let mut uses = BTreeMap::new();
        for path in paths {
            if let Some(used) = self.file_of(&path, 0)
                && used.path != file.path
            {
                uses.entry(used.path.clone()).or_insert_with(|| path.join("::"));
            }
        }
        uses
    }
}

#[test]
fn no_files_use_each_other() {
    let graph = UseGraph::of_source_tree();
    let circles: Vec<String> = graph.circles().iter().map(|circle| graph.describe(circle)).collect();
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[cfg(test)]
mod tests {
    use super::UseGraph;

    /// The uses of a tree, as `file > used`, and its circles.
    fn graph(files: &[(&str, &str)]) -> (Vec<String>, Vec<Vec<String>>) {
        let files: Vec<(String, String)> =
            files.iter().map(|(path, text)| (format!("{path}.rs"), (*text).to_owned())).collect();
        let graph = UseGraph::of(&files);
        let plain = |file: &str| file.trim_end_matches(".rs").to_owned();
        let uses = graph.uses().map(|(file, used, _)| format!("{} > {}", plain(file), plain(used))).collect();
        let circles = graph.circles().iter().map(|circle| circle.iter().map(|file| plain(file)).collect()).collect();
        (uses, circles)
    }

    #[test]
    fn a_tree_that_points_one_way_has_no_circle() {
        let (uses, circles) = graph(&[
            ("lib", "pub mod a; pub mod b;"),
            ("a/mod", "mod low; mod high; pub use low::Low; pub(crate) use self::high::{High as Tall, work};"),
            ("a/low", "pub struct Low; // super::high::High\nconst TEXT: &str = \"crate::b::B\";"),
            ("a/high", "use super::low::{self, Low}; struct High(Low); #[cfg(test)] mod tests { use crate::b::B; }"),
            ("b", "use crate::a::{Low, Tall, work}; use std::fmt; pub(in crate::a) struct B(fmt::Error);"),
            ("a/high_tests", "use crate::b::B;"),
        ]);
        assert_eq!(uses, ["a/high > a/low", "b > a/high", "b > a/low"]);
        assert!(circles.is_empty(), "{circles:?}");
    }

    #[test]
    fn files_that_use_each_other_by_any_kind_of_path_are_a_circle() {
        let pairs = [
            ("use super::other::Other;", "use crate::room::one::One;"),
            ("use super::{other::Other as Alias};", "fn f() { super::one::make(); }"),
            ("use super::super::room::other; fn f() { other::make(); }", "use crate::{room::{one::{self}}};"),
            ("use crate::room::Other;", "use super::one::One;"),
            ("use crate::room as here; fn f() -> here::other::Other { x }", "static ONE: crate::room::one::One = x;"),
        ];
        for (one, other) in pairs {
            let door = "mod one; mod other; pub use other::Other;";
            let (uses, circles) =
                graph(&[("lib", "mod room;"), ("room/mod", door), ("room/one", one), ("room/other", other)]);
            assert_eq!(circles, [["room/one", "room/other"]], "{one} {other}: {uses:?}");
        }
    }

    #[test]
    fn a_parent_is_in_a_circle_with_its_child_when_each_uses_an_item_of_the_other() {
        let child = ("parent/child", "use super::Item; pub fn work() {}");
        let circles = |parent: &str| graph(&[("lib", "mod parent;"), ("parent", parent), child]).1;
        assert!(circles("mod child; pub use child::work; pub struct Item;").is_empty(), "it publishes the child");
        assert_eq!(circles("mod child; pub struct Item; fn f() { child::work() }"), [["parent", "parent/child"]]);
        assert_eq!(circles("mod child; pub use child::work; pub struct Item; fn f() { work() }").len(), 1);
    }

    #[test]
    fn a_circle_over_several_files_is_one() {
        let (_, circles) = graph(&[
            ("lib", ""),
            ("a", "use crate::b::B;"),
            ("b", "use crate::c::C;"),
            ("c", "use crate::a::A; use crate::d::D;"),
            ("d", ""),
        ]);
        assert_eq!(circles, [["a", "b", "c"]]);
    }
}

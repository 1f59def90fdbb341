//! The names of the tables of an SQLite database, as far as its own file tells. SQLite itself is not asked: it would
//! need more files of a live database than the one, and locks.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;

use super::datastores::is_sqlite;
use super::sample::read_at;

/// Bytes of the longest page.
const LONGEST_PAGE: usize = 65_536;
/// Bytes of the header of a database, after which its first page has a header of its own.
const FILE_HEADER: usize = 100;
/// The type of a page that holds rows and has no pages below it.
const LEAF: u8 = 0x0d;
/// The type of a page of which each entry leads to a page below.
const INNER: u8 = 0x05;
/// Bytes of the header of an inner page: type, free block, entries, content, fragments, and the last page below.
const INNER_HEADER: usize = 12;
/// Most pages that are read. A list of tables has a few rows a page.
const MOST_PAGES: usize = 1000;
/// How the text of a table begins in the schema, whatever its author wrote.
const BEGINNINGS: [&[u8]; 2] = [b"CREATE TABLE ", b"CREATE VIRTUAL TABLE "];
/// Tables that a message names.
const NAMED: usize = 5;

/// The tables of a database, in lower case. None if the schema is not understood, very long, or in the log. Tables that
/// were dropped may be among them.
pub fn table_names(file: &OwnedFd) -> BTreeSet<String> {
    all_names(file).unwrap_or_default()
}

fn all_names(file: &OwnedFd) -> Option<BTreeSet<String>> {
    let head = read_at(file, FILE_HEADER, 0).filter(|head| is_sqlite(head))?;
    let size = match head.get(16..18)? {
        [0, 1] => LONGEST_PAGE,
        bytes => usize::from(bytes[0]) << 8 | usize::from(bytes[1]),
    };
    let (mut open, mut read, mut names) = (vec![1_u32], 0, BTreeSet::new());
    while let Some(number) = open.pop() {
        read += 1;
        let at = u64::from(number.checked_sub(1)?) * size as u64;
        let page = read_at(file, size, at).filter(|page| page.len() == size && read <= MOST_PAGES)?;
        let header = if number == 1 { FILE_HEADER } else { 0 };
        match *page.get(header)? {
            LEAF => names.extend(names_in(&page[header..])),
            INNER => open.extend(pages_below(&page, header)?),
            _ => return None,
        }
    }
    Some(names)
}

/// The tables that a page lists.
fn names_in(page: &[u8]) -> impl Iterator<Item = String> {
    let begin = |at: usize| BEGINNINGS.iter().find_map(|words| page[at..].strip_prefix(*words));
    let names = (0..page.len()).filter_map(begin).filter_map(name_at);
    names.filter(|name| !name.starts_with("sqlite_"))
}

/// The pages below an inner page, whose own header is at `header`.
fn pages_below(page: &[u8], header: usize) -> Option<Vec<u32>> {
    let number = |at: usize| Some(u32::from_be_bytes(page.get(at..at + 4)?.try_into().ok()?));
    let short = |at: usize| Some(usize::from(u16::from_be_bytes(page.get(at..at + 2)?.try_into().ok()?)));
    let entries = short(header + 3)?;
    // The last one is in the header; each of the others is at the beginning of its entry.
    let mut below = vec![number(header + 8)?];
    for entry in 0..entries {
        below.push(number(short(header + INNER_HEADER + 2 * entry)?)?);
    }
    Some(below)
}

/// The name at the beginning of this text: a word, or anything in quotes.
fn name_at(text: &[u8]) -> Option<String> {
    let end = match text.first()? {
        b'[' => b']',
        quote @ (b'"' | b'`' | b'\'') => *quote,
        _ => 0,
    };
    let (text, is_end): (_, &dyn Fn(&u8) -> bool) = if end == 0 {
        (text, &|byte| byte.is_ascii_whitespace() || *byte == b'(')
    } else {
        (&text[1..], &|byte| *byte == end)
    };
    let name = &text[..text.iter().position(is_end)?];
    (!name.is_empty()).then(|| String::from_utf8_lossy(name).to_lowercase())
}

/// How two databases differ that have no table in common; `None` if they have one, or if the tables of one are unknown.
pub fn no_table_in_common(restored: &OwnedFd, live: &OwnedFd) -> Option<String> {
    let (restored, live) = (table_names(restored), table_names(live));
    let differs = !restored.is_empty() && !live.is_empty() && restored.is_disjoint(&live);
    differs.then(|| format!("it has {}, and the live one has {}", listed(&restored), listed(&live)))
}

fn listed(names: &BTreeSet<String>) -> String {
    let named = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;

    use super::*;

    fn database(path: &Path, script: &str) -> OwnedFd {
        rusqlite::Connection::open(path).unwrap().execute_batch(script).unwrap();
        File::open(path).unwrap().into()
    }

    #[test]
    fn the_list_of_tables_is_read_whatever_its_length() {
        let dir = tempfile::tempdir().unwrap();
        let script = "CREATE TABLE IF NOT EXISTS Notes (text TEXT);
            create table \"two words\" (id INTEGER PRIMARY KEY AUTOINCREMENT);
            CREATE TABLE [bracketed](a); CREATE INDEX by_text ON notes (text)";
        let names = table_names(&database(&dir.path().join("x.db"), script));
        assert_eq!(names.into_iter().collect::<Vec<_>>(), ["bracketed", "notes", "two words"]);
        let many: String = (0..2000).map(|number| format!("CREATE TABLE table_number_{number} (a, b, c);")).collect();
        let many = format!("PRAGMA page_size = 1024; BEGIN; {many} COMMIT");
        let names = table_names(&database(&dir.path().join("many.db"), &many));
        assert_eq!(names.len(), 2000, "three levels of pages");
        assert!(names.contains("table_number_0") && names.contains("table_number_1999"));
        let cut = std::fs::read(dir.path().join("many.db")).unwrap();
        std::fs::write(dir.path().join("cut.db"), &cut[..cut.len() / 2]).unwrap();
        assert!(table_names(&File::open(dir.path().join("cut.db")).unwrap().into()).is_empty(), "not all of it");
        std::fs::write(dir.path().join("text"), "CREATE TABLE notes (text)".repeat(9)).unwrap();
        assert!(table_names(&File::open(dir.path().join("text")).unwrap().into()).is_empty());
    }

    #[test]
    fn databases_of_two_programs_have_no_table_in_common() {
        let dir = tempfile::tempdir().unwrap();
        let notes = database(&dir.path().join("notes.db"), "CREATE TABLE notes (text); CREATE TABLE tags (text)");
        let other = database(&dir.path().join("other.db"), "CREATE TABLE t (a)");
        let later = database(&dir.path().join("later.db"), "CREATE TABLE tags (text); CREATE TABLE users (name)");
        let empty = database(&dir.path().join("empty.db"), "PRAGMA user_version = 1");
        let told = no_table_in_common(&other, &notes).expect("they differ");
        assert_eq!(told, "it has t, and the live one has notes, tags");
        assert_eq!(no_table_in_common(&notes, &later), None);
        assert_eq!(no_table_in_common(&notes, &empty).or(no_table_in_common(&empty, &notes)), None);
    }
}

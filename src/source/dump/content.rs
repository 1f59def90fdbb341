//! Recognises a dump by its first bytes, and summarises it.

use std::io::{self, BufReader, Cursor, ErrorKind, Read};

use super::packed::{self, Content};
use super::recognize::{CountingReader, DumpName, REDIS, read_error, toc_error};
use super::{archive, sql};
use crate::archive::header_of_tar;
use crate::archive::other_format::{self, HEAD};
use crate::model::dump::{Dump, DumpFormat};
use crate::source::error::SourceError;

/// Bytes that are read at a time.
const BUFFER: usize = 256 * 1024;
/// Beginnings of dumps of SQL.
const BEGINNINGS: [&[u8]; 9] =
    [b"--\n", b"-- ", b"/*!", b"/*M!", b"\\restrict ", b"SET ", b"CREATE ", b"INSERT ", b"DROP "];
/// The mark at the end of a dump of Redis and its distance from the end, where an 8-byte checksum follows.
const REDIS_END: (u8, usize) = (0xff, 9);

/// Looks at an uncompressed file, and reads it to its end.
pub fn look_at(mut reader: Box<dyn Read + Send + '_>, name: &DumpName) -> Result<Content, SourceError> {
    let mut head = Vec::new();
    (&mut reader).take(HEAD as u64).read_to_end(&mut head).map_err(|error| read_error(name, error))?;
    if header_of_tar(&head).is_some() {
        let whole = Box::new(Cursor::new(head).chain(reader));
        return packed::look_at(whole, name);
    }
    let incomplete = |words: &str| SourceError::Incomplete(format!("the dump {name}: {words}"));
    let is_redis = REDIS.iter().any(|magic| head.starts_with(magic));
    if !head.starts_with(archive::MAGIC) && !is_redis {
        refuse_other_format(&head, name)?;
    }
    let is_archive = head.starts_with(archive::MAGIC);
    let mut reader = BufReader::with_capacity(BUFFER, Cursor::new(head).chain(reader));
    if is_archive {
        return summarize_archive(reader, name).map(Content::Dump);
    }
    if is_redis {
        let dump = Dump::new(DumpFormat::Redis);
        let (bytes, tail) = read_to_end(&mut reader).map_err(|error| read_error(name, error))?;
        let (mark, from_end) = REDIS_END;
        return if tail.len() == from_end && tail.first() == Some(&mark) {
            Ok(Content::Dump(Dump { bytes, ..dump }))
        } else {
            Err(incomplete(&format!("it ends after {bytes} bytes without the mark of its end")))
        };
    }
    let sql::SqlSummary { dump, lacks, of_sqlite } = sql::summarize(reader).map_err(|error| read_error(name, error))?;
    if of_sqlite {
        let words = format!(
            "{name} has statements for SQLite, whose service has no server to load them; restore its file instead"
        );
        return Err(SourceError::NoDump(words));
    }
    match lacks {
        Some(words) => Err(incomplete(&words)),
        None => Ok(Content::Dump(dump)),
    }
}

/// Refuses what begins like another format than SQL.
fn refuse_other_format(head: &[u8], name: &DumpName) -> Result<(), SourceError> {
    let refused = |what: &str, remedy: Option<String>| SourceError::OtherFormat {
        file: name.to_string(),
        what: what.to_owned(),
        wanted: "known kind of dump",
        remedy,
    };
    let is_wide = head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff");
    let is_wide_without_mark =
        |at: usize| head.len() >= 16 && head.iter().skip(at).step_by(2).take(8).all(|byte| *byte == 0);
    if is_wide || is_wide_without_mark(0) != is_wide_without_mark(1) {
        let remedy = "Dump into a file with the program itself (pg_dump --file, mysqldump --result-file): the `>` of \
            Windows PowerShell writes UTF-16 and may lose characters. `iconv -f UTF-16 -t UTF-8` converts it.";
        return Err(refused("text in UTF-16", Some(remedy.to_owned())));
    }
    if let Some(found) = other_format::recognize(head).filter(|found| found.remedy.is_some()) {
        let remedy = found.remedy.map(|remedy| remedy.replace("--from tar:-", "--from dump:-"));
        return Err(refused(&found.what, remedy));
    }
    // The summary tells where the damage is.
    if begins_like_sql(head) {
        return Ok(());
    }
    if head.contains(&0) { Err(refused("something binary", None)) } else { Ok(()) }
}

/// Whether the file begins like a dump of SQL, also if its first bytes were never written.
fn begins_like_sql(head: &[u8]) -> bool {
    let written = head.iter().position(|byte| *byte != 0).map_or(&head[..0], |at| &head[at..]);
    BEGINNINGS.iter().any(|beginning| written.starts_with(beginning))
}

fn summarize_archive(mut reader: impl Read, name: &DumpName) -> Result<Dump, SourceError> {
    let mut counted = CountingReader { inner: &mut reader, bytes: 0 };
    let seen = archive::summarize(&mut counted).map_err(|error| toc_error(name, error))?;
    let of_toc = counted.bytes;
    let (rest, _) = read_to_end(&mut reader).map_err(|error| read_error(name, error))?;
    let rows = (seen.with_rows == 0).then_some(0);
    if seen.with_rows > 0 && rest == 0 {
        let words = format!("the dump {name}: it ends after its table of contents, and has no rows");
        return Err(SourceError::Incomplete(words));
    }
    Ok(Dump { bytes: of_toc + rest, rows, ..seen.dump })
}

/// Reads to the end; returns the number of bytes and the last few of them.
fn read_to_end(reader: &mut impl Read) -> io::Result<(u64, Vec<u8>)> {
    let (mut bytes, mut tail) = (0, Vec::new());
    let mut piece = vec![0; BUFFER];
    loop {
        let count = match reader.read(&mut piece) {
            Ok(0) => return Ok((bytes, tail)),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes += count as u64;
        tail.extend_from_slice(&piece[count.saturating_sub(REDIS_END.1)..count]);
        tail.drain(..tail.len().saturating_sub(REDIS_END.1));
    }
}

//! The service that `rehearsa demo` rehearses: notes in an SQLite file, over HTTP.
//!
//! `GET /health` answers 200 when the database answers, `GET /notes` lists the notes as JSON, `POST /notes` takes one
//! as its body. Started on an empty folder, the service makes an empty database and is healthy, as most real services
//! are: a boot alone proves nothing about data. Its two small clients and its backup are in the same executable.

use std::convert::Infallible;
use std::ffi::OsString;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use rusqlite::Connection;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

use crate::archive::write;

/// The longest note.
const LONGEST_NOTE: usize = 64 * 1024;
/// How long the writer of a note waits for the service to start.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long one answer may take.
const ANSWER: Duration = Duration::from_secs(5);

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// `rehearsa worker demo-service --data DIR --port N`: serves until SIGTERM or SIGINT.
pub fn main(args: Vec<OsString>) -> ExitCode {
    ended("demo service", || {
        let options = Options::parse(args)?;
        block_on(serve(&options.data, options.port))
    })
}

/// `rehearsa worker demo-health --port N`: whether the service of this network namespace is well.
pub fn health(args: Vec<OsString>) -> ExitCode {
    ended("demo health", || {
        let options = Options::parse(args)?;
        let (status, body) = block_on(async { timeout(ANSWER, ask(options.port, Method::GET, "/health", "")).await? })?;
        log(&body);
        if status.is_success() { Ok(()) } else { Err(format!("the service says {status}").into()) }
    })
}

/// `rehearsa worker demo-note --port N --text TEXT`: writes a note, once the service of this network namespace listens.
pub fn note(args: Vec<OsString>) -> ExitCode {
    ended("demo note", || {
        let options = Options::parse(args)?;
        let status = block_on(post_patiently(options.port, &options.text))?;
        if status == StatusCode::CREATED { Ok(()) } else { Err(format!("the service says {status}").into()) }
    })
}

/// `rehearsa worker demo-backup --data DIR --text PATH`: writes the folder to standard output as an archive, where
/// its path is PATH.
pub fn backup(args: Vec<OsString>) -> ExitCode {
    let packed = Options::parse(args).and_then(|options| {
        let mut out = std::io::stdout().lock();
        pack(&options.data, &options.text, &mut out)?;
        Ok(out.flush()?)
    });
    match packed {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            // Standard output has the archive. Where nobody hears this, the exit code says it.
            let _ = writeln!(std::io::stderr().lock(), "demo backup: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn pack(folder: &Path, part: &str, out: &mut impl std::io::Write) -> Result<(), Fault> {
    let options = write::PackOptions { prefix: part.as_bytes().to_vec(), ..write::PackOptions::default() };
    let packed = write::pack(folder, &options, out)?;
    if !packed.torn.is_empty() {
        return Err(format!("{} changed while it was packed", packed.torn.first.join(", ")).into());
    }
    Ok(())
}

#[derive(Debug)]
struct Options {
    data: PathBuf,
    port: u16,
    text: String,
}

impl Options {
    fn parse(args: Vec<OsString>) -> Result<Self, Fault> {
        let mut options = Options { data: PathBuf::from("/data"), port: 8080, text: String::new() };
        let mut args = args.into_iter();
        while let Some(flag) = args.next() {
            let value = args.next().ok_or_else(|| format!("{} needs a value", flag.display()))?;
            match flag.to_str() {
                Some("--data") => options.data = PathBuf::from(value),
                Some("--port") => options.port = value.to_string_lossy().parse()?,
                Some("--text") => options.text = value.to_string_lossy().into_owned(),
                _ => return Err(format!("{} is not known", flag.display()).into()),
            }
        }
        Ok(options)
    }
}

/// A line on standard output, where a container's log comes from. A log that cannot be written is no reason to stop.
fn log(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn ended(what: &str, work: impl FnOnce() -> Result<(), Fault>) -> ExitCode {
    match work() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            log(&format!("{what}: {fault}"));
            ExitCode::FAILURE
        }
    }
}

fn block_on<T>(work: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    tokio::task::LocalSet::new().block_on(&runtime, work)
}

/// Opens the database in `folder`, making it if it is not there.
fn open(folder: &Path) -> Result<Connection, Fault> {
    let database = Connection::open(folder.join("notes.db"))?;
    database.pragma_update(None, "journal_mode", "WAL")?;
    database.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)", [])?;
    Ok(database)
}

fn count(database: &Connection) -> rusqlite::Result<i64> {
    database.query_row("SELECT count(*) FROM notes", [], |row| row.get(0))
}

fn list(database: &Connection) -> rusqlite::Result<Vec<String>> {
    database.prepare("SELECT text FROM notes ORDER BY id")?.query_map([], |row| row.get(0))?.collect()
}

async fn serve(folder: &Path, port: u16) -> Result<(), Fault> {
    let database = Rc::new(open(folder)?);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await?;
    log(&format!("{} notes in {}; listening on {}", count(&database)?, folder.display(), listener.local_addr()?));
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        };
        let database = Rc::clone(&database);
        tokio::task::spawn_local(async move {
            let service = service_fn(move |request| {
                let database = Rc::clone(&database);
                async move { Ok::<_, Infallible>(answer(&database, request).await) }
            });
            let served =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            if let Err(error) = served {
                log(&format!("a connection broke: {error}"));
            }
        });
    }
    log("asked to stop; the database is closed");
    Ok(())
}

async fn answer(database: &Connection, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let result: Result<(StatusCode, String), Fault> = match (method.as_str(), path.as_str()) {
        ("GET", "/health") => count(database).map(|n| (StatusCode::OK, format!("{n} notes"))).map_err(Into::into),
        ("GET", "/notes") => {
            list(database).map_err(Fault::from).and_then(|notes| Ok((StatusCode::OK, serde_json::to_string(&notes)?)))
        }
        ("POST", "/notes") => take(database, request.into_body()).await,
        _ => Ok((StatusCode::NOT_FOUND, "there are /health and /notes".to_owned())),
    };
    let (status, body) = result.unwrap_or_else(|fault| (StatusCode::SERVICE_UNAVAILABLE, fault.to_string()));
    log(&format!("{method} {path} {}", status.as_u16()));
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    response
}

async fn take(database: &Connection, body: Incoming) -> Result<(StatusCode, String), Fault> {
    let text = Limited::new(body, LONGEST_NOTE).collect().await?.to_bytes();
    let text = std::str::from_utf8(&text)?;
    database.execute("INSERT INTO notes (text) VALUES (?1)", [text])?;
    Ok((StatusCode::CREATED, "noted".to_owned()))
}

/// One request to the service of this network namespace.
async fn ask(port: u16, method: Method, path: &str, body: &str) -> Result<(StatusCode, String), Fault> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::task::spawn_local(async move {
        // The request itself hears of a broken connection.
        let _ = connection.await;
    });
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(hyper::header::HOST, "localhost")
        .body(Full::new(Bytes::copy_from_slice(body.as_bytes())))?;
    let response = sender.send_request(request).await?;
    let status = response.status();
    let body = Limited::new(response.into_body(), LONGEST_NOTE).collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).trim_end().to_owned()))
}

async fn post_patiently(port: u16, text: &str) -> Result<StatusCode, Fault> {
    let until = Instant::now() + PATIENCE;
    loop {
        // Only a connection that was not made is tried again: what was sent once may have been noted.
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            Ok(_) => break,
            Err(error) if Instant::now() > until => {
                return Err(format!("nothing listens on port {port}: {error}").into());
            }
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
    let (status, _) = timeout(ANSWER, ask(port, Method::POST, "/notes", text)).await??;
    Ok(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(args: &[&str]) -> Result<Options, Fault> {
        Options::parse(args.iter().map(OsString::from).collect())
    }

    #[test]
    fn options_are_read_and_mistakes_named() {
        let read = options(&["--port", "81", "--data", "/d", "--text", "t"]).expect("all are right");
        assert_eq!((read.port, read.data, read.text), (81, PathBuf::from("/d"), "t".to_owned()));
        assert_eq!(options(&["--port"]).expect_err("no value").to_string(), "--port needs a value");
        assert!(options(&["--port", "x"]).is_err() && options(&["--what", "x"]).is_err());
    }

    #[test]
    fn notes_outlive_the_service_in_a_wal_database() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound").port();
        block_on(async {
            let data = folder.path().to_owned();
            let server = tokio::task::spawn_local(async move { serve(&data, port).await });
            assert_eq!(post_patiently(port, "first \"note\"").await?, StatusCode::CREATED);
            assert_eq!(ask(port, Method::GET, "/health", "").await?, (StatusCode::OK, "1 notes".to_owned()));
            assert_eq!(ask(port, Method::GET, "/notes", "").await?.1, r#"["first \"note\""]"#);
            assert_eq!(ask(port, Method::GET, "/other", "").await?.0, StatusCode::NOT_FOUND);
            server.abort();
            Ok(())
        })
        .expect("the service answers");
        let database = open(folder.path()).expect("the file is a database");
        assert_eq!(list(&database).expect("it can be read"), ["first \"note\""]);
        let mode: String = database.query_row("PRAGMA journal_mode", [], |row| row.get(0)).expect("it has a mode");
        assert_eq!(mode, "wal");
    }

    #[test]
    fn a_database_that_is_none_is_an_error_at_the_start() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join("notes.db"), "this is no database, and it is long enough to be seen as none")
            .expect("it is writable");
        assert!(open(folder.path()).is_err());
    }
}

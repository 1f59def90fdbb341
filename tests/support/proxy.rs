//! A socket between rehearsa and the engine that sees every request before the engine does, and can go away.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::support::api::engine_socket;
use crate::support::shown;

/// What the proxy does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// The engine gets it.
    Forward,
    /// The engine gets it; its answer, and everything after it, does not come through.
    Die,
    /// The engine does not get it; its connection ends without an answer, and all others go on.
    Refuse,
}

/// The socket; it goes with the test.
pub struct Proxy {
    dir: tempfile::TempDir,
}

type Hook = dyn Fn(&str) -> Then + Send + Sync;

struct Way {
    hook: Box<Hook>,
    dead: AtomicBool,
    open: Mutex<Vec<UnixStream>>,
}

impl Proxy {
    /// Asks `hook` about the first line of each request, `POST /v1.41/networks/create HTTP/1.1`, before the engine gets
    /// the request.
    pub fn start(hook: impl Fn(&str) -> Then + Send + Sync + 'static) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let listener = UnixListener::bind(dir.path().join("sock")).expect("a socket");
        let way = Arc::new(Way { hook: Box::new(hook), dead: AtomicBool::new(false), open: Mutex::default() });
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if way.dead.load(Ordering::SeqCst) {
                    continue;
                }
                let engine = UnixStream::connect(engine_socket()).expect("the engine's own socket");
                way.open.lock().expect("no panic").extend([twin(&client), twin(&engine)]);
                let (answers, back) = (twin(&engine), twin(&client));
                std::thread::spawn(move || pass(answers, back, &|_| Then::Forward, &|| {}));
                let way = Arc::clone(&way);
                std::thread::spawn(move || pass(client, engine, &|bytes| way.look(bytes), &|| way.die()));
            }
        });
        Self { dir }
    }

    /// As `--host` takes it.
    pub fn host(&self) -> String {
        format!("unix://{}", shown(&self.dir.path().join("sock")))
    }
}

impl Way {
    fn look(&self, bytes: &[u8]) -> Then {
        if ![&b"GET /"[..], b"POST /", b"DELETE /", b"HEAD /"].iter().any(|method| bytes.starts_with(method)) {
            return Then::Forward;
        }
        let line = bytes.split(|&byte| byte == b'\r').next().unwrap_or_default();
        (self.hook)(&String::from_utf8_lossy(line))
    }

    fn die(&self) {
        self.dead.store(true, Ordering::SeqCst);
        for stream in self.open.lock().expect("no panic").iter() {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn twin(stream: &UnixStream) -> UnixStream {
    stream.try_clone().expect("a descriptor is free")
}

/// Passes on until either side ends.
fn pass(mut from: UnixStream, mut to: UnixStream, look: &dyn Fn(&[u8]) -> Then, die: &dyn Fn()) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match from.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => break,
            Ok(count) => {
                let then = look(&buffer[..count]);
                if then == Then::Refuse {
                    // It may be closed already.
                    let _ = from.shutdown(Shutdown::Both);
                    break;
                }
                let passed = to.write_all(&buffer[..count]);
                if then == Then::Die {
                    die();
                }
                if passed.is_err() {
                    break;
                }
            }
        }
    }
    // It may be closed already.
    let _ = to.shutdown(Shutdown::Write);
}

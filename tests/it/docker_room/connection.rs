//! Connections to the engine. A proxy before its socket simulates what this engine does not offer.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rehearsa::docker::{ContainerEventKind, Daemon, DockerErrorKind, Target};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Notify;

use crate::support::bench::{Bench, script, target, wait_for, with_session};

/// What a proxy does besides passing on.
#[derive(Clone, Default)]
struct Watch {
    /// First lines of the requests that went through.
    requests: Arc<Mutex<Vec<String>>>,
    /// When given, a request for events waits here.
    hold_events: Option<Arc<Notify>>,
}

/// Passes one connection on, each direction to its own end.
async fn pass_on(client: impl AsyncRead + AsyncWrite, watch: Watch) {
    let Target::Unix(socket) = target() else { panic!("these tests want an engine behind a Unix socket") };
    let Ok(engine) = UnixStream::connect(socket).await else { return };
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let (mut from_engine, mut to_engine) = engine.into_split();
    let there = async {
        let mut first = vec![0; 8192];
        let length = from_client.read(&mut first).await?;
        let line = String::from_utf8_lossy(&first[..length]).lines().next().unwrap_or_default().to_owned();
        if let Some(hold) = watch.hold_events.as_ref().filter(|_| line.contains("/events?")) {
            hold.notified().await;
        }
        watch.requests.lock().expect("no panic").push(line);
        to_engine.write_all(&first[..length]).await?;
        tokio::io::copy(&mut from_client, &mut to_engine).await?;
        to_engine.shutdown().await
    };
    let back = async {
        tokio::io::copy(&mut from_engine, &mut to_client).await?;
        to_client.shutdown().await
    };
    // A connection that breaks at its end is the client's way to say that it has what it wanted.
    let _ = futures_util::join!(there, back);
}

async fn tcp_proxy(watch: Watch) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, watch.clone()));
        }
    });
    port
}

#[tokio::test]
async fn an_engine_over_tcp_is_found_by_name_and_asked_in_its_version() {
    with_session(async |bench| {
        let watch = Watch::default();
        let port = tcp_proxy(watch.clone()).await;
        let daemon = Daemon::connect(&Target::Tcp(format!("localhost:{port}")), None).await.expect("it answers");
        let over_tcp = Bench { daemon, marks: bench.marks.clone() };
        let (code, out, err) = over_tcp.run("cat", script("cat; echo end >&2"), b"hello").await;
        assert_eq!((code, out.as_str(), err.as_str()), (0, "hello", "end\n"));
        let (major, minor) = over_tcp.daemon.info().await.expect("info").api;
        let requests = watch.requests.lock().expect("no panic").clone();
        let (first, rest) = requests.split_first().expect("requests");
        assert_eq!(first, "GET /version HTTP/1.1");
        for line in rest {
            assert!(line.contains(&format!(" /v{major}.{minor}/")), "{line}");
        }
        assert!(rest.iter().any(|line| line.contains("/attach?")), "{rest:?}");
    })
    .await;
}

#[tokio::test]
async fn what_happens_before_the_engine_has_subscribed_us_is_not_missed() {
    with_session(async |bench| {
        let hold = Arc::new(Notify::new());
        let port = tcp_proxy(Watch { hold_events: Some(Arc::clone(&hold)), ..Watch::default() }).await;
        let daemon = Daemon::connect(&Target::Tcp(format!("127.0.0.1:{port}")), None).await.expect("it answers");
        let mut events = daemon.events(&bench.marks.session).await.expect("events");
        let id = bench.started("early", &script("sleep 60")).await;
        hold.notify_one();
        wait_for(&mut events, &id, |what| (*what == ContainerEventKind::Started).then_some(())).await;
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_comes_up_is_waited_for() {
    let dir = tempfile::tempdir().expect("a folder");
    let socket = dir.path().join("docker.sock");
    let later = Target::Unix(socket.clone());
    let (connected, ()) = futures_util::join!(Daemon::connect(&later, Some(Duration::from_secs(30))), async {
        // Gone through in the time that the first tries take: what is waited for is time itself.
        tokio::time::sleep(Duration::from_millis(350)).await;
        serve(&socket);
    });
    connected.expect("it answers in the end").info().await.expect("info");
}

fn serve(socket: &Path) {
    let listener = UnixListener::bind(socket).expect("a socket");
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, Watch::default()));
        }
    });
}

#[tokio::test]
async fn an_engine_that_is_not_there_is_named_with_the_reason() {
    let error = Daemon::connect(&Target::Unix("/nonexistent/docker.sock".into()), None).await.expect_err("nobody");
    assert_eq!(error.kind, DockerErrorKind::Unreachable);
    assert_eq!(error.to_string(), "connect to unix:///nonexistent/docker.sock: the Docker engine does not answer");
    let cause = std::error::Error::source(&error).expect("a cause");
    assert_eq!(cause.to_string(), "No such file or directory (os error 2)");
    assert!(cause.source().is_none());

    let port = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    let error = Daemon::connect(&Target::Tcp(format!("127.0.0.1:{port}")), None).await.expect_err("nobody");
    assert_eq!(error.kind, DockerErrorKind::Unreachable);
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.contains("Connection refused"), "{cause}");
}

#[tokio::test]
async fn waiting_ends_with_the_last_error() {
    let missing = Target::Unix("/nonexistent/docker.sock".into());
    let error = Daemon::connect(&missing, Some(Duration::from_millis(300))).await.expect_err("nobody");
    assert_eq!(error.kind, DockerErrorKind::Unreachable);
}

#[tokio::test]
async fn what_is_not_an_engine_is_told_from_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut request = [0; 1024];
            if client.read(&mut request).await.is_ok() {
                let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}";
                client.write_all(answer).await.expect("an answer is taken");
            }
        }
    });
    let error = Daemon::connect(&Target::Tcp(format!("127.0.0.1:{port}")), None).await.expect_err("no engine");
    assert!(error.to_string().contains("does not say which Docker API it speaks"), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_is_the_engine_not_answering() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            drop(client);
        }
    });
    let error = Daemon::connect(&Target::Tcp(format!("127.0.0.1:{port}")), None).await.expect_err("it hangs up");
    assert_eq!(error.kind, DockerErrorKind::Unreachable, "{error:?}");
}

#[tokio::test]
async fn an_older_version_of_the_api_can_be_insisted_on() {
    let daemon = Daemon::connect_at(&target(), None, Some((1, 40))).await;
    match daemon {
        Ok(daemon) => assert_eq!(daemon.info().await.expect("info").api, (1, 40)),
        // Engines from 29 on have left it behind.
        Err(error) => assert!(error.to_string().contains("Docker API 1.40 is asked for"), "{error}"),
    }
    let error = Daemon::connect_at(&target(), None, Some((1, 99))).await.expect_err("none speaks it");
    assert!(error.to_string().contains("Docker API 1.99 is asked for"), "{error}");
}

#[tokio::test]
async fn ssh_says_itself_why_it_does_not_connect() {
    let error = Daemon::connect(&Target::Ssh("127.0.0.1:1".into()), None).await.expect_err("nobody");
    assert_eq!(error.kind, DockerErrorKind::Unreachable, "{error:?}");
    let cause = std::error::Error::source(&error).expect("a cause").to_string();
    assert!(cause.starts_with("ssh: ") && cause.contains("refused"), "{cause}");
}

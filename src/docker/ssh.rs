//! An engine over SSH, reached as the Docker CLI does: each connection is an `ssh` process that runs `docker system
//! dial-stdio` on the engine's host and carries the engine's HTTP over its standard input and output.
//!
//! bollard's own SSH support is not used: it logs in for each call through a master process in the background, which
//! outlives a client that is killed, and it takes no path of a socket. Here the process ends with its pipes. For one
//! login for all calls, users set `ControlMaster` for the host, as the manual of the Docker CLI says.

use std::io;
use std::pin::{Pin, pin};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::{BollardRequest, errors::Error as Bollard};
use hyper::Response;
use hyper::body::Incoming;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::http;
use super::target::SshAddress;
use crate::model::lock::lock;

/// The way there. sshd drops connections when ten (its MaxStartups) have not logged in yet, and a call is a login.
#[derive(Debug)]
pub(super) struct Way {
    place: SshAddress,
    logins: Semaphore,
}

/// Starts the `ssh` process that leads to the engine at `address`.
fn dial(address: &SshAddress) -> io::Result<(Pipe, Complaint)> {
    let mut child = Command::new("ssh")
        .args(address.arguments())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("cannot start ssh: {error}")))?;
    let missing = || io::Error::other("ssh has no pipes");
    let stdin = child.stdin.take().ok_or_else(missing)?;
    let stdout = child.stdout.take().ok_or_else(missing)?;
    let complaint = Complaint::collect(child.stderr.take().ok_or_else(missing)?);
    Ok((Pipe { stdin: Some(stdin), stdout, _child: child }, complaint))
}

impl Way {
    /// So many log in at a time: room is left on the server for another run and for people.
    const LOGINS: usize = 4;
    /// An answer that takes longer is one that the engine takes its time for: the login is over.
    const LOGIN: Duration = Duration::from_secs(5);

    pub(super) fn to(place: SshAddress) -> Self {
        Self { place, logins: Semaphore::new(Self::LOGINS) }
    }

    /// Sends one request over a connection of its own.
    pub(super) async fn send(self: Arc<Self>, request: BollardRequest) -> Result<Response<Incoming>, Bollard> {
        let login = self.logins.acquire().await.map_err(io::Error::other)?;
        let (stream, complaint) = dial(&self.place)?;
        let mut answer = pin!(http::exchange(stream, "docker", request));
        let early = timeout(Self::LOGIN, &mut answer).await;
        drop(login);
        let answer = match early {
            Ok(answer) => answer,
            Err(_) => answer.await,
        };
        match answer {
            Ok(response) => Ok(response),
            // What ssh said tells more than that the pipe ended.
            Err(error) => Err(match complaint.text().await {
                Some(text) => io::Error::new(io::ErrorKind::ConnectionAborted, text).into(),
                None => error.into(),
            }),
        }
    }
}

/// What ssh wrote to its standard error, the first few kilobytes of it.
struct Complaint {
    said: Arc<Mutex<Vec<u8>>>,
    end: JoinHandle<()>,
}

impl Complaint {
    const LONGEST: usize = 4096;
    /// How long its end is waited for: a master connection in the background may keep it open for hours.
    const PATIENCE: Duration = Duration::from_secs(1);

    fn collect(mut stderr: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let said = Arc::<Mutex<Vec<u8>>>::default();
        let into = Arc::clone(&said);
        let end = tokio::spawn(async move {
            let mut piece = [0; 1024];
            // Read to the end even when it is too long, or ssh would stand still.
            while let Ok(length @ 1..) = stderr.read(&mut piece).await {
                let mut text = lock(&into);
                let room = Self::LONGEST.saturating_sub(text.len());
                text.extend_from_slice(&piece[..length.min(room)]);
            }
        });
        Self { said, end }
    }

    /// All of it: the connection may be seen to have ended before what was said of it is read.
    async fn text(self) -> Option<String> {
        // Whether it ended or not, what is there is told.
        let _ = timeout(Self::PATIENCE, self.end).await;
        let text = lock(&self.said);
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        (!lines.is_empty()).then(|| format!("ssh: {}", lines.join("; ")))
    }
}

/// The process's input and output as one stream. It is killed when this is dropped.
struct Pipe {
    stdin: Option<ChildStdin>,
    stdout: ChildStdout,
    _child: Child,
}

impl Pipe {
    fn stdin(&mut self) -> io::Result<Pin<&mut ChildStdin>> {
        self.stdin.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stdout).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().stdin()?.poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().stdin {
            Some(stdin) => Pin::new(stdin).poll_flush(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Only closing the pipe tells the other side that nothing more comes.
        self.get_mut().stdin = None;
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    fn arguments(place: &str) -> String {
        SshAddress::parse(place).expect(place).arguments().join(" ")
    }

    #[test]
    fn ssh_is_asked_as_the_docker_cli_asks_it() {
        let ask = "-T -o BatchMode=yes -o ConnectTimeout=30";
        assert_eq!(arguments("nas"), format!("{ask} -- nas docker system dial-stdio"));
        assert_eq!(arguments("me@nas:2222"), format!("{ask} -l me -p 2222 -- nas docker system dial-stdio"));
        assert_eq!(
            arguments("me@[fe80::1]/run/user/1000/docker.sock"),
            format!("{ask} -l me -- fe80::1 docker --host unix:///run/user/1000/docker.sock system dial-stdio")
        );
    }

    #[tokio::test]
    async fn what_is_said_is_heard_to_its_end() {
        let (mut ssh, stderr) = tokio::io::duplex(64);
        let complaint = Complaint::collect(stderr);
        let speak = async {
            ssh.write_all(b"Permission denied\r\n").await.expect("it is heard");
            tokio::task::yield_now().await;
            ssh.write_all(b"\nbye\n").await.expect("it is heard");
            drop(ssh);
        };
        let (heard, ()) = tokio::join!(complaint.text(), speak);
        assert_eq!(heard.as_deref(), Some("ssh: Permission denied; bye"));
    }

    #[tokio::test]
    async fn who_says_nothing_and_stays_is_not_waited_for_long() {
        let (_ssh, stderr) = tokio::io::duplex(64);
        let heard = timeout(20 * Complaint::PATIENCE, Complaint::collect(stderr).text()).await;
        assert_eq!(heard.expect("it is given up"), None);
    }

    #[test]
    fn nothing_in_the_place_becomes_an_option_or_a_command() {
        for place in ["", "-oProxyCommand=x", "-l@nas", "me@", "nas/a;reboot", "nas/$(x)", "me:pw@nas", "a b"] {
            assert!(SshAddress::parse(place).is_err(), "{place}");
        }
    }
}

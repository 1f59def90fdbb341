//! Talking to a container through its standard input and output.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bollard::container::LogOutput;
use bollard::query_parameters::AttachContainerOptionsBuilder;
use futures_util::{Stream, StreamExt};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::client::Daemon;
use super::connection::{LIMIT, in_path};
use super::errors::{DockerError, Result};

/// Output of an attached container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Bytes of standard output.
    Stdout(Vec<u8>),
    /// Bytes of standard error.
    Stderr(Vec<u8>),
}

/// An attached container: what it reads and what it writes.
pub struct Attached {
    /// Its standard input; dropping it ends the input.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
    /// Its output until it ends.
    pub output: Pin<Box<dyn Stream<Item = Result<Output>> + Send>>,
}

impl Daemon {
    /// Attaches to a container. Before its start, so that no output is lost; `stdin` of its spec must be `Attached`.
    pub async fn attach(&self, id: &str) -> Result<Attached> {
        const ATTACH: &str = "attach to container";
        let options =
            AttachContainerOptionsBuilder::default().stream(true).stdin(true).stdout(true).stderr(true).build();
        let id = in_path(ATTACH, id)?;
        let attached = self.connection.call(ATTACH, id, |docker| docker.attach_container(id, Some(options))).await?;
        let subject = id.to_owned();
        let output = attached.output.filter_map(move |piece| {
            let piece = match piece {
                Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => {
                    Some(Ok(Output::Stdout(message.into())))
                }
                Ok(LogOutput::StdErr { message }) => Some(Ok(Output::Stderr(message.into()))),
                // No container sends its input back; the protocol has the stream all the same.
                Ok(LogOutput::StdIn { .. }) => None,
                Err(error) => {
                    Some(Err(DockerError::from_bollard("read the output of container", &subject, LIMIT, &error)))
                }
            };
            async { piece }
        });
        Ok(Attached { input: Box::pin(Input(Some(attached.input))), output: Box::pin(output) })
    }
}

/// The writing half of the connection. Dropping it would not end the connection, whose reading half stays open; so the
/// engine is told that no more input comes.
struct Input(Option<Pin<Box<dyn AsyncWrite + Send>>>);

impl Input {
    fn open(&mut self) -> io::Result<Pin<&mut (dyn AsyncWrite + Send + 'static)>> {
        self.0.as_mut().map(Pin::as_mut).ok_or_else(|| io::ErrorKind::BrokenPipe.into())
    }
}

impl AsyncWrite for Input {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.get_mut().open()?.poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut().open() {
            Ok(open) => open.poll_flush(cx),
            Err(_) => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Ok(open) = this.open() else { return Poll::Ready(Ok(())) };
        let done = open.poll_shutdown(cx);
        if done.is_ready() {
            this.0 = None;
        }
        done
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        let Some(mut open) = self.0.take() else { return };
        // A socket shuts down at once. TLS and a pipe may need more time, which a task of its own gives them.
        if open.as_mut().poll_shutdown(&mut Context::from_waker(Waker::noop())).is_pending()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(async move {
                if let Err(error) = open.shutdown().await {
                    tracing::debug!(%error, "the input of a container could not be ended");
                }
            });
        }
    }
}

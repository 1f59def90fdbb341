//! One request and its answer over a stream that was opened for it, for the transports that bollard does not have.

use bollard::BollardRequest;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::header::{HOST, HeaderValue};
use hyper::{Response, Uri};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};

/// Sends the request to the host of this name at the stream's other end. The stream ends with what is made of it: the
/// answer's body, or the connection that it is upgraded to.
pub(super) async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    host: &str,
    request: BollardRequest,
) -> hyper::Result<Response<Incoming>> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection.with_upgrades());
    let answer = match sender.ready().await {
        Ok(()) => sender.send_request(origin_form(request, host)).await,
        Err(ended) => Err(ended),
    };
    match answer {
        // The connection ended before it took the request, and knows why.
        Err(error) if error.is_closed() || error.is_canceled() => {
            drop(sender);
            match connection.await {
                Ok(Err(reason)) => Err(reason),
                _ => Err(error),
            }
        }
        answer => answer,
    }
}

/// The request as a connection wants it: path only, the host in its header.
fn origin_form(mut request: BollardRequest, host: &str) -> BollardRequest {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    if let Ok(uri) = path.parse::<Uri>() {
        *request.uri_mut() = uri;
    }
    if let Ok(host) = HeaderValue::from_str(host) {
        request.headers_mut().insert(HOST, host);
    }
    request
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;

    use super::*;

    /// The other side has broken off before anything was said.
    struct BrokenOff;

    impl AsyncRead for BrokenOff {
        fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Err(io::Error::other("nobody like you")))
        }
    }

    impl AsyncWrite for BrokenOff {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn the_reason_why_a_connection_takes_no_request_is_told() {
        let request = hyper::Request::new(bollard::body_full(Default::default()));
        let error = exchange(BrokenOff, "nas", request).await.expect_err("it has ended");
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        assert_eq!(cause, "nobody like you", "{error:?}");
    }
}

//! One request to an address, within a time limit.
//!
//! A redirect is not followed: what is sent may quote logs, and goes only where the user said.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::config::values::notify::{Login, WebAddress};
use crate::model::error_chain::with_causes;

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Posts `body` to `path` at the address. The error says why it did not arrive, without the path, which may be a
/// secret.
pub fn post(address: &WebAddress, path: &str, kind: &str, body: String, limit: Duration) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot begin: {error}"))?;
    let answer = runtime.block_on(async {
        timeout(limit, exchange(address, path, kind, body))
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", limit.as_secs_f64()).into()))
    });
    // The look-up of a name cannot be stopped, and is not waited for.
    runtime.shutdown_background();
    match answer.map_err(|error| with_causes(error.as_ref()))? {
        status if status.is_success() => Ok(()),
        status if status.is_redirection() => Err(format!(
            "it answered {status}, which sends the message elsewhere; that is not followed, so give the address where \
             it ends"
        )),
        status => Err(format!("it answered {status}")),
    }
}

async fn exchange(address: &WebAddress, path: &str, kind: &str, body: String) -> Result<StatusCode, Fault> {
    let request = request(address, path, kind, body)?;
    let stream = TcpStream::connect((address.host.as_str(), address.port))
        .await
        .map_err(|error| format!("cannot connect: {error}"))?;
    if !address.tls {
        return over(stream, request).await;
    }
    let name = ServerName::try_from(address.host.clone())?;
    let stream = TlsConnector::from(Arc::new(tls()?)).connect(name, stream).await;
    over(stream.map_err(|error| format!("TLS: {error}"))?, request).await
}

fn request(address: &WebAddress, path: &str, kind: &str, body: String) -> Result<Request<Full<Bytes>>, Fault> {
    let query = address.query.as_ref().map_or_else(String::new, |query| format!("?{}", query.reveal()));
    let mut parts = Request::post(format!("{path}{query}"))
        .header(HOST, address.place())
        .header(USER_AGENT, concat!("rehearsa/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, kind);
    let login = address.login.as_ref().map(|login| match login {
        Login::Password(user, password) => {
            format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", password.reveal())))
        }
        Login::Token(token) => format!("Bearer {}", token.reveal()),
    });
    if let Some(login) = login {
        parts = parts.header(AUTHORIZATION, login);
    }
    // The error of a path would repeat it.
    parts.body(Full::new(Bytes::from(body))).map_err(|_| "the address is not one of HTTP".into())
}

async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Full<Bytes>>,
) -> Result<StatusCode, Fault> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // The request itself fails with the connection.
        let _ = connection.await;
    });
    // Nobody reads the body of the answer.
    Ok(sender.send_request(request).await?.status())
}

/// The authorities that this machine trusts.
fn tls() -> Result<ClientConfig, Fault> {
    let mut roots = RootCertStore::empty();
    let (usable, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if usable == 0 {
        return Err("this machine has no certificates of authorities that could vouch for the server; install them \
                    (ca-certificates), or name their file in SSL_CERT_FILE"
            .into());
    }
    Ok(ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

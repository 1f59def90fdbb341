//! One request to a service of this network namespace, and its answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{ClientConfig, DigitallySignedStruct, Error as Rustls, SignatureScheme};

use crate::model::error_chain::with_causes;
use crate::worker::protocol::{HttpJob, HttpResponse};

type Fault = Box<dyn std::error::Error + Send + Sync>;

/// Sends the request and waits for the response, once. The error says why there was none.
pub fn ask(request: &HttpJob) -> Result<HttpResponse, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let answer = runtime.map_err(Fault::from).and_then(|runtime| {
        let patience = Duration::from_millis(request.patience_ms);
        runtime.block_on(async {
            match timeout(patience, exchange(request)).await {
                Ok(answer) => answer,
                Err(_) => Err(format!("no answer within {patience:?}").into()),
            }
        })
    });
    answer.map_err(|error| with_causes(error.as_ref()))
}

async fn exchange(request: &HttpJob) -> Result<HttpResponse, Fault> {
    let stream = connect(request.port).await?;
    if !request.tls {
        return over(stream, request).await;
    }
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
        .with_no_client_auth();
    let name = ServerName::try_from(host(request).to_owned()).or_else(|_| ServerName::try_from("localhost"))?;
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    over(stream.map_err(|error| format!("TLS: {error}"))?, request).await
}

/// Some services listen on one loopback address only.
async fn connect(port: u16) -> Result<TcpStream, Fault> {
    let mut refused = None;
    for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
        match TcpStream::connect((address, port)).await {
            Ok(stream) => return Ok(stream),
            // The first error is the better one: many hosts have no IPv6 at all.
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    let why = refused.map_or_else(String::new, |error| error.to_string());
    Err(format!("nothing takes a connection on port {port}: {why}").into())
}

async fn over(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: &HttpJob,
) -> Result<HttpResponse, Fault> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(async move {
        // The request itself fails with the connection.
        let _ = connection.await;
    });
    let mut parts = Request::builder().method(request.method.as_str()).uri(&request.path);
    if request.headers.iter().all(|(name, _)| !name.eq_ignore_ascii_case("host")) {
        parts = parts.header(HOST, format!("localhost:{}", request.port));
    }
    for (name, value) in &request.headers {
        parts = parts.header(name, value);
    }
    let response: Response<_> = sender.send_request(parts.body(Empty::<Bytes>::new())?).await?;
    let status = response.status().as_u16();
    let mut body = response.into_body();
    let (mut kept, mut cut) = (Vec::new(), false);
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame?.into_data() {
            let room = request.most.saturating_sub(kept.len());
            kept.extend_from_slice(&data[..data.len().min(room)]);
            if data.len() > room {
                // Nobody reads the rest; an endless body would never end.
                cut = true;
                break;
            }
        }
    }
    Ok(HttpResponse { status, body: String::from_utf8_lossy(&kept).into_owned(), cut })
}

/// The name that is asked for, without a port.
fn host(request: &HttpJob) -> &str {
    let said = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("host"));
    said.map_or("localhost", |(_, value)| value.split(':').next().unwrap_or(value))
}

/// Takes any certificate: the name in a sandbox is not the one it was made for, and nobody else is in this namespace.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Rustls> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Rustls> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;

    use super::{HttpJob, HttpResponse, ask};

    /// Answers one request with these bytes; gives what was asked.
    fn answered(answer: &'static [u8], most: usize) -> (Result<HttpResponse, String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut asked, mut piece) = (Vec::new(), [0; 1024]);
            while !asked.windows(4).any(|at| at == b"\r\n\r\n") {
                let read = stream.read(&mut piece).unwrap();
                assert!(read > 0);
                asked.extend_from_slice(&piece[..read]);
            }
            stream.write_all(answer).unwrap();
            String::from_utf8(asked).unwrap()
        });
        let answer = ask(&request(port, most));
        (answer, server.join().unwrap())
    }

    fn request(port: u16, most: usize) -> HttpJob {
        HttpJob {
            port,
            tls: false,
            method: "GET".to_owned(),
            path: "/a?b=c".to_owned(),
            headers: vec![("x-token".to_owned(), "fixture-Http-secret".to_owned())],
            patience_ms: 20_000,
            most,
        }
    }

    #[test]
    fn a_request_is_sent_and_its_answer_told() {
        let answer = b"HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
        let (answer, asked) = answered(answer, 100);
        assert_eq!(answer, Ok(HttpResponse { status: 404, body: "hi".to_owned(), cut: false }));
        assert!(asked.starts_with("GET /a?b=c HTTP/1.1\r\n") && asked.contains("host: localhost:"), "{asked}");
        assert!(asked.contains("x-token: fixture-Http-secret\r\n"), "{asked}");
    }

    #[test]
    fn only_so_much_of_a_body_is_read() {
        let (answer, _) = answered(b"HTTP/1.1 200 OK\r\ncontent-length: 900000000\r\n\r\nabcdef", 3);
        assert_eq!(answer, Ok(HttpResponse { status: 200, body: "abc".to_owned(), cut: true }));
    }

    #[test]
    fn what_gives_no_answer_says_why() {
        let (answer, _) = answered(b"SSH-2.0-x\r\n", 3);
        assert!(matches!(&answer, Err(error) if error.contains("invalid HTTP")), "{answer:?}");
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let answer = ask(&request(port, 3));
        assert!(matches!(&answer, Err(error) if error.contains("nothing takes a connection")), "{answer:?}");
    }

    #[test]
    fn a_request_is_never_printed_with_its_secrets() {
        assert!(!format!("{:?}", request(1, 1)).contains("fixture-Http-secret"));
    }
}

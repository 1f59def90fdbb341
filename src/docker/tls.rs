//! An engine over TLS, as the Docker CLI does it: the authorities of `ca.pem`, and no others, vouch for the engine, and
//! `cert.pem` with `key.pem` for us.
//!
//! bollard's own TLS is not used, for three reasons. It also trusts the system's authorities, so anybody with one of
//! their certificates could pass for the engine. It does not connect at all when one of the system's certificates
//! cannot be read. And its error does not say what is wrong with our own files.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bollard::{BollardRequest, errors::Error as Bollard};
use hyper::Response;
use hyper::body::Incoming;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{Error as PemError, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{AlertDescription, CertificateError, ClientConfig, Error as Rustls, RootCertStore};

use super::errors::chain;
use super::http;

/// Where TLS leads, and with which keys.
pub(super) struct TlsAddress {
    /// `host:port`.
    address: String,
    name: ServerName<'static>,
    files: Files,
    connector: TlsConnector,
}

/// The files of a folder, by the names that the Docker CLI gives them.
struct Files {
    ca: PathBuf,
    cert: PathBuf,
    key: PathBuf,
}

impl TlsAddress {
    /// `host:port` with the keys of this folder; an error says what is wrong with them.
    pub(super) fn prepare(address: &str, certs: &Path) -> Result<Self, String> {
        let [ca, cert, key] = ["ca.pem", "cert.pem", "key.pem"].map(|name| certs.join(name));
        let files = Files { ca, cert, key };
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let name = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned())
            .map_err(|error| format!("{host}: {error}"))?;
        let connector = TlsConnector::from(Arc::new(files.config()?));
        Ok(Self { address: address.to_owned(), name, files, connector })
    }

    /// Sends one request over a connection of its own.
    pub(super) async fn send(self: Arc<Self>, request: BollardRequest) -> Result<Response<Incoming>, Bollard> {
        let socket = TcpStream::connect(&self.address).await?;
        let stream = self.connector.connect(self.name.clone(), socket).await.map_err(|error| self.explained(error))?;
        // Only now does the engine refuse our certificate, if it does: the handshake does not wait for that.
        http::exchange(stream, &self.address, request).await.map_err(|error| self.explained(error))
    }

    /// The cause in our words where the error is one of TLS, and else the error as it is.
    fn explained<E: std::error::Error + Into<Bollard> + 'static>(&self, error: E) -> Bollard {
        let said =
            chain(&error).find_map(|error| error.downcast_ref::<Rustls>()).map(|error| self.files.explain(error));
        said.map_or_else(|| error.into(), |(kind, text)| io::Error::new(kind, text).into())
    }
}

impl Files {
    fn config(&self) -> Result<ClientConfig, String> {
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(certificates(&self.ca)?);
        if usable == 0 {
            return Err(format!("{} holds no certificate of an authority", self.ca.display()));
        }
        let ours = certificates(&self.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&read(&self.key)?).map_err(|error| match error {
            PemError::NoItemsFound => {
                format!("{} holds no private key that is free of a passphrase", self.key.display())
            }
            error => format!("cannot read the private key in {}: {error}", self.key.display()),
        })?;
        let unusable = |error| match error {
            Rustls::InconsistentKeys(_) => format!("{} is not the key of {}", self.key.display(), self.cert.display()),
            error => format!("cannot use {} with {}: {error}", self.cert.display(), self.key.display()),
        };
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(unusable)?
            .with_root_certificates(roots)
            .with_client_auth_cert(ours, key)
            .map_err(unusable)?;
        // A proxy on OpenSSL that was not told of sessions (socat) offers to resume them and breaks off when one does.
        config.resumption = Resumption::disabled();
        Ok(config)
    }

    /// What an error of TLS means, and what kind of failure it is: being refused, or talking to something else.
    fn explain(&self, error: &Rustls) -> (io::ErrorKind, String) {
        use io::ErrorKind::{ConnectionAborted, PermissionDenied};
        match error {
            Rustls::InvalidCertificate(CertificateError::UnknownIssuer) => {
                (PermissionDenied, format!("the certificate that it shows is not signed by {}", self.ca.display()))
            }
            Rustls::InvalidCertificate(why) => {
                (PermissionDenied, format!("the certificate that it shows is no good: {why}"))
            }
            Rustls::AlertReceived(alert) if is_about_us(*alert) => {
                (PermissionDenied, format!("it does not accept {} (TLS alert {alert:?})", self.cert.display()))
            }
            Rustls::AlertReceived(alert) => (ConnectionAborted, format!("it broke off with the TLS alert {alert:?}")),
            Rustls::InvalidMessage(_) => (ConnectionAborted, "what listens there does not speak TLS".to_owned()),
            other => (ConnectionAborted, format!("TLS: {other}")),
        }
    }
}

/// Whether the alert says that the other side does not take our certificate.
fn is_about_us(alert: AlertDescription) -> bool {
    use AlertDescription as A;
    matches!(
        alert,
        A::BadCertificate
            | A::UnsupportedCertificate
            | A::CertificateRevoked
            | A::CertificateExpired
            | A::CertificateUnknown
            | A::CertificateRequired
            | A::UnknownCA
            | A::AccessDenied
            | A::DecryptError
    )
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(file)?).collect();
    let found = found.map_err(|error| format!("cannot read the certificate in {}: {error}", file.display()))?;
    if found.is_empty() {
        return Err(format!("{} holds no certificate", file.display()));
    }
    Ok(found)
}

fn read(file: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))
}

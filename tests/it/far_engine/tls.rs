//! Over TLS: the test's own Docker engine, which requires a client certificate.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use rehearsa::docker::{Daemon, Target};
use tokio::net::{TcpListener, UnixStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{HandshakeKind, ServerConfig};

use super::{again, far, itself, refused, talks};
use crate::support::bench::target;
use crate::support::engine::Engine;
use crate::support::{rehearsa, rehearse_by, shown};

const HOST: &str = "tcp://127.0.0.1:2376";

/// An engine that answers at [`HOST`], in a network of its own, and the certificates for it.
struct Guarded {
    engine: Engine,
    certs: Certs,
}

impl Guarded {
    fn start(images: &[&str]) -> Self {
        let certs = Certs::make();
        let file = |name: &str| shown(&certs.dir.path().join(name));
        let (ca, cert, key) = (file("ca.pem"), file("server.pem"), file("server.key"));
        let flags = ["-H", HOST, "--tlsverify", "--tlscacert", &ca, "--tlscert", &cert, "--tlskey", &key];
        let engine = Engine::start_with(&flags, 1024, 20_000, images);
        Self { engine, certs }
    }

    /// The command where the engine can be reached, and told to reach it with the keys of this folder.
    fn known_to(&self, command: &Command, keys: &Path) -> Command {
        let mut command = self.engine.beside(command);
        command.env("DOCKER_HOST", HOST).env("DOCKER_TLS_VERIFY", "1").env("DOCKER_CERT_PATH", keys);
        command
    }

    /// What a rehearsal says that does not get to the engine with these keys.
    #[track_caller]
    fn refuses(&self, keys: &Path) -> String {
        refused(self.known_to(&rehearsa(&[]), keys), &[])
    }
}

/// Certificates of two authorities: `ca` signs the engine's and its client's, `other-ca` signs a stranger's.
struct Certs {
    dir: tempfile::TempDir,
}

impl Certs {
    fn make() -> Self {
        let certs = Self { dir: tempfile::tempdir().expect("a temporary folder") };
        for authority in ["ca", "other-ca"] {
            certs.add(authority, &[]);
        }
        certs.add_signed("server", "ca", "subjectAltName=IP:127.0.0.1");
        certs.add_signed("client", "ca", "extendedKeyUsage=clientAuth");
        certs.add_signed("stranger", "other-ca", "extendedKeyUsage=clientAuth");
        certs
    }

    /// A folder with these as `ca.pem`, `cert.pem` and `key.pem`; it goes with the certificates.
    fn folder(&self, [ca, cert, key]: [&str; 3]) -> PathBuf {
        let keys = tempfile::tempdir_in(self.dir.path()).expect("a temporary folder").keep();
        for (from, to) in [(ca, "ca.pem"), (cert, "cert.pem"), (key, "key.pem")] {
            fs::copy(self.dir.path().join(from), keys.join(to)).expect("copied");
        }
        keys
    }

    /// The folder of who may talk to the engine.
    fn right(&self) -> PathBuf {
        self.folder(["ca.pem", "client.pem", "client.key"])
    }

    fn add_signed(&self, name: &str, by: &str, extension: &str) {
        let (ca, key) = (format!("{by}.pem"), format!("{by}.key"));
        let no_authority = "basicConstraints=critical,CA:FALSE";
        self.add(name, &["-CA", &ca, "-CAkey", &key, "-addext", no_authority, "-addext", extension]);
    }

    /// `NAME.pem` and `NAME.key`; signed by itself unless the arguments say by whom.
    fn add(&self, name: &str, args: &[&str]) {
        let output = Command::new("openssl")
            .args(["req", "-x509", "-days", "2", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"])
            .args(["-subj", &format!("/CN={name}"), "-keyout", &format!("{name}.key"), "-out", &format!("{name}.pem")])
            .args(args)
            .current_dir(self.dir.path())
            .output()
            .expect("openssl is installed");
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[tokio::test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
async fn a_container_is_talked_to() {
    if let Some(engine) = far() {
        return talks(&engine).await;
    }
    let guarded = Guarded::start(&["rehearsa-fixture/tiny"]);
    let mut command = guarded.known_to(&Command::new(itself()), &guarded.certs.right());
    // What the test itself does, it does at the engine's socket.
    command.env("DOCKER_HOST", guarded.engine.host());
    again(command, "tls::a_container_is_talked_to", HOST);
}

#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn a_service_is_rehearsed() {
    let guarded = Guarded::start(&["rehearsa-fixture/no-ports"]);
    let run = ["run", "--detach", "--network", "none", "--volume", "notes:/data", "--name", "live"];
    guarded.engine.docker(&[&run[..], &["rehearsa-fixture/no-ports"]].concat());
    guarded.engine.docker(&["exec", "live", "sh", "-c", "echo remembered >/data/note"]);

    let rehearsal = rehearse_by(guarded.known_to(&rehearsa(&[]), &guarded.certs.right()), &["live"], &[]);
    rehearsal.is_green("running");
    assert!(rehearsal.bytes() > 0, "{rehearsal}");

    guarded.engine.has_nothing_left();
}

#[test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
fn what_keeps_the_two_apart_is_named() {
    let guarded = Guarded::start(&[]);
    let says = |files: [&str; 3], words: &str| {
        let keys = guarded.certs.folder(files);
        let said = guarded.refuses(&keys);
        assert!(said.contains(&words.replace("FOLDER", &shown(&keys))), "{words}\n{said}");
    };
    says(["ca.pem", "stranger.pem", "stranger.key"], "error: connect to https://127.0.0.1:2376: not allowed to talk");
    let theirs = "because: it does not accept FOLDER/cert.pem (TLS alert BadCertificate)\n";
    says(["ca.pem", "stranger.pem", "stranger.key"], theirs);
    let ours = "because: the certificate that it shows is not signed by FOLDER/ca.pem\n";
    says(["other-ca.pem", "client.pem", "client.key"], ours);
    let to_do = "What to do: check that ca.pem, cert.pem and key.pem in FOLDER belong to this engine";
    says(["other-ca.pem", "client.pem", "client.key"], to_do);
    says(["ca.pem", "client.pem", "stranger.key"], "FOLDER/key.pem is not the key of FOLDER/cert.pem");
    says(["ca.pem", "client.pem", "client.pem"], "FOLDER/key.pem holds no private key");
    says(["ca.pem", "client.key", "client.key"], "FOLDER/cert.pem holds no certificate");
    says(["client.key", "client.pem", "client.key"], "FOLDER/ca.pem holds no certificate");

    // Neither is the system's word taken for it, nor a certificate of another host.
    let mut command =
        guarded.known_to(&rehearsa(&[]), &guarded.certs.folder(["other-ca.pem", "client.pem", "client.key"]));
    command.env("SSL_CERT_FILE", guarded.certs.dir.path().join("ca.pem"));
    assert!(refused(command, &[]).contains("is not signed by"));
    let mut command = guarded.known_to(&rehearsa(&[]), &guarded.certs.right());
    command.env("DOCKER_HOST", HOST.replace("127.0.0.1", "localhost"));
    assert!(refused(command, &[]).contains("certificate not valid for name \"localhost\""));

    let mut command = guarded.known_to(&rehearsa(&[]), &guarded.certs.right());
    command.env_remove("DOCKER_TLS_VERIFY").env_remove("DOCKER_CERT_PATH").env("DOCKER_HOST", HOST);
    let said = refused(command, &["--host", HOST]);
    assert!(said.contains("this engine wants TLS: set DOCKER_TLS_VERIFY=1"), "{said}");
}

/// A proxy that offers to resume TLS sessions, and records how each connection began.
async fn resuming_proxy(certs: &Certs) -> (u16, Arc<Mutex<Vec<Option<HandshakeKind>>>>) {
    let chain = vec![CertificateDer::from_pem_file(certs.dir.path().join("server.pem")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(certs.dir.path().join("server.key")).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, key))
        .expect("a certificate with its key");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let Target::Unix(socket) = target() else { panic!("this test wants an engine behind a Unix socket") };
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let seen = Arc::<Mutex<Vec<_>>>::default();
    let told = Arc::clone(&seen);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let mut client = acceptor.accept(client).await.expect("a handshake");
            told.lock().expect("no panic").push(client.get_ref().1.handshake_kind());
            let mut engine = UnixStream::connect(&socket).await.expect("the engine");
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut engine).await });
        }
    });
    (port, seen)
}

#[tokio::test]
#[ignore = "nightly: starts an engine or a server of its own, and the code behind it rarely changes"]
async fn no_session_is_resumed() {
    let certs = Certs::make();
    let (port, seen) = resuming_proxy(&certs).await;
    let target = Target::Tls { address: format!("127.0.0.1:{port}"), certs: certs.right() };
    let daemon = Daemon::connect(&target, None).await.expect("it answers");
    daemon.info().await.expect("it answers again");
    assert_eq!(*seen.lock().expect("no panic"), [Some(HandshakeKind::Full), Some(HandshakeKind::Full)]);
}

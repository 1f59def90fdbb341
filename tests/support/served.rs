//! Folders that rclone serves on this machine over HTTP.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A server that ends with the test.
pub struct Served {
    child: Child,
    /// Its address, without a slash at the end.
    pub url: String,
}

impl Served {
    /// Serves a folder by this protocol of rclone's, and waits until the server listens.
    pub fn start(protocol: &str, options: &[&str], folder: &Path) -> Served {
        let mut child = Command::new("rclone")
            .args(["serve", protocol, "--addr", "127.0.0.1:0", "-v"])
            .args(options)
            .arg(folder)
            .env("RCLONE_CONFIG", "/dev/null")
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let url = lines.by_ref().find_map(|line| {
            let line = line.unwrap();
            let at = line.find("http://127.0.0.1:")?;
            Some(line[at..].trim_end_matches(['/', ']', '"']).to_owned())
        });
        // Nobody may wait for what it goes on to say.
        std::thread::spawn(move || lines.count());
        Served { child, url: url.expect("it listens") }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it has ended");
    }
}

//! Mail, by the program `sendmail` that the host's mail system brings.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::time::timeout;

/// Where mail systems put the program; a timer's PATH may lack `sbin`.
const FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/lib", "/usr/bin"];

/// Most bytes of its complaint that are told.
const COMPLAINT: usize = 300;

/// What sendmail is run with.
#[derive(Debug, Clone, Default)]
pub struct MailEnvironment {
    /// Where programs are looked for first: the value of PATH.
    pub path: String,
    /// The user's folder, where some programs keep their settings.
    pub home: Option<String>,
}

/// Hands a whole mail, with its head, to sendmail.
pub fn send(mail: &str, env: &MailEnvironment, limit: Duration) -> Result<(), String> {
    let Some(program) = find(&env.path) else {
        return Err("there is no program `sendmail` on this machine; a mail system such as msmtp brings one".to_owned());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("cannot begin: {error}"))?;
    runtime.block_on(async {
        timeout(limit, hand_over(&program, mail, env))
            .await
            .unwrap_or_else(|_| Err(format!("{} did not end within {} s", program.display(), limit.as_secs_f64())))
    })
}

async fn hand_over(program: &Path, mail: &str, env: &MailEnvironment) -> Result<(), String> {
    let broken = |error: std::io::Error| format!("{}: {error}", program.display());
    // `-t` takes the recipients out of the head, `-i` does not end at a line with a dot.
    let mut child = Command::new(program)
        .args(["-t", "-i"])
        // The rest of the environment may hold the passwords of backups.
        .env_clear()
        .env("PATH", &env.path)
        .envs(env.home.iter().map(|home| ("HOME", home)))
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(broken)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends early says why itself.
        let _ = stdin.write_all(mail.as_bytes()).await;
    }
    let ended = child.wait_with_output().await.map_err(broken)?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr[..ended.stderr.len().min(COMPLAINT)]).trim().to_owned();
    let said = if said.is_empty() { String::new() } else { format!(": {said}") };
    Err(format!("{} ended with {}{said}", program.display(), ended.status))
}

/// The first in PATH, then where mail systems put it.
fn find(path: &str) -> Option<PathBuf> {
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    let folders = folders.chain(FOLDERS.into_iter().map(PathBuf::from));
    folders.map(|folder| folder.join("sendmail")).find(|program| program.is_file())
}

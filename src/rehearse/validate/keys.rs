//! Asks Redis or Valkey whether it has loaded the keys of the restored data. The server comes up on an empty log beside
//! a full dump, on a log that it has cut off, and with its log off beside a full log, and is healthy.
//!
//! The server tells how many keys it has, and how many it loaded when it started. A server that lets nobody in, or has
//! no client, is not asked.

use std::time::Duration;

use super::script::Script;
use crate::model::diagnosis::{Code, Diagnosis};
use crate::model::fingerprint::{Store, StoreKind};
use crate::model::service::Service;
use crate::plan::dependents;
use crate::rehearse::running::RunningService;
use crate::rehearse::shared_task::Diagnosed;

/// Longest time for a question.
const PATIENCE: Duration = Duration::from_secs(20);
const UNANSWERED: &str = "its keys cannot be asked for";
/// Log lines and bytes in which the server's words about its log are looked for.
const LOG: (usize, usize) = (1000, 128 * 1024);
/// What the server says when it has cut off the torn end of its log.
const CUT_OFF: &str = "short read while loading the AOF file";

/// Prints the user of the server's process (`UID:GID`), and on the next line the process's title. Of several servers
/// nobody knows which one keeps the restored data, so none is told.
const FIND: &str = r#"
found=
for one in /proc/[0-9]*; do
  name=
  { read -r name <"$one/comm"; } 2>/dev/null || continue
  case $name in redis-server | valkey-server | keydb-server) ;; *) continue ;; esac
  title=$(tr '\000' ' ' <"$one/cmdline")
  # A process that writes a dump has the name and another title.
  case ${title%% *} in *-server) ;; *) continue ;; esac
  if [ -n "$found" ]; then exit 1; fi
  uid= gid=
  while read -r key _ effective _; do
    case $key in Uid:) uid=$effective ;; Gid:) gid=$effective ;; esac
  done <"$one/status"
  found="$uid:$gid"
  listens=$title
done
if [ -z "$found" ]; then exit 1; fi
printf '%s\n' "$found" "$listens"
"#;

/// `OPTIONS…` of the client: prints what the server says of itself, with the first password that it accepts.
const ASK: &str = r#"
client=
for one in redis-cli valkey-cli keydb-cli; do
  if [ -z "$client" ] && command -v $one >/dev/null 2>&1; then client=$one; fi
done
[ -n "$client" ] || exit 127
unset REDISCLI_USER
for name in REHEARSA_NO_PASSWORD REHEARSA_PASSWORD REDIS_PASSWORD VALKEY_PASSWORD KEYDB_PASSWORD; do
  eval "value=\${$name-} file=\${${name}_FILE-}"
  if [ -z "$value" ] && [ -r "$file" ]; then value=$(cat "$file"); fi
  if [ -n "$value" ]; then export REDISCLI_AUTH="$value"
  elif [ $name = REHEARSA_NO_PASSWORD ]; then unset REDISCLI_AUTH
  else continue
  fi
  said=$($client "$@" info 2>/dev/null </dev/null)
  case $said in *redis_version:*) printf '%s\n' "$said"; exit 0 ;; esac
done
exit 1
"#;

/// Checks that the server has loaded keys if the data that was restored into it holds some.
pub(in crate::rehearse) async fn are_loaded(
    running: RunningService<'_>,
    stores: impl Iterator<Item = &Store>,
) -> Diagnosed<()> {
    let stores: Vec<&Store> =
        stores.filter(|store| matches!(store.kind, StoreKind::RedisDump | StoreKind::RedisLog)).collect();
    if !stores.iter().any(|store| store.full) {
        return Ok(());
    }
    let Some((user, client)) = find_server(running).await else { return Ok(()) };
    let cut_off = torn_log(running, &stores).await;
    let keys = ask(running, &user, &client).await;
    tracing::debug!(service = %running.name(), ?keys, cut_off = cut_off.is_some(), "the keys of the server");
    if let Some(unread) = keys.and_then(|keys| judge(&keys, &stores, cut_off.is_some())) {
        return unread.told(running);
    }
    if let Some(line) = cut_off {
        let message = format!(
            "{} has cut off the end of its append-only log, which was torn: what was written there is lost ({line})",
            running.name()
        );
        running.cx.warn(dependents(&running.cx.plan, running.name()), Diagnosis::new(Code::DataTornCopy, message));
    }
    Ok(())
}

/// How many keys the server has; `None`: it cannot be asked.
pub(super) async fn count(running: RunningService<'_>) -> Option<u64> {
    let (user, client) = find_server(running).await?;
    Some(ask(running, &user, &client).await?.now)
}

/// The log line by which the server tells that it has cut off its log.
async fn torn_log(running: RunningService<'_>, stores: &[&Store]) -> Option<String> {
    if !stores.iter().any(|store| store.kind == StoreKind::RedisLog) {
        return None;
    }
    let log = running.log_tail(LOG).await;
    log.iter().rev().find(|line| line.contains(CUT_OFF)).map(|line| line.trim().to_owned())
}

/// The user of the server's process, and the client's options that lead to it; `None`: no server runs.
async fn find_server(running: RunningService<'_>) -> Option<(String, Vec<String>)> {
    let found = Script::new(FIND, &[], PATIENCE, UNANSWERED).output(running).await?;
    let (user, title) = found.split_once('\n')?;
    let is_user = user.split(':').count() == 2 && user.chars().all(|c| c.is_ascii_digit() || c == ':');
    is_user.then(|| (user.to_owned(), client_options(title)))
}

/// The client's options by the title of a server's process: `redis-server *:6379`, `valkey-server unixsocket:/run/x`.
/// A server that gives itself no title has its arguments there.
fn client_options(title: &str) -> Vec<String> {
    const USUAL: &str = "6379";
    let words: Vec<&str> = title.split_whitespace().skip(1).collect();
    let option = |name: &str| words.iter().position(|word| *word == name).and_then(|at| words.get(at + 1));
    if let Some(socket) = words.first().and_then(|word| word.strip_prefix("unixsocket:")) {
        return vec!["-s".to_owned(), socket.to_owned()];
    }
    let is_port = |port: &str| port.parse::<u16>().is_ok_and(|port| port > 0);
    let (host, port) = match words.first().and_then(|word| word.rsplit_once(':')) {
        Some((host, port)) if is_port(port) => (host, port),
        _ => ("*", option("--port").copied().filter(|port| is_port(port)).unwrap_or(USUAL)),
    };
    let host = host.trim_start_matches('-').trim_matches(['[', ']']);
    let host = if matches!(host, "*" | "0.0.0.0" | "::" | "::*" | "") { "127.0.0.1" } else { host };
    ["-h", host, "-p", port].map(str::to_owned).to_vec()
}

async fn ask(running: RunningService<'_>, user: &str, client: &[String]) -> Option<Keys> {
    let password = password(&running.plan.service).map(|password| format!("REHEARSA_PASSWORD={password}"));
    let client: Vec<&str> = client.iter().map(String::as_str).collect();
    let script = Script::new(ASK, &client, PATIENCE, UNANSWERED).run_by(user).with(password.as_slice());
    Keys::read(&script.output(running).await?)
}

/// The password among the server's arguments (`--requirepass`), which may be a variable of the service.
fn password(service: &Service) -> Option<String> {
    let words = service.entrypoint.iter().chain(&service.command).flatten();
    let words: Vec<&str> = words.flat_map(|word| word.split_whitespace()).collect();
    let at = words.iter().position(|word| word.trim_start_matches('-') == "requirepass")?;
    let word = words.get(at + 1)?.trim_matches(['"', '\'', ';']);
    match word.strip_prefix('$') {
        None => Some(word.to_owned()),
        Some(name) => {
            let name = name.trim_matches(['{', '}']);
            service.env.iter().find(|one| one.name == name)?.value.as_ref().map(|value| value.reveal().to_owned())
        }
    }
    .filter(|password| !password.is_empty())
}

/// What the server says of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Keys {
    /// The keys in all of its databases.
    now: u64,
    /// The keys that it found in its dump, or at the beginning of its log, when it started, with the expired ones.
    /// `None`: a server before version 7.0, which does not tell.
    found: Option<u64>,
    /// It uses an append-only log, and so reads no dump.
    log_is_on: bool,
}

impl Keys {
    /// Reads the answer; `None`: it is none, or the server is still loading.
    fn read(said: &str) -> Option<Self> {
        let field = |name: &str| said.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':'));
        let number = |name: &str| field(name).and_then(|value| value.parse::<u64>().ok());
        if field("loading") != Some("0") || number("async_loading").is_some_and(|loading| loading > 0) {
            return None;
        }
        // `db0:keys=3,expires=0,avg_ttl=0`.
        let of_database = |line: &str| {
            let (name, counts) = line.trim().split_once(":keys=")?;
            name.starts_with("db").then(|| counts.split(',').next().and_then(|keys| keys.parse::<u64>().ok()))?
        };
        let found = number("rdb_last_load_keys_loaded").zip(number("rdb_last_load_keys_expired"));
        Some(Self {
            now: said.lines().filter_map(of_database).sum(),
            found: found.map(|(loaded, expired)| loaded + expired),
            log_is_on: field("aof_enabled") == Some("1"),
        })
    }
}

/// A restored store with keys that the server has not loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
struct UnreadKeys {
    /// Its file.
    file: String,
    /// The server uses an append-only log.
    log_is_on: bool,
    /// The end of the log was cut off.
    cut_off: bool,
    /// The server tells how many keys it has found.
    certain: bool,
}

/// The restored store of which the server should have keys; `None`: nothing shows that one is unread.
fn judge(keys: &Keys, stores: &[&Store], cut_off: bool) -> Option<UnreadKeys> {
    if keys.now > 0 || keys.found.is_some_and(|found| found > 0) {
        return None;
    }
    let full = |kind: StoreKind| stores.iter().find(move |store| store.kind == kind && store.full);
    let logs = || stores.iter().filter(|store| store.kind == StoreKind::RedisLog);
    let base = logs().find(|store| store.full && store.file.ends_with(".base.rdb"));
    let has_dump = stores.iter().any(|store| store.kind == StoreKind::RedisDump);
    let holder = if keys.log_is_on {
        // A log may rightly end without a key: its last commands have removed them all. An empty or torn one does not
        // tell that.
        let tells_nothing = cut_off || logs().all(|log| !log.full);
        base.or(full(StoreKind::RedisDump).filter(|_| tells_nothing))
    } else {
        // Beside a dump that was read, the log is left over from another time.
        full(StoreKind::RedisDump).or(full(StoreKind::RedisLog).filter(|_| !has_dump))
    };
    holder.map(|store| UnreadKeys {
        file: store.file.clone(),
        log_is_on: keys.log_is_on,
        cut_off,
        certain: keys.found.is_some(),
    })
}

impl UnreadKeys {
    /// A failure, or a warning where the keys may have expired.
    fn told(self, running: RunningService<'_>) -> Diagnosed<()> {
        let (name, diagnosis) = (running.name(), self.diagnosis(running.name().to_string().as_str()));
        if self.certain {
            return Err(diagnosis);
        }
        running.cx.warn(dependents(&running.cx.plan, name), diagnosis);
        Ok(())
    }

    fn diagnosis(&self, name: &str) -> Diagnosis {
        let Self { file, log_is_on, cut_off, certain } = self;
        let uses = match (log_is_on, cut_off) {
            (true, true) => "reads its append-only log, of which it has cut off the torn end",
            (true, false) => "reads its append-only log",
            (false, _) => "reads its dump (its append-only log is off)",
        };
        let but = if *certain { "" } else { "; its version does not tell whether they have expired" };
        let message = format!(
            "{name} is well, but has come up without a single key, although the restored {file} holds some: the server \
             {uses}{but}"
        );
        let remedy = if *log_is_on {
            "Back up the whole append-only log: its base, its newest part and its list of files (appendonlydir). To \
             restore from a dump alone, start once with --appendonly no, then CONFIG SET appendonly yes."
        } else {
            "Compare the settings dir and dbfilename with the backup. If the keys are in the append-only log, start \
             the server with --appendonly yes."
        };
        let code = if *certain { Code::DataUnused } else { Code::DataNotUsed };
        Diagnosis { remedy: Some(remedy.to_owned()), ..Diagnosis::new(code, message) }
    }
}

#[cfg(test)]
#[path = "keys_tests.rs"]
mod tests;

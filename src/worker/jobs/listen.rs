//! Waits until ports are listened on, by looking at the kernel's socket tables. No connection is made: a service must
//! not find a stranger in its log before its first check.

use std::fs::read_to_string;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::worker::job::{JobControl, JobStop};
use crate::worker::protocol::{Failure, ListenJob, ListeningJob};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(50);
/// The kernel's number for a listening socket.
const LISTENING: &str = "0A";
/// Where the tables of this network namespace are.
const OWN: &str = "/proc/net";
/// The tables. A machine without IPv6 has no second one.
const TABLES: [&str; 2] = ["tcp", "tcp6"];

/// Waits until all ports are listened on, or until the first is and the others had their time. On whatever address: a
/// service that listens on loopback only runs as well. Returns the ports that are listened on.
pub fn listen(job: &ListenJob, control: &JobControl) -> Result<Vec<u16>, JobStop> {
    let mut until = None;
    loop {
        control.beat()?;
        let tables: Vec<String> =
            TABLES.iter().filter_map(|table| read_to_string(format!("{OWN}/{table}")).ok()).collect();
        let open = open(&job.ports, &tables);
        if open.len() == job.ports.len() {
            return Ok(open);
        }
        if let Some(others) = job.others_ms.filter(|_| !open.is_empty())
            && Instant::now() >= *until.get_or_insert(Instant::now() + Duration::from_millis(others))
        {
            return Ok(open);
        }
        sleep(INTERVAL);
    }
}

/// The ports that are listened on by these tables.
fn open(ports: &[u16], tables: &[String]) -> Vec<u16> {
    let is_open = |port: &u16| tables.iter().any(|table| listening(table).any(|open| open == *port));
    ports.iter().copied().filter(is_open).collect()
}

/// Looks once at the tables of another network namespace. If its process has ended, they cannot be read, or are empty
/// and lack even their titles: an error, since nothing is known then.
pub fn listening_now(job: &ListeningJob) -> Result<Vec<u16>, JobStop> {
    let read = |table: &str| read_to_string(format!("{}/{table}", job.tables));
    let first = read(TABLES[0]).map_err(|error| error.to_string());
    let first = first.and_then(|table| if table.is_empty() { Err("it is empty".to_owned()) } else { Ok(table) });
    let first = first.map_err(|error| Failure::Unreadable { path: TABLES[0].to_owned(), error })?;
    Ok(open(&job.ports, &[first, read(TABLES[1]).unwrap_or_default()]))
}

/// The ports that are listened on, in a table of the form of `/proc/net/tcp`.
fn listening(table: &str) -> impl Iterator<Item = u16> {
    table.lines().skip(1).filter_map(|line| {
        let mut fields = line.split_ascii_whitespace();
        let (_, port) = fields.nth(1)?.rsplit_once(':')?;
        (fields.nth(1)? == LISTENING).then(|| u16::from_str_radix(port, 16).ok()).flatten()
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn only_listening_sockets_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             \u{20}  0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n\
             \u{20}  1: 0100007F:0050 0100007F:D4C2 01 00000000:00000000 00:00000000 00000000     0        0 2 1\n\
             \u{20}  2: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0 0 0\n";
        assert_eq!(listening(table).collect::<Vec<_>>(), [5432, 8080]);
        assert_eq!(listening("").count(), 0);
    }

    fn bound() -> (TcpListener, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        (listener, port)
    }

    #[test]
    fn returns_when_all_ports_are_listened_on() {
        let ((_one, one), (_two, two)) = (bound(), bound());
        let job = ListenJob { ports: vec![one, two], others_ms: None };
        assert_eq!(listen(&job, &JobControl::default()).unwrap(), [one, two]);
        assert!(listen(&ListenJob { ports: Vec::new(), others_ms: None }, &JobControl::default()).unwrap().is_empty());
    }

    #[test]
    fn a_port_that_nobody_uses_is_waited_for_only_so_long() {
        let ((listener, silent), (_open, open)) = (bound(), bound());
        drop(listener);
        let job = ListenJob { ports: vec![silent, open], others_ms: Some(1) };
        assert_eq!(listen(&job, &JobControl::default()).unwrap(), [open]);
    }

    #[test]
    fn the_tables_of_another_namespace_tell_what_is_listened_on_there() {
        let ((silent_listener, silent), (_open, open)) = (bound(), bound());
        drop(silent_listener);
        let of = |tables: &str| ListeningJob { tables: tables.to_owned(), ports: vec![silent, open] };
        assert_eq!(listening_now(&of("/proc/self/net")).unwrap(), [open]);
        let dir = tempfile::tempdir().unwrap();
        let gone = of(dir.path().to_str().unwrap());
        assert!(listening_now(&gone).is_err(), "the process has ended");
        std::fs::write(dir.path().join("tcp"), "").unwrap();
        assert!(listening_now(&gone).is_err(), "the process is ending");
    }

    #[test]
    fn stops_when_cancelled() {
        let control = JobControl::default();
        control.cancel();
        for others_ms in [None, Some(0)] {
            let job = ListenJob { ports: vec![1], others_ms };
            assert!(matches!(listen(&job, &control), Err(JobStop::Cancelled)));
        }
    }
}

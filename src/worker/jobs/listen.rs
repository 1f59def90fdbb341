//! Waits until ports are listened on, by looking at the kernel's socket tables. No connection is made: a service must
//! not find a stranger in its log before its first check.

use std::thread::sleep;
use std::time::Duration;

use crate::worker::job::{JobControl, JobStop};

/// Time between two looks.
const INTERVAL: Duration = Duration::from_millis(50);
/// The kernel's number for a listening socket.
const LISTENING: &str = "0A";
/// The tables of this network namespace. A machine without IPv6 has no second one.
const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// Waits until all ports are listened on, on whatever address: a service that listens on loopback only runs as well.
pub fn listen(ports: &[u16], control: &JobControl) -> Result<(), JobStop> {
    loop {
        control.beat()?;
        let tables: Vec<String> = TABLES.iter().filter_map(|path| std::fs::read_to_string(path).ok()).collect();
        let missing = |port: &&u16| !tables.iter().any(|table| listening(table).any(|open| open == **port));
        if ports.iter().find(missing).is_none() {
            return Ok(());
        }
        sleep(INTERVAL);
    }
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

    use super::{JobControl, listen, listening};
    use crate::worker::job::JobStop;

    #[test]
    fn only_listening_sockets_count() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             \u{20}  0: 0100007F:1538 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1\n\
             \u{20}  1: 0100007F:0050 0100007F:D4C2 01 00000000:00000000 00:00000000 00000000     0        0 2 1\n\
             \u{20}  2: 00000000000000000000000001000000:1F90 00000000000000000000000000000000:0000 0A 0 0 0\n";
        assert_eq!(listening(table).collect::<Vec<_>>(), [5432, 8080]);
        assert_eq!(listening("").count(), 0);
    }

    #[test]
    fn returns_when_all_ports_are_listened_on() {
        let (one, two) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
        let ports = [one.local_addr().unwrap().port(), two.local_addr().unwrap().port()];
        listen(&ports, &JobControl::default()).unwrap();
        listen(&[], &JobControl::default()).unwrap();
    }

    #[test]
    fn stops_when_cancelled() {
        let control = JobControl::default();
        control.cancel();
        assert!(matches!(listen(&[1], &control), Err(JobStop::Cancelled)));
    }
}

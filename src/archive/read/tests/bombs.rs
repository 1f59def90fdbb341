//! Tests of small inputs that become large.

use std::io::Write;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::*;
use crate::archive::compression::open;

/// Most memory for reading, in KiB; includes the archive itself (1 MiB) and the packing.
const MEMORY_KB: u64 = 8 * 1024;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Private writable memory of this process, in KiB: neither its code nor what the page cache holds of it counts.
fn data_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmData:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Lets an allocation fail that takes this process beyond what it has by now and [`MEMORY_KB`].
fn allow_little_memory() {
    let most = (data_kb() + MEMORY_KB) * 1024;
    setrlimit(Resource::Data, Rlimit { current: Some(most), maximum: Some(most) }).unwrap();
}

/// Variable that is set in the process that [`a_gigabyte_of_zeros_takes_no_memory`] starts.
const ALONE: &str = "REHEARSA_TEST_ALONE";

fn reads_a_gigabyte_of_zeros() {
    const MEMBER: usize = 16 << 20;
    let size = 1_u64 << 30;
    let zeros = gzip(&vec![0; MEMBER]);
    allow_little_memory();
    let mut bomb = gzip(&head(b'0', b"zeros", size));
    for _ in 0..size / MEMBER as u64 {
        bomb.extend_from_slice(&zeros);
    }
    bomb.extend_from_slice(&gzip(&[0; 1024]));
    assert!(bomb.len() < 2 << 20);
    for reads in [true, false] {
        let mut reader = Reader::new(open(bomb.as_slice()).unwrap(), ReadLimits::NONE);
        assert_eq!(reader.next().unwrap().expect("the file").size, size);
        let mut buf = vec![0; 256 * 1024];
        let mut bytes = 0;
        while reads && let Some((offset, length)) = reader.read_piece(&mut buf).unwrap() {
            assert_eq!(offset, bytes);
            bytes += length as u64;
        }
        assert_eq!(bytes, if reads { size } else { 0 });
        assert_eq!(reader.next(), Ok(None));
    }
}

/// Memory is limited per process, so the test starts itself again and reads there.
#[test]
fn a_gigabyte_of_zeros_takes_no_memory() {
    if std::env::var_os(ALONE).is_some() {
        return reads_a_gigabyte_of_zeros();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.env(ALONE, "1");
    child.args(["--exact", "--nocapture", "archive::read::tests::bombs::a_gigabyte_of_zeros_takes_no_memory"]);
    let output = String::from_utf8(crate::archive::trees::run(&mut child, b"")).unwrap();
    assert!(output.contains("1 passed"), "{output}");
}

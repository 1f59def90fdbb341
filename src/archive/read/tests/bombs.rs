//! Tests of small inputs that become large.

use std::io::Write;
use std::process::Command;

use super::*;
use crate::archive::compression::open;

/// Most memory for reading, in KiB; includes the archive itself (1 MiB) and the packing.
const MEMORY_KB: u64 = 8 * 1024;

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

/// Peak memory of this process so far, in KiB.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Variable that is set in the process that [`a_gigabyte_of_zeros_takes_no_memory`] starts.
const ALONE: &str = "REHEARSA_TEST_ALONE";

fn reads_a_gigabyte_of_zeros() {
    const MEMBER: usize = 16 << 20;
    let size = 1_u64 << 30;
    let zeros = gzip(&vec![0; MEMBER]);
    let before = peak_kb();
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
    println_peak(before, peak_kb());
}

#[expect(clippy::print_stdout, reason = "the test that started this process reads it")]
fn println_peak(before: u64, after: u64) {
    println!("peak {before} {after}");
}

/// Memory is counted per process, so the test starts itself again and reads there.
#[test]
fn a_gigabyte_of_zeros_takes_no_memory() {
    if std::env::var_os(ALONE).is_some() {
        return reads_a_gigabyte_of_zeros();
    }
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.env(ALONE, "1");
    child.args(["--exact", "--nocapture", "archive::read::tests::bombs::a_gigabyte_of_zeros_takes_no_memory"]);
    let output = String::from_utf8(crate::archive::trees::run(&mut child, b"")).unwrap();
    let peak = output.lines().find_map(|line| line.split_once("peak ")).unwrap_or_else(|| panic!("{output}")).1;
    let numbers: Vec<u64> = peak.split(' ').map(|number| number.parse().unwrap()).collect();
    assert!(numbers[1] < numbers[0] + MEMORY_KB, "{numbers:?} KiB");
}

//! Windows that are short, long and too long.

use std::io::{Read, Write};
use std::sync::mpsc::{TryRecvError, channel};

use super::super::window::{of_xz, of_zstd};
use super::super::{open, open_within};
use super::*;

fn zstd_of(window_log: u32, content: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.window_log(window_log).unwrap();
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn xz_of(dictionary: u32, content: &[u8]) -> Vec<u8> {
    let mut options = liblzma::stream::LzmaOptions::new_preset(0).unwrap();
    options.dict_size(dictionary);
    let mut filters = liblzma::stream::Filters::new();
    filters.lzma2(&options);
    let stream = liblzma::stream::Stream::new_stream_encoder(&filters, liblzma::stream::Check::Crc64).unwrap();
    let mut encoder = liblzma::write::XzEncoder::new_stream(Vec::new(), stream);
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

fn read(bytes: &[u8], max_window: u64) -> Result<usize, String> {
    let bounds = DecodeBounds { max_window, ..DecodeBounds::default() };
    let mut out = Vec::new();
    let read = open_within(bytes, bounds).and_then(|mut plain| plain.read_to_end(&mut out));
    read.map_err(|error| match WindowTooLong::of(&error) {
        Some(window) => window.to_string(),
        None => format!("another error: {error}"),
    })
}

#[test]
fn windows_are_read_from_the_headers() {
    for log in [20, 27, 28, 31] {
        assert_eq!(of_zstd(&zstd_of(log, b"x")), Some(1 << log));
    }
    // A content whose size is known is its own window.
    let mut known = zstd::Encoder::new(Vec::new(), 1).unwrap();
    known.set_pledged_src_size(Some(70_000)).unwrap();
    known.write_all(&[0; 70_000]).unwrap();
    assert_eq!(of_zstd(&known.finish().unwrap()), Some(70_000));
    assert_eq!(of_zstd(b"\x28\xb5\x2f\xfd"), None);
    for dictionary in [1 << 20, 3 << 19, 64 << 20] {
        assert_eq!(of_xz(&xz_of(dictionary, b"x")), Some(dictionary.into()));
    }
    assert_eq!(of_xz(&xz_of(1 << 20, b"")), None, "a stream without a block");
}

#[test]
fn a_long_window_is_read_when_it_is_wished_for_and_the_error_says_how() {
    let long = zstd_of(28, b"content");
    let refused = read(&long, DEFAULT_WINDOW).unwrap_err();
    assert_eq!(
        refused,
        "its zstd decoder needs a window of 256MiB in memory, and --max-window allows 128MiB; with --max-window \
         256MiB it is read"
    );
    assert_eq!(read(&long, 256 << 20), Ok(7));
    assert_eq!(read(&long, 0), Ok(7), "no limit");
    assert_eq!(read(&zstd_of(27, b"content"), DEFAULT_WINDOW), Ok(7), "as much as zstd reads without a flag");
    let xz = xz_of(192 << 20, b"content");
    assert!(read(&xz, DEFAULT_WINDOW).unwrap_err().contains("its xz decoder needs a window of 192MiB"));
    assert_eq!(read(&xz, 192 << 20), Ok(7));
    assert!(open(&long[..]).is_err(), "what nobody wished for is not read");
}

#[test]
fn a_window_that_no_program_writes_is_damage_and_no_wish() {
    let mut damaged = zstd_of(20, b"content");
    // The bits of the window, behind the magic number and the descriptor.
    damaged[5] = (22 << 3) | 1;
    let told = read(&damaged, 0).unwrap_err();
    assert!(told.starts_with("another error: the zstd stream is damaged") && told.contains("4608MiB"), "{told}");
    damaged[5] = 21 << 3;
    assert_eq!(read(&damaged, 0), Ok(7), "the longest that there is");
}

#[test]
fn a_later_member_is_held_to_the_same_bound() {
    let both = [zstd_of(20, b"one"), zstd_of(28, b"two")].concat();
    assert!(read(&both, DEFAULT_WINDOW).unwrap_err().contains("window of 256MiB"));
    assert_eq!(read(&both, 256 << 20), Ok(6));
    let both = [xz_of(1 << 20, b"one"), xz_of(256 << 20, b"two")].concat();
    assert!(read(&both, DEFAULT_WINDOW).unwrap_err().contains("window of 256MiB"));
}

#[test]
fn one_large_decoder_is_at_work_at_a_time() {
    let long = zstd_of(28, b"content");
    let bounds = DecodeBounds { max_window: 0, one_large_at_a_time: true };
    let first = open_within(&long[..], bounds).unwrap();
    let (send, opened) = channel();
    let of_second = long.clone();
    let second = std::thread::spawn(move || {
        let small = zstd_of(20, b"small");
        send.send(open_within(&small[..], bounds).is_ok()).unwrap();
        let is_open = open_within(&of_second[..], bounds).is_ok();
        send.send(is_open).unwrap();
    });
    assert_eq!(opened.recv(), Ok(true), "a small one does not wait");
    assert_eq!(opened.try_recv(), Err(TryRecvError::Empty));
    drop(first);
    assert_eq!(opened.recv(), Ok(true));
    second.join().unwrap();
}

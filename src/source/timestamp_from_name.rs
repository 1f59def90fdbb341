//! Reads the time in a backup's name: `backup-2026-11-22T03-00-00.tar.gz`, `app_20261122.tgz`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;

/// The last date in a name, with the time of day behind it if there is one. A name rarely gives a zone: without one the
/// time is taken as UTC.
pub fn timestamp_in_name(name: &str) -> Option<Timestamp> {
    time_in_name(name).map(|(time, _)| time)
}

/// As [`timestamp_in_name`], with whether the name gives the zone.
pub fn time_in_name(name: &str) -> Option<(Timestamp, bool)> {
    let bytes = name.as_bytes();
    let starts = (0..bytes.len()).filter(|at| *at == 0 || !bytes[at - 1].is_ascii_digit());
    starts.rev().find_map(|at| date_and_time(&bytes[at..]))
}

/// Parses a date whose parts are all separated or all not. The `201105-12` in `20261101-201105-12` is no date: the
/// time of day and a number that follows it.
fn date_and_time(text: &[u8]) -> Option<(Timestamp, bool)> {
    let (year, rest) = number(text, 4)?;
    let (month, after_month) = number(separated(rest), 2)?;
    let (day, after_day) = number(separated(after_month), 2)?;
    let is_separated = |text: &[u8]| separated(text).len() < text.len();
    if !(1970..=9999).contains(&year) || is_separated(rest) != is_separated(after_month) {
        return None;
    }
    let (time, offset) = time_of_day(after_day).unwrap_or(((0, 0, 0), None));
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        time.0,
        time.1,
        time.2,
        0,
    );
    let time = offset.unwrap_or(Offset::UTC).to_timestamp(civil.ok()?).ok()?;
    Some((time, offset.is_some()))
}

/// Parses a time of day and the offset of its zone: `T03-00-00`, `_0300`, `-03.00.00`, ` 03:00`, `T030000+0100`.
fn time_of_day(text: &[u8]) -> Option<((i8, i8, i8), Option<Offset>)> {
    let rest = text.strip_prefix(b"T").or_else(|| text.strip_prefix(b"t")).unwrap_or_else(|| separated(text));
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(separated(rest), 2)?;
    let (second, rest) = number(separated(rest), 2).unwrap_or((0, rest));
    let small = |value: u32| i8::try_from(value).ok();
    if hour > 23 || minute > 59 {
        return None;
    }
    let time = (small(hour)?, small(minute)?, if second > 59 { 0 } else { small(second)? });
    Some((time, zone(rest)))
}

/// Parses the zone behind a time of day: `Z`, or an offset as btrbk writes it, `+0100`. A hyphen may as well begin a
/// number, so an offset is only what a zone has: whole, half and quarter hours up to 14.
fn zone(text: &[u8]) -> Option<Offset> {
    let (sign, digits) = match text.split_first()? {
        (b'+', digits) => (1, digits),
        (b'-', digits) => (-1, digits),
        (b'Z' | b'z', rest) if !rest.first().is_some_and(u8::is_ascii_alphanumeric) => return Some(Offset::UTC),
        _ => return None,
    };
    let (hours, rest) = number(digits, 2)?;
    let (minutes, rest) = number(rest, 2)?;
    if hours > 14 || ![0, 30, 45].contains(&minutes) || rest.first().is_some_and(u8::is_ascii_alphanumeric) {
        return None;
    }
    Offset::from_seconds(sign * i32::try_from(hours * 3600 + minutes * 60).ok()?).ok()
}

fn separated(text: &[u8]) -> &[u8] {
    match text.first() {
        Some(b'-' | b'_' | b'.' | b':' | b' ') => &text[1..],
        _ => text,
    }
}

fn number(text: &[u8], digits: usize) -> Option<(u32, &[u8])> {
    let (head, rest) = text.split_at_checked(digits)?;
    if !head.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((std::str::from_utf8(head).ok()?.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_in_names_are_found() {
        for (name, time) in [
            ("backup-2026-11-22T03-00-01.tar.gz", "2026-11-22T03:00:01Z"),
            ("app_20261122.tgz", "2026-11-22T00:00:00Z"),
            ("app-20261122-0315.tar", "2026-11-22T03:15:00Z"),
            ("app.20261122_031500.tar.zst", "2026-11-22T03:15:00Z"),
            ("2026-11-22", "2026-11-22T00:00:00Z"),
            ("host1-2026.11.22-03.00.00.tar", "2026-11-22T03:00:00Z"),
            ("v20250101-of-2026-11-22.tar", "2026-11-22T00:00:00Z"),
        ] {
            assert_eq!(timestamp_in_name(name).map(|time| time.to_string()).as_deref(), Some(time), "{name}");
        }
    }

    #[test]
    fn times_in_names_of_snapshots_are_found() {
        for (name, time) in [
            ("autosnap_2026-11-01_00:00:01_daily", "2026-11-01T00:00:01Z"),
            ("zrepl_20261101_201105_000", "2026-11-01T20:11:05Z"),
            ("zfs-auto-snap_daily-2026-11-29-1900", "2026-11-29T19:00:00Z"),
            ("auto-2026-11-29_00-00", "2026-11-29T00:00:00Z"),
            ("app.20261101T201105+0100", "2026-11-01T19:11:05Z"),
            ("app.20261101T201105-0330", "2026-11-01T23:41:05Z"),
            ("app.20261101T2011", "2026-11-01T20:11:00Z"),
            ("app.20261101_1", "2026-11-01T00:00:00Z"),
            ("2026-10-09_15-11-23", "2026-10-09T15:11:23Z"),
            // What follows is a number, and neither a second date nor a zone.
            ("app-20261101-201105-12", "2026-11-01T20:11:05Z"),
            ("app-20261101-201105-0001", "2026-11-01T20:11:05Z"),
        ] {
            assert_eq!(timestamp_in_name(name).map(|time| time.to_string()).as_deref(), Some(time), "{name}");
        }
        assert_eq!(timestamp_in_name("123"), None);
    }

    #[test]
    fn a_zone_is_told_from_none() {
        for (name, told) in [
            ("app.20261101T201105+0100", true),
            ("app-20261101T0315Z-x7k2q9.tar", true),
            ("app-2026-11-01T03:15:00Z", true),
            ("app-2026-11-01T03-15-00.tar", false),
            ("app-2026-11-01T03-15-00Zoo.tar", false),
            ("app-2026-11-01.tar", false),
        ] {
            assert_eq!(time_in_name(name).map(|(_, told)| told), Some(told), "{name}");
        }
    }

    #[test]
    fn other_numbers_are_no_times() {
        for name in ["app.tar.gz", "app-1234.tar", "app-20261342.tar", "build-123456789012.tar", "0001-01-01.tar"] {
            assert_eq!(timestamp_in_name(name), None, "{name}");
        }
    }
}

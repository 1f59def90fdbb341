//! Reads the time in a backup's name: `backup-2026-11-22T03-00-00.tar.gz`, `app_20261122.tgz`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The last date in a name, with the time of day behind it if there is one. Taken as UTC, since names do not give a
/// zone.
pub fn timestamp_in_name(name: &str) -> Option<Timestamp> {
    let bytes = name.as_bytes();
    let starts = (0..bytes.len()).filter(|at| *at == 0 || !bytes[at - 1].is_ascii_digit());
    starts.rev().find_map(|at| date_and_time(&bytes[at..]))
}

fn date_and_time(text: &[u8]) -> Option<Timestamp> {
    let (year, rest) = number(text, 4)?;
    let (month, rest) = number(separated(rest), 2)?;
    let (day, rest) = number(separated(rest), 2)?;
    if !(1970..=9999).contains(&year) {
        return None;
    }
    let time = time_of_day(rest).unwrap_or((0, 0, 0));
    let civil = DateTime::new(
        i16::try_from(year).ok()?,
        i8::try_from(month).ok()?,
        i8::try_from(day).ok()?,
        time.0,
        time.1,
        time.2,
        0,
    );
    Some(civil.ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Parses a time of day: `T03-00-00`, `_0300`, `-03.00.00`, ` 03:00`.
fn time_of_day(text: &[u8]) -> Option<(i8, i8, i8)> {
    let rest = text.strip_prefix(b"T").or_else(|| text.strip_prefix(b"t")).unwrap_or_else(|| separated(text));
    let (hour, rest) = number(rest, 2)?;
    let (minute, rest) = number(separated(rest), 2)?;
    let second = number(separated(rest), 2).map_or(0, |(second, _)| second);
    let small = |value: u32| i8::try_from(value).ok();
    if hour > 23 || minute > 59 {
        return None;
    }
    Some((small(hour)?, small(minute)?, if second > 59 { 0 } else { small(second)? }))
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
    fn other_numbers_are_no_times() {
        for name in ["app.tar.gz", "app-1234.tar", "app-20261342.tar", "build-123456789012.tar", "0001-01-01.tar"] {
            assert_eq!(timestamp_in_name(name), None, "{name}");
        }
    }
}

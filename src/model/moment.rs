//! Moments as people write them: a day, or a time with or without a zone.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

/// The condition of `--snapshot` that names a moment.
const BEFORE: &str = "before=";

/// Reads a moment. A time without a zone is UTC, and a day is its beginning. `None`: the text is no moment.
pub fn read(text: &str) -> Option<Timestamp> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(moment);
    }
    // What else the reader of times would take, such as the name of a zone, it would leave out of account.
    if !text.bytes().all(|c| c.is_ascii_digit() || b"-:.Tt ".contains(&c)) {
        return None;
    }
    // The reader of days takes a time, too, and leaves it out.
    let is_day = !text.contains([':', 'T', 't', ' ']);
    let time = if is_day { text.parse::<Date>().ok()?.at(0, 0, 0, 0) } else { text.parse::<DateTime>().ok()? };
    time.to_zoned(TimeZone::UTC).ok().map(|time| time.timestamp())
}

/// What is wrong with the conditions that name a moment in a choice of snapshots, such as `host=nas,before=2026-11-30`;
/// `None`: nothing.
pub fn mistake(selector: &str) -> Option<String> {
    let mut times = selector.split(',').filter_map(|part| part.trim().strip_prefix(BEFORE));
    times.find(|time| read(time).is_none()).map(no_moment)
}

/// The words about a text that is no moment.
pub fn no_moment(time: &str) -> String {
    format!(
        "`{time}` is no time; write before=2026-11-30, before=2026-11-30T03:00 (both UTC) or \
         before=2026-11-30T03:00:00+01:00"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_without_a_zone_is_utc_and_counts() {
        for (text, moment) in [
            ("2026-11-30", "2026-11-30T00:00:00Z"),
            ("2026-11-30T12:00", "2026-11-30T12:00:00Z"),
            ("2026-11-30T12:00:01", "2026-11-30T12:00:01Z"),
            ("2026-11-30 12:00", "2026-11-30T12:00:00Z"),
            ("2026-11-30T12:00Z", "2026-11-30T12:00:00Z"),
            ("2026-11-30T12:00:00+01:00", "2026-11-30T11:00:00Z"),
        ] {
            assert_eq!(read(text).map(|read| read.to_string()), Some(moment.to_owned()), "{text}");
        }
        for text in ["", "yesterday", "2026-11", "2026-13-01", "12:00", "2026-11-30T25:00", "2026-11-30T12:00 CET"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read("2026-11-30T12:00[Europe/Berlin]"), None, "the zone would be left out of account");
    }

    #[test]
    fn a_wrong_moment_in_a_choice_of_snapshots_is_told() {
        assert_eq!(mistake("host=nas, before=2026-11-30 12:00"), None);
        assert_eq!(mistake("app-before=x"), None);
        assert!(mistake("host=nas, before=noon").expect("wrong").starts_with("`noon` is no time"));
    }
}

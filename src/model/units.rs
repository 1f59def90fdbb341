//! Numbers with units, as people read them.
//!
//! Bytes are decimal: 1 kB = 1,000 B, 1 MB = 1,000 kB and so on, as disks are sold and as backup tools count. Below ten
//! of a unit one decimal is shown (`1.2 GB`), otherwise none (`38 MB`). Durations are shown as seconds with one
//! decimal, from a minute on as minutes and seconds, from an hour on as hours and minutes.

use super::event::Amount;

const BYTE_UNITS: [&str; 6] = ["B", "kB", "MB", "GB", "TB", "PB"];

/// `0 B`, `999 B`, `1.2 GB`, `38 MB`.
pub fn bytes(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut unit = 0;
    // A value that rounds to a thousand belongs to the next unit: 999,500 B would be shown as `1000 kB`.
    while value >= 999.5 && unit + 1 < BYTE_UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if value < 9.95 { format!("{value:.1} {}", BYTE_UNITS[unit]) } else { format!("{value:.0} {}", BYTE_UNITS[unit]) }
}

/// `1 file`, `412 files`.
pub fn files(files: u64) -> String {
    if files == 1 { "1 file".to_owned() } else { format!("{files} files") }
}

/// `412 files, 38 MB`; `38 MB` of what is not counted in files.
pub fn amount(amount: Amount) -> String {
    if amount.files == 0 && amount.bytes > 0 {
        return bytes(amount.bytes);
    }
    format!("{}, {}", files(amount.files), bytes(amount.bytes))
}

/// `0.0s`, `18.4s`, `1m 05s`, `2h 07m`.
pub fn seconds(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round();
    if tenths < 600.0 {
        return format!("{:.1}s", tenths / 10.0);
    }
    let whole = seconds.round() as u64;
    if whole < 3600 {
        format!("{}m {:02}s", whole / 60, whole % 60)
    } else {
        format!("{}h {:02}m", whole / 3600, whole % 3600 / 60)
    }
}

/// `3s`, `1.5s`: like [`seconds`], but without a decimal that says nothing.
pub fn short_seconds(value: f64) -> String {
    let text = seconds(value);
    text.strip_suffix(".0s").map_or(text.clone(), |whole| format!("{whole}s"))
}

/// `45s`, `12m`, `6h`, `3d`: an age or a bound in its largest unit, rounded down; days only from two days on.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `2026-11-22 03:00 UTC`.
pub fn minute(time: jiff::Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// Seconds rounded to thousandths, for reports that machines read.
pub fn thousandths(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_decimal() {
        for (value, text) in [
            (0, "0 B"),
            (999, "999 B"),
            (1_000, "1.0 kB"),
            (9_940, "9.9 kB"),
            (9_960, "10 kB"),
            (999_499, "999 kB"),
            (999_500, "1.0 MB"),
            (38_000_000, "38 MB"),
            (1_240_000_000, "1.2 GB"),
            (u64::MAX, "18447 PB"),
        ] {
            assert_eq!(bytes(value), text, "{value}");
        }
    }

    #[test]
    fn amounts_have_a_singular() {
        assert_eq!(amount(Amount { files: 1, bytes: 38_000_000 }), "1 file, 38 MB");
        assert_eq!(amount(Amount { files: 412, bytes: 0 }), "412 files, 0 B");
    }

    #[test]
    fn durations_read_as_people_say_them() {
        for (value, text) in [
            (0.0, "0.0s"),
            (-1.0, "0.0s"),
            (18.4321, "18.4s"),
            (59.94, "59.9s"),
            (59.96, "1m 00s"),
            (65.0, "1m 05s"),
            (3599.4, "59m 59s"),
            (7620.0, "2h 07m"),
        ] {
            assert_eq!(seconds(value), text, "{value}");
        }
        let spans = [59, 61, 7199, 172_799, 172_800].map(span);
        assert_eq!(spans, ["59s", "1m", "1h", "47h", "2d"]);
        assert_eq!(short_seconds(3.04), "3s");
        assert_eq!(short_seconds(1.5), "1.5s");
    }
}

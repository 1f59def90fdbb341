//! Shortens the end of a log where it repeats itself: an access log that shows the probes of the healthcheck, a client
//! that tries again and again.

/// Lines of one repetition, at most.
const LONGEST: usize = 4;
/// Repetitions that are shortened, at least.
const LEAST: usize = 3;

/// The log without its repetitions: of lines that differ only in their numbers, and of groups of such lines, the first
/// stays, and a line says how many are left out.
pub(super) fn without_repetitions(lines: &[String]) -> Vec<String> {
    let shapes: Vec<String> = lines.iter().map(|line| shape(line)).collect();
    let mut kept = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        // Of several ways to see a repetition, the one with the shortest group.
        let repetition = (1..=LONGEST).find_map(|length| {
            let times = times(&shapes[at..], length);
            (times >= LEAST).then_some((length, times))
        });
        let Some((length, times)) = repetition else {
            kept.push(lines[at].clone());
            at += 1;
            continue;
        };
        kept.extend_from_slice(&lines[at..at + length]);
        let again = times - 1;
        kept.push(match length {
            1 => format!("(… {again} more like this)"),
            _ => format!("(… {again} times more the {length} lines like these)"),
        });
        at += length * times;
    }
    kept
}

/// How often the first lines, so many, come one after the other.
fn times(shapes: &[String], length: usize) -> usize {
    let Some(first) = shapes.get(..length) else { return 0 };
    // Blank lines between others are no repetition worth a note.
    if first.iter().all(|shape| shape.is_empty()) {
        return 0;
    }
    shapes.chunks_exact(length).take_while(|group| *group == first).count()
}

/// A line with one digit for each number in it.
fn shape(line: &str) -> String {
    let mut shape = String::with_capacity(line.len());
    for c in line.trim().chars() {
        match c.is_ascii_digit() {
            true if shape.ends_with('0') => {}
            true => shape.push('0'),
            false => shape.push(c),
        }
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shortened(text: &str) -> Vec<String> {
        without_repetitions(&text.lines().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn lines_that_differ_only_in_numbers_are_told_once() {
        let probes: String =
            (10..25).map(|s| format!("127.0.0.1 - [30/Nov/2026:04:00:{s}] \"GET /health\" 200\n")).collect();
        assert_eq!(
            shortened(&format!("started\n{probes}cannot open /data/app.db\n")),
            [
                "started",
                "127.0.0.1 - [30/Nov/2026:04:00:10] \"GET /health\" 200",
                "(… 14 more like this)",
                "cannot open /data/app.db",
            ]
        );
    }

    #[test]
    fn groups_of_lines_are_told_once() {
        let tries = "try 1\nrefused\ntry 2\nrefused\ntry 13\nrefused\ngiving up";
        assert_eq!(shortened(tries), ["try 1", "refused", "(… 2 times more the 2 lines like these)", "giving up"]);
    }

    #[test]
    fn what_comes_twice_stays() {
        for text in ["a 1\na 2\nb", "", "a\nb\nc", "a\n\n\n\n\nb", "a\nb\na\nb"] {
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(shortened(text), lines, "{text:?}");
        }
    }
}

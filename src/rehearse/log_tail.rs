//! Shortens the end of a log where it repeats itself: an access log that shows the probes of the healthcheck, a client
//! that tries again and again, the goroutines of a program in Go that crashed.

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

/// The log without the stacks of all goroutines but the first that a crash of a program in Go prints. There are often a
/// hundred, and the cause stands before them.
pub(super) fn without_other_goroutines(lines: Vec<String>) -> Vec<String> {
    let is_head = |line: &str| {
        let rest = line.trim().strip_prefix("goroutine ").and_then(|rest| rest.strip_suffix("]:"));
        rest.is_some_and(|rest| rest.contains(" [") && rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let mut kept = Vec::with_capacity(lines.len());
    // A blank line ends a stack. Of the stacks in a row, those after the first are left out.
    let (mut in_stack, mut in_row, mut left_out) = (false, false, 0);
    for line in lines {
        match (is_head(&line), line.trim().is_empty()) {
            (true, _) => {
                left_out += usize::from(in_row);
                (in_stack, in_row) = (true, true);
            }
            (false, true) => in_stack = false,
            (false, false) if !in_stack => {
                note_goroutines(&mut kept, &mut left_out);
                in_row = false;
            }
            (false, false) => {}
        }
        if left_out == 0 {
            kept.push(line);
        }
    }
    note_goroutines(&mut kept, &mut left_out);
    kept
}

fn note_goroutines(kept: &mut Vec<String>, left_out: &mut usize) {
    if *left_out > 0 {
        kept.push(format!("(… {left_out} more goroutines)"));
    }
    *left_out = 0;
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
    fn the_stack_of_the_goroutine_that_crashed_is_told_and_no_other() {
        let stack = |number: u32, state: &str| format!("goroutine {number} [{state}]:\nmain.f()\n\tmain.go:1\n\n");
        let crash = |first: u32| {
            let others: String = (50..90).map(|number| stack(number, "select, 2 minutes")).collect();
            format!("fatal error: fault\n\n{}{others}", stack(first, "running"))
        };
        let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let of_one =
            |first: u32| lines(&format!("fatal error: fault\n\n{}(… 40 more goroutines)", stack(first, "running")));
        assert_eq!(without_other_goroutines(lines(&crash(7))), of_one(7));
        let twice = lines(&format!("{}{}exit status 2", crash(7), crash(8)));
        let told = [of_one(7), of_one(8), lines("exit status 2")].concat();
        assert_eq!(without_other_goroutines(twice), told, "a service that was started again");
        for text in ["goroutine leak: 7 goroutines", "goroutine 7 [running]:\nmain.f()\n\nready", "", "a\n\nb"] {
            assert_eq!(without_other_goroutines(lines(text)), lines(text), "{text:?}");
        }
    }

    #[test]
    fn what_comes_twice_stays() {
        for text in ["a 1\na 2\nb", "", "a\nb\nc", "a\n\n\n\n\nb", "a\nb\na\nb"] {
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(shortened(text), lines, "{text:?}");
        }
    }
}

//! What a program says on standard error: bounded, as lines, with secrets hidden.

use crate::model::mask::Mask;

/// Lines that are kept from the beginning, and from the end.
const FIRST: usize = 12;
const LAST: usize = 12;
/// Bytes of a line that are kept. A traceback of Borg's is one line of its log as JSON.
const LONGEST: usize = 32 * 1024;
/// Bytes of a line that are told.
const TOLD: usize = 600;

/// The lines of a program's standard error.
pub struct Words {
    mask: Mask,
    /// The line that has no end yet.
    open: Vec<u8>,
    first: Vec<String>,
    last: std::collections::VecDeque<String>,
    left_out: usize,
}

impl Words {
    pub fn new(mask: Mask) -> Words {
        Words { mask, open: Vec::new(), first: Vec::new(), last: std::collections::VecDeque::new(), left_out: 0 }
    }

    /// Takes bytes of standard error and calls `see` for each line that is whole now.
    pub fn take(&mut self, bytes: &[u8], see: &mut dyn FnMut(&str)) {
        for byte in bytes {
            match byte {
                // Programs end a line of progress with a carriage return.
                b'\n' | b'\r' => self.end_line(see),
                _ if self.open.len() < LONGEST => self.open.push(*byte),
                _ => {}
            }
        }
    }

    /// Ends the last line, which may lack a newline.
    pub fn end_line(&mut self, see: &mut dyn FnMut(&str)) {
        let line = self.mask.apply(&String::from_utf8_lossy(&std::mem::take(&mut self.open)));
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        see(line);
        if self.first.len() < FIRST {
            self.first.push(line.to_owned());
            return;
        }
        if self.last.len() == LAST {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(line.to_owned());
    }

    /// All lines that are kept, in order, whole.
    pub fn lines(&self) -> Vec<String> {
        let gap = (self.left_out > 0).then(|| format!("… {} more lines …", self.left_out));
        self.first.iter().cloned().chain(gap).chain(self.last.iter().cloned()).collect()
    }
}

/// The lines as one text, each cut to a length that people read.
pub fn told(lines: &[String]) -> String {
    let cut = |line: &String| match line.char_indices().find(|(at, _)| *at >= TOLD) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line.clone(),
    };
    lines.iter().map(cut).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_lines_are_kept_and_secrets_are_hidden() {
        let mut words = Words::new(Mask::of_secrets(["fixture-hunter2"]));
        let mut seen = 0;
        words.take(b"opening https://me:fixture-", &mut |_| seen += 1);
        words.take(b"hunter2@nas\n\n", &mut |_| seen += 1);
        for line in 1..40 {
            words.take(format!("line {line}\r").as_bytes(), &mut |_| seen += 1);
        }
        words.take(&[b'x'; 40_000], &mut |_| seen += 1);
        words.end_line(&mut |_| seen += 1);
        let lines = words.lines();
        assert_eq!(seen, 41);
        assert!(lines[0].starts_with("opening https://me:") && !lines[0].contains("hunter2"), "{}", lines[0]);
        assert_eq!((lines.len(), lines[12].as_str()), (FIRST + 1 + LAST, "… 17 more lines …"));
        assert_eq!(lines.last().map(String::len), Some(LONGEST));
        let told = told(&lines);
        assert!(told.ends_with(&format!("; {}…", "x".repeat(TOLD))) && !told.contains("hunter2"), "{told}");
    }
}

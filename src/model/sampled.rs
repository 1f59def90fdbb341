//! The first few of many: a result that stays short however much was found.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many are kept; the rest is only counted.
pub const SAMPLE: usize = 20;

/// The first [`SAMPLE`] of many, and how many there are in all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sampled<T> {
    /// The first, in the order in which they were found.
    pub first: Vec<T>,
    /// How many there are, these included.
    pub count: u64,
}

impl<T> Default for Sampled<T> {
    fn default() -> Self {
        Self { first: Vec::new(), count: 0 }
    }
}

impl<T> Sampled<T> {
    /// Adds one; `make` is only called when it is kept.
    pub fn add(&mut self, make: impl FnOnce() -> T) {
        self.count += 1;
        if self.first.len() < SAMPLE {
            self.first.push(make());
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// `a, b and 3 more`.
impl<T: fmt::Display> fmt::Display for Sampled<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, one) in self.first.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            one.fmt(f)?;
        }
        match self.count.saturating_sub(self.first.len() as u64) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_are_kept_and_the_others_counted() {
        let mut sampled = Sampled::default();
        assert!(sampled.is_empty());
        assert_eq!(sampled.to_string(), "");
        sampled.add(|| 1);
        assert_eq!(sampled.to_string(), "1");
        for number in 2..=23 {
            sampled.add(|| number);
        }
        assert_eq!((sampled.first.len(), sampled.count), (SAMPLE, 23));
        assert!(sampled.to_string().starts_with("1, 2, 3, ") && sampled.to_string().ends_with(", 20 and 3 more"));
    }
}

//! Partitions: a run's part of the selected cases when several runs share the work, as nextest's `--partition` does.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How cases are divided among the runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Sharing {
    /// By position: the first run takes the first case, the second run the second, and so on in turn.
    Slice,
    /// By name: a case stays in its part when other cases come and go.
    Hash,
}

/// One part of the cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Partition {
    /// How the cases are divided.
    pub sharing: Sharing,
    /// Number of this part, from 1.
    pub index: u64,
    /// Number of parts.
    pub total: u64,
}

impl Partition {
    /// Whether this part has the case called `name`, which is at `position` (from 0) of all selected cases.
    pub fn takes(&self, position: usize, name: &str) -> bool {
        let share = match self.sharing {
            Sharing::Slice => position as u64,
            Sharing::Hash => fnv1a(name.as_bytes()),
        };
        share % self.total.max(1) == self.index.saturating_sub(1)
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sharing = match self.sharing {
            Sharing::Slice => "slice",
            Sharing::Hash => "hash",
        };
        write!(f, "{sharing}:{}/{}", self.index, self.total)
    }
}

/// FNV-1a, 64 bits (<http://www.isthe.com/chongo/tech/comp/fnv/>): the same on every machine and in every version. The
/// standard library's hasher does not promise that.
fn fnv1a(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: [&str; 7] = ["a", "b::c", "b::d", "e", "media::jellyfin", "media::sonarr", "z"];

    #[test]
    fn every_case_is_in_exactly_one_part() {
        for sharing in [Sharing::Slice, Sharing::Hash] {
            for total in 1..=9 {
                for (position, name) in NAMES.iter().enumerate() {
                    let parts = (1..=total).filter(|&index| Partition { sharing, index, total }.takes(position, name));
                    assert_eq!(parts.count(), 1, "{sharing:?} {total} {name}");
                }
            }
        }
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // From the test vectors of the hash's own page.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn a_slice_deals_in_turn() {
        let second = Partition { sharing: Sharing::Slice, index: 2, total: 3 };
        let taken: Vec<usize> = (0..7).filter(|&position| second.takes(position, "")).collect();
        assert_eq!(taken, [1, 4]);
        assert_eq!(second.to_string(), "slice:2/3");
    }
}

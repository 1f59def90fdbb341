//! Random trees from a seed, compared with their copies.

use std::os::unix::fs::{lchown, symlink};
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use super::{Pair, set_mode, set_times, set_xattr};

/// A small generator (xorshift): the same numbers for the same seed everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn grow(pair: &Pair, seed: u64) {
    let mut dice = Dice(seed);
    let mut folders = vec![pair.from()];
    let mut files: Vec<PathBuf> = Vec::new();
    for index in 0..120 {
        let parent = &folders[usize::try_from(dice.roll(folders.len() as u64)).unwrap()];
        let path = parent.join(format!("{index}"));
        match dice.roll(12) {
            0..=2 => {
                std::fs::create_dir(&path).unwrap();
                folders.push(path);
                continue;
            }
            3 if !files.is_empty() => {
                let first = &files[usize::try_from(dice.roll(files.len() as u64)).unwrap()];
                std::fs::hard_link(first, &path).unwrap();
                continue;
            }
            4 => symlink(format!("../{}", dice.roll(99)), &path).unwrap(),
            5 => mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap(),
            6 => mknodat(CWD, &path, FileType::CharacterDevice, Mode::RWXU, makedev(1, 5)).unwrap(),
            _ => {
                let size =
                    [0, 1, 4095, 4096, 4097, 131_072, 131_073, 1_000_000][usize::try_from(dice.roll(8)).unwrap()];
                let byte = u8::try_from(dice.roll(256)).unwrap();
                std::fs::write(&path, vec![byte; size]).unwrap();
                if dice.roll(4) == 0 {
                    std::fs::File::options().write(true).open(&path).unwrap().set_len(dice.roll(3_000_000)).unwrap();
                }
            }
        }
        files.push(path);
    }
    // Content first: it changes the times of folders. Owners before modes: they clear bits.
    for path in files.iter().chain(folders.iter().rev()) {
        lchown(path, Some(u32::try_from(dice.roll(70_000)).unwrap()), Some(u32::try_from(dice.roll(70_000)).unwrap()))
            .unwrap();
        if !path.is_symlink() {
            set_mode(path, u32::try_from(dice.roll(0o10000)).unwrap());
        }
        if dice.roll(3) == 0 {
            let kind = std::fs::symlink_metadata(path).unwrap().file_type();
            let name = if kind.is_dir() || kind.is_file() { "user.odd" } else { "trusted.odd" };
            set_xattr(path, name, &seed.to_le_bytes());
        }
        set_times(
            path,
            i64::try_from(dice.roll(4_000_000_000)).unwrap() - 1_000_000,
            i64::try_from(dice.roll(1_000_000_000)).unwrap(),
        );
    }
}

#[test]
fn any_tree_is_copied_exactly() {
    for seed in 1..=12 {
        let pair = Pair::new();
        grow(&pair, seed * 7919);
        eprintln_seed(seed);
        pair.copy_is_same();
    }
}

/// A failing test shows which seed it was.
#[expect(clippy::print_stderr, reason = "shown only when the test fails")]
fn eprintln_seed(seed: u64) {
    eprintln!("seed {seed}");
}

//! The digest of a file's content: of what an archive brings, of what is copied, and of what is in a volume. A hole
//! counts as zeros, as everyone who reads it finds.

/// Zeros are left out in blocks of this many bytes.
const BLOCK: usize = 4096;
/// A block of a hole.
const ZEROS: [u8; BLOCK] = [0; BLOCK];

/// A digest, of 16 bytes.
pub type Digest = [u8; 16];

/// Computes a digest from the pieces of a file, in the order of their offsets.
///
/// Blocks of zeros are left out; their place is hashed beside the other blocks. A sparse file of a terabyte therefore
/// costs only what it holds.
#[derive(Default)]
pub struct Digester {
    data: blake3::Hasher,
    /// The runs of data: the first block and the number of blocks of each.
    runs: blake3::Hasher,
    run: (u64, u64),
    /// The number of the block that comes next.
    block: u64,
    /// The beginning of that block, as far as it came.
    begun: Vec<u8>,
}

impl Digester {
    /// Adds a piece of the file. What lies between the last piece and this one is a hole.
    pub fn add(&mut self, offset: u64, mut bytes: &[u8]) {
        self.go_to(offset);
        if !self.begun.is_empty() {
            let (more, rest) = bytes.split_at(bytes.len().min(BLOCK - self.begun.len()));
            self.begun.extend_from_slice(more);
            bytes = rest;
            self.end_block(false);
        }
        let (whole, rest) = bytes.split_at(bytes.len() / BLOCK * BLOCK);
        self.blocks(whole);
        self.begun.extend_from_slice(rest);
    }

    /// The digest. Zeros at the end of the file make no difference: its size is compared separately.
    pub fn finish(mut self) -> Digest {
        self.end_block(true);
        self.end_run();
        let data = self.data.finalize();
        self.runs.update(data.as_bytes());
        let mut digest = Digest::default();
        self.runs.finalize_xof().fill(&mut digest);
        digest
    }

    fn go_to(&mut self, offset: u64) {
        let (block, within) = (offset / BLOCK as u64, (offset % BLOCK as u64) as usize);
        if block != self.block {
            self.end_block(true);
            self.block = block;
        }
        // No byte comes twice: the bytes before `offset` in its block have come, or are a hole.
        self.begun.resize(within, 0);
    }

    /// Hashes the current block when it is complete, or when no more of it will come.
    fn end_block(&mut self, all_came: bool) {
        if self.begun.len() == BLOCK || all_came && !self.begun.is_empty() {
            let mut block = std::mem::take(&mut self.begun);
            block.resize(BLOCK, 0);
            self.blocks(&block);
            block.clear();
            self.begun = block;
        }
    }

    fn blocks(&mut self, whole: &[u8]) {
        let mut data = 0;
        for (at, block) in whole.chunks_exact(BLOCK).enumerate() {
            if *block == ZEROS {
                self.data.update(&whole[data..at * BLOCK]);
                data = (at + 1) * BLOCK;
            } else {
                if self.run.0 + self.run.1 != self.block {
                    self.end_run();
                    self.run.0 = self.block;
                }
                self.run.1 += 1;
            }
            self.block += 1;
        }
        self.data.update(&whole[data..]);
    }

    fn end_run(&mut self) {
        let (from, blocks) = std::mem::take(&mut self.run);
        if blocks > 0 {
            self.runs.update(&from.to_le_bytes());
            self.runs.update(&blocks.to_le_bytes());
        }
    }
}

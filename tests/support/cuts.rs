//! The places where a test cuts off or changes a sequence of bytes. Every run takes the ends and edges and a stride
//! between them; the nightly run takes every byte.

/// Between two that are looked at, where nothing begins or ends. It has no divisor in common with the size of a block.
const STRIDE: usize = 61;
/// Of a tar archive.
const BLOCK: usize = 512;

/// Every one of so many.
pub fn all(length: usize) -> Vec<usize> {
    (0..length).collect()
}

/// The first and the last bytes, and every 61st.
pub fn few(length: usize) -> Vec<usize> {
    (0..length).filter(|at| *at < 32 || *at + 32 >= length || at.is_multiple_of(STRIDE)).collect()
}

/// The edges of all blocks with their neighbours, the last bytes, and every 61st.
pub fn blocks(length: usize) -> Vec<usize> {
    let is_edge = |at: usize| matches!(at % BLOCK, 0 | 1) || at % BLOCK == BLOCK - 1;
    (0..length).filter(|at| is_edge(*at) || *at + 2 >= length || at.is_multiple_of(STRIDE)).collect()
}

//! Sources of restored data: one file a source behind one trait.

pub mod there;

//! Which part of a backup belongs to which mount, decided without looking at one.

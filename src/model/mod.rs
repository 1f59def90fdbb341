//! The words of the domain as plain data: services, plans, events and their meaning.
//!
//! Nothing here does I/O, knows a wire format or names a foreign engine's types. Every other room may use this one;
//! this room uses none.

pub mod baseline;
pub mod case_record;
pub mod check;
pub mod diagnosis;
pub mod dump;
pub mod dump_inside;
pub mod environment;
pub mod error_chain;
pub mod event;
pub mod evidence;
pub mod file_id;
pub mod fingerprint;
#[cfg(test)]
pub mod generated;
pub mod host_tree;
pub mod image_config;
pub mod location;
pub mod lock;
pub mod mask;
pub mod moment;
pub mod mount;
pub mod outcome;
pub mod partition;
pub mod plain_text;
pub mod plan;
pub mod pluralize;
pub mod profile;
pub mod program;
pub mod project_files;
pub mod pull;
pub mod question;
pub mod recovery;
pub mod remote_path;
pub mod repository;
#[cfg(test)]
#[path = "tests/sample.rs"]
pub mod sample;
pub mod sampled;
pub mod sandbox;
pub mod score;
pub mod secret;
pub mod service;
pub mod settings;
pub mod source;
pub mod source_kind;
pub mod units;
pub mod verdict;
pub mod witness;

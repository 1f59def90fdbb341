//! Runs a program of the owner's that reads backups (restic, Borg), as the owner would run it in the disaster.
//!
//! The program gets a session of its own, without a terminal and with nothing on standard input, so that it never
//! waits for a person. It gets an environment of its own: of the program's variables only those that give access. It
//! ends with this process, also after `kill -9`. A clock of ours ends it if it says nothing for long. Secrets reach it
//! by its standard input or its environment, never by its arguments.
//!
//! [`launch`] is the hidden command that starts the program: to begin a session and to ask for a signal at the death of
//! the parent needs a process of ours between the fork and the program.

mod call;
mod confine;
mod environment;
mod folder;
pub mod launch;
mod program;
mod running;
mod words;

pub use call::ToolCall;
pub use folder::RunFolder;
pub(in crate::source) use program::not_runnable;
pub use program::{Patience, Tool, ToolKind, Version, is_program, program_in_path};
pub use running::{RunningTool, ToolEnd};

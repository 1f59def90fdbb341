//! `rehearsa schema`: the JSON Schema of what programs read or write, on standard output.

use super::args::{SchemaArgs, SchemaOf};
use super::console;
use super::exit::Failure;
use crate::config::plan_file;
use crate::report::{events, json};

/// The command.
pub fn run(args: &SchemaArgs) -> Result<(), Failure> {
    match args.of {
        SchemaOf::Report => console::print(json::schema::DOCUMENT),
        SchemaOf::Events => console::print(events::SCHEMA),
        SchemaOf::Plan => console::print(plan_file::SCHEMA),
    }
}

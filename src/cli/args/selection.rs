//! The flags that select services.

use clap::Args;

/// Which services.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Selection")]
pub struct SelectionArgs {
    /// Take only services with any of these in their name (`stack::service`) [default: all that run]
    #[arg(value_name = "FILTER", display_order = 0)]
    pub filters: Vec<String>,
    /// Take a FILTER as the whole name; `test` does not start when a FILTER finds nothing
    #[arg(long)]
    pub exact: bool,
    /// Leave out services with this in their name; may be repeated
    // As libtest takes it: whatever follows is the value, also when it begins with a hyphen.
    #[arg(long, value_name = "FILTER", allow_hyphen_values = true)]
    pub skip: Vec<String>,
    /// Take only ignored services: those with a skip, and those that cannot be rehearsed
    #[arg(long)]
    pub ignored: bool,
    /// Take ignored services too
    #[arg(long)]
    pub include_ignored: bool,
}

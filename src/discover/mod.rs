//! What there is to rehearse.
//!
//! [`mod@live`] asks the engine; [`naming`] and [`depends`] make services of a stack out of containers and are pure.

pub mod depends;
pub mod live;
pub mod naming;

pub use live::{DiscoverError, Scope, live, live_in};

//! Finds the services that can be rehearsed.
//!
//! [`mod@live`] asks the engine; [`naming`] and [`depends`] make services of a stack out of containers and are pure;
//! [`mod@declared`] looks into compose files that lie here.

pub mod declared;
pub mod depends;
pub mod live;
pub mod naming;

pub use declared::declared;
pub use live::{DiscoverError, Scope, live, live_in};

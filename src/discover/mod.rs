//! Discovery: finds the services that can be rehearsed.
//!
//! [`mod@live`] asks the engine. [`naming`] and [`depends`] are pure: they turn containers into the services of stacks.
//! [`mod@declared`] looks into Compose files on this machine.

pub mod declared;
pub mod depends;
pub mod live;
pub mod naming;

pub use declared::declared;
pub use live::{DiscoverError, Scope, live, live_in};

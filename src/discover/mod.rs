//! Discovery: finds the services that can be rehearsed.
//!
//! [`mod@live`] asks the engine. [`hearing`], [`naming`] and [`depends`] are pure: they turn containers into the
//! services of stacks. [`mod@declared`] looks into Compose files on this machine.

pub mod declared;
pub mod depends;
pub mod hearing;
pub mod live;
pub mod naming;

pub use declared::declare;
pub use live::{DiscoverError, Discovered, Scope, StoppedContainer, live, live_in};

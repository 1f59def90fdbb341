//! The jobs of the worker on this machine's own file system, without a container. They change owners and make device nodes: these tests
//! need root.

mod copy;
mod inventory;
mod overlay;
mod unpack;

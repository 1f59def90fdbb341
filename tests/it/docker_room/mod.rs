//! The room `docker` against a real engine. Each test has its own session, looks only at its own objects and leaves
//! nothing.
//!
//! The image is `rehearsa-fixture/tiny`: BusyBox, a `VOLUME /data`, files in `/www`, an entry point and a
//! healthcheck.

mod boot;
mod connection;
mod isolation;
mod storage;

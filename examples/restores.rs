//! What a project writes to have its services rehearsed by `cargo test` and `cargo nextest run`: a test target with
//! `harness = false` and this `main`. It is an example here, since as a test it would rehearse whatever runs on the host.
//! `tests/it/harness_target.rs` runs it the way those two do.

fn main() -> std::process::ExitCode {
    rehearsa::harness::main()
}

//! A test target that rehearses a project's services in `cargo test` and `cargo nextest run`: `harness = false` and
//! this `main`. Here it is an example, because a test target would rehearse whatever runs on the host.
//! `tests/it/harness_target.rs` runs it the way those two commands do.

fn main() -> std::process::ExitCode {
    rehearsa::harness::main()
}

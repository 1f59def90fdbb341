//! Archives whose decoder needs a long window in memory.

use crate::support::backup::{keeper, tar};
use crate::support::rehearse;

/// More content than the worker's usual memory, so that the window really takes as much.
#[test]
#[ignore = "nightly: takes many rehearsals"]
fn an_archive_of_a_long_window_is_rehearsed_with_the_flag_that_the_message_names() {
    let (live, dir) = keeper(
        "mkdir part; cp -a \"$1\"/. part; truncate -s 1300M zeros; \
         tar -cf - part zeros | zstd -q -1 --long=31 >x.tzst; \
         rm zeros",
    );
    let source = tar(dir.path().join("x.tzst"));
    let args = ["--from", &source, "--map", "/mounted=part"];
    let refused = rehearse(&[&live.name], &args);
    refused.errored("restore/too-large");
    let message = refused.message();
    assert!(message.contains("a window of 2GiB") && message.contains("--max-window 2GiB"), "{refused}");
    rehearse(&[&live.name], &[&args[..], &["--max-window", "2GiB"]].concat()).is_green("healthy");
}

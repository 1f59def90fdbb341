//! Tests of the command line as typed.

use std::collections::BTreeSet;

use clap::CommandFactory;

use super::*;
use crate::config::declared;

fn test_args(args: &[&str]) -> TestArgs {
    let args = ["rehearsa", "test"].iter().chain(args);
    match Cli::try_parse_from(args).expect("the arguments are right").command {
        Command::Test(args) => *args,
        other => panic!("not a test: {other:?}"),
    }
}

#[test]
fn the_definition_holds_together() {
    Cli::command().debug_assert();
    HarnessArgs::command().debug_assert();
}

/// The flags of `test` as they are shown: `--timeout DURATION`.
fn shown_flags(command: &clap::Command) -> BTreeSet<String> {
    let test = command.find_subcommand("test").expect("there is a command test");
    let arguments = test.get_arguments().chain(command.get_arguments()).filter(|argument| !argument.is_hide_set());
    let flags = arguments.filter_map(|argument| {
        let value = argument.get_value_names().filter(|_| argument.get_action().takes_values());
        let value = value.map(|names| format!(" {}", names[0])).unwrap_or_default();
        Some(format!("--{}{value}", argument.get_long()?))
    });
    flags.filter(|flag| !matches!(flag.as_str(), "--help" | "--version")).collect()
}

#[test]
fn every_flag_is_declared_and_every_declared_flag_is_there() {
    let declared = declared::all().map(|setting| setting.flag).filter(|flag| !flag.is_empty());
    assert_eq!(shown_flags(&Cli::command()), declared.map(str::to_owned).collect());
}

#[test]
fn the_help_of_test_names_every_label() {
    let mut command = Cli::command();
    let test = command.find_subcommand_mut("test").expect("there is a command test");
    let help = test.render_long_help().to_string();
    let words: BTreeSet<&str> = help.split([' ', ',', '=', '\n']).map(|word| word.trim_end_matches('.')).collect();
    for label in declared::labels() {
        assert!(words.contains(label), "{label} is missing in:\n{help}");
    }
}

#[test]
fn every_value_of_a_service_has_its_flag() {
    for setting in declared::SERVICE_VALUES {
        let flag = setting.flag_name();
        let takes_value = setting.flag.contains(' ');
        let args = if takes_value { test_args(&[flag, "3"]) } else { test_args(&[flag]) };
        let value = if takes_value { "3" } else { "true" };
        let values = args.flags().values;
        assert_eq!(values, setting.keys.iter().map(|&key| (key, value.to_owned())).collect(), "{flag}");
    }
}

#[test]
fn flags_of_cargo_test_are_understood() {
    let args = test_args(&[
        "jellyfin",
        "immich",
        "--exact",
        "--skip",
        "a",
        "--skip",
        "b",
        "--list",
        "--format",
        "terse",
        "--include-ignored",
        "--test-threads",
        "4",
        "--color",
        "always",
        "--nocapture",
        "--show-output",
        "-Z",
        "unstable-options",
    ]);
    assert_eq!(args.selection.filters, ["jellyfin", "immich"]);
    assert_eq!(args.selection.skip, ["a", "b"]);
    assert!(args.selection.exact && args.selection.include_ignored && args.output.list && args.output.nocapture);
    assert_eq!(args.output.format, Some(TestFormat::Terse));
    assert_eq!(args.flags().threads.as_deref(), Some("4"));
    assert!(test_args(&["--no-capture", "-q"]).output.nocapture);
}

#[test]
fn what_follows_skip_is_its_value_whatever_it_looks_like() {
    let args = test_args(&["--skip", "-foo", "--skip", "--exact", "--skip=-bar"]);
    assert_eq!(args.selection.skip, ["-foo", "--exact", "-bar"]);
    assert!(!args.selection.exact);
}

#[test]
fn what_nextest_asks_of_a_harness_is_understood() {
    for line in [
        &["t", "--list", "--format", "terse"][..],
        &["t", "--list", "--format", "terse", "--ignored"],
        &["t", "media::jellyfin", "--exact", "--nocapture"],
        &["t", "media::jellyfin", "--exact", "--nocapture", "--include-ignored", "--bench"],
    ] {
        HarnessArgs::try_parse_from(line).unwrap_or_else(|error| panic!("{line:?}: {error}"));
    }
}

#[test]
fn the_engine_may_be_named_before_or_after_the_command() {
    for line in [&["rehearsa", "-H", "tcp://nas:2375", "test"][..], &["rehearsa", "test", "--host", "tcp://nas:2375"]] {
        let cli = Cli::try_parse_from(line).expect("both are right");
        assert_eq!(cli.global.connection.host.as_deref(), Some("tcp://nas:2375"));
    }
}

#[test]
fn a_format_and_quiet_are_two_wishes_for_one_thing() {
    assert!(Cli::try_parse_from(["rehearsa", "test", "-q", "--format", "json"]).is_err());
}

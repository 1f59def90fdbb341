//! The environment that an owner's program gets.

use crate::model::environment::Environment;

/// Variables that no program gets. Rehearsa's own may have secrets of another source, and nobody answers a program that
/// asks for a password.
const NEVER: [&str; 5] = ["REHEARSA_*", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "LC_*", "LANGUAGE"];

/// The variables of `environment` for a program. Variables that `own` fits belong to the program: of these only the
/// ones that `kept` fits are passed on, because any other may change what is read. A name that ends in `*` fits all
/// names that begin like it.
pub fn inherited(environment: &Environment, own: &[&str], kept: &[&str]) -> Vec<(String, String)> {
    let is_passed_on = |name: &str| {
        let is_own = own.iter().any(|pattern| fits(pattern, name));
        let is_kept = kept.iter().any(|pattern| fits(pattern, name));
        !NEVER.iter().any(|pattern| fits(pattern, name)) && (is_kept || !is_own)
    };
    let mut variables: Vec<(String, String)> = environment
        .names_starting_with("")
        .filter(|name| is_passed_on(name))
        .filter_map(|name| Some((name.to_owned(), environment.get_or_empty(name)?.to_owned())))
        .collect();
    // Messages are recognised by their English words.
    variables.push(("LC_ALL".to_owned(), "C".to_owned()));
    variables
}

/// Whether a pattern fits a variable's name.
pub fn fits(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_programs_own_variables_only_the_kept_ones_reach_the_program() {
        let environment: Environment = [
            ("PATH", "/bin"),
            ("HOME", "/root"),
            ("LC_MESSAGES", "de_DE"),
            ("RESTIC_HOST", "other"),
            ("RESTIC_REST_PASSWORD", "fixture"),
            ("RESTIC_PASSWORD", "fixture"),
            ("AWS_SECRET_ACCESS_KEY", "fixture"),
            ("REHEARSA_PASSPHRASE", "fixture"),
            ("SSH_ASKPASS", "/bin/ask"),
        ]
        .into_iter()
        .collect();
        let got = inherited(&environment, &["RESTIC_*"], &["RESTIC_PASSWORD", "RESTIC_REST_*"]);
        let names: Vec<&str> = got.iter().map(|(name, _)| name.as_str()).collect();
        let expected = ["AWS_SECRET_ACCESS_KEY", "HOME", "PATH", "RESTIC_PASSWORD", "RESTIC_REST_PASSWORD", "LC_ALL"];
        assert_eq!(names, expected);
        assert_eq!(got.last().map(|(_, value)| value.as_str()), Some("C"));
    }
}

//! Suggests the known names that are nearest to an unknown one.

/// The known names nearest to `wanted`: best first, at most three, none when nothing is near.
pub fn nearest<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let lower = wanted.to_lowercase();
    let mut scored: Vec<(f64, &str)> = known
        .into_iter()
        .filter_map(|name| {
            let candidate = name.to_lowercase();
            let score = if !lower.is_empty() && (candidate.contains(&lower) || lower.contains(&candidate)) {
                1.0
            } else {
                similarity(&lower, &candidate)
            };
            (score >= 0.8).then_some((score, name))
        })
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(b.1)));
    scored.dedup_by(|a, b| a.1 == b.1);
    scored.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Compares the services of `stack::service` by themselves: services of one stack share the rest of the name.
fn similarity(wanted: &str, candidate: &str) -> f64 {
    match (wanted.rsplit_once("::"), candidate.rsplit_once("::")) {
        (Some((stack, service)), Some((other_stack, other))) => {
            strsim::jaro_winkler(service, other).min(strsim::jaro_winkler(stack, other_stack))
        }
        (None, Some((_, service))) => strsim::jaro_winkler(wanted, service),
        _ => strsim::jaro_winkler(wanted, candidate),
    }
}

/// `did you mean a, b or c?`; `None` when nothing is near.
pub fn suggestion<'a>(wanted: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near: Vec<String> = nearest(wanted, known).into_iter().map(|name| format!("`{name}`")).collect();
    let (last, rest) = near.split_last()?;
    Some(if rest.is_empty() {
        format!("did you mean {last}?")
    } else {
        format!("did you mean {} or {last}?", rest.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_its_name() {
        assert_eq!(nearest("jelyfin", ["media::jellyfin", "db", "media::sonarr"]), ["media::jellyfin"]);
        assert_eq!(nearest("redonly", ["copy", "readonly", "overlay", "empty", "omit"]), ["readonly"]);
    }

    #[test]
    fn a_shared_stack_makes_no_likeness() {
        assert_eq!(nearest("media::sonar", ["media::jellyfin", "media::sonarr", "shop::sonarr"]), ["media::sonarr"]);
    }

    #[test]
    fn a_part_of_a_name_finds_all_that_have_it() {
        assert_eq!(nearest("media", ["media::jellyfin", "db", "media::sonarr"]), ["media::jellyfin", "media::sonarr"]);
    }

    #[test]
    fn nothing_near_is_nothing_said() {
        assert_eq!(suggestion("zzz", ["copy", "omit"]), None);
        assert_eq!(suggestion("copi", ["copy", "omit"]).as_deref(), Some("did you mean `copy`?"));
        assert_eq!(suggestion("a", ["ab", "ac"]).as_deref(), Some("did you mean `ab` or `ac`?"));
    }
}

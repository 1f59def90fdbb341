//! The text of an error with its causes.

use std::error::Error;

/// An error with its causes, as `REFUSED: CAUSE: CAUSE`. Some errors, as those of hyper, say only in a cause what
/// happened; a cause that the words before it quote already is left out.
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut words = error.to_string();
    let mut below = error.source();
    while let Some(error) = below {
        let cause = error.to_string();
        if !words.contains(&cause) {
            words.push_str(": ");
            words.push_str(&cause);
        }
        below = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Outer(&'static str, #[source] io::Error);

    #[test]
    fn a_cause_is_told_once() {
        let cause = || io::Error::other("no route");
        assert_eq!(with_causes(&Outer("cannot connect", cause())), "cannot connect: no route");
        assert_eq!(with_causes(&Outer("cannot connect: no route", cause())), "cannot connect: no route");
        assert_eq!(with_causes(&cause()), "no route");
    }
}

//! The uses of variables in a text, as Compose's interpolation reads it.

/// A use of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VariableUse {
    pub name: String,
    /// Number of the `$` in the text, from 0.
    pub dollar: usize,
    pub form: UseForm,
    /// The use stands in the default of another one, and counts only where that one is not set.
    pub nested: bool,
}

/// What happens where the variable is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UseForm {
    /// `$X`, `${X}`: a blank takes its place.
    Plain,
    /// `${X:-…}`, `${X-…}`: the default takes its place.
    Default,
    /// `${X:?…}`, `${X?…}`: Compose stops.
    Required,
    /// `${X:+…}`, `${X+…}`: a blank takes its place, on purpose.
    Alternative,
}

/// A `${` that Compose stops at: number of its `$`, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadUse {
    pub dollar: usize,
    pub why: &'static str,
}

/// All uses in a text, in their order, those in defaults included.
pub fn uses(text: &str) -> Result<Vec<VariableUse>, BadUse> {
    let mut found = Vec::new();
    let mut reader = Reader { rest: text, dollars: 0 };
    reader.read(&mut found, false, 0)?;
    Ok(found)
}

/// Most defaults inside of defaults.
const DEPTH: usize = 20;

struct Reader<'a> {
    rest: &'a str,
    /// Number of `$` that were read.
    dollars: usize,
}

impl Reader<'_> {
    /// Reads to the end of the text; `nested`: to the brace that closes the default.
    fn read(&mut self, found: &mut Vec<VariableUse>, nested: bool, depth: usize) -> Result<(), BadUse> {
        let opened = self.dollars;
        // Braces that the default itself has.
        let mut open = 0;
        while let Some(letter) = self.take() {
            match letter {
                '$' => self.variable(found, nested, depth)?,
                '{' if nested => open += 1,
                '}' if nested && open == 0 => return Ok(()),
                '}' if nested => open -= 1,
                _ => {}
            }
        }
        if nested { Err(BadUse { dollar: opened.saturating_sub(1), why: "its brace is not closed" }) } else { Ok(()) }
    }

    /// Reads what follows a `$`.
    fn variable(&mut self, found: &mut Vec<VariableUse>, nested: bool, depth: usize) -> Result<(), BadUse> {
        let dollar = self.dollars;
        self.dollars += 1;
        if self.skip('$') {
            self.dollars += 1;
            return Ok(());
        }
        let bad = |why| Err(BadUse { dollar, why });
        let braced = self.skip('{');
        let name = self.name();
        match (name.is_empty(), braced) {
            // `$1` and a lone `$` stay as they are.
            (true, false) => return Ok(()),
            (true, true) => return bad("it names no variable"),
            (false, _) => {}
        }
        let mut add = |form| found.push(VariableUse { name: name.clone(), dollar, form, nested });
        if !braced {
            add(UseForm::Plain);
            return Ok(());
        }
        let colon = self.skip(':');
        match self.take() {
            Some('}') if !colon => {
                add(UseForm::Plain);
                return Ok(());
            }
            Some('-') => add(UseForm::Default),
            Some('?') => add(UseForm::Required),
            Some('+') => add(UseForm::Alternative),
            None => return bad("its brace is not closed"),
            Some(_) => return bad("after its name comes neither a brace nor one of - ? +"),
        }
        if depth >= DEPTH {
            return bad("it has too many defaults inside of defaults");
        }
        self.read(found, true, depth + 1)
            .map_err(|inner| if inner.dollar >= dollar { inner } else { BadUse { dollar, ..inner } })
    }

    fn take(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(letter)
    }

    fn skip(&mut self, letter: char) -> bool {
        let found = self.rest.starts_with(letter);
        if found {
            self.rest = &self.rest[letter.len_utf8()..];
        }
        found
    }

    fn name(&mut self) -> String {
        let is_first = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
        if !self.rest.starts_with(is_first) {
            return String::new();
        }
        let end = self.rest.find(|letter: char| !(is_first(letter) || letter.is_ascii_digit()));
        let (name, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names with their forms: `X` plain, `X-` default, `X?` required, `X+` alternative; nested ones in brackets.
    fn shown(text: &str) -> Vec<String> {
        let uses = uses(text).unwrap_or_else(|bad| panic!("{text}: {bad:?}"));
        uses.into_iter()
            .map(|of| {
                let form = match of.form {
                    UseForm::Plain => "",
                    UseForm::Default => "-",
                    UseForm::Required => "?",
                    UseForm::Alternative => "+",
                };
                if of.nested { format!("({}{form})", of.name) } else { format!("{}{form}", of.name) }
            })
            .collect()
    }

    #[test]
    fn uses_are_found_in_every_form() {
        for (text, expected) in [
            ("", &[][..]),
            ("$A", &["A"]),
            ("a${B}c$D_1/x", &["B", "D_1"]),
            ("${A:-b}${C-}", &["A-", "C-"]),
            ("${A:?say so}${B?}", &["A?", "B?"]),
            ("${A:+x}${B+x}", &["A+", "B+"]),
            ("${A:-${B:-${C}}}/d", &["A-", "(B-)", "(C)"]),
            (r#"${X:-{"a":1}}$Y"#, &["X-", "Y"]),
            ("${A:?no $B}", &["A?", "(B)"]),
            ("$$A $${B} $$$C", &["C"]),
            ("$1 $ $. 5$", &[]),
            ("${_a}${Ab}", &["_a", "Ab"]),
        ] {
            assert_eq!(shown(text), expected, "{text}");
        }
    }

    #[test]
    fn the_dollar_of_a_use_is_counted_over_all_dollars() {
        let dollars: Vec<usize> = uses("$$x $A ${B:-$C} $").expect("good").iter().map(|of| of.dollar).collect();
        assert_eq!(dollars, [2, 3, 4]);
    }

    #[test]
    fn what_compose_stops_at_is_named() {
        for (text, dollar) in
            [("a$$b ${}", 2), ("${A", 0), ("$B ${A:-x", 1), ("${A:-${B}", 0), ("${A!}", 0), ("${A:}", 0)]
        {
            assert_eq!(uses(text).expect_err(text).dollar, dollar, "{text}");
        }
    }
}

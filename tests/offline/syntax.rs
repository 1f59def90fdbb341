//! Rust source as tokens, as far as the rules for the source tree need them: without comments, literals and test code.

/// The tokens of shipped code: words, `::`, and single characters for the rest. Comments, literals and the quotes of
/// lifetimes are left out, and so is every item below `#[cfg(test)]`.
pub fn tokens(text: &str) -> Vec<String> {
    without_tests(&lex(text))
}

fn lex(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let starts = |at: usize, with: &str| with.chars().enumerate().all(|(n, c)| chars.get(at + n) == Some(&c));
    let find = |from: usize, what: &str| (from..chars.len()).find(|&at| starts(at, what)).unwrap_or(chars.len());
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(&c) = chars.get(at) {
        if starts(at, "//") {
            at = find(at, "\n");
        } else if starts(at, "/*") {
            at = find(at, "*/") + 2;
        } else if c == '"' {
            at = end_of_string(&chars, at);
        } else if c == '\'' {
            at = match (chars.get(at + 1), chars.get(at + 2)) {
                (Some('\\'), _) => find(at + 3, "'") + 1,
                (_, Some('\'')) => at + 3,
                _ => at + 1,
            };
        } else if is_of_word(c) {
            let word: String = chars[at..].iter().copied().take_while(|&c| is_of_word(c)).collect();
            at += word.chars().count();
            let hashes = chars[at..].iter().take_while(|&&c| c == '#').count();
            if matches!(word.as_str(), "r" | "br" | "cr") && chars.get(at + hashes) == Some(&'"') {
                at = find(at + hashes + 1, &format!("\"{}", "#".repeat(hashes))) + 1 + hashes;
            } else {
                found.push(word);
            }
        } else if starts(at, "::") {
            found.push("::".to_owned());
            at += 2;
        } else {
            if !c.is_whitespace() {
                found.push(c.to_string());
            }
            at += 1;
        }
    }
    found
}

/// The index after the string whose quote is at `at`.
fn end_of_string(chars: &[char], mut at: usize) -> usize {
    at += 1;
    while let Some(&c) = chars.get(at) {
        match c {
            '"' => return at + 1,
            '\\' => at += 2,
            _ => at += 1,
        }
    }
    at
}

/// Whether a token can begin with this character as a word does.
pub fn is_of_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Whether a token is a word.
pub fn is_word(token: &str) -> bool {
    token.starts_with(is_of_word)
}

fn without_tests(tokens: &[String]) -> Vec<String> {
    const TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].iter().take(TEST.len()).eq(TEST.iter()) {
            at = end_of_item(tokens, at + TEST.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// The index after the item that begins at `at`: after its semicolon, or after the brace that closes it.
fn end_of_item(tokens: &[String], mut at: usize) -> usize {
    let mut depth = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        match token.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    break;
                }
            }
            ";" if depth == 0 => break,
            _ => {}
        }
    }
    at
}

/// The names of the types that are defined.
pub fn types(tokens: &[String]) -> Vec<String> {
    let defined = tokens.windows(2).filter(|pair| matches!(pair[0].as_str(), "struct" | "enum" | "union"));
    defined.map(|pair| pair[1].clone()).collect()
}

/// For each method the name of its type. A method is a function that stands directly in an `impl` block of no trait.
pub fn methods(tokens: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let begins_item = at == 0 || matches!(tokens[at - 1].as_str(), ";" | "}" | "{" | "]" | "unsafe");
        if token != "impl" || !begins_item {
            continue;
        }
        let Some(open) = tokens[at..].iter().position(|token| token == "{").map(|length| at + length) else { continue };
        if let Some(name) = inherent_type(&tokens[at + 1..open]) {
            found.extend(std::iter::repeat_n(name, functions_in(&tokens[open..])));
        }
    }
    found
}

/// The type that an `impl` with this head is of; `None` where it is of a trait for a type.
fn inherent_type(head: &[String]) -> Option<String> {
    let (mut angles, mut name, mut in_generics) = (0, None, head.first().is_some_and(|token| token == "<"));
    for (at, token) in head.iter().enumerate() {
        match token.as_str() {
            "<" => angles += 1,
            ">" if head[at - 1] != "-" => angles -= 1,
            "where" if angles == 0 => break,
            "for" if angles == 0 && head.get(at + 1).is_some_and(|next| next != "<") => return None,
            word if angles == 0 && !in_generics && is_word(word) => name = Some(word.to_owned()),
            _ => {}
        }
        in_generics &= angles > 0;
    }
    name
}

/// The number of functions that stand directly in the block whose brace is the first token.
fn functions_in(block: &[String]) -> usize {
    let (mut depth, mut found) = (0, 0);
    for pair in block.windows(2) {
        match pair[0].as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            "fn" if depth == 1 && is_word(&pair[1]) => found += 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_literals_and_test_code_are_no_tokens() {
        let text = r##"
            // use crate::a;
            /* use crate::b; */
            let text = "use \" crate::c;" + r#"{ " }"#; let c = '{'; let q = '\''; let b = b'"';
            fn f<'a>(of: &'a str) {}
            #[cfg(test)]
            #[path = "d.rs"]
            mod d;
            #[cfg(test)]
            mod e { fn g() { if x { y(); } } }
            struct S;
        "##;
        let expected = "let text = + ; let c = ; let q = ; let b = b ; fn f < a > ( of : & a str ) { } struct S ;";
        assert_eq!(tokens(text).join(" "), expected);
    }

    #[test]
    fn only_what_a_type_itself_can_do_is_a_method() {
        let text = "
            struct Big<T>(T);
            enum Other {}
            impl<T: Fn() -> bool> Big<T> where T: Send { const N: u8 = 1; pub fn one(&self) { fn inner() {} } }
            impl Big<u8> { async fn two(f: fn(u8)) -> impl Iterator<Item = u8> { x } }
            impl Drop for Big<u8> { fn drop(&mut self) {} }
            impl From<Big<u8>> for u8 { fn from(_: Big<u8>) -> u8 { 1 } }
            fn free(of: impl Fn()) {}
            trait T { fn provided(&self) {} }
        ";
        let tokens = tokens(text);
        assert_eq!(methods(&tokens), ["Big", "Big"]);
        assert_eq!(types(&tokens), ["Big", "Other"]);
    }
}

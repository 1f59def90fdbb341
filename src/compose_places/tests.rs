//! Tests of the places in Compose files.

use super::*;

fn file(text: &str) -> ComposeFile {
    ComposeFile::parse("compose.yaml", text).unwrap_or_else(|error| panic!("{error:?}"))
}

fn at(line: u32, column: u32) -> Position {
    Position { line, column }
}

#[test]
fn services_keys_and_items_have_their_places() {
    let file = file(
        "\
name: shop
services:
  web:
    image: nginx
    ports:
      - 80:80
      - \"443:443\"
  db: {image: postgres, environment: [A=1, 'B=2']}
volumes: {data: }
",
    );
    assert_eq!(file.names("services"), [("web", at(3, 3)), ("db", at(8, 3))]);
    assert_eq!(file.names("volumes"), [("data", at(9, 11))]);
    assert_eq!(file.names("networks"), []);
    for (path, expected) in [
        (&["name"][..], at(1, 1)),
        (&["services", "web", "image"], at(4, 5)),
        (&["services", "web", "ports", "#1"], at(7, 9)),
        (&["services", "db", "environment", "#1"], at(8, 44)),
    ] {
        assert_eq!(file.place(path), Some(expected), "{path:?}");
    }
    assert_eq!(file.place(&["services", "web", "ports", "#2"]), None);
    assert_eq!(file.place(&["services", "cache"]), None);
}

#[test]
fn an_alias_and_a_merge_lead_to_what_was_written_once() {
    let file = file(
        "\
x-base: &base
  restart: always
  image: one
x-more: &more {image: two, user: '5'}
services:
  own:
    <<: [*base, *more]
    restart: no
  list: *base
",
    );
    let place = |service, key| file.place(&["services", service, key]);
    assert_eq!(place("own", "restart"), Some(at(8, 5)), "its own key wins wherever it stands");
    assert_eq!(place("own", "image"), Some(at(3, 3)), "of several the first wins");
    assert_eq!(place("own", "user"), Some(at(4, 28)));
    assert_eq!(place("list", "image"), Some(at(3, 3)));
}

#[test]
fn a_later_document_has_the_last_word() {
    let file = file("services:\n  a: {image: one}\n---\nservices:\n  a: {image: two}\n  b: {image: three}\n");
    assert_eq!(file.place(&["services", "a", "image"]), Some(at(5, 7)));
    assert_eq!(file.names("services").len(), 2);
}

#[test]
fn variables_are_placed_in_every_kind_of_scalar() {
    let file = file(
        "\
services:
  web:
    image: app:${TAG}
    command: ['a $A', \"b ${B:-$C}\"]
    environment:
      $KEY: no
      TEXT: |
        first $$ line
        second $D
      FOLDED: >-
        one ${E}
        two
      PLAIN: several words
        and $F
      ESCAPED: \"\\x24 $G\"
      Ä: ä $H
",
    );
    let (uses, bad) = file.uses();
    let found: Vec<(&str, Position)> = uses.iter().map(|of| (of.name.as_str(), of.at)).collect();
    let expected = [
        ("TAG", at(3, 16)),
        ("A", at(4, 18)),
        ("B", at(4, 26)),
        ("C", at(4, 31)),
        ("D", at(9, 16)),
        ("E", at(11, 13)),
        ("F", at(14, 13)),
        // The scalar's own place, as there is a dollar that is not written as one.
        ("G", at(15, 16)),
        ("H", at(16, 12)),
    ];
    assert_eq!(found, expected);
    assert_eq!(bad, []);
    assert_eq!(uses[0].path, ["services", "web", "image"]);
    assert_eq!(uses[2].path, ["services", "web", "command", "#1"]);
    assert!(uses[3].nested && !uses[2].nested);
}

#[test]
fn what_is_written_once_is_told_once() {
    let file = file("x: &x\n  image: $A\nservices:\n  a: *x\n  b: {<<: *x}\n");
    assert_eq!(file.uses().0.len(), 1);
}

#[test]
fn braces_that_compose_stops_at_have_their_places() {
    let (uses, bad) = file("services:\n  a:\n    image: x$Y ${}\n    user: ${A\n").uses();
    assert_eq!(uses, []);
    assert_eq!(bad.iter().map(|of| of.at).collect::<Vec<_>>(), [at(3, 16), at(4, 11)]);
}

#[test]
fn mounts_are_read_in_both_forms() {
    let file = file(
        "\
services:
  db:
    volumes:
      - data:/var/lib/data
      - ./conf:/conf:ro,z
      - ${DATA:-/srv/a:b}/db:/db
      - /anonymous
      - {type: bind, source: ./x, target: /x}
      - type: volume
        src: more
        target: /more
      - v:/one
",
    );
    let mounts = file.mounts("db");
    let shown: Vec<_> = mounts.iter().map(|of| (of.at.line, of.source.as_deref(), of.target.as_str())).collect();
    let expected = [
        (4, Some("data"), "/var/lib/data"),
        (5, Some("./conf"), "/conf"),
        (6, Some("${DATA:-/srv/a:b}/db"), "/db"),
        (7, None, "/anonymous"),
        (8, Some("./x"), "/x"),
        (9, Some("more"), "/more"),
        (12, Some("v"), "/one"),
    ];
    assert_eq!(shown, expected);
    assert_eq!(file.mounts("web"), []);
}

#[test]
fn scalars_stay_as_they_are_written() {
    let file = file("a: 0777\nb: 1.10\nc: '1.10'\nd: yes\ne: ~\nf:\ng: 22:22\nh: 2024-01-01\n");
    let written = |key: &str| {
        let (_, node) = file.find(&[key]).expect("it is there");
        let Value::Scalar(scalar) = &node.value else { panic!("{key} is a scalar") };
        (scalar.text.clone(), scalar.is_plain)
    };
    for (key, text, is_plain) in [
        ("a", "0777", true),
        ("b", "1.10", true),
        ("c", "1.10", false),
        ("d", "yes", true),
        ("e", "~", true),
        ("g", "22:22", true),
        ("h", "2024-01-01", true),
    ] {
        assert_eq!(written(key), (text.to_owned(), is_plain), "{key}");
    }
    assert!(file.place(&["f"]).is_some());
}

#[test]
fn tags_are_kept() {
    let file = file("services:\n  a:\n    ports: !reset []\n    volumes: !override [x:/x]\n");
    let tag = |key: &str| file.find(&["services", "a", key]).and_then(|(_, node)| node.tag.clone());
    assert_eq!(tag("ports").as_deref(), Some("reset"));
    assert_eq!(tag("volumes").as_deref(), Some("override"));
}

#[test]
fn a_file_that_is_no_yaml_says_where() {
    for (text, line) in [
        ("services:\n  a: [\n", 3),
        ("a: 1\nb: 2\na: 3\n", 3),
        ("a: &a [*a]\n", 1),
        ("a: *b\n", 1),
        ("[a, b]: c\n", 1),
        ("a:\n\t- b\n", 2),
    ] {
        let error = ComposeFile::parse("x", text).expect_err(text);
        assert_eq!(error.at.line, line, "{text}: {error:?}");
    }
}

/// Aliases of aliases stand for more values than any memory holds.
#[test]
fn a_bomb_of_aliases_is_read_as_it_is_written() {
    let mut text = "a0: &a0 {k: $X}\n".to_owned();
    for level in 1..60 {
        let below = level - 1;
        text.push_str(&format!("a{level}: &a{level} {{<<: [*a{below}, *a{below}], x: [*a{below}, *a{below}]}}\n"));
    }
    let file = file(&text);
    assert_eq!(file.uses().0.len(), 1);
    assert!(file.place(&["a59", "k"]).is_some());
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    assert!(ComposeFile::parse("x", &deep).is_err());
}

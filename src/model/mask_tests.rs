//! Tests of what is masked and what stays readable.

use super::*;
use crate::model::sample;
use crate::model::service::{Healthcheck, ServiceName};

fn service() -> Service {
    sample::service(ServiceName::lone("app"))
}

fn of_env(vars: &[(&str, &str)]) -> Mask {
    let var = |(name, value): &(&str, &str)| EnvVar { name: (*name).to_owned(), value: Some(Secret::new(*value)) };
    Mask::of_services([&Service { env: vars.iter().map(var).collect(), ..service() }])
}

fn of_command(words: &[&str]) -> Mask {
    let command = Some(words.iter().map(|word| (*word).to_owned()).collect());
    Mask::of_services([&Service { command, ..service() }])
}

#[test]
fn a_longer_secret_is_masked_before_the_one_it_contains() {
    let mask = of_env(&[("A_PASSWORD", "swordfish"), ("B_TOKEN", "swordfish-and-chips")]);
    assert_eq!(mask.apply("a swordfish-and-chips b swordfish c"), "a ••• b ••• c");
}

#[test]
fn what_plainly_is_no_secret_stays_readable() {
    let mask = of_env(&[
        ("PGPORT", "5432"),
        ("POSTGRES_USER", "postgres"),
        ("PGDATA", "/var/lib/postgresql"),
        ("DB_PASSWORD_FILE", "/run/secrets/db"),
        ("USE_AUTH", "true"),
        ("SESSION_KEY_SIZE", "256"),
    ]);
    let log = "postgres on 5432 in /var/lib/postgresql, /run/secrets/db, true, 256";
    assert_eq!(mask.apply(log), log);
    let mask = of_command(&["server", "--auth-mode", "basic", "--keyspace=media", "--port", "8080", "-v", "--debug"]);
    let log = "server basic media 8080 debug";
    assert_eq!(mask.apply(log), log);
}

#[test]
fn a_secret_under_an_innocent_name_is_masked() {
    let mask = of_env(&[("APP_CONFIG", "x9!kk-canary-71"), ("DATABASE_URL", "postgres://app:s3kr1t@db/app")]);
    assert_eq!(mask.apply("x9!kk-canary-71"), "•••");
    assert_eq!(mask.apply("login with s3kr1t failed for app on db"), "login with ••• failed for app on db");
}

#[test]
fn a_weak_password_is_masked_by_its_name() {
    assert_eq!(of_env(&[("DB_PASS", "hunter"), ("USE_AUTH", "true")]).apply("hunter true"), "••• true");
}

#[test]
fn arguments_are_known_in_every_spelling() {
    for command in [
        &["--password=canary-1"][..],
        &["--password", "canary-1"],
        &["--admin-token", "canary-1", "--verbose"],
        &["redis-server", "--requirepass", "canary-1"],
        &["sh", "-c", "exec redis-server --requirepass 'canary-1' --save ''"],
        &["sh", "-c", "echo 'requirepass canary-1' >> /etc/redis.conf"],
        &["redis-cli", "-a", "canary-1", "ping"],
        &["CMD-SHELL", "mysqladmin ping -pcanary-1 || exit 1"],
        &["sh", "-c", "PGPASSWORD=canary-1 psql -h db"],
        &["sh", "-c", "export API_TOKEN=\"canary-1\"; run"],
        &["app", "postgres://app:canary-1@db:5432/app?sslmode=disable"],
        &["app", "amqp://a:first@one,amqp://a:canary-1@two"],
        &["app", "redis://:canary-1@cache/0"],
        &["app", "https://canary-1@example.org/repo.git"],
        &["app", "jdbc:postgresql://db/app?user=app&password=canary-1"],
        &["app", "--dsn=host=db user=app password=canary-1 dbname=app"],
        &["curl", "-u", "app:canary-1", "http://localhost"],
        &["app", "{\"user\": \"app\", \"password\": \"canary-1\"}"],
        &["app", "-Djavax.net.ssl.keyStorePassword=canary-1"],
    ] {
        let shown = of_command(command).apply("app said canary-1 to db");
        assert_eq!(shown, "app said ••• to db", "{command:?}");
        let health = Some(Healthcheck {
            test: command.iter().map(|word| (*word).to_owned()).collect(),
            interval: 0,
            timeout: 0,
            retries: 0,
            start_period: 0,
        });
        assert_eq!(Mask::of_services([&Service { healthcheck: health, ..service() }]).apply("canary-1"), "•••");
    }
    let spaced = of_command(&["--password=two words", "--secret", "three of them"]);
    assert_eq!(spaced.apply("two words, three of them"), "•••, •••");
}

#[test]
fn labels_that_sound_secret_are_masked_and_those_of_tools_are_not() {
    let label = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let labels = vec![
        label("backup.password", "canary-1"),
        label("backup.dsn", "postgres://u:canary-2@db"),
        label("traefik.http.middlewares.a.basicauth.users", "bob:$apr1$canary-3,eve:$apr1$canary-4"),
        label("com.docker.compose.config-hash", "0123abcd"),
        label("rehearsa.skip", "its token is in use"),
        label("rehearsa.check.page", "http http://bob:canary-5@127.0.0.1/x contains photos"),
        label("description", "holds photos"),
    ];
    let mask = Mask::of_services([&Service { labels, ..service() }]);
    assert_eq!(mask.apply("canary-1 canary-2 $apr1$canary-3 $apr1$canary-4"), "••• ••• ••• •••");
    assert_eq!(mask.apply("bob:canary-5"), "bob:•••");
    assert_eq!(mask.apply("0123abcd its token is in use holds photos"), "0123abcd its token is in use holds photos");
}

#[test]
fn a_secret_is_known_line_by_line_escaped_and_decoded() {
    let key = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEF\n-----END KEY-----";
    assert_eq!(of_env(&[("TLS_KEY", key)]).apply("read hkiG9w0BAQEF"), "read •••");
    assert_eq!(of_env(&[("DB_PASS", "a\"b\\c")]).apply(r#"{"password":"a\"b\\c"}"#), r#"{"password":"•••"}"#);
    assert_eq!(of_env(&[("DB_URL", "pg://u:p%40ss%2Fword@db")]).apply("p@ss/word p%40ss%2Fword"), "••• •••");
    assert_eq!(of_env(&[("DB_URL", "pg://u:p@ss-word@db")]).apply("p@ss-word"), "•••");
}

#[test]
fn a_short_word_of_a_name_tells_that_its_value_is_a_secret() {
    for name in ["SMTP_PW", "AWS_CREDS", "JWT", "wifi-psk", "API_BEARER"] {
        assert_eq!(of_env(&[(name, "hunter2")]).apply("hunter2"), "•••", "{name}");
    }
    assert_eq!(
        of_env(&[("PWA_NAME", "hunter2"), ("CREDO", "swordfish")]).apply("hunter2 swordfish"),
        "hunter2 swordfish"
    );
}

/// A secret with all kinds of characters, and how programs write it.
const ODD: &str = "S3cr/t+P@ss\"w&rd'<Zzz>é-fixture";

fn spellings() -> Vec<(&'static str, String)> {
    let base64 = |text: &str| super::spellings::base64(text.as_bytes());
    let hex = |text: &str| text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
    vec![
        ("as it is", ODD.to_owned()),
        ("with blanks around", format!("  {ODD}\t")),
        ("with a colour code in it", ODD.replace("P@", "P\u{1b}[31m@")),
        ("with a title code in it", ODD.replace("P@", "P\u{1b}]0;x\u{7}@")),
        ("as a title", format!("\u{1b}]0;{ODD}\u{7}")),
        ("with a carriage return in it", ODD.replace("P@", "P\r@")),
        ("with a zero in it", ODD.replace("P@", "P\0@")),
        ("with a zero-width blank in it", ODD.replace("P@", "P\u{200b}@")),
        ("with a bidi mark in it", ODD.replace("P@", "P\u{202e}@")),
        ("base64", base64(ODD)),
        ("base64 of a login", base64(&format!("user:{ODD}"))),
        ("base64 of a shorter login", base64(&format!("me:{ODD}"))),
        ("base64 for URLs", base64(ODD).replace('+', "-").replace('/', "_")),
        ("base64 in lines", base64(ODD).split_at(20).0.to_owned() + "\n" + base64(ODD).split_at(20).1),
        ("in a URL", "S3cr%2Ft%2BP%40ss%22w%26rd%27%3CZzz%3E%C3%A9-fixture".to_owned()),
        ("in a URL, lower case", "S3cr%2ft%2bP%40ss%22w%26rd%27%3cZzz%3e%c3%a9-fixture".to_owned()),
        ("in a path", "S3cr/t%2BP%40ss%22w%26rd%27%3CZzz%3E%C3%A9-fixture".to_owned()),
        ("in JSON", r#""S3cr/t+P@ss\"w&rd'<Zzz>é-fixture""#.to_owned()),
        ("in JSON of Python", r#""S3cr/t+P@ss\"w&rd'<Zzz>\u00e9-fixture""#.to_owned()),
        ("in JSON of PHP", r#""S3cr\/t+P@ss\"w&rd'<Zzz>\u00e9-fixture""#.to_owned()),
        ("in JSON of Go", r#""S3cr/t+P@ss\"w\u0026rd'\u003cZzz\u003eé-fixture""#.to_owned()),
        ("in JSON in JSON", r#""{\"p\": \"S3cr/t+P@ss\\\"w&rd'<Zzz>\\u00e9-fixture\"}""#.to_owned()),
        ("in repr", r#"'S3cr/t+P@ss"w&rd\'<Zzz>é-fixture'"#.to_owned()),
        ("in ascii", r#"'S3cr/t+P@ss"w&rd\'<Zzz>\xe9-fixture'"#.to_owned()),
        ("quoted for a shell", r#"'S3cr/t+P@ss"w&rd'"'"'<Zzz>é-fixture'"#.to_owned()),
        ("quoted by printf", r#"S3cr/t+P@ss\"w\&rd\'\<Zzz\>é-fixture"#.to_owned()),
        ("in HTML", "S3cr/t+P@ss&quot;w&amp;rd&#39;&lt;Zzz&gt;é-fixture".to_owned()),
        ("in HTML of PHP", "S3cr/t+P@ss&quot;w&amp;rd&#039;&lt;Zzz&gt;&eacute;-fixture".to_owned()),
        ("in HTML of Go", "S3cr/t+P@ss&#34;w&amp;rd&#39;&lt;Zzz&gt;é-fixture".to_owned()),
        ("hex", hex(ODD)),
        ("hex, upper case", hex(ODD).to_uppercase()),
        ("upper case", ODD.to_uppercase()),
        ("without its first character", ODD[1..].to_owned()),
        ("without its last character", ODD[..ODD.len() - 1].to_owned()),
        ("over two lines", ODD.replace("P@", "P\n@")),
        ("in UTF-16", ODD.chars().map(|c| format!("{c}\0")).collect()),
        ("in Latin-1", ODD.replace('é', "\u{fffd}")),
    ]
}

/// What is left of `text` for somebody who looks for a part of the secret.
fn has_part_of_secret(text: &str) -> bool {
    let base64 = super::spellings::base64(ODD.as_bytes()).to_lowercase();
    let text = text.to_lowercase().replace(|c: char| c.is_control() || c == '\u{200b}', "");
    ["s3cr", "p@ss", "rd'<zzz>", "fixture", "zzz", "66697874757265", &base64[8..16]]
        .iter()
        .any(|part| text.contains(part))
}

#[test]
fn a_secret_is_known_in_every_spelling() {
    let mask = of_env(&[("DB_PASSWORD", ODD)]);
    for (how, spelled) in spellings() {
        let shown = mask.apply(&format!("log {spelled} stop"));
        assert!(!has_part_of_secret(&shown), "{how}: {shown:?} of {spelled:?}");
        assert!(shown.contains("log") && shown.contains("stop"), "{how}: {shown:?}");
        let lines: Vec<String> = format!("one\n{spelled}\ntwo").split('\n').map(str::to_owned).collect();
        let shown = mask.apply_to_lines(&lines);
        assert!(!shown.iter().any(|line| has_part_of_secret(line)), "{how}: {shown:?}");
        assert!(shown.len() >= lines.len(), "{how}: {shown:?}");
        assert_eq!((shown[0].as_str(), shown[shown.len() - 1].as_str()), ("one", "two"), "{how}");
    }
}

#[test]
fn an_element_of_a_list_is_a_secret_if_it_is_long_enough() {
    let mask = of_env(&[("API_KEYS", "fixture-Key-1, fixture-Key-2;short"), ("LOGINS_SECRET", "bob:fixture-Key-3")]);
    assert_eq!(mask.apply("fixture-Key-1 fixture-Key-2 short"), "••• ••• short");
    assert_eq!(mask.apply("bob has fixture-Key-3"), "bob has •••");
    let trimmed = of_env(&[("A_TOKEN", "  spaced-Tok3n "), ("B_TOKEN", " t0k ")]);
    assert_eq!(trimmed.apply("<spaced-Tok3n> <t0k>"), "<•••> <•••>");
}

#[test]
fn an_everyday_word_is_hidden_only_as_it_is_written() {
    let mask = of_env(&[("POSTGRES_PASSWORD", "postgres"), ("A_TOKEN", "Post-Gres-1")]);
    assert_eq!(mask.apply("PostgreSQL: postgres POST-GRES-1"), "PostgreSQL: ••• •••");
    assert_eq!(mask.apply("cG9zdGdyZXM="), "•••");
}

#[test]
fn a_short_secret_is_known_escaped() {
    let mask = of_env(&[("DB_PASS", "a&é b")]);
    for spelled in ["a&é b", "a&amp;é b", r"a&\u00e9 b", "a%26%C3%A9%20b", "a%26%C3%A9+b", "a%26%c3%a9%20b"] {
        assert_eq!(mask.apply(&format!("<{spelled}>")), "<•••>", "{spelled}");
    }
    assert_eq!(mask.apply("a & b, ab"), "a & b, ab");
}

#[test]
fn what_a_mask_learns_is_known_to_its_copies() {
    let mask = of_env(&[("A_TOKEN", "first-Token")]);
    let copy = mask.clone();
    mask.learn(&Mask::of_secrets(["second-Token"]));
    mask.learn(&Mask::of_secrets(["third-Token"]));
    assert_eq!(copy.apply("first-token SECOND-TOKEN third-Token"), "••• ••• •••");
}

#[test]
fn what_an_engine_quotes_is_scrubbed_by_its_own_words() {
    for (said, shown) in [
        (
            "mount //nas/media, data: username=bob,password=canary-1,vers=3.0: permission denied",
            "mount //nas/media, data: username=bob,password=•••,vers=3.0: permission denied",
        ),
        (
            "exec: \"--admin-token=canary-1\": executable file not found in $PATH",
            "exec: \"--admin-token=•••\": executable file not found in $PATH",
        ),
        ("dial postgres://app:canary-1@db:5432: refused", "dial postgres://app:•••@db:5432: refused"),
        ("password=postgres://a:canary-1@b x", "password=••• x"),
        (
            "no such file: /a=b, key=3 and https://example.org/x@y",
            "no such file: /a=b, key=3 and https://example.org/x@y",
        ),
        ("password=", "password="),
    ] {
        assert_eq!(scrub(said), shown);
    }
}

#[test]
fn the_safety_page_says_from_which_length_on() {
    let page = include_str!("../../docs/safety.md").split_whitespace().collect::<Vec<_>>().join(" ");
    for words in [
        format!("from {SHORTEST_NAMED} characters on when its name sounds like a secret"),
        format!("else from {SHORTEST_UNNAMED} characters on"),
        format!("URLs are masked from {SHORTEST_NAMED} characters on"),
        "numbers of fewer than 6 digits".to_owned(),
    ] {
        assert!(page.contains(&words), "{words}");
    }
    let mask = of_env(&[
        ("A_TOKEN", "x9"),
        ("B_TOKEN", "y8z"),
        ("A_NOTE", "A-short"),
        ("B_NOTE", "B-longer"),
        ("A_PIN_SECRET", "12345"),
        ("B_PIN_SECRET", "654321"),
    ]);
    assert_eq!(mask.apply("x9 y8z A-short B-longer 12345 654321"), "x9 ••• A-short ••• 12345 •••");
    assert_eq!(of_command(&["--password", "x9", "--password", "y8z"]).apply("x9 y8z"), "x9 •••");
}

/// The forms in which programs show bytes, with a secret that has signs to escape and letters beyond ASCII.
#[test]
fn a_secret_is_known_as_bytes_in_base32_backwards_and_encoded_twice() {
    let secret = "S3cr/t+P@ss\"w&rd'<Zzz>é-fixture";
    let mask = of_env(&[("DB_PASSWORD", secret)]);
    for shown in [
        "[83 51 99 114 47 116 43 80 64 115 115 34 119 38 114 100 39 60 90 122 122 62 195 169 45 102 105 120 116 117 \
         114 101]",
        "{\"type\":\"Buffer\",\"data\":[83,51,99,114,47,116,43,80,64,115,115,34,119,38,114,100,39,60,90,122,122,62,\
         195,169,45,102,105,120,116,117,114,101]}",
        "0x53, 0x33, 0x63, 0x72, 0x2f, 0x74, 0x2b, 0x50, 0x40, 0x73, 0x73, 0x22, 0x77, 0x26, 0x72, 0x64, 0x27, 0x3c, \
         0x5a, 0x7a, 0x7a, 0x3e, 0xc3, 0xa9, 0x2d, 0x66, 0x69, 0x78, 0x74, 0x75, 0x72, 0x65",
        "0x53 0x33 0x63 0x72 0x2F 0x74 0x2B 0x50 0x40 0x73 0x73 0x22 0x77 0x26 0x72 0x64 0x27 0x3C 0x5A 0x7A 0x7A 0x3E \
         0xC3 0xA9 0x2D 0x66 0x69 0x78 0x74 0x75 0x72 0x65",
        "Ｓ３ｃｒ／ｔ＋Ｐ＠ｓｓ＂ｗ＆ｒｄ＇＜Ｚｚｚ＞é－ｆｉｘｔｕｒｅ",
        "KMZWG4RPOQVVAQDTOMRHOJTSMQTTYWT2PI7MHKJNMZUXQ5DVOJSQ====",
        "kmzwg4rpoqvvaqdtomrhojtsmqttywt2pi7mhkjnmzuxq5dvojsq",
        "erutxif-é>zzZ<'dr&w\"ss@P+t/rc3S",
        "VXpOamNpOTBLMUJBYzNNaWR5WnlaQ2M4V25wNlBzT3BMV1pwZUhSMWNtVT0=",
        "UwAzAGMAcgAvAHQAKwBQAEAAcwBzACIAdwAmAHIAZAAnADwAWgB6AHoAPgDpAC0AZgBpAHgAdAB1AHIAZQA=",
        "eyJwIjogIlMzY3IvdCtQQHNzXCJ3JnJkJzxaeno+w6ktZml4dHVyZSJ9",
        "h.eyJwIjogIlMzY3IvdCtQQHNzXCJ3JnJkJzxaeno-XHUwMGU5LWZpeHR1cmUifQ==.s",
        "S3cr/t+P@ss\"w&rd'<Zzz>Ã©-fixture",
        "S3cr/t\u{2800}+P@ss\"w&rd'<Zzz>é-fixture",
    ] {
        let hidden = mask.apply(shown);
        assert!(hidden.contains(HIDDEN), "{hidden}");
        for part in ["115", "0x72", "MQTT", "mqtt", "rc3S", "TBLM", "AQAB", "P@ss", "fixture", "Y3Iv", "0x2F", "ｗ"] {
            assert!(!hidden.contains(part), "{shown}\n{hidden}");
        }
    }
    assert_eq!(of_env(&[("PIN_TOKEN", "abc1")]).apply("[97 98 99 49] 61 62 63 31"), "[•••] •••");
    assert_eq!(of_env(&[("PIN_TOKEN", "Jkl1")]).apply("0x4a 0x6b 0x6c 0x31; 0x4A 0x6B 0x6C 0x31"), "0x•••; 0x•••");
}

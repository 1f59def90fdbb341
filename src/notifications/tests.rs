//! The senders against real servers on the loopback device: one that answers, hangs, refuses, redirects.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use super::*;
use crate::config::values::notify;
use crate::model::baseline::Baseline;
use crate::model::event::{Event, Fact};
use crate::model::outcome::{ExitCode, Outcome};
use crate::report::sample;

/// Time that is never needed.
const LONG: Duration = Duration::from_secs(60);
/// Time that is not enough for a server that never answers.
const SHORT: Duration = Duration::from_millis(200);

/// A request: its head and its body.
struct Request {
    head: String,
    body: String,
}

/// A server that answers each request with this status line and further head lines.
fn server(answer: &'static str) -> (u16, Receiver<Request>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let (sender, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let request = read(&mut stream);
            write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").expect("answered");
            if sender.send(request).is_err() {
                return;
            }
        }
    });
    (port, requests)
}

fn read(stream: &mut TcpStream) -> Request {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    loop {
        let count = stream.read(&mut part).expect("read");
        text.extend_from_slice(&part[..count]);
        let words = String::from_utf8_lossy(&text).into_owned();
        let Some((head, body)) = words.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
        if count == 0 || body.len() >= length.unwrap_or(0) {
            return Request { head: head.to_owned(), body: body.to_owned() };
        }
    }
}

fn notifier(address: &str, when: NotifyWhen, limit: Duration) -> Notifier {
    let targets = vec![notify::read(address).expect(address)];
    Notifier { targets, when, limit, mail: MailEnvironment::default() }
}

fn mixed() -> Message {
    Message::ended("nas", &sample::outcome(&sample::mixed()))
}

/// The errors of the message at this address, and whether they repeat a secret of it.
fn errors(address: &str, limit: Duration) -> String {
    let errors = notifier(address, NotifyWhen::Always, limit).tell(&mixed()).join("\n");
    assert!(!errors.contains("hunter2"), "{errors}");
    errors
}

#[test]
fn ntfy_gets_its_topic_the_title_and_the_failures() {
    let (port, requests) = server("200 OK");
    assert_eq!(errors(&format!("ntfy://me:hunter2@127.0.0.1:{port}/hunter2topic"), LONG), "");
    let Request { head, body } = requests.recv().expect("a request");
    assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("authorization: basic bwu6ahvudgvymg==") || head.contains("bWU6aHVudGVyMg=="));
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((&body["topic"], &body["priority"]), (&Value::from("hunter2topic"), &Value::from(4)));
    assert_eq!(body["title"], "Restore rehearsal on nas: 1 failed, 1 errored, 1 passed, 1 skipped");
    let message = body["message"].as_str().expect("a text");
    assert!(message.starts_with("media::sonarr FAILED: boot/exited: "), "{message}");
}

#[test]
fn a_webhook_gets_json_that_programs_and_chats_read() {
    let (port, requests) = server("204 No Content");
    assert_eq!(errors(&format!("http://127.0.0.1:{port}/hooks/hunter2?a=b"), LONG), "");
    let Request { head, body } = requests.recv().expect("a request");
    assert!(head.starts_with("POST /hooks/hunter2?a=b HTTP/1.1\r\n"), "{head}");
    let body: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(
        (&body["version"], &body["event"], &body["exit_code"]),
        (&1.into(), &"run-finished".into(), &101.into())
    );
    assert_eq!(body["cases"][1]["code"], "boot/exited");
    assert!(body["text"].as_str().is_some_and(|text| text.lines().count() > 3), "{body}");
    assert_eq!(body["changes"], Value::Null, "it is compared with no run");
}

#[test]
fn a_ping_is_told_of_begin_success_and_failure_whatever_else_is_asked() {
    let (port, requests) = server("200 OK");
    let notifier = notifier(&format!("ping:http://127.0.0.1:{port}/uuid"), NotifyWhen::Failure, LONG);
    assert_eq!(notifier.begin(Message::begun("nas")).wait(), [""; 0]);
    notifier.tell(&Message::ended("nas", &sample::outcome(&sample::one_passed())));
    notifier.tell(&mixed());
    notifier.tell(&Message::never_began("nas", ExitCode::Errored, "no engine"));
    let path = || requests.recv().expect("a request").head.split(' ').nth(1).expect("a path").to_owned();
    assert_eq!([path(), path(), path(), path()], ["/uuid/start", "/uuid", "/uuid/fail", "/uuid/fail"]);
}

#[test]
fn a_server_that_hangs_refuses_redirects_or_fails_is_told_without_the_secret() {
    let hanging = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = hanging.local_addr().expect("bound").port();
    let told = errors(&format!("http://127.0.0.1:{port}/hunter2"), SHORT);
    assert_eq!(told, format!("the webhook at 127.0.0.1:{port}: no answer within 0.2 s"));
    drop(hanging);
    let told = errors(&format!("ntfy://127.0.0.1:{port}/hunter2"), LONG);
    assert!(told.starts_with(&format!("ntfy at 127.0.0.1:{port}: cannot connect: ")), "{told}");
    let (elsewhere, requests) = server("200 OK");
    let location = format!("302 Found\r\nLocation: http://127.0.0.1:{elsewhere}/hunter2");
    let (port, _kept) = server(Box::leak(location.into_boxed_str()));
    let told = errors(&format!("http://127.0.0.1:{port}/hunter2"), LONG);
    assert!(told.contains("it answered 302 Found, which sends the message elsewhere"), "{told}");
    assert!(requests.try_recv().is_err(), "it was not followed");
    let (port, _kept) = server("403 Forbidden");
    assert!(errors(&format!("http://127.0.0.1:{port}/hunter2"), LONG).ends_with("it answered 403 Forbidden"));
    let plain = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = plain.local_addr().expect("bound").port();
    thread::spawn(move || plain.accept().map(|(mut stream, _)| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")));
    let told = errors(&format!("https://127.0.0.1:{port}/hunter2"), LONG);
    assert!(told.contains("TLS") || told.contains("certificates of authorities"), "{told}");
}

#[test]
fn mail_goes_through_sendmail_with_nothing_of_the_environment() {
    let home = tempfile::tempdir().expect("a folder");
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/notify");
    let path = format!("{}:/usr/bin:/bin", fixtures.display());
    let mut notifier = notifier("mailto:root@nas", NotifyWhen::Always, LONG);
    notifier.mail = MailEnvironment { path: path.clone(), home: Some(home.path().display().to_string()) };
    assert_eq!(notifier.tell(&mixed()), [""; 0]);
    let mail = std::fs::read_to_string(home.path().join("mail")).expect("handed over");
    assert!(mail.starts_with("arguments: -t -i\nenvironment: "), "{mail}");
    assert!(!mail.contains("CARGO"), "{mail}");
    let head = "To: root@nas\nSubject: Restore rehearsal on nas: 1 failed, 1 errored, 1 passed, 1 skipped\n";
    assert!(mail.contains(head) && mail.contains("\n\nRestore rehearsal on nas"), "{mail}");
    notifier.mail.home = Some(home.path().join("missing").display().to_string());
    let told = notifier.tell(&mixed()).join("\n");
    assert!(told.starts_with("mail to root@nas: ") && told.contains("sendmail ended with exit status"), "{told}");
}

#[test]
fn a_subject_is_one_line_of_ascii() {
    let mail = Message::begun("n\u{e4}s\nBcc: x@y").mail("root@nas");
    let (head, _) = mail.split_once("\n\n").expect("a head");
    assert!(head.is_ascii() && !head.contains("\nBcc"), "{head}");
    assert!(head.contains("Subject: =?utf-8?Q?"), "{head}");
}

fn compared_with(events: &[Event], baseline: Option<Baseline>) -> Message {
    let mut outcome: Outcome = sample::outcome(events);
    outcome.baseline = baseline;
    Message::ended("nas", &outcome)
}

#[test]
fn of_a_change_is_told_only_when_a_verdict_is_another() {
    let notifier = notifier("ntfy://h/t", NotifyWhen::Change, LONG);
    let wants = |message: &Message| notifier.wants(&notifier.targets[0], message);
    let same = crate::report::comparison::baseline_of(&sample::outcome(&sample::mixed()));
    let passed = crate::report::comparison::baseline_of(&sample::outcome(&sample::one_passed()));
    assert!(!wants(&compared_with(&sample::mixed(), Some(same))));
    assert!(wants(&compared_with(&sample::mixed(), Some(passed))));
    assert!(wants(&compared_with(&sample::one_passed(), None)), "the last run is not known");
    assert!(wants(&Message::never_began("nas", ExitCode::Errored, "no engine")));
    assert!(!wants(&Message::begun("nas")));
}

#[test]
fn of_a_failure_is_told_only_when_the_run_is_no_success() {
    let notifier = notifier("ntfy://h/t", NotifyWhen::Failure, LONG);
    let wants = |events: &[Event]| notifier.wants(&notifier.targets[0], &compared_with(events, None));
    assert!(wants(&sample::mixed()) && wants(&sample::nothing()) && wants(&sample::left_behind()));
    assert!(!wants(&sample::one_passed()));
}

#[test]
fn foreign_names_end_no_line_and_write_no_markup() {
    let message = Message::ended("nas", &sample::outcome(&sample::hostile_names()));
    assert!(!message.text().contains(['\u{1b}', '\0', '\r']), "{}", message.text());
    assert!(matches!(sample::hostile_names().last().map(|event| &event.fact), Some(Fact::RunFinished)));
    serde_json::from_str::<Value>(&message.json()).expect("JSON");
}

//! Notifications of a real run, and the comparison with the run before. Needs root, a Docker engine on this machine and
//! the fixture images.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

use serde_json::Value;

use crate::support::backup::folder;
use crate::support::{rehearse, service, shown};

/// A webhook on this machine: its address, and what it gets.
fn webhook() -> (String, Receiver<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address =
        format!("http://127.0.0.1:{}/hook/fixture-notify-secret", listener.local_addr().expect("bound").port());
    let (sender, got) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            let (mut text, mut part) = (Vec::new(), [0; 4096]);
            // The body ends with the object.
            let body = loop {
                let count = stream.read(&mut part).expect("read");
                text.extend_from_slice(&part[..count]);
                let words = String::from_utf8_lossy(&text).into_owned();
                let body = words.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
                match serde_json::from_str::<Value>(body) {
                    Ok(body) => break body,
                    Err(_) => assert!(count > 0, "a request without JSON: {words}"),
                }
            };
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").expect("answered");
            if sender.send(body).is_err() {
                return;
            }
        }
    });
    (address, got)
}

#[test]
fn a_run_is_told_once_it_has_ended_and_the_next_only_if_something_changed() {
    let (live, dir) = (service("broken").rehearsed_as("exec behave healthy").start(), folder());
    let (address, got) = webhook();
    let events = shown(&dir.path().join("events.jsonl"));
    // Nobody listens on the second one.
    let first = rehearse(
        &[&live.name],
        &["--notify", &address, "--notify", "ntfy://127.0.0.1:1/fixture-notify-secret", "--events", &events],
    );
    first.is_green("healthy");
    let told = got.recv().expect("told");
    assert_eq!((&told["exit_code"], &told["counts"]["passed"]), (&0.into(), &1.into()), "{told}");
    assert_eq!(told["session"], first.report["session"]);
    let warnings = first.report["warnings"].as_array().expect("warnings");
    assert_eq!(warnings.len(), 1, "{first}");
    assert_eq!(warnings[0]["code"], "run/not-notified");
    assert!(first.stderr.contains("ntfy at 127.0.0.1:1: cannot connect"), "{first}");
    let record = std::fs::read_to_string(&events).expect("a record");
    assert!(!format!("{first}{record}").contains("fixture-notify-secret"), "{first}");

    let args = ["--notify", &address, "--notify-when", "change", "--baseline", &events];
    let second = rehearse(&[&live.name], &args);
    second.is_green("healthy");
    assert_eq!(second.report["comparison"]["changes"], Value::Array(Vec::new()), "{second}");
    assert!(second.stderr.contains("Since the run of "), "{second}");
    assert!(got.try_recv().is_err(), "nothing is other, so nobody is told");
}

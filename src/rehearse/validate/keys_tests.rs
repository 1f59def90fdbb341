//! Tests of the question for the keys of Redis.

use super::*;
use crate::model::sample;
use crate::model::secret::Secret;
use crate::model::service::{EnvVar, ServiceName};

const BASE: &str = "appendonlydir/a.1.base.rdb";
const PART: &str = "appendonlydir/a.1.incr.aof";

fn store(kind: StoreKind, file: &str, full: bool) -> Store {
    Store { kind, file: file.to_owned(), identity: 1, size: 100, full, log: false, version: String::new() }
}

fn said(fields: &str, keyspace: &str) -> String {
    let said = format!("# Server\nredis_version:7.0.15\n# Persistence\nloading:0\n{fields}\n# Keyspace\n{keyspace}\n");
    said.replace('\n', "\r\n")
}

const NONE_FOUND: &str = "rdb_last_load_keys_expired:0\nrdb_last_load_keys_loaded:0\naof_enabled:1";

#[test]
fn the_server_s_answer_is_read() {
    let keys = Keys::read(&said(NONE_FOUND, "db0:keys=3,expires=0,avg_ttl=0\ndb15:keys=4,expires=4,avg_ttl=9"));
    assert_eq!(keys, Some(Keys { now: 7, found: Some(0), log_is_on: true }));
    let expired = "rdb_last_load_keys_expired:2\nrdb_last_load_keys_loaded:1\naof_enabled:0";
    assert_eq!(Keys::read(&said(expired, "")), Some(Keys { now: 0, found: Some(3), log_is_on: false }));
    assert_eq!(Keys::read(&said("aof_enabled:0", "")), Some(Keys { now: 0, found: None, log_is_on: false }));
    assert_eq!(Keys::read(&said(NONE_FOUND, "").replace("loading:0", "loading:1")), None);
    assert_eq!(Keys::read("NOAUTH Authentication required."), None);
}

#[test]
fn a_store_with_keys_that_an_empty_server_has_not_read_is_named() {
    let dump = |full| store(StoreKind::RedisDump, "dump.rdb", full);
    let base = |full| store(StoreKind::RedisLog, BASE, full);
    let part = |full| store(StoreKind::RedisLog, PART, full);
    let judged = |log_is_on, stores: &[Store], cut_off| {
        let stores: Vec<&Store> = stores.iter().collect();
        judge(&Keys { now: 0, found: Some(0), log_is_on }, &stores, cut_off).map(|unread| unread.file)
    };
    let is = |file: &str| Some(file.to_owned());
    assert_eq!(judged(true, &[base(true), part(false), dump(true)], false), is(BASE), "it reads another log");
    assert_eq!(judged(true, &[base(false), part(false), dump(true)], false), is("dump.rdb"), "the log is empty");
    assert_eq!(judged(true, &[base(false), part(true), dump(true)], true), is("dump.rdb"), "the log was cut off");
    assert_eq!(judged(true, &[base(false), part(true), dump(true)], false), None, "all keys were removed");
    assert_eq!(judged(true, &[base(false), part(true)], true), None, "nothing tells that there were keys");
    assert_eq!(judged(false, &[dump(true)], false), is("dump.rdb"), "it looks for its dump elsewhere");
    assert_eq!(judged(false, &[base(true), part(false)], false), is(BASE), "it reads no log");
    assert_eq!(judged(false, &[base(true), dump(false)], false), None, "the log is left over");
}

#[test]
fn a_server_with_keys_or_with_expired_ones_has_read_its_data() {
    let dump = store(StoreKind::RedisDump, "dump.rdb", true);
    for (now, found, unread) in
        [(1, Some(0), false), (0, Some(1), false), (0, Some(0), true), (0, None, true), (1, None, false)]
    {
        let keys = Keys { now, found, log_is_on: false };
        assert_eq!(judge(&keys, &[&dump], false).is_some(), unread, "{keys:?}");
    }
    let unread = |found| judge(&Keys { now: 0, found, log_is_on: false }, &[&dump], false).expect("it is unread");
    assert_eq!(unread(Some(0)).diagnosis("x").code, Code::DataUnused);
    assert_eq!(unread(None).diagnosis("x").code, Code::DataNotUsed, "they may have expired");
}

#[test]
fn the_client_is_led_to_where_the_server_listens() {
    for (title, options) in [
        ("redis-server *:6379 ", "-h 127.0.0.1 -p 6379"),
        ("/usr/bin/valkey-server 0.0.0.0:7000 [cluster]", "-h 127.0.0.1 -p 7000"),
        ("redis-server -::*:6379", "-h 127.0.0.1 -p 6379"),
        ("redis-server 172.20.0.2:6380", "-h 172.20.0.2 -p 6380"),
        ("redis-server [::1]:6379", "-h ::1 -p 6379"),
        ("redis-server unixsocket:/run/redis.sock", "-s /run/redis.sock"),
        ("redis-server /etc/redis.conf --port 7001", "-h 127.0.0.1 -p 7001"),
        ("redis-server", "-h 127.0.0.1 -p 6379"),
    ] {
        assert_eq!(client_options(title).join(" "), options, "{title}");
    }
}

#[test]
fn the_password_is_found_among_the_arguments() {
    let of = |command: &[&str]| {
        let command = command.iter().map(|&word| word.to_owned()).collect();
        let value = Some(Secret::new("from the environment"));
        let env = vec![EnvVar { name: "CACHE_PASSWORD".to_owned(), value }];
        password(&Service { command: Some(command), env, ..sample::service(ServiceName::lone("cache")) })
    };
    let is = |password: &str| Some(password.to_owned());
    assert_eq!(of(&["redis-server", "--requirepass", "fixture-secret"]), is("fixture-secret"));
    assert_eq!(of(&["sh", "-c", "exec redis-server --requirepass 'fixture-secret' --save ''"]), is("fixture-secret"));
    assert_eq!(of(&["sh", "-c", "redis-server --requirepass \"${CACHE_PASSWORD}\""]), is("from the environment"));
    assert_eq!(of(&["sh", "-c", "redis-server --requirepass $OTHER"]), None);
    assert_eq!(of(&["redis-server"]), None);
}

//! Questions to the engine without the Docker CLI. A test asks hundreds of times while it waits, and each start of the
//! CLI takes more of a processor than the engine's answer.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use serde_json::Value;

/// The socket of the engine that the environment names.
pub fn engine_socket() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock").to_owned()
}

/// The engine's answer to a request of this path; an error is the engine's own words.
pub fn get(path: &str) -> Result<Value, String> {
    let mut stream = UnixStream::connect(engine_socket()).map_err(|error| format!("no engine: {error}"))?;
    // By this version the engine sends the answer in one piece and closes the connection after it.
    let request = format!("GET {path} HTTP/1.0\r\nHost: engine\r\n\r\n");
    let mut answer = Vec::new();
    stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_end(&mut answer)).map_err(|e| e.to_string())?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| format!("no answer to {path}: {answer}"))?;
    if head.split(' ').nth(1) != Some("200") {
        return Err(format!("{path}: {body}"));
    }
    serde_json::from_str(body).map_err(|error| format!("{path}: {error}: {body}"))
}

/// A container as `docker inspect` shows it.
pub fn container(name: &str) -> Result<Value, String> {
    get(&format!("/containers/{name}/json"))
}

/// The ids of the containers and networks and the names of the volumes with this label.
#[track_caller]
pub fn labelled(label: &str) -> Vec<(&'static str, String)> {
    let filter: String = format!("{{\"label\":[\"{label}\"]}}").bytes().map(|byte| format!("%{byte:02X}")).collect();
    let list = |kind, path: &str, key: &str| -> Vec<(&'static str, String)> {
        let answer = get(&format!("{path}filters={filter}")).expect("the engine lists");
        // Without any volume there is no list of them.
        let objects = match &answer {
            Value::Object(volumes) => volumes["Volumes"].as_array().cloned().unwrap_or_default(),
            list => list.as_array().expect("a list").clone(),
        };
        objects.iter().map(|object| (kind, object[key].as_str().expect("it has a name").to_owned())).collect()
    };
    [
        list("container", "/containers/json?all=1&", "Id"),
        list("volume", "/volumes?", "Name"),
        list("network", "/networks?", "Id"),
    ]
    .concat()
}

//! A volume plugin as Docker talks to one: JSON over HTTP on a socket in the engine's folder of plugins.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

/// A plugin that serves; [`Plugin::vanish`] takes it away.
pub struct Plugin {
    socket: PathBuf,
    gone: Arc<AtomicBool>,
}

impl Plugin {
    /// All its volumes lie in `data`.
    pub fn start(plugins: &Path, name: &str, data: &Path) -> Self {
        let socket = plugins.join(format!("{name}.sock"));
        let listener = UnixListener::bind(&socket).expect("a socket");
        let (gone, data) = (Arc::new(AtomicBool::new(false)), data.display().to_string());
        let (stop, volumes) = (Arc::clone(&gone), Arc::new(Mutex::new(BTreeSet::new())));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let (data, stop, volumes) = (data.clone(), Arc::clone(&stop), Arc::clone(&volumes));
                std::thread::spawn(move || serve(&client, &data, &stop, &volumes));
            }
        });
        Self { socket, gone }
    }

    /// It is uninstalled, or crashed.
    pub fn vanish(&self) {
        self.gone.store(true, Ordering::SeqCst);
        std::fs::remove_file(&self.socket).expect("it was there");
    }
}

/// Answers one connection's requests.
fn serve(client: &UnixStream, data: &str, stop: &AtomicBool, volumes: &Mutex<BTreeSet<String>>) {
    let mut reader = BufReader::new(client);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match reader.read_line(&mut head) {
                Ok(0) | Err(_) => return,
                Ok(_) => {}
            }
        }
        let length =
            head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        if reader.read_exact(&mut body).is_err() || stop.load(Ordering::SeqCst) {
            return;
        }
        let path = head.split_whitespace().nth(1).unwrap_or_default();
        let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
        let name = asked["Name"].as_str().unwrap_or_default();
        let answer = answer(path, name, data, &mut volumes.lock().expect("no panic")).to_string();
        let sent = write!(
            &mut (&*client),
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.plugins.v1+json\r\n\
             Content-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if sent.is_err() {
            return;
        }
    }
}

fn answer(path: &str, name: &str, data: &str, volumes: &mut BTreeSet<String>) -> Value {
    let volume = |name: &str| json!({ "Name": name, "Mountpoint": data, "Status": {} });
    match path {
        "/Plugin.Activate" => json!({ "Implements": ["VolumeDriver"] }),
        "/VolumeDriver.Capabilities" => json!({ "Capabilities": { "Scope": "local" } }),
        "/VolumeDriver.Create" => {
            volumes.insert(name.to_owned());
            json!({ "Err": "" })
        }
        "/VolumeDriver.Get" if volumes.contains(name) => json!({ "Volume": volume(name), "Err": "" }),
        "/VolumeDriver.Get" => json!({ "Err": "no such volume" }),
        "/VolumeDriver.List" => {
            let list: Vec<Value> = volumes.iter().map(|name| volume(name)).collect();
            json!({ "Volumes": list, "Err": "" })
        }
        "/VolumeDriver.Mount" | "/VolumeDriver.Path" => json!({ "Mountpoint": data, "Err": "" }),
        _ => json!({ "Err": "" }),
    }
}

//! A browser for the tests: Chromium without a window, controlled by its DevTools protocol.
//!
//! Messages travel over two pipes (file descriptors 3 and 4) and end with a zero byte, so no port and no WebSocket is
//! needed. Chromium runs without its own sandbox, which neither root nor a container can use; it opens only the pages
//! that the tests write.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use serde_json::{Value, json};

/// A browser that says nothing for so long is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is switched off is what a browser does on its own: ask its maker for updates, paint on a graphics card.
const ARGUMENTS: [&str; 9] = [
    "--headless=new",
    "--no-sandbox",
    "--remote-debugging-pipe",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
    "--hide-scrollbars",
];

/// How a page is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Sight {
    /// Pixels.
    pub width: u32,
    /// `light` or `dark`.
    pub scheme: &'static str,
}

/// A running browser with one page.
pub struct Browser {
    child: Child,
    input: ChildStdin,
    messages: Receiver<Value>,
    /// What the page did since it was last asked.
    events: Vec<Value>,
    session: Option<String>,
    last_id: u64,
    /// Profile and pages.
    dir: tempfile::TempDir,
}

impl Browser {
    /// Starts it.
    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let log = File::create(dir.path().join("log")).expect("a file");
        let mut child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 0</dev/null 1>&2", "sh"])
            .args(ARGUMENTS)
            .arg(format!("--user-data-dir={}", dir.path().join("profile").display()))
            .arg("about:blank")
            .env("TMPDIR", dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("a shell");
        let input = child.stdin.take().expect("piped");
        let mut output = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            let mut message = Vec::new();
            while output.read_until(0, &mut message).is_ok_and(|length| length > 0) {
                let value = serde_json::from_slice(message.trim_ascii_end().strip_suffix(&[0]).unwrap_or(&message));
                if sender.send(value.expect("DevTools speaks JSON")).is_err() {
                    break;
                }
                message.clear();
            }
        });
        let mut browser = Self { child, input, messages, events: Vec::new(), session: None, last_id: 0, dir };
        let page = browser.call("Target.createTarget", json!({"url": "about:blank"}));
        let session = browser.call("Target.attachToTarget", json!({"targetId": page["targetId"], "flatten": true}));
        browser.session = Some(session["sessionId"].as_str().expect("a session").to_owned());
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        browser
    }

    /// Calls a method and waits for its answer.
    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({"id": id, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        let sent = self.input.write_all(format!("{message}\0").as_bytes());
        sent.unwrap_or_else(|error| panic!("{method}: {error}: {}", self.log()));
        let mut answer = self.wait_for(method, |message| message["id"] == json!(id));
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].take()
    }

    /// Waits for a message, and keeps the others.
    fn wait_for(&mut self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.events.iter().position(&is_it) {
            return self.events.remove(at);
        }
        loop {
            let message = self.messages.recv_timeout(PATIENCE);
            let message = message.unwrap_or_else(|error| {
                panic!("chromium (ci/setup installs it) did not answer {what}: {error}: {}", self.log())
            });
            if is_it(&message) {
                return message;
            }
            self.events.push(message);
        }
    }

    /// What it wrote on standard error.
    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Opens a page as a file, as people do with an artifact; everything that is said from now on is about it.
    pub fn open(&mut self, html: &str, sight: Sight) {
        let path = self.dir.path().join("report.html");
        fs::write(&path, html).expect("written");
        let phone = sight.width < 500;
        let metrics = json!({"width": sight.width, "height": 800, "deviceScaleFactor": 1, "mobile": phone});
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = json!({"features": [{"name": "prefers-color-scheme", "value": sight.scheme}]});
        self.call("Emulation.setEmulatedMedia", scheme);
        self.call("Page.navigate", json!({"url": "about:blank"}));
        self.wait_for("loading", |message| message["method"] == "Page.loadEventFired");
        self.events.clear();
        self.call("Page.navigate", json!({"url": self.address()}));
        self.wait_for("loading", |message| message["method"] == "Page.loadEventFired");
    }

    fn address(&self) -> String {
        format!("file://{}", self.dir.path().join("report.html").display())
    }

    /// What a script in the page gives.
    pub fn evaluate(&mut self, script: &str) -> Value {
        let params = json!({"expression": script, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.call("Runtime.evaluate", params);
        assert!(answer["exceptionDetails"].is_null(), "{script}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let params = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// What the page did that a report must not: messages on the console, requests, exceptions, dialogs.
    pub fn misdeeds(&mut self) -> Vec<String> {
        // The answer comes after everything that happened before it.
        self.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))");
        let address = self.address();
        self.events.extend(self.messages.try_iter());
        let told = |event: &Value| {
            let params = &event["params"];
            match event["method"].as_str()? {
                "Runtime.consoleAPICalled" => Some(format!("console: {}", params["args"])),
                "Runtime.exceptionThrown" => Some(format!("exception: {}", params["exceptionDetails"])),
                "Log.entryAdded" => Some(format!("console: {}", params["entry"]["text"])),
                "Page.javascriptDialogOpening" => Some(format!("dialog: {}", params["message"])),
                "Network.requestWillBeSent" if params["request"]["url"] != json!(address) => {
                    Some(format!("request: {}", params["request"]["url"]))
                }
                _ => None,
            }
        };
        self.events.drain(..).filter_map(|event| told(&event)).collect()
    }

    /// Nodes of the accessibility tree that have a role which needs a name, and no name.
    pub fn nameless(&mut self) -> Vec<String> {
        let named = [
            "DisclosureTriangle",
            "button",
            "heading",
            "image",
            "img",
            "link",
            "radio",
            "region",
            "RootWebArea",
            "table",
        ];
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().expect("nodes").iter();
        let heard = nodes.filter(|node| node["ignored"] == json!(false));
        let wanted = heard.filter(|node| named.iter().any(|role| node["role"]["value"] == json!(role)));
        let nameless = wanted.filter(|node| node["name"]["value"].as_str().unwrap_or_default().trim().is_empty());
        nameless.map(|node| format!("without a name: {}", node["role"]["value"])).collect()
    }

    /// How many nodes of the accessibility tree have this role.
    pub fn count_of(&mut self, role: &str) -> usize {
        let tree = self.call("Accessibility.getFullAXTree", json!({}));
        let nodes = tree["nodes"].as_array().expect("nodes").iter();
        nodes.filter(|node| node["ignored"] == json!(false) && node["role"]["value"] == json!(role)).count()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked, it ends its own processes, which otherwise may still write into the folder that goes next. It may have
        // ended already; what does not end by itself is ended.
        let _ = self.input.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        while self.messages.recv_timeout(Duration::from_secs(10)).is_ok() {}
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

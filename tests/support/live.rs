//! Live services for tests to rehearse, made with the Docker CLI and removed with their volumes when they are dropped.

use super::{api, docker, run_docker, shown, text, unique, wait_for};

/// A file that only the live container has: its writable layer is no volume and does not come along.
const LIVE_ONLY: &str = "/only-live";

/// A service to be started.
pub struct Wanted {
    name: String,
    image: String,
    options: Vec<String>,
    command: Vec<String>,
    files: Vec<(String, String)>,
    volumes: Vec<String>,
}

/// A service of a fixture image.
pub fn service(image: &str) -> Wanted {
    Wanted {
        name: unique(image),
        image: format!("rehearsa-fixture/{image}"),
        options: Vec::new(),
        command: Vec::new(),
        files: Vec::new(),
        volumes: Vec::new(),
    }
}

impl Wanted {
    /// Of this image instead.
    pub fn image(mut self, reference: &str) -> Self {
        reference.clone_into(&mut self.image);
        self
    }

    /// More arguments of `docker create`.
    pub fn options(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|&option| option.to_owned()));
        self
    }

    /// With a new named volume at this path.
    pub fn volume(mut self, target: &str) -> Self {
        let volume = format!("{}-v{}", self.name, self.volumes.len());
        self.options.extend(["--volume".to_owned(), format!("{volume}:{target}")]);
        self.volumes.push(volume);
        self
    }

    /// With this healthcheck, asked every second, three times.
    pub fn healthy_when(self, command: &str) -> Self {
        self.options(&["--health-cmd", command, "--health-interval", "1s", "--health-retries", "3"])
    }

    /// With this healthcheck, which may fail for about so many seconds.
    pub fn healthy_within(self, seconds: u32, command: &str) -> Self {
        let retries = (seconds / 10).max(2).to_string();
        let times = ["--health-interval", "2s", "--health-timeout", "4s", "--health-retries", &retries];
        self.options(&["--health-cmd", command]).options(&times)
    }

    /// With this command.
    pub fn command(mut self, command: &[&str]) -> Self {
        self.command = command.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// A shell script as the only process, after `behave`'s manner.
    pub fn script(self, script: &str) -> Self {
        self.options(&["--entrypoint", "sh"]).command(&["-c", script])
    }

    /// Healthy as long as it is the live one; what is booted from its data runs this script.
    pub fn rehearsed_as(self, script: &str) -> Self {
        let script = format!("[ -e {LIVE_ONLY} ] && exec behave healthy; {script}");
        self.script(&script).file(LIVE_ONLY, "")
    }

    /// With a file in it, on a volume if there is one at that path.
    pub fn file(mut self, path: &str, content: &str) -> Self {
        self.files.push((path.to_owned(), content.to_owned()));
        self
    }

    /// A service of this stack, in its network.
    pub fn of(self, stack: &Stack, service: &str) -> Self {
        let project = format!("com.docker.compose.project={}", stack.name);
        let service_label = format!("com.docker.compose.service={service}");
        let options = ["--network", &stack.name, "--network-alias", service, "--label", &project, "--label"];
        self.options(&options).options(&[&service_label])
    }

    /// Depends on others, as compose writes it: `db:service_healthy:false`.
    pub fn depends_on(self, label: &str) -> Self {
        self.options(&["--label", &format!("com.docker.compose.depends_on={label}")])
    }

    /// Creates and starts it.
    pub fn start(self) -> Live {
        // First, so that whatever comes is removed.
        let live = Live { name: self.name, volumes: self.volumes };
        let mut args = vec!["create".to_owned(), "--name".to_owned(), live.name.clone()];
        args.extend(self.options);
        args.push(self.image);
        args.extend(self.command);
        docker(&args);
        for (path, content) in &self.files {
            live.write(path, content);
        }
        docker(&["start", &live.name]);
        live
    }
}

/// A live service; removed with its volumes when dropped.
pub struct Live {
    /// The container's name.
    pub name: String,
    volumes: Vec<String>,
}

impl Live {
    /// Runs a command in it; it has to succeed.
    pub fn exec(&self, command: &[&str]) -> String {
        docker(&[&["exec", &self.name], command].concat())
    }

    /// Waits until a command in it succeeds.
    pub fn until(&self, command: &[&str]) {
        let args = [&["exec", self.name.as_str()], command].concat();
        wait_for(&format!("{command:?} in {}", self.name), || {
            let output = run_docker(&args);
            if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
        });
    }

    /// Waits until a field of what the engine says of it has this value: `/State/Status`.
    pub fn until_state(&self, field: &str, wanted: &str) {
        wait_for(&format!("{field} of {} being {wanted}", self.name), || {
            let container = api::container(&self.name)?;
            let found = container.pointer(field).map(|found| found.as_str().map_or(found.to_string(), str::to_owned));
            if found.as_deref() == Some(wanted) { Ok(()) } else { Err(format!("{found:?}")) }
        });
    }

    /// Waits until its healthcheck passes.
    pub fn until_healthy(&self) {
        self.until_state("/State/Health/Status", "healthy");
    }

    /// Stops its processes where they are, and with them the engine's probes of its health. It still counts as running.
    pub fn pause(&self) {
        // The kernel fails to freeze processes while a probe of their health begins beside them.
        wait_for(&format!("pausing {}", self.name), || {
            let output = run_docker(&["pause", &self.name]);
            if output.status.success() { Ok(()) } else { Err(text(&output.stderr)) }
        });
    }

    /// Puts a file into it.
    pub fn write(&self, path: &str, content: &str) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let file = dir.path().join("file");
        std::fs::write(&file, content).expect("written");
        docker(&["cp", &shown(&file), &format!("{}:{path}", self.name)]);
    }

    /// Its named volumes, in the order in which they were asked for.
    pub fn volumes(&self) -> &[String] {
        &self.volumes
    }

    /// The volume that was asked for first.
    pub fn first_volume(&self) -> &str {
        &self.volumes[0]
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        run_docker(&["rm", "--force", "--volumes", &self.name]);
        if !self.volumes.is_empty() {
            let volumes: Vec<&str> = self.volumes.iter().map(String::as_str).collect();
            run_docker(&[&["volume", "rm", "--force"], &volumes[..]].concat());
        }
    }
}

/// A stack's name and network. To be made before its services, so that it is removed after them.
pub struct Stack {
    /// The compose project.
    pub name: String,
}

impl Stack {
    /// A new one.
    pub fn new(hint: &str) -> Self {
        let stack = Self { name: unique(hint) };
        docker(&["network", "create", &stack.name]);
        stack
    }

    /// A service's whole name.
    pub fn service(&self, service: &str) -> String {
        format!("{}::{service}", self.name)
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        run_docker(&["network", "rm", &self.name]);
    }
}

//! A weir under test: in this process from TOML text, or the real binary.

use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Weak;
use std::time::Duration;

use tempfile::TempDir;
use weir::config::Files;
use weir::diagnostic::Style;
use weir::runtime::process::{Process, Reloaded};

use super::client::{Answer, Client};

/// A weir that runs within the test's process, on ports of its own.
pub struct Weir {
    process: Option<Process>,
    directory: TempDir,
}

impl Weir {
    /// Starts a weir; its ports are bound when this returns. What the text does not say about metrics and
    /// the access log is said for it: any port, and off.
    pub fn start(text: impl AsRef<str>) -> Self {
        Self::prepared(text, |_| {})
    }

    /// The same, with other files in the directory of its configuration.
    pub fn prepared(text: impl AsRef<str>, prepare: impl FnOnce(&Path)) -> Self {
        let directory = TempDir::new().unwrap();
        prepare(directory.path());
        std::fs::write(directory.path().join("weir.toml"), complete(text.as_ref())).unwrap();
        Self::start_in(directory, "weir.toml")
    }

    /// Starts a weir with a file of this directory, as it is.
    pub fn start_in(directory: TempDir, file: &str) -> Self {
        let files = Files::new(&directory.path().join(file));
        let (blueprint, _) = files.first().unwrap_or_else(|report| {
            panic!("the test's configuration is wrong:\n{}", report.render(Style::Plain))
        });
        let process = Process::start(blueprint, Box::new(files)).expect("weir starts");
        Self { process: Some(process), directory }
    }

    pub fn process(&self) -> &Process {
        self.process.as_ref().expect("it runs until it is dropped")
    }

    /// The configuration that requests read now, without keeping it alive.
    pub fn snapshot(&self) -> Weak<impl Sized + use<>> {
        self.process().snapshot()
    }

    /// The address of the listener `web`.
    pub fn address(&self) -> SocketAddr {
        self.process().address("web").expect("there is a listener `web`")
    }

    /// A new connection to the listener `web`.
    pub fn connect(&self) -> Client {
        Client::connect(self.address())
    }

    /// GETs a path over a new connection.
    pub fn get(&self, path: &str) -> Answer {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n");
        self.connect().send(request).answer()
    }

    /// Replaces the configuration's text; the watch may notice, or not yet.
    pub fn write(&self, text: impl AsRef<str>) {
        std::fs::write(self.path(), complete(text.as_ref())).unwrap();
    }

    /// Replaces the configuration's text and reloads.
    pub fn reload(&self, text: impl AsRef<str>) -> Reloaded {
        // Beside the file, so that the watch does not come first.
        let beside = self.directory.path().join("weir.toml.new");
        std::fs::write(&beside, complete(text.as_ref())).unwrap();
        std::fs::rename(beside, self.path()).unwrap();
        self.process().reload()
    }

    pub fn path(&self) -> PathBuf {
        self.directory.path().join("weir.toml")
    }

    /// Moves the clock.
    pub fn advance(&self, seconds: u64) {
        self.process().advance(Duration::from_secs(seconds));
    }

    /// What a scrape answers.
    pub fn scrape(&self) -> String {
        let address = self.process().metrics_address().expect("metrics are on");
        let request = "GET /metrics HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n";
        Client::connect(address).send(request).answer().text()
    }

    /// The value of a sample, written as Prometheus shows it: `weir_endpoint_up{pool="app",...}`; labels
    /// may be left out from the right, then the samples are summed.
    pub fn metric(&self, sample: &str) -> f64 {
        let text = self.scrape();
        let prefix = sample.strip_suffix('}').unwrap_or(sample);
        text.lines()
            .filter(|line| line.starts_with(prefix))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }

    /// Waits until a sample has this value.
    pub fn until_metric(&self, sample: &str, value: f64) {
        until(&format!("{sample} is {value}"), || self.metric(sample) == value);
    }
}

impl Drop for Weir {
    fn drop(&mut self) {
        let Some(process) = self.process.take() else { return };
        let panics = if std::thread::panicking() { 0.0 } else { panics(&process) };
        drop(process);
        assert_eq!(panics, 0.0, "a connection was lost to a bug in weir");
    }
}

fn panics(process: &Process) -> f64 {
    let Some(address) = process.metrics_address() else { return 0.0 };
    let request = "GET /metrics HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n";
    let text = Client::connect(address).send(request).answer().text();
    let line = text.lines().find(|line| line.starts_with("weir_panics_total "));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

/// What a test's text leaves open.
pub fn complete(text: &str) -> String {
    let mut text = text.to_owned();
    for (section, body) in
        [("metrics", "address = \"127.0.0.1:0\""), ("access_log", "output = \"off\"")]
    {
        if !text.contains(&format!("[{section}]")) {
            text.push_str(&format!("\n[{section}]\n{body}\n"));
        }
    }
    if !text.contains("[runtime]") {
        text.push_str("\n[runtime]\nworkers = 2\n");
    }
    text
}

/// The real binary, running.
pub struct Spawned {
    child: Child,
}

impl Spawned {
    /// Runs the binary with these arguments in a directory, its talk and its results kept.
    pub fn run(directory: &Path, arguments: &[&str]) -> Output {
        Self::command(directory, arguments).output().expect("the binary runs")
    }

    /// Starts the binary.
    pub fn start(directory: &Path, arguments: &[&str]) -> Self {
        Self::spawn(Self::command(directory, arguments))
    }

    /// Runs the file in a directory with a limit on open files, beyond those that it inherits from whoever runs tests.
    pub fn start_with_files(directory: &Path, files: u32) -> Self {
        let command = Self::command(directory, &[]);
        let weir = command.get_program().to_owned();
        // `ls` has three of its own, and the directory.
        let inherited = "$(ls /proc/self/fd | wc -l) - 4";
        let limited = format!("ulimit -n $(({files} + {inherited})); exec \"$0\" run");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(limited).arg(weir).current_dir(directory);
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => shell.env(key, value),
                None => shell.env_remove(key),
            };
        }
        Self::spawn(shell)
    }

    fn spawn(mut command: Command) -> Self {
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        Self { child: child.expect("the binary runs") }
    }

    fn command(directory: &Path, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
        command.args(arguments).current_dir(directory).env_remove("WEIR_CONFIG");
        command.env("NO_COLOR", "1").env_remove("RUST_LOG");
        command
    }

    /// What it has said on stderr since this was last asked; waits until there is something.
    pub fn said_so_far(&mut self) -> String {
        let mut block = [0; 4096];
        let stderr = self.child.stderr.as_mut().expect("nobody has taken it");
        let n = stderr.read(&mut block).unwrap_or_default();
        String::from_utf8_lossy(&block[..n]).into_owned()
    }

    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Sends a signal, named without SIG.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().expect("kill runs");
        assert!(sent.success());
    }
}

impl Drop for Spawned {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a condition; fails when it takes too long.
pub fn until(what: &str, condition: impl FnMut() -> bool) {
    within(20, what, condition);
}

/// Waits for a condition for so many seconds at most.
pub fn within(seconds: u64, what: &str, mut condition: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_types, reason = "a test's patience is real time")]
    let begun = std::time::Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(seconds), "not in {seconds} s: {what}");
        #[expect(clippy::disallowed_methods, reason = "looks again a little later")]
        std::thread::sleep(Duration::from_millis(5));
    }
}

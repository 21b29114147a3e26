//! A program under test as a running process: started on the proxy's core, ready when it answers,
//! gone when this is dropped.
//! It must never leave a process behind: drop kills the whole group, and should the bench itself be
//! killed, the kernel tells the program.

use std::fs::{self, File};
use std::io::{self, Error, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use nix::sys::prctl::{set_child_subreaper, set_pdeathsig};
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, getppid};

use crate::peers::{Peer, Ports};
use crate::{cpu, http, interrupted, origin, wire, workload};

/// A running target.
pub struct Process {
    pub address: SocketAddr,
    /// Where it speaks TLS.
    pub secure: SocketAddr,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts the program in `directory` and waits until it answers for the origin.
    pub fn start(
        peer: &Peer,
        program: &Path,
        origin: SocketAddr,
        core: usize,
        directory: &Path,
    ) -> io::Result<Self> {
        let directory = directory.join(peer.name);
        fs::create_dir_all(&directory)?;
        let ports = Ports {
            listen: free_port()?,
            secure: free_port()?,
            metrics: free_port()?,
            origin: origin.port(),
            directory: directory.display().to_string(),
        };
        let config = directory.join("config");
        fs::write(&config, (peer.config)(&ports))?;
        let (cert, key) = wire::pair();
        fs::write(directory.join("own.crt"), cert)?;
        fs::write(directory.join("own.key"), key)?;
        fs::write(directory.join("own.pem"), format!("{cert}{key}"))?;
        let log = directory.join("log");
        let output = File::create(&log)?;
        let child = Command::new(std::env::current_exe()?)
            .arg(CHILD)
            .args([std::process::id().to_string(), core.to_string()])
            .arg(program)
            .args(peer.run)
            .arg(&config)
            .current_dir(&directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(0) // Ctrl-C is for the bench alone, which then stops its children
            .spawn()?;
        let at = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let (address, secure) = (at(ports.listen), at(ports.secure));
        let mut process = Self { address, secure, child, log };
        process.wait_until_ready().map_err(|e| process.failure(&e))?;
        Ok(process)
    }

    /// The process and its children.
    pub fn tree(&self) -> io::Result<Vec<Pid>> {
        cpu::tree(self.pid())
    }

    /// An error with the end of what the program itself said.
    pub fn failure(&self, error: &Error) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(12)..].join("\n    ");
        let said = if last.is_empty() { "it said nothing" } else { "it said:\n    " };
        Error::new(error.kind(), format!("{error}; {said}{last}"))
    }

    fn wait_until_ready(&mut self) -> io::Result<()> {
        let (path, len) = origin::BODIES[1];
        let request = workload::get(path);
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Err(Error::other(format!("ended at once ({status})")));
            }
            let error = match self.try_once(&request, &origin::body(len)) {
                Ok(()) => return Ok(()),
                Err(e) => e,
            };
            if Instant::now() > deadline {
                return Err(Error::new(error.kind(), format!("not ready after 10 s ({error})")));
            }
            pause(Duration::from_millis(20))?;
        }
    }

    fn try_once(&self, request: &[u8], expect: &[u8]) -> io::Result<()> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        http::exchange(&mut stream, request, expect)
    }

    fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).expect("a process id fits"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Only fails when the group is already gone, which is what is wanted.
        let _ = killpg(self.pid(), Signal::SIGKILL);
        let _ = self.child.wait();
        // nginx's worker, orphaned by that, is now a child of the bench.
        let group = Pid::from_raw(-self.pid().as_raw());
        while waitpid(group, None).is_ok() {}
    }
}

/// Makes the bench the parent of orphans below it, so that none is left when a target is dropped.
pub fn adopt_orphans() -> io::Result<()> {
    Ok(set_child_subreaper(true)?)
}

/// The bench started as its own child: `CHILD PARENT CORE PROGRAM ARGUMENTS…`. Binds itself to the
/// core, asks for SIGTERM when the bench dies, and becomes the program. SIGTERM rather than
/// SIGKILL, for nginx's master takes its worker along.
pub fn become_program(arguments: &[String]) -> ExitCode {
    let error = match arguments {
        [parent, core, program, rest @ ..] => {
            let prepared = set_pdeathsig(Signal::SIGTERM).map_err(Error::from).and_then(|()| {
                if getppid().to_string() != *parent {
                    return Err(Error::other("the bench is gone"));
                }
                cpu::pin(core.parse().map_err(Error::other)?)
            });
            prepared.err().unwrap_or_else(|| Command::new(program).args(rest).exec())
        }
        _ => Error::from(ErrorKind::InvalidInput),
    };
    let _ = writeln!(io::stderr(), "cannot start: {error}");
    ExitCode::FAILURE
}

/// Waits, but not after an interrupt.
#[expect(clippy::disallowed_methods, reason = "no worker to block")]
pub fn pause(time: Duration) -> io::Result<()> {
    std::thread::sleep(time);
    if interrupted() { Err(ErrorKind::Interrupted.into()) } else { Ok(()) }
}

/// A port that was free a moment ago.
fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// First argument of the bench when it is to become a program.
pub const CHILD: &str = "--become";

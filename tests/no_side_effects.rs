//! `weir check` looks at files and at nothing else: it opens no port, writes no file, calls nobody.

use std::path::Path;
use std::process::Command;

/// System calls that would do something: all that speak to the network, and those that make or change files.
const DOING: &str = "trace=%network,open,openat,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,\
                     link,linkat,symlink,symlinkat,chmod,fchmod,fchmodat,truncate,ftruncate,fork,vfork";

#[test]
fn check_reads_files_and_does_nothing_else() {
    if Command::new("strace").arg("-V").output().is_err() {
        eprintln!(
            "SKIPPED: strace is not installed; the system calls of `weir check` were not looked at"
        );
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for file in ["config/reference.toml", "tests/broken/e0401_tie.toml"] {
        let traced = Command::new("strace")
            .args(["-f", "-qq", "-e", DOING, env!("CARGO_BIN_EXE_weir"), "check", file])
            .current_dir(root)
            .output()
            .expect("it runs");
        let calls = String::from_utf8_lossy(&traced.stderr);
        if calls.contains("Operation not permitted") {
            eprintln!("SKIPPED: this machine does not let strace look at processes");
            return;
        }
        assert!(calls.contains(file), "it was traced: {calls}");
        for call in calls.lines().filter(|line| line.contains('(')) {
            let name = call.rsplit_once("] ").map_or(call, |(_, call)| call);
            assert!(
                name.starts_with("open") && name.contains("O_RDONLY") && !name.contains("O_CREAT"),
                "{call}"
            );
        }
    }
}

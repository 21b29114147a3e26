//! Memory per idle connection: how much a fresh process grows by keep-alive connections that have
//! each done one request and now wait.
//! Only memory of user space: what the kernel holds for a socket is the same for all. It must never
//! count what a process sets up once: some connections come before the first reading.

use std::io;
use std::net::TcpStream;
use std::time::Duration;

use crate::process::{Process, pause};
use crate::{cpu, http, interrupted, origin, workload};

/// Bytes that one idle connection costs this process.
pub fn measure(process: &Process, connections: usize) -> io::Result<f64> {
    let (path, len) = origin::BODIES[1];
    let (request, expect) = (workload::get(path), origin::body(len));
    let mut open = Vec::new();
    let mut ask = |count: usize| -> io::Result<u64> {
        for _ in 0..count {
            let mut stream = TcpStream::connect(process.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            http::exchange(&mut stream, &request, &expect)?;
            open.push(stream);
            if interrupted() {
                break;
            }
        }
        pause(Duration::from_millis(300))?;
        cpu::private_memory(&process.tree()?)
    };
    let before = ask(FIRST)?;
    let after = ask(connections)?;
    Ok((after as f64 - before as f64) / connections as f64)
}

/// Connections that pay for what is set up once.
const FIRST: usize = 16;

//! How many allocations a request costs a worker.
//!
//! Starts a weir with one worker in this process, sends it requests one after the other over a connection
//! that is kept, and counts what threads named `worker-*` allocate meanwhile. Ends with status 1 above the
//! budget, after showing where the first allocations of a few more requests come from.

#![expect(
    unsafe_code,
    reason = "an allocator that counts is a GlobalAlloc, whose methods are unsafe"
)]
#![expect(clippy::print_stdout, reason = "a report on the terminal")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::backtrace::Backtrace;
use std::cell::Cell;
use std::error::Error;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use parking_lot::Mutex;
use weir::config::Files;
use weir::diagnostic::Style;
use weir::runtime::process::Process;

/// What is sent, and how many allocations each of it may cost.
struct Case {
    name: &'static str,
    head: &'static str,
    /// Bytes of its body.
    body: usize,
    /// Of allocations per request.
    budget: u64,
}

const CASES: [Case; 2] = [
    // One box: the future of the request.
    Case {
        name: "GET",
        head: "GET /orders/7?page=2 HTTP/1.1\r\nHost: shop.example.com\r\n\
               User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\nAccept: */*\r\n\r\n",
        body: 0,
        budget: 1,
    },
    // And one for the source of its body.
    Case {
        name: "POST",
        head: "POST /orders HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: 1024\r\n\
               Content-Type: application/octet-stream\r\n\r\n",
        body: 1024,
        budget: 2,
    },
];

/// So many requests before the count, for buffers to grow and connections to be made …
const WARM_UP: usize = 200;
/// … so many that are counted …
const COUNTED: usize = 2_000;
/// … and so many allocations that may belong to none of them, such as those of a timer.
const STRAY: u64 = 4;
/// Where so many allocations come from is shown.
const SHOWN: usize = 6;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nDate: Wed, 25 Nov 2026 08:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello";

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("weir.toml");
    std::fs::write(&path, configuration(upstream()?))?;
    let files = Files::new(&path);
    let (blueprint, _) = files.first().map_err(|report| report.render(Style::Plain))?;
    let process = Process::start(blueprint, Box::new(files))?;
    let address = process.address("web").ok_or("there is a listener `web`")?;

    let mut within = true;
    for case in &CASES {
        let mut client = TcpStream::connect(address)?;
        client.set_nodelay(true)?;
        let request = [case.head.as_bytes(), &vec![b'x'; case.body]].concat();
        let mut send = |times| (0..times).try_for_each(|_| ask(&mut client, &request));
        send(WARM_UP)?;
        let before = ALLOCATIONS.load(Relaxed);
        COUNTING.store(true, Relaxed);
        send(COUNTED)?;
        COUNTING.store(false, Relaxed);
        let count = ALLOCATIONS.load(Relaxed) - before;
        println!(
            "{:5} {:.3} allocations per request, budget {} ({count} in {COUNTED})",
            case.name,
            count as f64 / COUNTED as f64,
            case.budget
        );
        if count > case.budget * COUNTED as u64 + STRAY {
            within = false;
            TRACING.store(true, Relaxed);
            COUNTING.store(true, Relaxed);
            send(2)?;
            COUNTING.store(false, Relaxed);
            TRACING.store(false, Relaxed);
            for trace in TRACES.lock().drain(..) {
                // What a frame is called, and below it where in weir's own code it stands.
                let lines: Vec<&str> = trace.lines().collect();
                println!("{}", lines[0]);
                let ours = lines.windows(2).filter(|pair| pair[1].contains("./src/"));
                ours.for_each(|pair| println!("  {} {}", pair[0].trim(), pair[1].trim()));
            }
        }
    }
    drop(process);
    Ok(if within { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn configuration(upstream: SocketAddr) -> String {
    format!(
        "[runtime]\nworkers = 1\n\n\
         [metrics]\naddress = \"127.0.0.1:0\"\n\n\
         [access_log]\noutput = \"off\"\n\n\
         [listeners.web]\naddress = \"127.0.0.1:0\"\n\n\
         [routes.orders]\nhost = \"shop.example.com\"\npath_prefix = \"/orders\"\npool = \"app\"\n\n\
         [pools.app]\nendpoints = [\"{upstream}\"]\n"
    )
}

/// Sends a request and reads its answer.
fn ask(client: &mut TcpStream, request: &[u8]) -> io::Result<()> {
    client.write_all(request)?;
    let mut answer = [0; 1024];
    let mut length = 0;
    while !answer[..length].ends_with(b"hello") {
        match client.read(&mut answer[length..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => length += n,
        }
    }
    if answer.starts_with(b"HTTP/1.1 200 ") {
        Ok(())
    } else {
        Err(io::Error::other(String::from_utf8_lossy(&answer[..length]).into_owned()))
    }
}

/// An upstream that answers everything with the same few bytes.
fn upstream() -> io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || serve(stream));
        }
    });
    Ok(address)
}

/// Answers until the connection ends. A request is whole when its head and, for a POST, its body is there.
fn serve(mut stream: TcpStream) -> io::Result<()> {
    let mut received = Vec::new();
    let mut block = [0; 8 * 1024];
    loop {
        let n = stream.read(&mut block)?;
        if n == 0 {
            return Ok(());
        }
        received.extend_from_slice(&block[..n]);
        let Some(head) = received.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            continue;
        };
        let body = CASES.iter().find(|case| received.starts_with(case.name.as_bytes()));
        if received.len() == head + 4 + body.map_or(0, |case| case.body) {
            received.clear();
            stream.write_all(ANSWER)?;
        }
    }
}

/// The system's allocator, counting.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static COUNTING: AtomicBool = AtomicBool::new(false);
static TRACING: AtomicBool = AtomicBool::new(false);
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static TRACES: Mutex<Vec<String>> = Mutex::new(Vec::new());

thread_local! {
    /// This thread is inside `count`, which may allocate itself.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: every method hands its arguments to `System` unchanged and returns what that returns; counting
// touches none of the memory, and what it allocates itself comes through here uncounted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size);
        // SAFETY: the caller keeps the contract of `realloc`; all blocks come from `System`.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`; all blocks come from `System`.
        unsafe { System.dealloc(block, layout) }
    }
}

fn count(size: usize) {
    if !COUNTING.load(Relaxed) || INSIDE.try_with(|inside| inside.replace(true)).unwrap_or(true) {
        return;
    }
    if std::thread::current().name().is_some_and(|name| name.starts_with("worker-")) {
        ALLOCATIONS.fetch_add(1, Relaxed);
        if TRACING.load(Relaxed) && TRACES.lock().len() < SHOWN {
            let trace = format!("{size} bytes\n{}", Backtrace::force_capture());
            TRACES.lock().push(trace);
        }
    }
    let _ = INSIDE.try_with(|inside| inside.set(false));
}

//! A client that sends exactly the bytes it is given, and reads answers without being lenient.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// A connection to a weir.
pub struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

/// An answer, as it stood on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    /// The status line and the fields, as received.
    pub head: String,
    /// The payload, freed of its framing.
    pub body: Vec<u8>,
    /// The lines behind a chunked body.
    pub trailers: Vec<String>,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).expect("weir accepts")
    }

    /// Connects to where nobody may listen, or not any more.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        TcpStream::connect(address).map(Self::over)
    }

    /// Over a connection that was made in another way.
    pub fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::new() }
    }

    /// Sends bytes. That weir may have closed already shows when reading.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        let _ = self.stream.write_all(bytes.as_ref());
        self
    }

    /// Reads one answer to a request that was not HEAD.
    pub fn answer(&mut self) -> Answer {
        read_answer(&mut self.stream, &mut self.received, false).expect("an answer")
    }

    /// Reads the answer to a request that was not HEAD, past those that come before it.
    pub fn last_answer(&mut self) -> Answer {
        loop {
            let answer = self.answer();
            if answer.status >= 200 {
                return answer;
            }
        }
    }

    /// Reads one answer to a HEAD.
    pub fn answer_to_head(&mut self) -> Answer {
        read_answer(&mut self.stream, &mut self.received, true).expect("an answer")
    }

    /// Reads one answer, or what went wrong.
    pub fn try_answer(&mut self) -> io::Result<Answer> {
        read_answer(&mut self.stream, &mut self.received, false)
    }

    /// All that comes until weir closes; an error if it resets.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.received);
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// The next bytes, exactly so many.
    pub fn rest_of(&mut self, n: usize) -> Vec<u8> {
        take(&mut self.stream, &mut self.received, n).expect("they come")
    }

    /// Whether weir has closed and sent nothing more.
    pub fn is_closed(&mut self) -> bool {
        match self.rest() {
            Ok(rest) => rest.is_empty(),
            Err(error) => error.kind() == io::ErrorKind::ConnectionReset,
        }
    }

    /// Ends our side.
    pub fn finish(&self) {
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The socket itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

impl Answer {
    /// The value of a field.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Reads one answer from a stream; `received` keeps what came behind it.
pub fn read_answer(
    stream: &mut impl Read,
    received: &mut Vec<u8>,
    to_head: bool,
) -> io::Result<Answer> {
    let end = loop {
        if let Some(at) = received.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        more(stream, received)?;
    };
    let head = String::from_utf8_lossy(&received[..end]).into_owned();
    received.drain(..end + 4);
    let status = head.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_default();
    let mut answer = Answer { status, head, body: Vec::new(), trailers: Vec::new() };
    if to_head || matches!(status, 100..200 | 204 | 304) {
        return Ok(answer);
    }
    if answer.field("transfer-encoding") == Some("chunked") {
        loop {
            let line = take_line(stream, received)?;
            let size = usize::from_str_radix(&line, 16).map_err(io::Error::other)?;
            if size == 0 {
                loop {
                    let line = take_line(stream, received)?;
                    if line.is_empty() {
                        return Ok(answer);
                    }
                    answer.trailers.push(line);
                }
            }
            let mut chunk = take(stream, received, size + 2)?;
            assert_eq!(chunk.split_off(size), b"\r\n", "a chunk ends in CRLF");
            answer.body.extend(chunk);
        }
    } else if let Some(length) = answer.field("content-length") {
        let length = length.parse().map_err(io::Error::other)?;
        answer.body = take(stream, received, length)?;
    } else {
        stream.read_to_end(received)?;
        answer.body = std::mem::take(received);
    }
    Ok(answer)
}

fn take(stream: &mut impl Read, received: &mut Vec<u8>, n: usize) -> io::Result<Vec<u8>> {
    while received.len() < n {
        more(stream, received)?;
    }
    Ok(received.drain(..n).collect())
}

fn take_line(stream: &mut impl Read, received: &mut Vec<u8>) -> io::Result<String> {
    loop {
        if let Some(at) = received.windows(2).position(|w| w == b"\r\n") {
            let line = take(stream, received, at + 2)?;
            return Ok(String::from_utf8_lossy(&line[..at]).into_owned());
        }
        more(stream, received)?;
    }
}

fn more(stream: &mut impl Read, received: &mut Vec<u8>) -> io::Result<()> {
    let mut block = [0; 64 * 1024];
    match stream.read(&mut block) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        // Some tests send signals, and all tests are one process.
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error),
        Ok(n) => {
            received.extend_from_slice(&block[..n]);
            Ok(())
        }
    }
}

/// Longer than anything here takes: a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

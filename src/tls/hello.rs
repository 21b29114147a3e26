//! The name that a client asks for, read without ending its TLS.

use rustls::server::Acceptor;

/// What has come of a client's first words.
#[derive(Default)]
pub struct Hello {
    acceptor: Acceptor,
    seen: usize,
}

/// What came is no beginning of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoHello;

impl Hello {
    /// Looks at all that has come so far, which may be cut anywhere. The name that is asked for, or that there is none;
    /// `None`: there must be more.
    ///
    /// # Errors
    /// It is no beginning of TLS.
    pub fn look(&mut self, received: &[u8]) -> Result<Option<Option<String>>, NoHello> {
        let mut new = received.get(self.seen..).unwrap_or_default();
        self.seen = received.len();
        while !new.is_empty() {
            self.acceptor.read_tls(&mut new).map_err(|_| NoHello)?;
            if let Some(accepted) = self.acceptor.accept().map_err(|_| NoHello)? {
                return Ok(Some(accepted.client_hello().server_name().map(str::to_owned)));
            }
        }
        Ok(None)
    }
}

/// Nobody's first words are longer.
pub const LONGEST: usize = 64 * 1024;
/// A fatal alert in a record of its own: nobody here has this name (RFC 8446, 6; RFC 6066, 3).
pub const UNRECOGNIZED_NAME: &[u8] = &[21, 3, 3, 0, 2, 2, 112];

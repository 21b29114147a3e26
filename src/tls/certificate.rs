//! `[certificates.NAME]`: a chain of certificates and its key, and for which names they are.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{names, provider};
use crate::unit::{OneOrMany, Secret};

/// `[certificates.NAME]`: a certificate that you bring, or one that weir makes for itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// PEM file with the certificate and those that lead to its authority. It is read again when it changes.
    pub cert: Option<PathBuf>,
    /// Where its private key is, in PEM: { file = "…" }, { env = "…" } or { credential = "…" }.
    pub key: Option<Secret>,
    /// Names it is chosen for: "example.com", "*.example.com". Default: those in it.
    pub hosts: OneOrMany<String>,
    /// Made by weir for `hosts`, and believed by nobody else: for localhost and for tests.
    pub self_signed: bool,
    /// What it is, once it has been read.
    #[serde(skip)]
    pub loaded: Option<Arc<Certificate>>,
}

/// A chain with its key, ready to be shown.
pub struct Certificate {
    /// For rustls.
    pub key: Arc<CertifiedKey>,
    /// The names it is chosen for, in lower case.
    pub hosts: Vec<String>,
    /// When it begins to be valid.
    pub begins: SystemTime,
    /// When it ends.
    pub ends: SystemTime,
    /// All of the chain; of one that weir made, its names, which is all that matters of it.
    identity: Vec<u8>,
}

/// Why there is no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The chain has no certificate in it.
    NoCertificate,
    /// What is there as one is none.
    BadCertificate,
    /// No key is in what should be one.
    NoKey,
    /// The key is locked by a password.
    LockedKey,
    /// The key is of no known kind.
    BadKey,
    /// The key is another certificate's.
    OtherKey,
}

impl Certificate {
    /// Reads a chain and its key from PEM.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(chain: &[u8], key: &[u8], hosts: &[String]) -> Result<Self, Wrong> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|_| Wrong::BadCertificate)?;
        let first = chain.first().ok_or(Wrong::NoCertificate)?;
        let said = names::read(first).ok_or(Wrong::BadCertificate)?;
        let locked = key.windows(LOCKED.len()).any(|part| part == LOCKED);
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| match error {
            _ if locked => Wrong::LockedKey,
            pem::Error::NoItemsFound => Wrong::NoKey,
            _ => Wrong::BadKey,
        })?;
        let identity = chain.iter().flat_map(|one| one.iter().copied()).collect();
        let key = CertifiedKey::from_der(chain, key, &provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Wrong::OtherKey,
            _ => Wrong::BadKey,
        })?;
        let hosts = if hosts.is_empty() { said.hosts } else { lower(hosts) };
        let (begins, ends) = (said.begins, said.ends);
        Ok(Self { key: Arc::new(key), hosts, begins, ends, identity })
    }

    /// Makes one for these names, valid for ten years.
    ///
    /// # Errors
    /// A name is none.
    pub fn self_signed(hosts: &[String]) -> Result<Self, Wrong> {
        let hosts = lower(hosts);
        let mut asked =
            rcgen::CertificateParams::new(hosts.clone()).map_err(|_| Wrong::BadCertificate)?;
        let now = SystemTime::now();
        let ends = now + LIFE;
        let begins = now - DAY;
        (asked.not_before, asked.not_after) = (begins.into(), ends.into());
        asked.distinguished_name.push(rcgen::DnType::CommonName, "made by weir");
        let pair = rcgen::KeyPair::generate().map_err(|_| Wrong::BadKey)?;
        let made = asked.self_signed(&pair).map_err(|_| Wrong::BadCertificate)?;
        let key = PrivateKeyDer::Pkcs8(pair.serialize_der().into());
        let key = CertifiedKey::from_der(vec![made.der().clone()], key, &provider())
            .map_err(|_| Wrong::BadKey)?;
        let identity = hosts.join(" ").into_bytes();
        Ok(Self { key: Arc::new(key), hosts, begins, ends, identity })
    }
}

fn lower(hosts: &[String]) -> Vec<String> {
    hosts.iter().map(|host| host.to_ascii_lowercase()).collect()
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity && self.hosts == other.hosts
    }
}

/// Says which one it is, so that configurations can be told apart; nothing of the key.
impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("identity", &self.identity)
            .field("hosts", &self.hosts)
            .finish_non_exhaustive()
    }
}

/// Both forms of a locked key say it (RFC 7468, 11; RFC 1421, 4.6.1.1).
const LOCKED: &[u8] = b"ENCRYPTED";
const DAY: std::time::Duration = std::time::Duration::from_secs(86_400);
const LIFE: std::time::Duration = std::time::Duration::from_secs(3650 * 86_400);

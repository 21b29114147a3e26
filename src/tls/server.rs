//! `[listeners.NAME.tls]`: what clients are shown, and what is asked of them.
//!
//! One rustls configuration per certificate, chosen by the name that the client asks for (RFC 6066, 3). All of a
//! listener share the keys of their tickets, so a session can be resumed only where the same was asked of the client.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    NoServerSessionStorage, ProducesTickets, VerifierBuilderError, WebPkiClientVerifier,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use schemars::JsonSchema;
use serde::Deserialize;

use super::certificate::Certificate;
use super::provider;
use crate::unit::{Name, OneOrMany};

/// `[listeners.NAME.tls]`: TLS of a listener whose protocol has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Names of the certificates, chosen by the name a client asks for. Default: all.
    pub certificates: OneOrMany<Name>,
    /// The oldest version that is spoken: "1.2" or "1.3".
    pub min_version: Version,
    /// Which ciphers: "intermediate", or "modern" (those of TLS 1.3), as Mozilla names them.
    pub ciphers: Ciphers,
    /// Whether clients show a certificate: "off", "optional" or "require".
    pub client_auth: ClientAuth,
    /// PEM file of the authorities that may sign clients' certificates.
    pub client_ca: Option<PathBuf>,
    /// PEM file of clients' certificates that are revoked, signed by their authorities.
    pub client_crl: Option<PathBuf>,
    /// Whether clients may resume a session with a ticket; the keys change by themselves, every six hours.
    pub session_tickets: Tickets,
    /// A client asks for a name that no certificate has: "reject" it, or show the "first-certificate".
    pub unknown_sni: UnknownSni,
    /// What is in `client_ca` and `client_crl`; `None`: that was not read.
    #[serde(skip)]
    pub loaded: [Option<Arc<[u8]>>; 2],
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Version {
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

/// A set of ciphers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Ciphers {
    Modern,
    #[default]
    Intermediate,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ClientAuth {
    #[default]
    Off,
    Optional,
    Require,
}

/// What becomes of a client that asks for an unknown name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownSni {
    #[default]
    Reject,
    FirstCertificate,
}

/// Whether there are tickets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Tickets(bool);

impl Default for Tickets {
    fn default() -> Self {
        Self(true)
    }
}

/// TLS of a listener, ready to be spoken.
pub struct Server {
    /// For each certificate.
    configs: Vec<Arc<ServerConfig>>,
    /// Which of them a name or an address has; "*.example.com" stands for one label more.
    names: HashMap<String, usize>,
    unknown: UnknownSni,
    made_of: (Config, Vec<Arc<Certificate>>, Vec<&'static str>),
}

impl Server {
    /// For these certificates; the first one is for clients that ask for no name. `alpn`: what is spoken inside, the
    /// best first (RFC 7301).
    ///
    /// # Errors
    /// What is wrong with the authorities, or with the lists of revoked certificates.
    pub fn new(
        section: &Config,
        certificates: &[Arc<Certificate>],
        alpn: Vec<&'static str>,
    ) -> Result<Self, Wrong> {
        let provider = with(section.ciphers);
        // Who resumes is not asked for its certificate again, which may have ended since.
        let may_resume = section.session_tickets.0 && section.client_auth == ClientAuth::Off;
        let tickets = may_resume.then(aws_lc_rs::Ticketer::new).transpose().map_err(builtin)?;
        let verifier = verifier(section, &provider)?;
        let configs = certificates.iter().map(|certificate| {
            let (key, verifier) = (&certificate.key, verifier.as_ref());
            let mut config = one(section, &provider, key, verifier, tickets.as_ref())?;
            config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
            Ok(Arc::new(config))
        });
        let configs = configs.collect::<Result<Vec<_>, _>>()?;
        let mut names = HashMap::new();
        for (at, certificate) in certificates.iter().enumerate() {
            for host in &certificate.hosts {
                // Of two with one name, the one that ends later: a renewal.
                let best = names.entry(host.clone()).or_insert(at);
                if certificate.ends > certificates[*best].ends {
                    *best = at;
                }
            }
        }
        let made_of = (section.clone(), certificates.to_vec(), alpn);
        Ok(Self { configs, names, unknown: section.unknown_sni, made_of })
    }

    /// Whether it was made of the same.
    pub fn is_of(
        &self,
        section: &Config,
        certificates: &[Arc<Certificate>],
        alpn: &[&'static str],
    ) -> bool {
        self.made_of.0 == *section && self.made_of.1 == certificates && self.made_of.2 == alpn
    }

    /// What is spoken with a client that asks for this name at this address. `None`: nothing.
    pub fn choose(&self, name: Option<&str>, address: IpAddr) -> Option<&Arc<ServerConfig>> {
        let Some(name) = name else {
            let at = self.names.get(&address.to_string()).copied().unwrap_or_default();
            return self.configs.get(at);
        };
        let name = name.to_ascii_lowercase();
        let wild = || {
            let (_, rest) = name.split_once('.')?;
            self.names.get(&format!("*.{rest}"))
        };
        match (self.names.get(&name).or_else(wild), self.unknown) {
            (Some(at), _) => self.configs.get(*at),
            (None, UnknownSni::FirstCertificate) => self.configs.first(),
            (None, UnknownSni::Reject) => None,
        }
    }
}

/// What is wrong with TLS of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The key whose file it is.
    pub key: &'static str,
    /// What is wrong with it.
    pub problem: String,
}

/// Nothing of the operator's.
fn builtin(error: rustls::Error) -> Wrong {
    Wrong { key: "tls", problem: error.to_string() }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.made_of == other.made_of
    }
}

impl Eq for Server {}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("names", &self.names).finish_non_exhaustive()
    }
}

/// The built-in algorithms, as far as they are asked for.
fn with(ciphers: Ciphers) -> Arc<CryptoProvider> {
    let mut provider = CryptoProvider::clone(&provider());
    if ciphers == Ciphers::Modern {
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    }
    Arc::new(provider)
}

fn one(
    section: &Config,
    provider: &Arc<CryptoProvider>,
    key: &Arc<CertifiedKey>,
    verifier: Option<&Arc<dyn ClientCertVerifier>>,
    tickets: Option<&Arc<dyn ProducesTickets>>,
) -> Result<ServerConfig, Wrong> {
    const ALL: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
    let newest = section.min_version == Version::Tls13 || section.ciphers == Ciphers::Modern;
    let versions = if newest { &ALL[..1] } else { ALL };
    let builder = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(versions)
        .map_err(builtin)?;
    let builder = match verifier {
        Some(verifier) => builder.with_client_cert_verifier(Arc::clone(verifier)),
        None => builder.with_no_client_auth(),
    };
    let resolver = SingleCertAndKey::from(Arc::clone(key));
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    // Sessions live with the client, or not at all: a store would be a lock between workers.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match tickets {
        Some(tickets) => config.ticketer = Arc::clone(tickets),
        None => config.send_tls13_tickets = 0,
    }
    Ok(config)
}

/// Who looks at clients' certificates; `None`: nobody is asked for one.
fn verifier(
    section: &Config,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<Arc<dyn ClientCertVerifier>>, Wrong> {
    if section.client_auth == ClientAuth::Off {
        return Ok(None);
    }
    let [authorities, revoked] = &section.loaded;
    let wrong = |key, problem: &str| Wrong { key, problem: problem.to_owned() };
    let mut roots = RootCertStore::empty();
    for authority in CertificateDer::pem_slice_iter(authorities.as_deref().unwrap_or_default()) {
        let added = authority.map(|authority| roots.add(authority));
        if !matches!(added, Ok(Ok(()))) {
            return Err(wrong("client_ca", "what is in it is no certificate"));
        }
    }
    if roots.is_empty() {
        return Err(wrong("client_ca", "no authority is in it, so no client could come"));
    }
    let revoked = match revoked.as_deref() {
        None => Vec::new(),
        // In DER, as they are published.
        Some(bytes @ [0x30, ..]) => vec![CertificateRevocationListDer::from(bytes.to_vec())],
        Some(bytes) => {
            let lists = CertificateRevocationListDer::pem_slice_iter(bytes);
            let lists = lists.collect::<Result<Vec<_>, _>>().unwrap_or_default();
            if lists.is_empty() {
                return Err(wrong("client_crl", "no list of revoked certificates is in it"));
            }
            lists
        }
    };
    let builder =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider));
    let builder = builder.with_crls(revoked).only_check_end_entity_revocation();
    let builder = builder.allow_unknown_revocation_status();
    let builder = match section.client_auth {
        ClientAuth::Optional => builder.allow_unauthenticated(),
        _ => builder,
    };
    builder.build().map(Some).map_err(|error| match error {
        VerifierBuilderError::InvalidCrl(_) => {
            wrong("client_crl", "what is in it is no list of revoked certificates")
        }
        _ => wrong("client_ca", "its certificates cannot be used"),
    })
}

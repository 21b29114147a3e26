//! `[pools.NAME.tls]`: how weir speaks TLS to endpoints, and whom it believes.

use std::fmt;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, TlsStream};

use super::certificate::Certificate;
use super::provider;
use crate::net::stream::{Counted, Secured, Stream, Tls};
use crate::unit::Secret;

/// `[pools.NAME.tls]`: TLS to the endpoints of a pool whose scheme has it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The name that is asked for, and that the endpoint's certificate must have. Default: the endpoint's address.
    pub server_name: Option<String>,
    /// Whose certificates are believed: "system", or the path of a PEM file.
    pub ca: PathBuf,
    /// Whether the endpoint's certificate is looked at. Without, anybody on the way may read and change everything.
    pub verify: bool,
    /// PEM file with the certificate that weir shows of itself, if endpoints ask for one.
    pub cert: Option<PathBuf>,
    /// Where its key is.
    pub key: Option<Secret>,
    /// Whom it believes and what it shows, once that has been read.
    #[serde(skip)]
    pub loaded: Loaded,
}

/// What is read of files.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded {
    /// Whose certificates are believed.
    pub authorities: Authorities,
    /// What weir shows of itself.
    pub own: Option<Arc<Certificate>>,
}

/// Certificates of authorities.
#[derive(Clone, Default, PartialEq)]
pub struct Authorities(pub Arc<Vec<CertificateDer<'static>>>);

impl Default for Config {
    fn default() -> Self {
        Self {
            server_name: None,
            ca: PathBuf::from(SYSTEM),
            verify: true,
            cert: None,
            key: None,
            loaded: Loaded::default(),
        }
    }
}

impl Config {
    /// The file of authorities; `None`: those that the system believes.
    pub fn ca_file(&self) -> Option<&Path> {
        (self.ca != Path::new(SYSTEM)).then_some(&*self.ca)
    }
}

/// Says which they are, shortly: so that configurations can be told apart.
impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: Vec<u8> = self.0.iter().flat_map(|one| one.iter().copied()).collect();
        write!(f, "{} of hash {:x}", self.0.len(), xxhash_rust::xxh3::xxh3_64(&all))
    }
}

/// What is offered to be spoken inside (RFC 7301).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inside {
    /// Nothing that weir knows.
    Raw,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, or HTTP/1.1 where that is not offered.
    Http2,
}

/// TLS to endpoints, ready to be spoken.
pub struct Client {
    /// By what is spoken inside.
    configs: [Arc<ClientConfig>; 3],
    name: Option<ServerName<'static>>,
    /// Its connections have it in common.
    mark: Arc<Secured>,
}

impl Client {
    /// As the section says.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn new(section: &Config) -> Result<Self, String> {
        let provider = provider();
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if section.verify {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(section.loaded.authorities.0.iter().cloned());
            builder.with_root_certificates(roots)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Anybody(provider)))
        };
        let mut config = match &section.loaded.own {
            None => builder.with_no_client_auth(),
            Some(own) => {
                let shown = SingleCertAndKey::from(Arc::clone(&own.key));
                builder.with_client_cert_resolver(Arc::new(shown))
            }
        };
        let configs = [&[][..], &["http/1.1"], &["h2", "http/1.1"]].map(|inside| {
            config.alpn_protocols = inside.iter().map(|name| name.as_bytes().to_vec()).collect();
            Arc::new(config.clone())
        });
        let name = section.server_name.clone().map(ServerName::try_from).transpose();
        let name = name.map_err(|_| "`server_name` is no name of a host".to_owned())?;
        Ok(Self { configs, name, mark: Arc::default() })
    }

    /// What tells its connections from those of others.
    pub fn mark(&self) -> &Arc<Secured> {
        &self.mark
    }

    /// Makes a connection of a socket to this address, with this inside.
    ///
    /// # Errors
    /// Why the other side is not believed, or what went wrong with the socket.
    pub async fn secure(
        &self,
        io: TcpStream,
        address: IpAddr,
        inside: Inside,
    ) -> io::Result<Stream> {
        let name = self.name.clone().unwrap_or_else(|| ServerName::from(address));
        let connector = TlsConnector::from(Arc::clone(&self.configs[inside as usize]));
        let stream = connector.connect(name, Counted::from(io)).await?;
        Ok(Stream::Tls(Box::new(Tls::new(TlsStream::Client(stream), Arc::clone(&self.mark)))))
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Believes everybody, as long as they have the key of what they show.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, shown, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        shown: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, shown, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The word for what the system believes.
const SYSTEM: &str = "system";

//! An authority of the test's own, and clients that believe it.

use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType, IsCa, Issuer,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// An authority.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate with its key, both in PEM.
#[derive(Clone)]
pub struct Issued {
    pub cert: String,
    pub key: String,
    serial: SerialNumber,
}

/// A client's end of a TLS connection.
pub type TlsClient = StreamOwned<ClientConnection, TcpStream>;

impl Authority {
    pub fn new() -> Self {
        let mut asked = CertificateParams::new(Vec::new()).unwrap();
        asked.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        asked.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        asked.distinguished_name.push(DnType::CommonName, "an authority");
        let key = KeyPair::generate().unwrap();
        let pem = asked.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(asked, key), pem }
    }

    /// Its own certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these names, valid for so many days from `begins` days on.
    pub fn issue_for(&self, names: &[&str], begins: i64, days: i64) -> Issued {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut asked = CertificateParams::new(names.clone()).unwrap();
        let now = std::time::SystemTime::now();
        let day = |days: i64| {
            let length = Duration::from_secs(days.unsigned_abs() * 86_400);
            if days < 0 { now - length } else { now + length }
        };
        asked.not_before = day(begins).into();
        asked.not_after = day(begins + days).into();
        asked.distinguished_name.push(DnType::CommonName, names.first().map_or("", |name| name));
        let serial = SerialNumber::from(fastrand::u64(1..1 << 60));
        asked.serial_number = Some(serial.clone());
        let key = KeyPair::generate().unwrap();
        let cert = asked.signed_by(&key, &self.issuer).unwrap().pem();
        Issued { cert, key: key.serialize_pem(), serial }
    }

    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_for(names, -1, 90)
    }

    /// The list of what it takes back.
    pub fn revoke(&self, issued: &Issued) -> String {
        let now = std::time::SystemTime::now();
        let list = CertificateRevocationListParams {
            this_update: (now - Duration::from_secs(3600)).into(),
            next_update: (now + Duration::from_secs(86_400)).into(),
            crl_number: SerialNumber::from(1_u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: issued.serial.clone(),
                revocation_time: (now - Duration::from_secs(7200)).into(),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// How a client speaks that believes it.
    pub fn believed(&self, shows: Option<&Issued>) -> ClientConfig {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider);
        let builder = builder.with_safe_default_protocol_versions().unwrap();
        let builder = builder.with_root_certificates(roots);
        match shows {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = vec![CertificateDer::from_pem_slice(issued.cert.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        }
    }
}

impl Issued {
    /// Writes NAME.crt and NAME.key.
    pub fn write(&self, directory: &Path, name: &str) {
        std::fs::write(directory.join(format!("{name}.crt")), &self.cert).unwrap();
        std::fs::write(directory.join(format!("{name}.key")), &self.key).unwrap();
    }
}

/// A TLS connection to who has this name; the handshake comes with the first byte.
pub fn dial(address: SocketAddr, name: &str, config: &Arc<ClientConfig>) -> TlsClient {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    socket.set_nodelay(true).unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let session = ClientConnection::new(Arc::clone(config), name).unwrap();
    StreamOwned::new(session, socket)
}

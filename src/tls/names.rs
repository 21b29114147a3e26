//! What a certificate says of itself: its names, its subject, its end (RFC 5280).

use std::net::IpAddr;
use std::time::SystemTime;

use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// What is read of a certificate.
pub struct Said {
    /// Names and addresses it is for, in lower case; "*.example.com" has one label more.
    pub hosts: Vec<String>,
    /// When it begins to be valid.
    pub begins: SystemTime,
    /// When it ends.
    pub ends: SystemTime,
}

/// Reads a certificate in DER; `None`: it is none.
pub fn read(der: &[u8]) -> Option<Said> {
    let certificate = Certificate::from_der(der).ok()?;
    let certificate = certificate.tbs_certificate();
    let names = certificate.get_extension::<SubjectAltName>().ok()?;
    let names = names.into_iter().flat_map(|(_, names)| names.0);
    let hosts = names.filter_map(|name| match name {
        GeneralName::DnsName(name) => Some(name.to_string().to_ascii_lowercase()),
        GeneralName::IpAddress(bytes) => address(bytes.as_bytes()),
        _ => None,
    });
    let validity = certificate.validity();
    Some(Said {
        hosts: hosts.collect(),
        begins: validity.not_before.to_system_time(),
        ends: validity.not_after.to_system_time(),
    })
}

/// The subject of a certificate in DER, as RFC 4514 writes it: "CN=bot,O=Example". In ASCII, since it goes into
/// headers. Empty: it is no certificate.
pub fn subject(der: &[u8]) -> String {
    let certificate = Certificate::from_der(der).ok();
    let said =
        certificate.map_or_else(String::new, |one| one.tbs_certificate().subject().to_string());
    let mut written = String::with_capacity(said.len());
    for byte in said.bytes() {
        match byte {
            b' '..=b'~' => written.push(char::from(byte)),
            _ => written.push_str(&format!("\\{byte:02X}")),
        }
    }
    written
}

fn address(bytes: &[u8]) -> Option<String> {
    let address = match bytes.len() {
        4 => IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(address.to_string())
}

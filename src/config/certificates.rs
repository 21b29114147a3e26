//! Certificates, their keys, and the authorities of clients: files that a configuration names, read once, so that
//! compiling needs none.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::world::{World, unreadable};
use super::{Config, Texts, Tree, is_variable};
use crate::diagnostic::{Code, Diagnostic};
use crate::tls::certificate::{Certificate, Wrong};
use crate::tls::client::Authorities;
use crate::tls::server::Server;
use crate::unit::Secret;

/// Reads them into the configuration. A path is relative to the file that says it.
pub fn certificates(
    tree: &Tree,
    texts: &Texts,
    world: &mut World,
    config: &mut Config,
    allow_unset: bool,
    found: &mut Vec<Diagnostic>,
) {
    let mut reading = Reading { tree, texts, world, allow_unset, found };
    for (name, section) in &mut config.certificates {
        let path = |key| ["certificates", name.as_str(), key];
        if section.self_signed {
            // A name that is none has been told.
            section.loaded = Certificate::self_signed(&section.hosts).ok().map(Into::into);
            continue;
        }
        let brought = section.cert.as_ref().zip(section.key.as_ref());
        section.loaded = reading.certificate(&path("cert"), &path("key"), brought, &section.hosts);
        if section.loaded.as_ref().is_some_and(|one| one.hosts.is_empty()) {
            let problem =
                "no name is in the certificate, so it would never be chosen: write `hosts`";
            let at = reading.tree.value(&path("cert"));
            reading.found.push(Diagnostic::new(Code::E0403, at, problem, "for which names?"));
        }
    }
    pools(&mut reading, config);
    for (name, listener) in &mut config.listeners {
        let path = |key| ["listeners", name.as_str(), "tls", key];
        let files =
            [("client_ca", &listener.tls.client_ca), ("client_crl", &listener.tls.client_crl)];
        listener.tls.loaded = files.map(|(key, file)| {
            file.as_ref().and_then(|file| reading.file(&path(key), file)).map(Into::into)
        });
        // What is missing, or could not be read, has been told.
        let missing = listener.tls.client_ca.is_none();
        let mut read = files.iter().zip(&listener.tls.loaded);
        let all = !missing && read.all(|(of, read)| of.1.is_none() || read.is_some());
        if let (true, Err(wrong)) = (all, Server::new(&listener.tls, &[], Vec::new())) {
            let problem =
                format!("{}: write the path of a file that has some, in PEM", wrong.problem);
            let at = reading.tree.value(&path(wrong.key));
            reading.found.push(Diagnostic::new(Code::E0105, at, problem, "not usable"));
        }
    }
}

/// What pools believe, and show of themselves.
fn pools(reading: &mut Reading<'_>, config: &mut Config) {
    for (name, pool) in &mut config.pools {
        if !pool.scheme.has_tls() {
            continue;
        }
        let path = |key| ["pools", name.as_str(), "tls", key];
        let tls = &mut pool.tls;
        let brought = tls.cert.as_ref().zip(tls.key.as_ref());
        tls.loaded.own = reading.certificate(&path("cert"), &path("key"), brought, &[]);
        let file = tls.ca_file().map(Path::to_owned);
        let believed = match file {
            _ if !tls.verify || !reading.world.is_real() => continue,
            Some(file) => {
                let Some(bytes) = reading.file(&path("ca"), &file) else { continue };
                let all = CertificateDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
                all.unwrap_or_default()
            }
            None => rustls_native_certs::load_native_certs().certs,
        };
        if believed.is_empty() {
            let problem = "no authority is in there, so no endpoint would be believed: write `ca`, the path of a file \
                           with PEM certificates";
            let at = reading.tree.value(&path("ca"));
            reading.found.push(Diagnostic::new(Code::E0105, at, problem, "nobody to believe"));
        }
        tls.loaded.authorities = Authorities(Arc::new(believed));
    }
}

struct Reading<'a> {
    tree: &'a Tree,
    texts: &'a Texts,
    world: &'a mut World,
    /// Variables that are not set are no errors.
    allow_unset: bool,
    found: &'a mut Vec<Diagnostic>,
}

impl Reading<'_> {
    /// A file that is named at a place; `None`: it cannot be read, which is told, or there are no files at all.
    fn file(&mut self, at: &[&str], file: &Path) -> Option<Vec<u8>> {
        let at = self.tree.value(at);
        let said = at.as_ref().and_then(|at| self.texts.file(at.start));
        let folder =
            said.and_then(|file| Path::new(file).parent()).unwrap_or_else(|| Path::new(""));
        let path = folder.join(file);
        match self.world.read(&path) {
            Ok(bytes) => Some(bytes),
            Err(_) if !self.world.is_real() => None,
            Err(error) => {
                self.found.push(Diagnostic { at, ..unreadable(&path, &error, true) });
                None
            }
        }
    }

    /// A secret, wherever it is.
    fn secret(&mut self, at: &[&str], secret: &Secret) -> Option<Vec<u8>> {
        let variable = match secret {
            Secret::File(file) => return self.kept(at, file),
            Secret::Env(name) => name,
            Secret::Credential(name) => {
                if let Some(directory) = self.world.variable(CREDENTIALS) {
                    return self.kept(at, &Path::new(&directory).join(name));
                }
                CREDENTIALS
            }
        };
        let value = self.world.variable(variable);
        if value.is_none() && self.world.is_real() && !self.allow_unset {
            // What is no name of a variable may be the secret itself.
            let name = if is_variable(variable) {
                format!("${variable}")
            } else {
                "the variable".to_owned()
            };
            let problem = format!("{name} is not set: set it, or write {{ file = \"…\" }}");
            let at = self.tree.value(at);
            self.found.push(Diagnostic::new(Code::E0108, at, problem, "it holds the secret"));
        }
        value.map(String::into_bytes)
    }

    /// A file with a secret: who may not read it must not be told to let everybody.
    fn kept(&mut self, at: &[&str], file: &Path) -> Option<Vec<u8>> {
        let told = self.found.len();
        let bytes = self.file(at, file);
        for one in &mut self.found[told..] {
            if one.problem.contains("chmod") {
                one.problem = format!(
                    "weir's user may not read {}: let it alone do so, as `setfacl -m u:USER:r` does, or hand the \
                     secret over as {{ credential = \"…\" }}",
                    file.display()
                );
            }
        }
        bytes
    }

    /// A certificate and its key, wherever they are.
    fn certificate(
        &mut self,
        cert_at: &[&str],
        key_at: &[&str],
        brought: Option<(&PathBuf, &Secret)>,
        hosts: &[String],
    ) -> Option<Arc<Certificate>> {
        let (cert, key) = brought?;
        let (chain, secret) = (self.file(cert_at, cert), self.secret(key_at, key));
        match Certificate::new(&chain?, &secret?, hosts) {
            Ok(certificate) => {
                self.times(cert_at, &certificate);
                Some(certificate.into())
            }
            Err(wrong) => {
                self.wrong(cert_at, key_at, wrong);
                None
            }
        }
    }

    /// A certificate that is not valid, or not for long, is worth a warning. No more: one that was forgotten must not
    /// keep everything else from starting.
    fn times(&mut self, at: &[&str], certificate: &Certificate) {
        let now = SystemTime::now();
        let (problem, label) = match certificate.ends.duration_since(now) {
            _ if now < certificate.begins => (
                "the certificate is not valid yet: look at the clock of this machine".to_owned(),
                "too early",
            ),
            Err(_) => ("the certificate has ended: renew it".to_owned(), "nobody believes it"),
            Ok(left) if left < SOON => {
                let days = left.as_secs() / 86_400;
                let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
                (format!("the certificate ends in {days}: renew it"), "ends soon")
            }
            Ok(_) => return,
        };
        let at = self.tree.value(at);
        self.found.push(Diagnostic::new(Code::W0108, at, problem, label));
    }

    fn wrong(&mut self, cert_at: &[&str], key_at: &[&str], wrong: Wrong) {
        let (code, key, problem, label) = match wrong {
            Wrong::NoCertificate => (
                Code::E0105,
                "cert",
                "there is no certificate in it: write the path of a PEM file",
                "none",
            ),
            Wrong::BadCertificate => (
                Code::E0105,
                "cert",
                "what is in it is no certificate: write the path of a PEM file",
                "none",
            ),
            Wrong::NoKey => (
                Code::E0105,
                "key",
                "there is no private key in it: write where one in PEM is",
                "none",
            ),
            Wrong::LockedKey => (
                Code::E0105,
                "key",
                "the key is locked by a password: unlock it, as `openssl pkey -in key.pem -out unlocked.pem` does",
                "nobody is here to type it",
            ),
            Wrong::BadKey => (
                Code::E0105,
                "key",
                "the key is of no kind that is known: write an RSA, ECDSA or Ed25519 key",
                "unknown",
            ),
            Wrong::OtherKey => (
                Code::E0502,
                "key",
                "the key does not fit the certificate: write the one that it was made for",
                "another certificate's",
            ),
        };
        let at = self.tree.value(if key == "key" { key_at } else { cert_at });
        let cert = self.tree.value(cert_at);
        let found = Diagnostic::new(code, at, problem, label);
        self.found.push(if code == Code::E0502 {
            found.also(cert, "does not fit this")
        } else {
            found
        });
    }
}

/// Where systemd says that credentials are.
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";
/// Who renews by hand needs some days; who has it done renews before.
const SOON: Duration = Duration::from_secs(14 * 86_400);

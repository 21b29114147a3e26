//! Certificates, their keys, and the authorities of clients: files that a configuration names, read once, so that
//! compiling needs none.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::world::{World, unreadable};
use super::{Config, Texts, Tree};
use crate::diagnostic::{Code, Diagnostic, shown};
use crate::tls::certificate::{Certificate, Wrong};
use crate::tls::server::Server;
use crate::unit::Secret;

/// Reads them into the configuration. A path is relative to the file that says it.
pub fn certificates(
    tree: &Tree,
    texts: &Texts,
    world: &mut World,
    config: &mut Config,
    found: &mut Vec<Diagnostic>,
) {
    let mut reading = Reading { tree, texts, world, found };
    for (name, section) in &mut config.certificates {
        let path = |key| ["certificates", name.as_str(), key];
        if section.self_signed {
            // A name that is none has been told.
            section.loaded = Certificate::self_signed(&section.hosts).ok().map(Into::into);
            continue;
        }
        let (Some(cert), Some(key)) = (&section.cert, &section.key) else { continue };
        let chain = reading.file(&path("cert"), cert);
        let secret = reading.secret(&path("key"), key);
        let (Some(chain), Some(secret)) = (chain, secret) else { continue };
        match Certificate::new(&chain, &secret, &section.hosts, SystemTime::now()) {
            Ok(certificate) => {
                reading.ends(&path("cert"), certificate.ends);
                section.loaded = Some(certificate.into());
            }
            Err(wrong) => reading.wrong(name, wrong),
        }
    }
    for (name, listener) in &mut config.listeners {
        let path = |key| ["listeners", name.as_str(), "tls", key];
        let files =
            [("client_ca", &listener.tls.client_ca), ("client_crl", &listener.tls.client_crl)];
        let read = files.map(|(key, file)| {
            file.as_ref().and_then(|file| reading.file(&path(key), file)).unwrap_or_default()
        });
        listener.tls.loaded = read.map(Into::into);
        if let Err(problem) = Server::new(&listener.tls, &[]) {
            let problem = format!("{problem}: write the path of a file with PEM certificates");
            let at = reading.tree.value(&path("client_ca"));
            reading.found.push(Diagnostic::new(Code::E0105, at, problem, "not usable"));
        }
    }
}

/// A secret that stands where only its place should must not be shown by a report, nor in a log.
pub fn mask(tree: &Tree, texts: &mut Texts) {
    for name in tree.names("certificates") {
        if let Some((_, at)) = tree.text(&["certificates", name, "key"]) {
            texts.mask(at.start..at.end);
        }
    }
}

struct Reading<'a> {
    tree: &'a Tree,
    texts: &'a Texts,
    world: &'a mut World,
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
            Secret::File(file) => return self.file(at, file),
            Secret::Env(name) => name,
            Secret::Credential(name) => {
                if let Some(directory) = self.world.variable(CREDENTIALS) {
                    return self.file(at, &Path::new(&directory).join(name));
                }
                CREDENTIALS
            }
        };
        let value = self.world.variable(variable);
        if value.is_none() && self.world.is_real() {
            let problem =
                format!("${} is not set: set it, or write {{ file = \"…\" }}", shown(variable));
            let at = self.tree.value(at);
            self.found.push(Diagnostic::new(Code::E0108, at, problem, "it holds the secret"));
        }
        value.map(String::into_bytes)
    }

    /// A certificate that is about to end is worth a warning.
    fn ends(&mut self, at: &[&str], ends: SystemTime) {
        let left = ends.duration_since(SystemTime::now()).unwrap_or_default();
        if left < SOON {
            let days = left.as_secs() / 86_400;
            let days = if days == 1 { "1 day".to_owned() } else { format!("{days} days") };
            let problem = format!("the certificate ends in {days}: renew it");
            let at = self.tree.value(at);
            self.found.push(Diagnostic::new(Code::W0108, at, problem, "ends soon"));
        }
    }

    fn wrong(&mut self, name: &str, wrong: Wrong) {
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
            Wrong::Early => (
                Code::E0105,
                "cert",
                "the certificate is not valid yet: look at the clock of this machine",
                "too early",
            ),
            Wrong::Ended => (
                Code::E0105,
                "cert",
                "the certificate has ended: renew it, or remove it",
                "no client would believe it",
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
        let at = self.tree.value(&["certificates", name, key]);
        let cert = self.tree.value(&["certificates", name, "cert"]);
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

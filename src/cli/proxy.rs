//! `weir proxy LISTEN ENDPOINT...`: a proxy without a file.
//!
//! The arguments become the TOML they amount to, and that is read, checked and run like any other;
//! `--print` shows it, so that the next step is a file.

use std::io;

use toml::Value;

use super::check::style;
use super::run::{self, serve};
use super::{Exit, say_exactly, tell};
use crate::balance;
use crate::config::{compile, parse};
use crate::diagnostic::{Report, nearest};
use crate::net::clock::Clock;
use crate::runtime::{Blueprint, Loader};

/// `weir proxy`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to listen: :8080, 127.0.0.1:8080, or a port alone.
    listen: String,
    /// Where requests go: 127.0.0.1:3000, localhost:3000, http://127.0.0.1:3000, or a port alone.
    #[arg(required = true)]
    endpoints: Vec<String>,
    /// The balancing algorithm; the words: weir explain balance.
    #[arg(long, value_name = "KIND")]
    balance: Option<String>,
    /// Check the endpoints by asking for this path.
    #[arg(long, value_name = "PATH")]
    health: Option<String>,
    /// Run nothing: print the configuration that this amounts to.
    #[arg(long)]
    print: bool,
}

/// Runs the proxy, or prints its configuration.
pub fn proxy(args: &Args, set: &[String]) -> Exit {
    let since = Clock::new();
    if !set.is_empty() {
        tell("weir: there is no file to --set a key of: write one, from weir proxy … --print\n");
        return Exit::Usage;
    }
    let text = match args.toml() {
        Ok(text) => text,
        Err(sentence) => {
            tell(&format!("weir: {sentence}\n"));
            return Exit::Usage;
        }
    };
    match blueprint(&text, None) {
        Ok(_) if args.print => {
            say_exactly(&text);
            Exit::Ok
        }
        Ok(first) => {
            serve(first, Box::new(Text(text)), "weir proxy", &since, &run::Args::default())
        }
        Err(report) => {
            tell(&format!("{}{}\n", report.render(style(&io::stderr())), report.summary()));
            Exit::Usage
        }
    }
}

impl Args {
    /// The configuration, or what is wrong with an argument.
    fn toml(&self) -> Result<String, String> {
        let endpoints: Vec<Value> =
            self.endpoints.iter().map(|one| endpoint(one)).collect::<Result<_, _>>()?;
        let listen = match &self.listen {
            port if is_port(port) => format!(":{port}"),
            address => without_scheme(address)?.to_owned(),
        };
        let mut text = format!(
            "[listeners.http]\naddress = {}\npool = \"app\"\n\n[pools.app]\nendpoints = {}\n",
            Value::String(listen),
            Value::Array(endpoints),
        );
        if let Some(kind) = &self.balance {
            if !balance::WORDS.contains(&&**kind) {
                let near = nearest(kind, balance::WORDS).unwrap_or(balance::WORDS[0]);
                let words = balance::WORDS.join(", ");
                return Err(format!(
                    "no balancing algorithm `{kind}`: write `{near}`; there are {words}"
                ));
            }
            text.push_str(&format!("balance = {}\n", Value::String(kind.clone())));
        }
        if let Some(path) = &self.health {
            let path = Value::String(path.clone());
            text.push_str(&format!("\n[pools.app.health]\npath = {path}\n"));
        }
        Ok(text)
    }
}

fn endpoint(word: &str) -> Result<Value, String> {
    if is_port(word) {
        return Ok(Value::String(format!("127.0.0.1:{word}")));
    }
    let address = without_scheme(word)?;
    // A URL has a port even where none is written.
    let bare = address != word && !address.rsplit(']').next().unwrap_or_default().contains(':');
    Ok(Value::String(if bare { format!("{address}:80") } else { address.to_owned() }))
}

/// The host and port of a URL; a word that is none stays.
fn without_scheme(word: &str) -> Result<&str, String> {
    let Some((scheme, rest)) = word.split_once("://") else { return Ok(word) };
    if !scheme.eq_ignore_ascii_case("http") {
        let plain = rest.split('/').next().unwrap_or(rest);
        return Err(format!(
            "`{word}`: weir speaks plain HTTP to endpoints so far: write http://{plain}, \
             or leave the scheme out"
        ));
    }
    match rest.split_once('/') {
        Some((_, path)) if !path.is_empty() => Err(format!(
            "`{word}`: an endpoint has no path: write http://{}, and routes in a file \
             (weir proxy … --print makes one)",
            rest.split('/').next().unwrap_or(rest)
        )),
        Some((host, _)) => Ok(host),
        None => Ok(rest),
    }
}

fn is_port(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// A configuration that does not change.
struct Text(String);

impl Loader for Text {
    fn next(&self, running: &Blueprint) -> Result<Blueprint, String> {
        blueprint(&self.0, Some(running))
            .map_err(|report| report.render(crate::diagnostic::Style::Plain))
    }

    fn changed(&self) -> Option<u64> {
        None
    }
}

fn blueprint(text: &str, running: Option<&Blueprint>) -> Result<Blueprint, Report> {
    let loaded = parse("weir proxy", text)?;
    compile(&loaded.config, running, fastrand::u64(..))
        .map_err(|fault| Report::new(Vec::new(), vec![fault.at(None)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn toml(endpoints: &[&str]) -> Result<String, String> {
        let endpoints = endpoints.iter().map(|one| (*one).to_owned()).collect();
        let listen = "8080".to_owned();
        let health = Some("/healthz".to_owned());
        Args { listen, endpoints, balance: Some("random".to_owned()), health, print: true }.toml()
    }

    #[test]
    fn what_it_amounts_to_can_be_loaded() {
        let text = toml(&["3000", "http://127.0.0.1:3001/", "http://localhost"]).unwrap();
        let loaded = parse("weir.toml", &text).unwrap();
        assert!(loaded.warnings.is_empty());
        assert_eq!(crate::cli::fmt::layout(&text), text);
        let wanted = "[\"127.0.0.1:3000\", \"127.0.0.1:3001\", \"localhost:80\"]";
        assert!(text.contains(wanted), "{text}");
    }

    #[test]
    fn what_cannot_be_is_told_with_what_to_write() {
        assert!(toml(&["https://a:1"]).unwrap_err().contains("write http://a:1"));
        assert!(toml(&["http://a:1/x"]).unwrap_err().contains("no path: write http://a:1"));
    }
}

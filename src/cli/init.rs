//! `weir init`: a first weir.toml, from one of the examples.
//!
//! Called by a person who begins. The templates are the files of `config/examples/`, built in; their names
//! are those of the files without the number. A file that is there is never overwritten unasked.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;

use super::file::replace;
use super::{Exit, say_exactly, tell, whisper};

macro_rules! templates {
    ($($name:literal $file:literal $about:literal;)*) => {
        /// Every template: its name, what it shows, its text.
        const TEMPLATES: &[(&str, &str, &str)] =
            &[$(($name, $about, include_str!(concat!("../../config/examples/", $file))),)*];
    };
}

templates! {
    "quickstart" "1-quickstart.toml" "two endpoints, five lines";
    "routing" "2-routing.toml" "by host, path, method, header; splits, redirects, policies";
    "health" "3-health.toml" "active checks, weights, leaving without loss";
    "websocket" "4-websocket.toml" "WebSocket, server-sent events, long polling";
    "public" "5-public.toml" "limits against strangers";
    "https" "7-https.toml" "TLS: certificates by name, https to endpoints";
    "l4" "8-l4.toml" "what is no HTTP: raw TCP, the inside of TLS";
    "grpc" "9-grpc.toml" "gRPC services and a front end behind one port";
    "behind-proxy" "6-behind-proxy.toml" "behind another proxy, a CDN, a cloud load balancer";
}

/// `weir init`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to begin with.
    #[arg(default_value = "quickstart", value_parser = names())]
    template: String,
    /// Replace the file that is there.
    #[arg(long)]
    force: bool,
    /// Write no file: print it.
    #[arg(long, conflicts_with = "force")]
    stdout: bool,
}

fn names() -> Vec<PossibleValue> {
    TEMPLATES.iter().map(|(name, about, _)| PossibleValue::new(name).help(about)).collect()
}

/// Writes the template to the file that -c names, else to ./weir.toml.
pub fn init(args: &Args, config: Option<PathBuf>) -> Exit {
    let Some((name, _, example)) = TEMPLATES.iter().find(|row| row.0 == args.template) else {
        return Exit::Usage;
    };
    let text = format!(
        "# Written by `weir init {name}`.\n# Every key: weir show --defaults    One of them: weir \
         explain pools.*.balance\n\n{example}"
    );
    if args.stdout {
        say_exactly(&text);
        return Exit::Ok;
    }
    let path = config.unwrap_or_else(|| PathBuf::from("weir.toml"));
    let shown = path.display();
    if let Err(error) = write(&path, &text, args.force) {
        if error.kind() == ErrorKind::AlreadyExists {
            tell(&format!(
                "weir: {shown} is there already: add --force to replace it, or --stdout to look first\n"
            ));
        } else {
            tell(&format!("weir: {shown} cannot be written, {error}: name another file with -c\n"));
        }
        return Exit::of(&error);
    }
    let with = if path == Path::new("weir.toml") { String::new() } else { format!(" {shown}") };
    whisper(&format!(
        "{shown} is written: put your endpoints into it, then `weir check{with}` and `weir run{with}`\n"
    ));
    Exit::Ok
}

fn write(path: &Path, text: &str, force: bool) -> std::io::Result<()> {
    match File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()),
        Err(error) if force && error.kind() == ErrorKind::AlreadyExists => replace(path, text),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fmt::layout;
    use crate::config;

    #[test]
    fn every_example_is_a_template() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/examples");
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|file| file.split_once('-').unwrap().1.replace(".toml", ""))
            .collect();
        names.sort();
        let mut known: Vec<&str> = TEMPLATES.iter().map(|row| row.0).collect();
        known.sort_unstable();
        assert_eq!(names, known);
    }

    #[test]
    fn every_template_is_in_order() {
        for (name, about, text) in TEMPLATES {
            let loaded = config::parse(name, text).unwrap_or_else(|report| {
                panic!("{name}: {}", report.render(crate::diagnostic::Style::Plain))
            });
            assert!(loaded.warnings.is_empty(), "{name}");
            assert_eq!(layout(text), *text, "{name}: weir fmt would change it");
            assert!(!about.is_empty());
            let headers = text.lines().filter(|line| line.starts_with('['));
            for header in headers {
                assert!(header.split('.').count() <= 3, "{name}: {header} has over three words");
            }
        }
    }

    #[test]
    fn the_first_one_is_short() {
        let lines = TEMPLATES[0].2.lines().filter(|line| !line.is_empty());
        assert!(lines.count() <= 6);
    }
}

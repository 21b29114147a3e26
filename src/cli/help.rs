//! `weir help [TOPIC]`: pages on what no single word explains, and the help of a command.
//!
//! The pages are in `help/`, built in. Those for who comes from another proxy end with the table of words by
//! which the reader of the configuration translates, so that both say the same.

use clap::Command;

use super::{Exit, say, tell};
use crate::config::foreign;
use crate::diagnostic::nearest;

macro_rules! topics {
    ($($name:literal $proxy:literal $about:literal;)*) => {
        /// Every page: its name, the proxy it is about, a line on it, its text.
        const TOPICS: &[(&str, &str, &str, &str)] =
            &[$(($name, $proxy, $about, include_str!(concat!("help/", $name, ".md"))),)*];
    };
}

topics! {
    "config" "" "the file: sections, units, names, merging";
    "routing" "" "which request goes where";
    "reload" "" "what a change of the file does";
    "signals" "" "signals and exit codes";
    "503" "" "who answered, and why";
    "from-nginx" "nginx" "for those who know nginx";
    "from-haproxy" "HAProxy" "for those who know HAProxy";
    "from-traefik" "Traefik" "for those who know Traefik";
    "from-caddy" "Caddy" "for those who know Caddy";
    "from-envoy" "Envoy" "for those who know Envoy";
}

/// `weir help`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A page, or a command.
    topic: Option<String>,
}

/// Prints a page, the help of a command, or what there is. `weir` is all commands with their flags.
pub fn help(args: &Args, mut weir: Command) -> Exit {
    let Some(topic) = &args.topic else {
        say(&weir.render_help().to_string());
        return Exit::Ok;
    };
    if let Some((_, proxy, _, text)) = TOPICS.iter().find(|one| one.0 == topic.to_lowercase()) {
        say(&format!("{text}{}", words(proxy)));
        return Exit::Ok;
    }
    weir.build();
    if let Some(command) = weir.find_subcommand_mut(topic) {
        say(&command.render_long_help().to_string());
        return Exit::Ok;
    }
    let commands = weir.get_subcommands().map(Command::get_name);
    match nearest(topic, TOPICS.iter().map(|one| one.0).chain(commands)) {
        Some(near) => tell(&format!("no help on `{topic}`: did you mean `weir help {near}`?\n")),
        None => tell(&format!("no help on `{topic}`: `weir help` lists what there is\n")),
    }
    Exit::Usage
}

/// The pages that there are.
pub fn list() -> String {
    let lines = TOPICS.iter().map(|(name, _, about, _)| format!("  {name:<14}{about}\n"));
    format!("Pages, by weir help PAGE:\n{}", lines.collect::<String>())
}

/// What the words of another proxy are called here.
fn words(proxy: &str) -> String {
    let mut text = String::new();
    for (word, ours) in foreign(proxy) {
        if text.is_empty() {
            text.push_str(&format!(
                "\n{proxy}'s words, and weir's (a report translates them too):\n\n"
            ));
        }
        text.push_str(&format!("    {word:<30}{ours}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    /// The examples of the pages: what is indented by four and looks like TOML.
    fn example(text: &str) -> String {
        let indented = text.lines().filter_map(|line| line.strip_prefix("    "));
        let lines = indented.skip_while(|line| !line.starts_with('['));
        // What is said beside a line is parted from it by two spaces.
        let lines = lines.map(|line| line.split("  ").next().unwrap_or_default());
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_examples_of_the_pages_can_be_loaded() {
        for (name, proxy, _, text) in TOPICS {
            if proxy.is_empty() && *name != "config" {
                continue;
            }
            let example = example(text);
            assert!(example.contains("[pools.app]"), "{name}");
            if let Err(report) = parse(name, &example) {
                panic!("{name}: {}", report.render(crate::diagnostic::Style::Plain));
            }
        }
    }

    #[test]
    fn pages_fit_a_terminal_and_end_in_words() {
        for (name, proxy, about, text) in TOPICS {
            assert!(!about.is_empty() && text.ends_with('\n'), "{name}");
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{name}");
            assert_eq!(words(proxy).lines().count() > 5, !proxy.is_empty(), "{name}");
        }
    }
}

//! `weir completions SHELL` and `weir man DIR`: files for shells and packagers.
//!
//! Made from the commands and from the reference, so that they cannot say anything else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::Command;
use clap_complete::Shell;

use super::reference::sections;
use super::{Exit, say_exactly, tell, whisper};

/// `weir completions`.
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script by which a shell completes weir's commands and flags.
pub fn completions(args: &Completions, mut weir: Command) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut weir, "weir", &mut script);
    say_exactly(&String::from_utf8_lossy(&script));
    Exit::Ok
}

/// `weir man`.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// Where to write the pages.
    directory: PathBuf,
}

/// Writes weir.1, a page for each command, and weir.toml.5.
pub fn man(args: &Man, weir: Command) -> Exit {
    let directory = &args.directory;
    match write(directory, weir) {
        Ok(()) => {
            let shown = directory.display();
            whisper(&format!("{shown} has the pages; to look at one: man {shown}/weir.1\n"));
            Exit::Ok
        }
        Err(error) => {
            let shown = directory.display();
            tell(&format!("weir: {shown} cannot be written, {error}: name another directory\n"));
            Exit::of(&error)
        }
    }
}

fn write(directory: &Path, weir: Command) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    clap_mangen::generate_to(weir, directory)?;
    fs::write(directory.join("weir.toml.5"), file_page())
}

/// The page of the configuration: every section with its keys.
fn file_page() -> String {
    let mut page = format!(
        ".TH weir.toml 5 \"\" \"weir {}\"\n.SH NAME\nweir.toml \\- the configuration of weir\n\
         .SH DESCRIPTION\nOne TOML file. Durations and sizes have units: \"500ms\", \"64KiB\". \
         Nothing is ignored: what weir does not know is an error. What follows is every key, with \
         its default or, where there is none, an example.\n",
        env!("CARGO_PKG_VERSION")
    );
    for section in sections() {
        page.push_str(&format!(".SH {}\n", roff(section.header().trim_start_matches("# "))));
        if !section.about.is_empty() {
            page.push_str(&format!("{}\n", roff(&section.about)));
        }
        for key in &section.keys {
            let example = if key.is_default { "" } else { "   (example)" };
            let entry = format!("{} = {}", section.name_of(key), key.value);
            page.push_str(&format!(".TP\n.B {}{example}\n", roff(&entry)));
            page.push_str(&format!(
                "{}\n",
                roff(if key.about.is_empty() { "\\&" } else { &key.about })
            ));
        }
    }
    page.push_str(".SH SEE ALSO\nweir(1), weir\\-check(1), weir\\-explain(1)\n");
    page
}

/// A line of text that troff takes for nothing else.
fn roff(text: &str) -> String {
    let text = text.replace('\\', "\\e").replace('-', "\\-");
    if text.starts_with(['.', '\'']) { format!("\\&{text}") } else { text }
}

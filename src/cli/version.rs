//! `weir version`: what this binary is, for a report of a bug and for a script.

use std::env::consts::{ARCH, OS};

use serde_json::json;

use super::{Exit, say, say_exactly};

/// `weir version`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// Prints the version, what is built in, and for which system.
pub fn version(args: &Args) -> Exit {
    let version = env!("CARGO_PKG_VERSION");
    let target = format!("{ARCH}-{OS}");
    if args.json {
        let told = json!({
            "schema": 1, "version": version, "features": features(), "target": target,
        });
        say_exactly(&format!("{told}\n"));
    } else {
        let features = features().join(", ");
        say(&format!("weir {version}\nfeatures  {features}\ntarget    {target}\n"));
    }
    Exit::Ok
}

/// The features of this build, by the names that Cargo.toml has for them.
fn features() -> Vec<&'static str> {
    let all = [("mimalloc", cfg!(feature = "mimalloc"))];
    all.into_iter().filter(|(_, on)| *on).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_knows_every_feature() {
        let manifest: toml::Table = toml::from_str(include_str!("../../Cargo.toml")).unwrap();
        let features = manifest["features"].as_table().unwrap();
        let source = include_str!("version.rs");
        for name in features.keys().filter(|name| *name != "default") {
            assert!(source.contains(&format!("feature = \"{name}\"")), "{name}");
        }
    }
}

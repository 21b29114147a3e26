//! Which events are worth a line: by level, and by the module that tells them.

use schemars::JsonSchema;
use serde::Deserialize;
use tracing::Metadata;
use tracing::level_filters::LevelFilter;

use super::Config;

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// What does not work.
    Error,
    /// What may be wrong.
    Warn,
    /// What has changed.
    #[default]
    Info,
    /// Why something failed.
    Debug,
    /// All there is.
    Trace,
}

impl Level {
    const fn filter(self) -> LevelFilter {
        match self {
            Self::Error => LevelFilter::ERROR,
            Self::Warn => LevelFilter::WARN,
            Self::Info => LevelFilter::INFO,
            Self::Debug => LevelFilter::DEBUG,
            Self::Trace => LevelFilter::TRACE,
        }
    }
}

/// The modules of weir, which `levels` may name.
pub const MODULES: [&str; 22] = [
    "admin",
    "balance",
    "cli",
    "config",
    "diagnostic",
    "endpoint",
    "h1",
    "h2",
    "health",
    "kind",
    "listener",
    "message",
    "net",
    "policy",
    "pool",
    "proxy",
    "route",
    "runtime",
    "snapshot",
    "telemetry",
    "tls",
    "unit",
];

/// A level, and those of single modules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    level: LevelFilter,
    /// By the beginning of their path, the longest first.
    modules: Vec<(String, LevelFilter)>,
}

impl Filter {
    /// What the section says.
    pub fn new(config: &Config) -> Self {
        let modules = config.levels.iter();
        let path = |name: &String| format!("weir::{name}");
        let modules = modules.map(|(name, level)| (path(name), level.filter())).collect();
        Self { level: config.level.filter(), modules }
    }

    /// What `RUST_LOG` says: "debug", "info,weir::pool=trace". `None`: nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let mut filter = Self { level: LevelFilter::INFO, modules: Vec::new() };
        let mut says = false;
        for part in text.split(',').map(str::trim) {
            let (module, level) = part.split_once('=').unwrap_or(("", part));
            let Ok(level) = level.parse() else { continue };
            says = true;
            if module.is_empty() {
                filter.level = level;
            } else {
                filter.modules.push((module.to_owned(), level));
            }
        }
        filter.modules.sort_by_key(|(module, _)| std::cmp::Reverse(module.len()));
        says.then_some(filter)
    }

    /// The most that any of them tells.
    pub fn most(&self) -> LevelFilter {
        self.modules.iter().map(|(_, level)| *level).fold(self.level, LevelFilter::max)
    }

    /// Whether it takes what is told there.
    pub fn takes(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.of(metadata.target())
    }

    fn of(&self, target: &str) -> LevelFilter {
        let is_in = |module: &str| {
            target.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        let own = self.modules.iter().find(|(module, _)| is_in(module));
        match own {
            Some((_, level)) => *level,
            // What libraries say is of interest to their authors, unless all is asked for.
            None if !is_own(target) && self.level < LevelFilter::TRACE => {
                self.level.min(LevelFilter::ERROR)
            }
            None => self.level,
        }
    }
}

/// Whether weir itself tells it.
fn is_own(target: &str) -> bool {
    target.strip_prefix("weir").is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_has_its_own_level() {
        let config: Config =
            toml::from_str("level = \"warn\"\nlevels = { pool = \"trace\" }").unwrap();
        let filter = Filter::new(&config);
        assert_eq!(filter.of("weir::pool::connections"), LevelFilter::TRACE);
        assert_eq!(filter.of("weir::pools"), LevelFilter::WARN);
        assert_eq!(filter.most(), LevelFilter::TRACE);
        assert_eq!(filter.of("another"), LevelFilter::ERROR, "a library");
        let given = Filter::parse("error, weir::net=debug,weir::net::clock=info").unwrap();
        assert_eq!(given.of("weir::net::clock"), LevelFilter::INFO);
        assert_eq!(given.of("weir::net"), LevelFilter::DEBUG);
        assert_eq!(given.of("weir::cli"), LevelFilter::ERROR);
        assert_eq!(Filter::parse("loud"), None);
        let all = Filter::parse("trace").unwrap();
        assert_eq!(all.of("another"), LevelFilter::TRACE);
        let named = Filter::parse("info,another=debug").unwrap();
        assert_eq!(named.of("another::part"), LevelFilter::DEBUG);
    }

    #[test]
    fn the_modules_are_those_of_the_library() {
        let library = include_str!("../../lib.rs").lines();
        let named = library.filter_map(|line| {
            let line = line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?;
            Some(line.split_once(';')?.0)
        });
        let mut named: Vec<&str> = named.collect();
        named.sort_unstable();
        assert_eq!(named, MODULES);
    }
}

//! The small values of the configuration file: a name, a duration, a size, a share, one value or a list of them.
//!
//! Every section's struct is made of these. Each knows how it is written in the file and says, when
//! it is written otherwise, what to write instead. They know nothing of what they are used for, nor
//! of diagnostics: what they tell serde begins with a code, as `diagnostic::Fault` documents.

mod auto;
mod cidr;
mod duration;
mod matcher;
mod name;
mod one_or_many;
mod percent;
mod regex;
mod secret;
mod size;
mod statuses;

pub use auto::Auto;
pub use cidr::Cidr;
pub use duration::Duration;
pub use matcher::Matcher;
pub use name::Name;
pub use one_or_many::OneOrMany;
pub use percent::Percent;
pub use regex::Regex;
pub use secret::Secret;
pub use size::{ByteRate, Size};
pub use statuses::Statuses;

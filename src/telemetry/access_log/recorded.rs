//! Which headers may stand in an access log.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{self, Deserializer};

use crate::diagnostic::{Code, Fault, coded, shown};
use crate::message::header_name::HeaderName;

/// The name of a header that is recorded: none that holds secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded(HeaderName);

/// Headers that are never recorded: what they hold lets whoever reads the log be somebody else.
const SECRET: [&str; 4] = ["authorization", "cookie", "proxy-authorization", "set-cookie"];

impl Recorded {
    /// A name.
    ///
    /// # Errors
    /// No header has it, or what it holds is secret.
    pub fn new(text: &str) -> Result<Self, Fault> {
        let Some(name) = HeaderName::new(text) else {
            let problem = format!(
                "no header is called `{}`: write its name alone, such as \"user-agent\"",
                shown(text)
            );
            return Err(Fault::new(Code::E0103, problem, "no name of a header"));
        };
        if SECRET.contains(&name.as_str()) {
            let problem = format!("`{name}` holds secrets, which no log may have: remove it");
            return Err(Fault::new(Code::E0104, problem, "never recorded"));
        }
        Ok(Self(name))
    }

    /// In lower case.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl<'de> Deserialize<'de> for Recorded {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::new(&text).map_err(|fault| de::Error::custom(coded(&fault)))
    }
}

impl JsonSchema for Recorded {
    fn schema_name() -> Cow<'static, str> {
        HeaderName::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        HeaderName::json_schema(generator)
    }
}

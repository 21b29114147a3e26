//! Where a secret is: never in the configuration itself.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

/// Where a secret is: { file = "secrets/x" }, { env = "NAME" } or { credential = "NAME" }.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In a file, relative to the one that says so.
    File(PathBuf),
    /// In a variable of the environment.
    Env(String),
    /// In a file of `$CREDENTIALS_DIRECTORY`, which systemd fills.
    Credential(String),
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Form;
        impl<'de> Visitor<'de> for Form {
            type Value = Secret;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("where it is, such as { file = \"secrets/x\" }")
            }

            // It is not repeated: it may be the secret itself.
            fn visit_str<E: de::Error>(self, _: &str) -> Result<Secret, E> {
                Err(wrong())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
                let word = map.next_key::<String>()?;
                let found = match word.as_deref() {
                    Some("file") => Secret::File(map.next_value()?),
                    Some("env") => Secret::Env(map.next_value()?),
                    Some("credential") => Secret::Credential(map.next_value()?),
                    Some(_) => return Err(wrong()),
                    None => return Err(de::Error::missing_field("file")),
                };
                if map.next_key::<String>()?.is_some() { Err(wrong()) } else { Ok(found) }
            }
        }
        deserializer.deserialize_any(Form)
    }
}

fn wrong<E: de::Error>() -> E {
    E::custom(
        "E0103 a secret stands elsewhere: write { file = \"…\" }, { env = \"…\" } or { credential = \"…\" }\n\
         where is it?",
    )
}

impl JsonSchema for Secret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "minProperties": 1, "maxProperties": 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_somewhere_else_and_in_one_place() {
        #[derive(Deserialize)]
        struct One {
            x: Secret,
        }
        let read = |text: &str| toml::from_str::<One>(&format!("x = {text}")).map(|one| one.x);
        assert_eq!(read("{ file = \"a\" }").unwrap(), Secret::File("a".into()));
        assert_eq!(read("{ env = \"A\" }").unwrap(), Secret::Env("A".into()));
        assert_eq!(read("{ credential = \"a\" }").unwrap(), Secret::Credential("a".into()));
        assert!(read("{}").is_err());
        for wrong in ["\"hunter2\"", "{ file = \"a\", env = \"A\" }", "{ fil = \"hunter2\" }"] {
            let said = read(wrong).unwrap_err().message().to_owned();
            assert!(said.contains("{ env = ") && !said.contains("hunter2"), "{said}");
        }
    }
}

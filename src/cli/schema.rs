//! `weir schema`: the JSON Schema of the configuration, for editors.
//!
//! Derived from the structs that read the file, so it knows what they know. What editors read of TOML is
//! draft-04, so what is newer is said in its words; and TOML has no null.

use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{ReplaceBoolSchemas, ReplaceConstValue, Transform, transform_subschemas};
use serde_json::{Value, json};

use super::{Exit, say_exactly};
use crate::balance;
use crate::config::Config;

/// Prints the schema.
pub fn schema() -> Exit {
    say_exactly(&format!("{:#}\n", document()));
    Exit::Ok
}

fn document() -> Value {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<Config>();
    ReplaceConstValue::default().transform(&mut schema);
    // `false` says that there are no other keys; draft-04 has that word in this place only.
    let mut other = ReplaceBoolSchemas::default();
    other.skip_additional_properties = true;
    other.transform(&mut schema);
    WithoutNull.transform(&mut schema);
    WithWords.transform(&mut schema);
    WithVariables.transform(&mut schema);
    schema.insert(String::from("$schema"), json!("http://json-schema.org/draft-04/schema#"));
    schema.insert(String::from("title"), json!("weir.toml"));
    schema.to_value()
}

/// A key that may be left out is left out: nobody writes null for it.
struct WithoutNull;

impl Transform for WithoutNull {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let Some(object) = schema.as_object_mut() else { return };
        if object.get("default").is_some_and(Value::is_null) {
            object.remove("default");
        }
        let is_null = |one: &Value| *one == json!("null") || *one == json!({ "type": "null" });
        for word in ["type", "anyOf"] {
            let Some(Value::Array(all)) = object.get_mut(word) else { continue };
            all.retain(|one| !is_null(one));
            if word == "type" && all.len() == 1 {
                let only = all.remove(0);
                object.insert(String::from("type"), only);
            }
        }
    }
}

/// A text may have a variable in it, whatever it must look like in the end.
struct WithVariables;

impl Transform for WithVariables {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        if let Some(Value::String(pattern)) = schema.get_mut("pattern") {
            *pattern = format!("{pattern}|[$][{{]");
        }
    }
}

/// What names an algorithm is one of its words, or a table of one of them.
struct WithWords;

impl Transform for WithWords {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
        let Some(balance) = properties.and_then(|properties| properties.get_mut("balance")) else {
            return;
        };
        let about = balance.get("description").cloned().unwrap_or_default();
        let tables = balance::KINDS.iter().map(|kind| {
            let table = json!({ "type": "object", "description": kind.about });
            (kind.name.to_owned(), table)
        });
        *balance = json!({ "description": about, "anyOf": [
            { "enum": balance::WORDS },
            {
                "type": "object",
                "properties": tables.collect::<serde_json::Map<_, _>>(),
                "additionalProperties": false,
                "minProperties": 1,
                "maxProperties": 1,
            },
        ] });
    }
}

//! Checks JSON against a schema, for the part of JSON Schema (2020-12) that `docs/events.schema.json` and
//! `docs/doctor.schema.json` use. A keyword
//! that is not known here fails the test, so that nothing passes because nobody looked.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// What says nothing about the value.
const NOTES: &[&str] = &["$schema", "title", "description", "$defs"];

/// A schema whose values are one of several kinds, each of them a definition with properties.
pub struct Schema(Value);

impl Schema {
    /// The schema in this text.
    pub fn parse(text: &str) -> Schema {
        let schema: Value = serde_json::from_str(text).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        Schema(schema)
    }

    /// Each kind with each of its properties, as `kind.property`.
    pub fn all(&self) -> BTreeSet<String> {
        let kinds = self.kinds().into_iter();
        kinds
            .flat_map(|kind| {
                keys(&self.definition(&kind)["properties"]).map(move |key| format!("{kind}.{key}"))
            })
            .collect()
    }

    /// The kind of the value, and its properties, as `kind.property`. Fails unless it is of exactly one kind.
    pub fn check(&self, value: &Value) -> Result<Vec<String>, String> {
        let kinds = self.kinds();
        let faults: Vec<(String, Option<String>)> =
            kinds.into_iter().map(|kind| (kind.clone(), self.fault(self.definition(&kind), value))).collect();
        let fits: Vec<&String> =
            faults.iter().filter(|(_, fault)| fault.is_none()).map(|(kind, _)| kind).collect();
        match fits.as_slice() {
            [kind] => Ok(keys(value).map(|key| format!("{kind}.{key}")).collect()),
            other => Err(format!("{value} is of the kinds {other:?}: {faults:#?}")),
        }
    }

    fn kinds(&self) -> Vec<String> {
        let kinds = self.0["oneOf"].as_array().expect("kinds").iter();
        kinds
            .map(|kind| kind["$ref"].as_str().unwrap().strip_prefix("#/$defs/").unwrap().to_owned())
            .collect()
    }

    fn definition(&self, name: &str) -> &Value {
        self.0["$defs"].get(name).unwrap_or_else(|| panic!("there is no definition {name}"))
    }

    /// What is wrong with the value.
    fn fault(&self, schema: &Value, value: &Value) -> Option<String> {
        let rules: &Map<String, Value> = schema.as_object().expect("a schema is an object");
        rules.iter().filter(|(keyword, _)| !NOTES.contains(&keyword.as_str())).find_map(|(keyword, rule)| {
            match keyword.as_str() {
                "$ref" => {
                    self.fault(self.definition(rule.as_str()?.strip_prefix("#/$defs/").unwrap()), value)
                }
                "type" => {
                    (!is_of_type(rule.as_str().unwrap(), value)).then(|| format!("{value} is no {rule}"))
                }
                "const" => (rule != value).then(|| format!("{value} is not {rule}")),
                "enum" => {
                    (!rule.as_array().unwrap().contains(value)).then(|| format!("{value} is not in {rule}"))
                }
                "minimum" => (value.as_f64() < rule.as_f64()).then(|| format!("{value} is below {rule}")),
                "required" => rule.as_array().unwrap().iter().find_map(|name| {
                    value.get(name.as_str().unwrap()).is_none().then(|| format!("{name} is missing"))
                }),
                "additionalProperties" => {
                    assert_eq!(rule, false, "only `false` is known");
                    keys(value)
                        .find(|key| rules["properties"].get(key).is_none())
                        .map(|key| format!("{key} is unknown"))
                }
                "properties" => rule.as_object().unwrap().iter().find_map(|(name, rule)| {
                    self.fault(rule, value.get(name)?).map(|fault| format!("{name}: {fault}"))
                }),
                "items" => value.as_array()?.iter().find_map(|item| self.fault(rule, item)),
                other => panic!("the keyword {other} is not known here"),
            }
        })
    }
}

fn keys(value: &Value) -> impl Iterator<Item = String> {
    value.as_object().expect("an object").keys().cloned()
}

fn is_of_type(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        other => panic!("the type {other} is not known here"),
    }
}

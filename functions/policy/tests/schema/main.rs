//! The JSON Schema of a policy document, by which editors complete and check one: infra/policy.schema.json.
//!
//! Its conditions are those of the table, as the reader's are. Its other keys, bounds and words are taken from the
//! messages of the reader. So schema and reader cannot disagree. A schema cannot
//! express every rule, for example that names are unique; `redrive` checks those. After an intended change:
//! `UPDATE_EXPECTED=1 cargo test -p redrive-policy --test schema`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]
#![expect(clippy::disallowed_methods, reason = "a test reads files")]

mod ask;
mod build;
mod descriptions;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra/policy.schema.json")
}

#[test]
fn the_schema_beside_the_policy_is_the_one_that_follows_from_the_core() {
    let is = format!("{:#}\n", build::schema());
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(path(), &is).unwrap();
    }
    let was = std::fs::read_to_string(path()).unwrap();
    assert!(
        is == was,
        "infra/policy.schema.json is out of date: UPDATE_EXPECTED=1 cargo test -p redrive-policy --test schema"
    );
}

/// Editors show the description when they complete a key.
#[test]
fn every_key_has_a_description_of_one_line() {
    let mut keys = BTreeSet::new();
    described(&build::schema(), &mut keys);
    assert!(keys.len() >= 40, "{}", keys.len());
}

fn described(schema: &Value, keys: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        for (key, property) in properties {
            let text = property["description"].as_str().unwrap_or_default();
            assert!(
                !text.is_empty() && text.len() <= 160 && !text.contains('\n'),
                "{key}: {text:?}"
            );
            keys.insert(key.clone());
        }
    }
    match schema {
        Value::Object(members) => members.values().for_each(|member| described(member, keys)),
        Value::Array(items) => items.iter().for_each(|item| described(item, keys)),
        _ => {}
    }
}

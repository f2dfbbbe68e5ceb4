//! What is written beside the code and follows from the table of conditions. After an intended change:
//! `UPDATE_EXPECTED=1 cargo test -p redrive-policy --test table`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![expect(clippy::disallowed_methods, reason = "a test reads files")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use redrive_policy::{ConditionKey, SdkRetryMode, ValueKind};

fn top(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(file)
}

/// Returns the closed set of words that a key has for values, if it has one.
fn words(key: ConditionKey) -> Vec<&'static str> {
    match key.row().values {
        ValueKind::Closed { words, .. } | ValueKind::Open { words } => words.to_vec(),
        ValueKind::Mode => SdkRetryMode::ALL.map(SdkRetryMode::as_str).to_vec(),
        ValueKind::Text { .. } | ValueKind::Signal | ValueKind::Number { .. } => Vec::new(),
    }
}

/// The fuzzer of policies learns the language from a dictionary, whose first part is that of the conditions.
#[test]
fn fuzz_dictionary_has_every_key_and_word() {
    let path = top("tests/fuzz/words/policy.dict");
    let was = fs::read_to_string(&path).unwrap();
    let begin = "# Conditions, from their table.\n";
    let (_, rest) = was.split_once("\n\n").expect("two parts");
    let lines: String = ConditionKey::ALL
        .into_iter()
        .flat_map(|key| {
            let values = words(key).into_iter().map(|word| format!("\"{word}\"\n"));
            [format!("\"{}:\"\n", key.as_str())]
                .into_iter()
                .chain(values)
        })
        .collect();
    let is = format!("{begin}{lines}\n{rest}");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, &is).unwrap();
    }
    let was = fs::read_to_string(&path).unwrap();
    assert!(
        is == was,
        "policy.dict is out of date: UPDATE_EXPECTED=1 cargo test -p redrive-policy --test table"
    );
}

#[test]
fn readme_names_every_key() {
    let readme = fs::read_to_string(top("README.md")).unwrap();
    for key in ConditionKey::ALL {
        let named = format!("`{}", key.as_str());
        assert!(readme.contains(&named), "the README does not name {key:?}");
    }
}

#[test]
fn keys_and_synonyms_are_distinct() {
    let rows = ConditionKey::ALL.map(ConditionKey::row);
    let all = rows
        .iter()
        .flat_map(|row| row.synonyms.iter().chain([&row.word]));
    let distinct: BTreeSet<_> = all.clone().collect();
    assert_eq!(distinct.len(), all.count());
    assert!(rows.iter().all(|row| !row.word.is_empty()));
}

//! Tests of `messages.txt`: small documents with every message of `check` for each. A message without a document is
//! untested, so the test collects all messages from the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use redrive_core::definition::Machine;

fn here(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(file)
}

/// Yields the cases: `== ` and a name, a document, `--`, and the answer.
fn cases(table: &str) -> impl Iterator<Item = (&str, &str, &str)> {
    table.split("== ").skip(1).map(|case| {
        let (name, rest) = case.split_once('\n').unwrap();
        let (document, answer) = rest.split_once("\n--\n").unwrap();
        (name, document, answer.trim_end())
    })
}

/// Returns the lines of `check` for a document, without excerpts. A document whose name ends in `(m)` is checked with
/// a state machine.
fn answer(name: &str, document: &str) -> String {
    let document = document.replace('→', "\t").replace('␀', "\0");
    let checked = check(&document);
    let mut problems = checked.warnings;
    match checked.document {
        Ok(document) if name.ends_with("(m)") => {
            let machine = Machine::read(super::lints::MACHINE).unwrap();
            problems.extend(lint_machine(&document, "m", &machine));
        }
        Ok(_) => {}
        Err(errors) => problems.extend(errors.0),
    }
    problems.sort_by_key(|problem| (problem.place, problem.severity));
    let lines = problems.iter().map(|problem| {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        format!("{severity} {problem}")
    });
    let lines: Vec<String> = lines.collect();
    lines.join("\n")
}

#[test]
fn each_document_of_the_table_gets_its_answer_word_for_word() {
    let path = here("tests/messages.txt");
    let table = fs::read_to_string(&path).unwrap();
    let mut printed = String::new();
    for (name, document, _) in cases(&table) {
        let answer = answer(name, document);
        assert!(!answer.is_empty(), "nothing is wrong with {name}");
        printed += &format!("== {name}\n{document}\n--\n{answer}\n\n");
    }
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, &printed).unwrap();
    }
    let table = fs::read_to_string(&path).unwrap();
    for (printed, expected) in cases(&printed).zip(cases(&table)) {
        assert_eq!(printed, expected, "UPDATE_EXPECTED=1 writes messages.txt");
    }
    assert!(printed == table, "UPDATE_EXPECTED=1 writes messages.txt");
}

/// Returns the texts of a source outside of comments and tests, as they are written.
fn texts(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let mut found = Vec::new();
    for line in source.split('\n') {
        let code = line.trim_start();
        // The reason for a lint attribute of the compiler is no user's message.
        if code.starts_with("//") || code.starts_with("reason = ") {
            continue;
        }
        let mut chars = code.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\'' if chars.peek() == Some(&'"') => {
                    chars.next();
                }
                '/' if chars.peek() == Some(&'/') => break,
                '"' => {
                    let mut text = String::new();
                    while let Some(c) = chars.next().filter(|c| *c != '"') {
                        match c {
                            '\\' => text.extend(chars.next()),
                            c => text.push(c),
                        }
                    }
                    found.push(text);
                }
                _ => {}
            }
        }
    }
    found
}

/// Returns the literal parts between the placeholders of a format.
fn parts(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    for (at, piece) in text
        .replace("{{", "\u{1}")
        .replace("}}", "\u{2}")
        .split('{')
        .enumerate()
    {
        let literal = match at {
            0 => piece,
            _ => piece.split_once('}').map_or(piece, |(_, literal)| literal),
        };
        parts.push(literal.replace('\u{1}', "{").replace('\u{2}', "}"));
    }
    parts
}

#[test]
fn every_message_in_the_sources_is_in_the_table() {
    let table = fs::read_to_string(here("tests/messages.txt")).unwrap();
    let answers: String = cases(&table).map(|(_, _, answer)| answer).collect();
    let language = here("../../policy/src");
    let mut folders = vec![here("lint"), language.join("read")];
    let mut sources: Vec<PathBuf> = ["node.rs", "problem.rs"]
        .map(|file| language.join(file))
        .into();
    while let Some(folder) = folders.pop() {
        let files = fs::read_dir(folder).unwrap();
        sources.extend(files.map(|file| file.unwrap().path()));
    }
    let mut missing = BTreeSet::new();
    let mut seen = 0;
    for path in sources
        .iter()
        .filter(|path| path.extension() == Some("rs".as_ref()))
    {
        let source = fs::read_to_string(path).unwrap();
        for text in texts(&source).iter().filter(|text| text.contains(' ')) {
            seen += 1;
            for part in parts(text) {
                if part.chars().any(char::is_alphabetic) && !answers.contains(&part) {
                    missing.insert(format!("{}: {text:?}", path.display()));
                }
            }
        }
    }
    assert!(
        missing.is_empty() && seen > 120,
        "{seen} texts; no document of messages.txt brings about\n{missing:#?}"
    );
}

//! `redrive check` as a user runs it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../command/mod.rs"]
#[expect(dead_code, reason = "one command is enough here")]
mod command;
mod typos;

use std::fs;
use std::path::Path;

use serde_json::Value;

use self::command::{CRATE, Ran, redrive_in, redrive_with, top};

/// Runs `redrive check` in the folder of the crate; `-` reads `input`.
fn check(arguments: &[&str], input: &str) -> Ran {
    let arguments = [&["check"], arguments].concat();
    redrive_in(Path::new(CRATE), &arguments, input.as_bytes())
}

/// Runs `redrive check` at the top of the repository.
fn check_at_top(arguments: &[&str]) -> Ran {
    redrive_with(&[&["check"], arguments].concat(), b"")
}

/// Compares with the file of expected text, or writes it under `UPDATE_EXPECTED=1`.
#[track_caller]
fn same_as_file(name: &str, text: &str) {
    let path = Path::new(CRATE).join("tests/check").join(name);
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        text, expected,
        "{name} is not as expected; UPDATE_EXPECTED=1 writes it"
    );
}

#[test]
fn every_error_and_lint_has_excerpt_and_remedy() {
    for (name, code) in [("errors", 1), ("lints", 0)] {
        let ran = check(&[&format!("tests/check/{name}.yaml")], "");
        assert_eq!((ran.code, ran.err.as_str()), (code, ""), "{}", ran.out);
        same_as_file(&format!("{name}.txt"), &ran.out);
    }
}

#[test]
fn strict_makes_errors_of_warnings() {
    let lints = "tests/check/lints.yaml";
    let (plain, strict) = (check(&[lints], ""), check(&["--strict", lints], ""));
    assert_eq!((plain.code, strict.code), (0, 1));
    let last = |ran: &Ran| ran.out.lines().last().unwrap().to_owned();
    assert!(last(&plain).starts_with("0 errors and "), "{}", plain.out);
    assert!(last(&strict).ends_with(" errors and 0 warnings in 1 file"));
    assert!(!strict.out.contains(": warning: "));
    assert_eq!(check(&["--strict", "-"], "{version: 1, retry: {}}").code, 0);
}

#[test]
fn json_is_one_object_a_line_with_the_same_problems() {
    let ran = check(
        &[
            "--json",
            "tests/check/lints.yaml",
            "tests/check/errors.yaml",
        ],
        "",
    );
    assert_eq!(ran.code, 1);
    let plain = check(&["tests/check/lints.yaml", "tests/check/errors.yaml"], "");
    let shown: Vec<String> = plain
        .out
        .lines()
        .filter(|line| line.starts_with("tests/check/"))
        .map(ToOwned::to_owned)
        .collect();
    let printed: Vec<Value> = ran
        .out
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(printed.len(), shown.len());
    for (printed, shown) in printed.iter().zip(shown) {
        let text = |key: &str| printed[key].as_str().unwrap().to_owned();
        let begin = format!(
            "{}:{}:{}: {}: ",
            text("file"),
            printed["line"],
            printed["column"],
            text("severity")
        );
        let message = shown.strip_prefix(&begin).unwrap();
        assert!(text("message").starts_with(message), "{printed} {shown}");
        assert_eq!(printed.as_object().unwrap().len(), 5);
    }
}

#[test]
fn definition_adds_maximum_runs_and_reachable_fail_states() {
    let ran = check(
        &[
            "tests/check/lints.yaml",
            "--definition",
            "../../events/order-intake.asl.json",
        ],
        "",
    );
    assert_eq!(ran.code, 0);
    same_as_file("definition.txt", &ran.out);
    let ran = check(
        &[
            "tests/check/lints.yaml",
            "--json",
            "--definition",
            "../../events/order-intake.asl.json",
        ],
        "",
    );
    assert!(ran.out.contains(r#""severity":"note""#), "{}", ran.out);
    let ran = check_at_top(&["infra/policy.yaml", "--definition", "infra/policy.yaml"]);
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            1,
            "redrive: infra/policy.yaml: not a definition in the Amazon States Language: expected a JSON object with States\n"
        )
    );
}

#[test]
fn shipped_policy_has_only_its_intended_warnings() {
    let ran = check_at_top(&["infra/policy.yaml"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    same_as_file("shipped.txt", &ran.out);
}

#[test]
fn readme_policies_have_no_unshown_warnings() {
    let readme = fs::read_to_string(top().join("README.md")).unwrap();
    let policies = readme.split("```yaml\n").skip(1);
    let (shown, policies): (Vec<&str>, Vec<&str>) = policies
        .filter_map(|rest| Some(rest.split_once("```")?.0))
        .partition(|policy| policy.contains("States.Timout"));
    assert!(shown.len() == 1 && policies.len() > 2);
    for policy in policies {
        let ran = check(&["--strict", "-"], policy);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    }
}

#[test]
fn control_characters_of_a_file_are_escaped() {
    let ran = check(
        &["-"],
        "version: 1\nretry:\n  automatic:\n    - error: \"\u{9b}31m\u{202e}\"\n      \u{7f}é日\u{1b}[31m: 1\n",
    );
    assert_eq!(ran.code, 1);
    assert!(
        !ran.out
            .chars()
            .any(|c| (c.is_control() && c != '\n') || c == '\u{202e}'),
        "{:?}",
        ran.out
    );
    let ran = check(
        &["--json", "-"],
        "version: 1\nretry: {automatic: {\"\u{9b}x\": 1}}\n",
    );
    assert!(!ran.out.contains('\u{9b}'));
}

/// The three lines of the excerpt for the only problem of a document.
fn shown(text: &str) -> Vec<String> {
    let ran = check(&["-"], text);
    ran.out
        .lines()
        .skip(1)
        .take(2)
        .map(ToOwned::to_owned)
        .collect()
}

#[test]
fn the_underline_counts_characters() {
    for (text, line, under) in [
        (
            "version: 1\nretry: {日本: 1}",
            " 2 | retry: {日本: 1}",
            "   |         ^~",
        ),
        (
            "version: 1\nretry: {manual:\t\tmaybe}",
            " 2 | retry: {manual:  maybe}",
            "   |                  ^~~~~",
        ),
        (
            "version: 1\nretry: {nested: \"a b\"}",
            " 2 | retry: {nested: \"a b\"}",
            "   |                 ^~~~~",
        ),
        (
            "\u{feff}version: 2\nretry: {}",
            " 1 | version: 2",
            "   |          ^",
        ),
        // To YAML a carriage return ends a line by itself.
        (
            "version: 1\r\nretry:\r  nested: me\n",
            " 3 |   nested: me",
            "   |           ^~",
        ),
    ] {
        assert_eq!(shown(text), [line, under], "{text:?}");
    }
    // A document on one line is cut to the part around the place.
    let long = format!(
        "{{version: 1, retry: {{automatic: {{error: '{}', limt: 1, description: '{}'}}}}}}",
        "x".repeat(500),
        "y".repeat(500)
    );
    let shown = shown(&long);
    assert!(
        shown[0].chars().count() < 140 && shown[0].contains("limt: 1"),
        "{shown:?}"
    );
    let at = shown[1].chars().position(|c| c == '^').unwrap();
    assert_eq!(
        shown[0].chars().skip(at).take(4).collect::<String>(),
        "limt"
    );
}

#[test]
fn unreadable_file_is_reported() {
    let ran = check(&["nowhere.yaml"], "");
    assert_eq!(ran.code, 1);
    assert!(
        ran.err.starts_with("redrive: cannot read nowhere.yaml: "),
        "{}",
        ran.err
    );
}

#[test]
fn unreadable_file_stops_no_other_check() {
    let files = ["nowhere.yaml", "tests/check/errors.yaml", "elsewhere.yaml"];
    let ran = check(&files, "");
    assert_eq!(ran.code, 1);
    let last = ran.out.lines().last().unwrap_or_default();
    assert!(last.ends_with(" in 1 file"), "{}", ran.out);
    assert!(ran.out.contains("tests/check/errors.yaml:"), "{}", ran.out);
    let unread: Vec<&str> = ran.err.lines().collect();
    assert_eq!(unread.len(), 2, "{}", ran.err);
    assert!(
        unread[1].starts_with("cannot read elsewhere.yaml: "),
        "{}",
        ran.err
    );
}

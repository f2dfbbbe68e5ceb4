//! The worst typos, and that each gets an answer that helps.

use std::fmt::Write;

use super::{check, same_as_file};

/// Each in a document that is right but for it.
const TYPOS: [(&str, &str); 24] = [
    (
        "a star without quotes",
        "version: 1\nretry:\n  automatic:\n    exit_status: *\n",
    ),
    (
        "a glob without quotes",
        "version: 1\nretry:\n  automatic:\n    - error: *.ThrottlingException\n",
    ),
    (
        "a tab for indentation",
        "version: 1\nretry:\n\tautomatic: true\n",
    ),
    (
        "a forgotten space after a colon",
        "version: 1\nretry:\n  automatic:\n    - error:Lambda.Unknown\n",
    ),
    (
        "a quote that is not closed",
        "version: 1\nretry:\n  automatic:\n    - error: \"Lambda.Unknown\n",
    ),
    ("a forgotten version", "retry:\n  automatic: true\n"),
    (
        "a version of somebody else's",
        "version: \"1.0\"\nretry:\n  automatic: true\n",
    ),
    (
        "a misspelt limit",
        "version: 1\nretry:\n  automatic:\n    - error: A\n      limt: 2\n",
    ),
    (
        "a limit in quotes",
        "version: 1\nretry:\n  automatic:\n    - error: A\n      limit: \"2\"\n",
    ),
    (
        "a limit without an end",
        "version: 1\nretry:\n  automatic:\n    - error: A\n      limit: 100\n",
    ),
    (
        "Step Functions' key",
        "version: 1\nretry:\n  automatic:\n    - ErrorEquals: [A]\n",
    ),
    (
        "Step Functions' attempts",
        "version: 1\nretry:\n  automatic:\n    - error: A\n      MaxAttempts: 3\n",
    ),
    (
        "a wait outside backoff",
        "version: 1\nretry:\n  automatic:\n    - error: A\n      interval_seconds: 30\n",
    ),
    (
        "a wait in words",
        "version: 1\nretry:\n  automatic:\n    - error: A\n      backoff: { interval_seconds: 30s }\n",
    ),
    (
        "a misspelt error",
        "version: 1\nretry:\n  automatic:\n    - error: States.Timout\n",
    ),
    (
        "a misspelt signal reason",
        "version: 1\nretry:\n  automatic:\n    - signal_reason: agent_stopped\n",
    ),
    (
        "a family of HTTP statuses",
        "version: 1\nretry:\n  automatic:\n    - http_status: 5xx\n",
    ),
    (
        "a number that no exit status is",
        "version: 1\nretry:\n  automatic:\n    - exit_status: 256\n",
    ),
    (
        "an account without quotes",
        "version: 1\npolicies:\n  - name: a\n    match: { account: 111122223333 }\n    retry: {}\n",
    ),
    (
        "a match in retry",
        "version: 1\nretry:\n  match: { state_machine: a }\n  automatic: true\n",
    ),
    (
        "rules in the wrong place",
        "version: 1\nretry:\n  - error: A\n",
    ),
    ("yes for true", "version: 1\nretry:\n  automatic: yes\n"),
    (
        "a key twice",
        "version: 1\nretry:\n  automatic:\n    - error: A\n      error: B\n",
    ),
    (
        "policies and retry",
        "version: 1\nretry: {}\npolicies: []\n",
    ),
];

#[test]
fn the_worst_typos_get_a_helpful_answer() {
    let mut table = String::new();
    for (name, text) in TYPOS {
        let ran = check(&["-"], text);
        assert!(!ran.out.starts_with("0 errors and 0 warnings"), "{name}");
        writeln!(table, "## {name}\n\n{}", ran.out).unwrap();
    }
    same_as_file("typos.txt", &table);
}

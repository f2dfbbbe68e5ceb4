//! Frequent typing mistakes, and the help for each.

use std::fmt::Write;

use super::{check, same_as_file};
use crate::command::redrive_with;

/// Each is the only mistake of its document.
const TYPOS: [(&str, &str); 47] = [
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
    (
        "rules that stand too far left",
        "version: 1\nretry:\nautomatic:\n  - error: A\n",
    ),
    (
        "a line that stands too far right",
        "version: 1\nretry:\n  automatic:\n    - error: A\n        limit: 2\n",
    ),
    (
        "a list in which a dash is missing",
        "version: 1\nretry:\n  automatic:\n    error: A\n    - error: B\n",
    ),
    (
        "a wait of another name",
        "version: 1\nretry:\n  automatic:\n    - error: A\n      max_delay: 15m\n",
    ),
    ("so many retries", "version: 1\nretry: 3\n"),
    (
        "attempts for retries",
        "version: 1\nretry:\n  automatic:\n    - error: A\n      attempts: 3\n",
    ),
    (
        "words with humps",
        "version: 1\nretry:\n  automatic:\n    - exitStatus: 1\n      retryMode: failedActions\n",
    ),
    (
        "a range of exit statuses",
        "version: 1\nretry:\n  automatic:\n    - exit_status: 1-255\n",
    ),
    (
        "a signal by its number",
        "version: 1\nretry:\n  automatic:\n    - signal: 9\n",
    ),
    (
        "a Retry of a state machine",
        "{\"version\": 1, \"retry\": {\"automatic\": [{\"ErrorEquals\": [\"States.ALL\"], \"IntervalSeconds\": 3, \"MaxAttempts\": 2}]}}\n",
    ),
    (
        "a pipeline of Buildkite",
        "steps:\n  - command: make\n    retry:\n      automatic: true\n",
    ),
    ("a workflow of GitHub", "name: CI\non: push\njobs: {}\n"),
    (
        "a reference of CloudFormation",
        "version: 1\npolicies:\n  - name: a\n    match: { state_machine: !Ref Machine }\n    retry: {}\n",
    ),
    (
        "an ARN for a name",
        "version: 1\npolicies:\n  - name: a\n    match: { state_machine: \"arn:aws:states:eu-west-1:111122223333:stateMachine:etl\" }\n    retry: {}\n",
    ),
    (
        "policies without dashes",
        "version: 1\npolicies:\n  etl: { retry: {} }\n",
    ),
    (
        "a policy behind another",
        "version: 1\npolicies:\n  - name: rest\n    retry: {}\n  - name: etl\n    match: { state_machine: \"etl-*\" }\n    retry: { automatic: true }\n",
    ),
    (
        "an error asked of a pipeline",
        "version: 1\npolicies:\n  - name: web\n    match: { pipeline: web }\n    retry:\n      automatic:\n        - error: Lambda.Unknown\n",
    ),
    (
        "a test of a misspelt word",
        "version: 1\nretry: {}\ntests:\n  - name: t\n    failure: { state_machine: a, eror: A }\n    expect: gave_up\n",
    ),
    (
        "two documents",
        "version: 1\nretry: {}\n---\nversion: 1\nretry: {}\n",
    ),
    ("nothing at all", ""),
    ("JSON without a comma", "{\"version\": 1 \"retry\": {}}\n"),
    (
        "a byte order mark, and the line ends of Windows",
        "\u{feff}version: 1\r\nretry:\r\n  automatic:\r\n    - limt: 2\r\n",
    ),
    ("no file of text", "version: 1\n\0\n"),
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

#[test]
fn invalid_utf_8_is_reported_with_line_and_remedy() {
    for (bytes, expected) in [
        (
            b"version: 1\n# caf\xe9\nretry: {}\n".as_slice(),
            "redrive: -: line 2 is not UTF-8; save it as UTF-8\n",
        ),
        (
            b"\xff\xfev\0e\0".as_slice(),
            "redrive: -: this is UTF-16; save it as UTF-8\n",
        ),
        (
            b"\xfe\xff\0v\0e".as_slice(),
            "redrive: -: this is UTF-16; save it as UTF-8\n",
        ),
    ] {
        let ran = redrive_with(&["check", "-"], bytes);
        assert_eq!((ran.code, ran.err.as_str()), (1, expected));
    }
}

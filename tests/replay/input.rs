//! The messages for unusable input.

use serde_json::json;

use crate::{Ran, redrive, redrive_with, top};

fn refused(ran: &Ran, text: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert_eq!(ran.err, format!("redrive: {text}\n"));
}

#[cfg(not(feature = "account"))]
#[test]
fn missing_command_names_the_build_that_has_it() {
    let help = redrive(&["--help"]).well();
    for command in ["history", "cancel"] {
        for rest in [
            &[][..],
            &["arn:x", "--reason", "why"],
            &["--help"],
            &["--table", "t", "arn:x"],
        ] {
            let ran = redrive(&[&[command], rest].concat());
            assert_eq!((ran.code, ran.out.as_str()), (2, ""));
            assert_eq!(
                ran.err,
                format!(
                    "redrive: {command} reads the ledger of an account, and this build has no AWS SDK; in the repository run\n  \
                     cargo run --features account -- {command} ...\n"
                )
            );
        }
        let listed = help.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            listed.contains(&format!(
                "(needs: cargo run --features account -- {command} ...)"
            )),
            "{help}"
        );
    }
}

#[test]
fn missing_path_is_named() {
    refused(
        &redrive(&["replay", "nowhere"]),
        "cannot read nowhere: No such file or directory (os error 2)",
    );
    refused(
        &redrive(&["replay", "tests/purity"]),
        "tests/purity contains no *.json files",
    );
    refused(
        &redrive(&[
            "explain",
            "--policy",
            "nowhere.yaml",
            "events/sfn-01-throttled.json",
        ]),
        "cannot read nowhere.yaml: No such file or directory (os error 2)",
    );
}

#[test]
fn a_folder_is_not_one_event() {
    refused(
        &redrive(&["explain", "--policy", "infra/policy.yaml", "events"]),
        "events is a folder, and explain reads one event: name a file in it, or replay all of them with \
         redrive replay events",
    );
}

#[test]
fn a_name_cannot_speak_to_the_terminal() {
    for command in [
        &["replay"][..],
        &["explain", "--policy", "infra/policy.yaml"],
        &["test"],
        &["check"],
        &["import", "asl"],
    ] {
        let ran = redrive(&[command, &["no\u{1b}[31mwhere"]].concat());
        assert_eq!(
            (ran.code, ran.err.as_str()),
            (
                1,
                "redrive: cannot read no\\u{1b}[31mwhere: No such file or directory (os error 2)\n"
            ),
            "{command:?}"
        );
    }
}

#[test]
fn standard_input_is_read_for_one_file() {
    for command in [
        &["explain", "--policy", "-", "-"][..],
        &["replay", "--policy", "-", "-"],
        &["replay", "-", "-"],
        &["test", "-", "-"],
        &["check", "-", "infra/policy.yaml", "-"],
        &["check", "-", "--definition", "-"],
    ] {
        refused(
            &redrive_with(command, b"version: 1\nretry: {}"),
            "- is standard input and can be read only once, but stands for 2 files here; save the others and name them",
        );
    }
}

/// The help of `explain` for input that is no event.
fn help(input: &str) -> Option<String> {
    let arguments = ["explain", "--policy", "infra/policy.yaml"];
    let printed = redrive_with(&[&arguments[..], &["-"]].concat(), input.as_bytes()).well();
    assert!(printed.contains("\nreason   malformed\n"), "{printed}");
    let json = redrive_with(
        &[&arguments[..], &["--json", "-"]].concat(),
        input.as_bytes(),
    );
    let line = json.lines().remove(0);
    let help = printed
        .lines()
        .find_map(|line| line.strip_prefix("help     "))
        .map(str::to_owned);
    assert_eq!(line["malformed"]["help"].as_str(), help.as_deref());
    help
}

#[test]
fn enveloped_event_gets_help_to_extract_it() {
    let event =
        std::fs::read_to_string(top().join("events/sfn-05-lambda-too-many-requests.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&event).unwrap();
    for (input, what, filter) in [
        (
            json!({"Records": [{"eventSource": "aws:sqs", "body": event}]}),
            "this is the input of a function from SQS",
            ".Records[0].body",
        ),
        (
            json!({"Records": [{"EventSource": "aws:sns", "Sns": {"Message": event}}]}),
            "this is the input of a function from SNS",
            ".Records[0].Sns.Message",
        ),
        (
            json!({"Messages": [{"Body": event}]}),
            "this is an answer of ReceiveMessage",
            ".Messages[0].Body",
        ),
        (json!({"Body": event}), "this is a message of SQS", ".Body"),
        (
            json!({"Type": "Notification", "Message": event}),
            "this is a message of SNS",
            ".Message",
        ),
        (
            json!({"version": "1.0", "requestContext": {}, "requestPayload": value, "responsePayload": {}}),
            "this is the record that Lambda sends to a function's destination",
            ".requestPayload",
        ),
        (json!(event), "this is JSON inside a JSON text", "."),
    ] {
        let way = format!("jq -r '{filter}' | redrive explain --policy POLICY -");
        assert_eq!(
            help(&input.to_string()),
            Some(format!("{what}; extract the event: {way}"))
        );
    }
}

#[test]
fn other_input_gets_help_with_the_expected_form() {
    let event =
        std::fs::read_to_string(top().join("events/sfn-05-lambda-too-many-requests.json")).unwrap();
    let detail = serde_json::from_str::<serde_json::Value>(&event).unwrap()["detail"].to_string();
    let first =
        |filter: &str| format!("for the first: jq {filter} | redrive explain --policy POLICY -");
    let expected = "expected an event as EventBridge delivers it: a JSON object with source, detail-type, account, \
                    region, time and detail";
    #[rustfmt::skip]
    let table = [
        (String::new(), format!("the input is empty; {expected}")),
        ("[]".into(), format!("this is an empty array; {expected}")),
        (format!("[{event}, {event}]"), format!("this is an array of 2, and explain reads one; {}", first("'.[0]'"))),
        (format!("{event}\n{event}"), format!("these are several events, and explain reads one; {}", first("-n input"))),
        (detail, format!("this is the detail of an event, or an answer of the API, without the event around it; {expected}")),
        ("{\"Records\": []}".into(), expected.into()),
        ("version: 1".into(), expected.into()),
    ];
    for (input, message) in table {
        assert_eq!(help(&input), Some(message), "{input}");
    }
    // A malformed event has its place in the message, and needs no help.
    for broken in ["malformed-01-truncated", "malformed-02-no-execution-arn"] {
        let event = std::fs::read_to_string(top().join(format!("events/{broken}.json"))).unwrap();
        assert_eq!(help(&event), None, "{broken}");
    }
    let utf_16: Vec<u8> = event.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let ran = redrive_with(&["explain", "--policy", "infra/policy.yaml", "-"], &utf_16);
    assert!(
        ran.out.contains("\nhelp     this is not UTF-8; "),
        "{}",
        ran.out
    );
}

#[test]
fn a_policy_is_refused_with_all_its_problems() {
    let policy = b"version: 1\nretry:\n  automatic:\n    - limt: 3\n      error: 7\n";
    let ran = redrive_with(
        &["explain", "--policy", "-", "events/sfn-01-throttled.json"],
        policy,
    );
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines[0], "redrive: the policy has 2 problems:");
    assert!(
        lines[1].starts_with("-:4:7: a rule: unknown key \"limt\"")
            && lines[1].ends_with("did you mean \"limit\"?"),
        "{}",
        lines[1]
    );
    assert_eq!(
        lines[2],
        "-:5:14: error: expected text, read the number 7; put it in quotes if text is meant"
    );
}

#[test]
fn several_events_in_one_file_are_each_replayed() {
    let of = |name: &str| std::fs::read_to_string(top().join("events").join(name)).unwrap();
    let both = format!(
        "{}\n{}",
        of("sfn-01-throttled.json"),
        of("sfn-02-throttled-again.json")
    );
    let lines = redrive_with(&["replay", "--json", "-"], both.as_bytes()).lines();
    let files: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["file"].as_str())
        .collect();
    assert_eq!(files, ["-#1", "-#2"]);
}

#[test]
fn malformed_event_stops_no_other() {
    let of = |name: &str| {
        let text = std::fs::read_to_string(top().join("events").join(name)).unwrap();
        serde_json::from_str::<serde_json::Value>(&text)
            .unwrap()
            .to_string()
    };
    let (one, other) = (
        of("sfn-01-throttled.json"),
        of("sfn-05-lambda-too-many-requests.json"),
    );
    for input in [
        format!("{one}\n{{bad\n{other}\n"),
        format!("{{bad\n{one}\n{other}"),
    ] {
        let lines = redrive_with(&["replay", "--json", "-"], input.as_bytes()).lines();
        let malformed: Vec<bool> = lines
            .iter()
            .filter(|line| line["file"].is_string())
            .map(|line| line["malformed"].is_string())
            .collect();
        assert_eq!(malformed.iter().filter(|bad| **bad).count(), 1, "{input}");
        assert_eq!(malformed.len(), 3, "{input}");
    }
}

#[cfg(unix)]
#[test]
fn cyclic_folder_is_read_once() {
    let folder = std::env::temp_dir().join(format!("redrive-loop-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::copy(
        top().join("events/sfn-01-throttled.json"),
        folder.join("one.json"),
    )
    .unwrap();
    std::os::unix::fs::symlink(&folder, folder.join("again")).unwrap();
    let lines = redrive(&["replay", "--json", folder.to_str().unwrap()]).lines();
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(
        lines.iter().filter(|line| line["file"].is_string()).count(),
        1
    );
}

#[test]
fn closed_output_is_no_failure() {
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_redrive"))
        .args(["replay", "events"])
        .current_dir(top())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

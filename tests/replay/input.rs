//! What the command says to input that it cannot use.

use crate::{Ran, redrive, redrive_with, top};

fn refused(ran: &Ran, text: &str) {
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert_eq!(ran.err, format!("redrive: {text}\n"));
}

#[cfg(not(feature = "account"))]
#[test]
fn a_command_that_this_build_does_not_have_says_how_to_get_it() {
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
                    "redrive: {command} asks an account, and this build has no AWS SDK in it; in the repository:\n  \
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
fn a_path_that_is_not_there_is_named() {
    refused(
        &redrive(&["replay", "nowhere"]),
        "cannot read nowhere: No such file or directory (os error 2)",
    );
    refused(
        &redrive(&["replay", "tests/purity"]),
        "tests/purity has no *.json files in it",
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
        "-:5:14: error: expected text, read the number 7; put it in quotes if it is meant"
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
fn a_bad_event_takes_none_of_the_others_with_it() {
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
        let told: Vec<bool> = lines
            .iter()
            .filter(|line| line["file"].is_string())
            .map(|line| line["malformed"].is_string())
            .collect();
        assert_eq!(told.iter().filter(|bad| **bad).count(), 1, "{input}");
        assert_eq!(told.len(), 3, "{input}");
    }
}

#[cfg(unix)]
#[test]
fn a_folder_that_leads_back_to_itself_is_read_once() {
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
fn a_reader_that_goes_away_is_no_failure() {
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

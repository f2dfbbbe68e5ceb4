//! What is said of files that cannot be imported: what was read, what is allowed, what to do.

use crate::import;

/// A file that is refused for one reason.
#[track_caller]
fn refused(platform: &str, text: &str, problem: &str) {
    let noun = match platform {
        "buildkite" => "the pipeline",
        "asl" => "the state machine",
        _ => "the job definition",
    };
    let ran = import(platform, "-", text);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{text}");
    assert_eq!(
        ran.err,
        format!(
            "redrive: {noun} has 1 problem, so that no policy was written; correct the file and import it again:\n-:{problem}\n"
        ),
        "{text}"
    );
}

#[test]
fn illegal_buildkite_block_is_refused_with_place() {
    for (text, problem) in [
        (
            "retry: []",
            "1:8: retry: expected a mapping with automatic or manual, read a list",
        ),
        (
            "retry:\n  automatik: true",
            "2:3: retry: unknown key \"automatik\"; the keys here are automatic or manual; did you mean \"automatic\"?",
        ),
        (
            "retry:\n  automatic:\n    - exit_status: 1\n      limits: 3",
            "4:7: a rule: unknown key \"limits\"; the keys here are exit_status, signal, signal_reason or limit; did you mean \"limit\"?",
        ),
        (
            "retry:\n  automatic:\n    exit_code: 1",
            "3:5: a rule: unknown key \"exit_code\"; the keys here are exit_status, signal, signal_reason or limit",
        ),
        (
            "retry:\n  automatic:\n    error: States.ALL",
            "3:5: a rule: unknown key \"error\"; the keys here are exit_status, signal, signal_reason or limit",
        ),
        (
            "retry:\n  automatic:\n    - limit: \"3\"",
            "3:14: limit: expected a whole number from 0 to 10, read the text \"3\"; write it without quotes",
        ),
        (
            "retry:\n  automatic:\n    - limit: 11",
            "3:14: limit: expected a whole number from 0 to 10, read the number 11",
        ),
        (
            "retry:\n  automatic:\n    - exit_status: -10",
            "3:20: exit_status: expected a whole number from -1 to 255, \"*\" or none, read the number -10",
        ),
        (
            "retry:\n  automatic: often",
            "2:14: automatic: expected true, false, a rule or a list of rules, read the text \"often\"",
        ),
        (
            "retry:\n  manual:\n    permit_on_passes: true",
            "3:5: manual: unknown key \"permit_on_passes\"; the keys here are allowed, reason or permit_on_passed; did you mean \"permit_on_passed\"?",
        ),
        (
            "steps:\n  - group: g\n    retry: { automatic: true }\n    steps: []",
            "3:12: retry: stands beside steps, where Buildkite has none; move it into the steps that it is for",
        ),
        (
            "steps:\n  - command: make",
            "1:1: there is no retry block; expected a pipeline with steps, a step with retry, or a block with automatic or manual",
        ),
        (
            "[{ limit: 3 }]",
            "1:1: there is no retry block; expected a pipeline with steps, a step with retry, or a block with automatic or manual",
        ),
        (
            "retry:\n  automatic:\n    exit_status: *",
            "3:18: this is not YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character; a star is an alias unless it is in quotes: \"*\"",
        ),
    ] {
        refused("buildkite", text, problem);
    }
}

#[test]
fn illegal_retry_of_a_machine_is_refused_with_place() {
    for (text, problem) in [
        (
            "[{}]",
            "1:2: a retrier needs ErrorEquals, a list of error names; write [\"States.ALL\"] to match any",
        ),
        (
            "[{\"ErrorEquals\": []}]",
            "1:18: ErrorEquals: the list is empty; name an error, or States.ALL for any",
        ),
        (
            "[{\"ErrorEquals\": \"E\"}]",
            "1:18: ErrorEquals: expected a list, read the text \"E\"",
        ),
        (
            "[{\"ErrorEquals\": [7]}]",
            "1:19: ErrorEquals: expected text, read the number 7",
        ),
        (
            "[{\"ErrorEquals\": [\"States.ALL\", \"E\"]}]",
            "1:19: ErrorEquals: States.ALL stands alone in its list; give it a retrier of its own, the last one",
        ),
        (
            "[{\"ErrorEquals\": [\"States.ALL\"]}, {\"ErrorEquals\": [\"E\"]}]",
            "1:19: ErrorEquals: States.ALL stands in the last retrier, since none after it would be asked; move this one to the end",
        ),
        (
            "[{\"ErrorEquals\": [\"E\"], \"IntervalSeconds\": 0}]",
            "1:44: IntervalSeconds: expected a whole number from 1 to 99999999, read the number 0",
        ),
        (
            "[{\"ErrorEquals\": [\"E\"], \"IntervalSeconds\": 1.5}]",
            "1:44: IntervalSeconds: expected a whole number from 1 to 99999999, read the number 1.5",
        ),
        (
            "[{\"ErrorEquals\": [\"E\"], \"MaxAttempts\": 100000000}]",
            "1:40: MaxAttempts: expected a whole number from 0 to 99999999, read the number 100000000",
        ),
        (
            "[{\"ErrorEquals\": [\"E\"], \"MaxAttempts\": -1}]",
            "1:40: MaxAttempts: expected a whole number from 0 to 99999999, read the number -1",
        ),
        (
            "[{\"ErrorEquals\": [\"E\"], \"BackoffRate\": 0.5}]",
            "1:40: BackoffRate: expected a number of at least 1.0, read the number 0.5",
        ),
        (
            "[{\"ErrorEquals\": [\"E\"], \"MaxDelaySeconds\": 0}]",
            "1:44: MaxDelaySeconds: expected a whole number from 1 to 31622400, read the number 0",
        ),
        (
            "[{\"ErrorEquals\": [\"E\"], \"JitterStrategy\": \"HALF\"}]",
            "1:43: JitterStrategy: expected FULL or NONE, read the text \"HALF\"",
        ),
        (
            "[{\"ErrorEquals\": [\"E\"], \"JitterStrategy\": \"Full\"}]",
            "1:43: JitterStrategy: expected FULL or NONE, read the text \"Full\"; did you mean \"FULL\"?",
        ),
        (
            "[{\"ErrorEquals\": [\"E\"], \"MaxAttempt\": 2}]",
            "1:25: a retrier: unknown key \"MaxAttempt\"; the keys here are ErrorEquals, IntervalSeconds, MaxAttempts, BackoffRate, MaxDelaySeconds, JitterStrategy or Comment; did you mean \"MaxAttempts\"?",
        ),
        (
            "{\"States\": {\"W\": {\n  \"Type\": \"Wait\",\n  \"Retry\": [{\"ErrorEquals\": [\"E\"]}]}}}",
            "3:12: Retry: only states of the types Task, Parallel or Map have one, and \"W\" is \"Wait\"; take it out",
        ),
        (
            "{\"States\": {\"W\": {\"Type\": \"Task\"}}}",
            "1:1: there is no Retry; expected a state machine with States, a state with Retry, or a list of retriers with ErrorEquals",
        ),
        (
            "{\"definition\": \"{}\"}",
            "1:16: this definition is text within JSON; take it out, as --query definition --output text of the AWS CLI does, and import that",
        ),
    ] {
        refused("asl", text, problem);
    }
}

#[test]
fn illegal_batch_strategy_is_refused_with_place() {
    let entry = |entry: &str| format!("{{\"attempts\": 2, \"evaluateOnExit\": [\n{entry}]}}");
    let many = ["{\"action\": \"EXIT\", \"onExitCode\": \"1\"}"; 6].join(",\n");
    for (text, problem) in [
        (
            "{\"attempts\": 0}".to_owned(),
            "1:14: attempts: expected a whole number from 1 to 10, read the number 0",
        ),
        (
            "{\"attempts\": 11}".to_owned(),
            "1:14: attempts: expected a whole number from 1 to 10, read the number 11",
        ),
        (
            "{\"evaluateOnExit\": [{\"action\": \"EXIT\"}]}".to_owned(),
            "1:20: evaluateOnExit needs attempts beside it, a whole number from 1 to 10",
        ),
        (
            "{\"Attempts\": 2, \"EvaluateOnExits\": []}".to_owned(),
            "1:17: retryStrategy: unknown key \"EvaluateOnExits\"; the keys here are Attempts or EvaluateOnExit; did you mean \"EvaluateOnExit\"?",
        ),
        (
            "{}".to_owned(),
            "1:1: there is no retryStrategy; expected a job definition with one, or attempts and evaluateOnExit",
        ),
        (
            "{\"jobDefinitions\": [{}, {}]}".to_owned(),
            "1:20: jobDefinitions: expected one job definition, read 2; import them one by one",
        ),
        (
            entry(&many),
            "1:35: evaluateOnExit: expected at most 5 entries, read 6",
        ),
        (
            entry("{\"onExitCode\": \"1\"}"),
            "2:1: an entry needs action: RETRY or EXIT",
        ),
        (
            entry("{\"action\": \"STOP\"}"),
            "2:12: action: expected RETRY or EXIT, read the text \"STOP\"",
        ),
        (
            entry("{\"action\": \"EXIT\", \"onExitCode\": \"1*1\"}"),
            "2:34: onExitCode: expected digits, with * at the end if only the start must match, at most 512 characters, read the text \"1*1\"",
        ),
        (
            entry("{\"action\": \"EXIT\", \"onReason\": \"a_b\"}"),
            "2:32: onReason: expected letters, digits, periods, colons and white space, with * at the end if only the start must match, at most 512 characters, read the text \"a_b\"",
        ),
        (
            entry("{\"action\": \"EXIT\", \"onStatusReason\": \"\"}"),
            "2:38: onStatusReason: expected letters, digits, periods, colons and white space, with * at the end if only the start must match, at most 512 characters, read the text \"\"",
        ),
    ] {
        refused("batch", &text, problem);
    }
}

#[test]
fn unreadable_file_is_refused_with_its_place() {
    refused(
        "asl",
        "{\n  \"States\": {\"A\" {}}\n}",
        "2:18: this is not JSON: expected `:`",
    );
    refused(
        "batch",
        "{ \"attempts\": 2, \"attempts\": 3 }",
        "1:18: the key \"attempts\" is a duplicate of the key on line 1",
    );
    refused(
        "buildkite",
        "retry:\n  automatic: true\n automatic: false",
        "3:2: this is not YAML: while parsing a block mapping, did not find expected key; begin the keys of a mapping in one column, and each entry of a list with a dash",
    );
}

#[test]
fn every_problem_of_a_file_is_reported_at_once() {
    let ran = import(
        "asl",
        "-",
        "[{\"ErrorEquals\": [\"E\"], \"MaxAttempts\": -1,\n\"BackoffRate\": 0}]",
    );
    assert_eq!(
        ran.err,
        "redrive: the state machine has 2 problems, so that no policy was written; correct the file and import it again:\n\
         -:1:40: MaxAttempts: expected a whole number from 0 to 99999999, read the number -1\n\
         -:2:16: BackoffRate: expected a number of at least 1.0, read the number 0\n"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    for (file, input, said) in [
        (
            "nowhere.yml",
            "",
            "cannot read nowhere.yml: No such file or directory (os error 2)",
        ),
        (
            "-",
            "\n# nothing\n---\n",
            "- is empty: there is nothing to import",
        ),
    ] {
        let ran = import("buildkite", file, input);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        assert_eq!(ran.err, format!("redrive: {said}\n"));
    }
}

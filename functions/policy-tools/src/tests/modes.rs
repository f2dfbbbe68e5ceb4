//! Tests of the retry modes of the AWS CLI.

use super::*;
use Match::{No, Yes};

#[test]
fn a_mode_matches_its_errors_by_their_last_component_and_its_http_statuses() {
    let both = [
        "ConnectionError",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottledException",
        "ProvisionedThroughputExceededException",
    ];
    let legacy = [
        "ConnectionClosedError",
        "ReadTimeoutError",
        "EndpointConnectionError",
    ];
    let standard = [
        "RequestTimeout",
        "RequestTimeoutException",
        "PriorRequestNotComplete",
        "HTTPClientError",
        "TooManyRequestsException",
        "TransactionInProgressException",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "RequestThrottled",
        "SlowDown",
        "EC2ThrottledException",
    ];
    let neither = [
        "throttling",
        "ThrottlingExceptions",
        "AccessDenied",
        "Unknown",
        "TaskFailed",
    ];
    assert_eq!(
        both.len() + legacy.len(),
        SdkRetryMode::Legacy.errors().len()
    );
    assert_eq!(
        both.len() + standard.len(),
        SdkRetryMode::Standard.errors().len()
    );
    let names = [
        (both.as_slice(), Yes, Yes),
        (&legacy, Yes, No),
        (&standard, No, Yes),
        (&neither, No, No),
    ];
    for (names, by_legacy, by_standard) in names {
        for name in names {
            let failure = [
                format!("state_machine: etl, error: {name}"),
                format!("state_machine: etl, error: S3.{name}"),
                format!("state_machine: etl, error: botocore.exceptions.{name}"),
                format!(
                    "state_machine: etl, error: S3.S3Exception, cause: 'No (Service: S3; Status Code: 400; Error Code: {name}; Request ID: 1)'"
                ),
                format!("pipeline: web, error_code: {name}"),
                format!("pipeline: web, error_code: JobFailed, summary: 'No (Error Code:{name})'"),
            ];
            for failure in failure {
                assert_eq!(met("{mode: legacy}", &failure), by_legacy, "{failure}");
                assert_eq!(met("{mode: standard}", &failure), by_standard, "{failure}");
                assert_eq!(met("{mode: adaptive}", &failure), by_standard, "{failure}");
                assert_eq!(
                    met("{mode: [standard, legacy]}", &failure),
                    Match::from(by_legacy == Yes || by_standard == Yes),
                    "{failure}"
                );
            }
        }
    }
    for (status, by_legacy, by_standard) in [
        (429, Yes, No),
        (500, Yes, Yes),
        (502, Yes, Yes),
        (503, Yes, Yes),
        (504, Yes, Yes),
        (509, Yes, No),
        (501, No, No),
        (400, No, No),
    ] {
        for of in ["state_machine: etl, error: S3.S3Exception", "pipeline: web"] {
            let failure = format!("{of}, http_status: {status}");
            assert_eq!(met("{mode: legacy}", &failure), by_legacy, "{failure}");
            assert_eq!(met("{mode: standard}", &failure), by_standard, "{failure}");
        }
    }
    // A prefix is no last component, and a code without `Error Code:` is no error code.
    for failure in [
        "error: ThrottlingException.Other",
        "error: E, cause: ThrottlingException",
    ] {
        assert_eq!(
            met("{mode: legacy}", &format!("state_machine: etl, {failure}")),
            No
        );
    }
    assert_eq!(
        met(
            "{mode: standard, resource: 'dynamodb:*'}",
            "state_machine: etl, error: X.SlowDown, resource: 'dynamodb:putItem'"
        ),
        Yes
    );
    assert_eq!(
        met(
            "{mode: standard, resource: 'dynamodb:*'}",
            "state_machine: etl, error: X.SlowDown, resource: 'sqs:sendMessage'"
        ),
        No
    );
}

#[test]
fn one_match_of_three_decides_a_mode() {
    let throttled = failed(Field::Known("S3.SlowDown"), Field::Unknown);
    assert_eq!(on("{mode: standard}", &throttled), Yes);
    let other = failed(Field::Known("S3.Other"), Field::Unknown);
    assert_eq!(
        on("{mode: standard}", &other),
        Match::Unknown(Need::Description)
    );
    let redacted = failed(Field::Redacted, Field::Redacted);
    assert_eq!(on("{mode: standard}", &redacted), Match::Redacted);
}

#[test]
fn all_that_a_mode_looks_at_is_shown() {
    for (words, expected) in [
        (
            "state_machine: etl, error: S3.S3Exception, cause: 'No (Service: S3; Status Code: 503; Error Code: SlowDown; Request ID: 1), then (Error Code: Throttling)'",
            "error S3Exception, Error Code SlowDown, Error Code Throttling, http_status 503",
        ),
        (
            "state_machine: etl, error: States.Timeout",
            "error Timeout, http_status Absent",
        ),
        (
            "pipeline: web, error_code: JobFailed, summary: 'No (Error Code: SlowDown)', http_status: 500",
            "error JobFailed, Error Code SlowDown, http_status 500",
        ),
    ] {
        let case = case(words);
        let failure = runner::failure(&case);
        let shown = runner::views(&case, &failure)[0].of_mode();
        let shown: Vec<String> = shown
            .iter()
            .map(|(word, field)| match field {
                Field::Known(actual) => format!("{word} {actual}"),
                field => format!("{word} {field:?}"),
            })
            .collect();
        assert_eq!(shown.join(", "), expected, "{words}");
    }
}

#[test]
fn a_mode_does_not_name_the_errors_that_must_be_named() {
    let failure = "state_machine: etl, error: States.Runtime, http_status: 503";
    assert_eq!(met("{mode: standard}", failure), No);
    assert_eq!(met("{http_status: 503}", failure), No);
    assert_eq!(met("{mode: standard, error: States.Runtime}", failure), Yes);
}

#[test]
fn a_mode_brings_the_limit_and_the_backoff_that_are_not_written() {
    let backoff = |interval_seconds, backoff_rate, max_delay_seconds| Backoff {
        interval_seconds,
        backoff_rate,
        max_delay_seconds,
        jitter_strategy: JitterStrategy::Full,
    };
    #[rustfmt::skip]
    let table = [
        ("{mode: legacy}", 4, Some(9), backoff(30, 2.0, 900)),
        ("{mode: standard}", 2, None, backoff(30, 2.0, 600)),
        ("{mode: adaptive}", 2, None, backoff(30, 2.0, 600)),
        ("{mode: legacy, limit: 3}", 3, None, backoff(30, 2.0, 900)),
        ("{mode: legacy, max_attempts: 5}", 4, None, backoff(30, 2.0, 900)),
        ("{mode: standard, limit: 0}", 0, None, backoff(30, 2.0, 600)),
        ("{mode: standard, max_attempts: 1}", 0, None, backoff(30, 2.0, 600)),
        ("{mode: standard, max_attempts: 11}", 10, None, backoff(30, 2.0, 600)),
        ("{mode: standard, backoff: {interval_seconds: 5}}", 2, None, backoff(5, 2.0, 600)),
        ("{mode: standard, backoff: {interval_seconds: 700, max_delay_seconds: 700}}", 2, None, backoff(700, 2.0, 700)),
        ("{mode: standard, backoff: {backoff_rate: 3}}", 2, None, backoff(30, 3.0, 600)),
        // Of several modes, the first supplies the defaults.
        ("{mode: [legacy, standard]}", 4, Some(9), backoff(30, 2.0, 900)),
        ("{mode: [standard, legacy]}", 2, None, backoff(30, 2.0, 600)),
        // Under `not`, a mode is only a condition and supplies no defaults.
        ("{not: {mode: standard}}", 2, None, backoff(30, 2.0, 900)),
    ];
    for (text, limit, dynamodb, expected) in table {
        let rule = rule(text);
        assert_eq!(
            (rule.limit, rule.dynamodb_limit),
            (limit, dynamodb),
            "{text}"
        );
        assert_eq!(rule.backoff, expected, "{text}");
    }
}

#[test]
fn legacy_has_more_patience_with_dynamodb() {
    let legacy =
        read("{version: 1, retry: {automatic: {mode: legacy}}, budget: {per_execution: 20}}");
    let limited = read("{version: 1, retry: {automatic: {mode: legacy, limit: 3}}}");
    let times = |document: &Document, failure: &str| {
        let verdicts = decided(document, &[failure; 12]);
        let retries = verdicts
            .iter()
            .take_while(|verdict| *verdict == "retry matched")
            .count();
        assert_eq!(verdicts[retries], "give_up limit_spent", "{failure}");
        retries
    };
    for (failure, retries) in [
        ("state_machine: etl, error: DynamoDB.ThrottlingException", 9),
        (
            "state_machine: etl, error: DynamoDb.ProvisionedThroughputExceededException",
            9,
        ),
        ("state_machine: etl, error: Lambda.ThrottlingException", 4),
        (
            "state_machine: etl, error: ProvisionedThroughputExceededException",
            4,
        ),
        ("pipeline: web, error_code: Throttling", 4),
        ("state_machine: etl, http_status: 503", 4),
    ] {
        assert_eq!(times(&legacy, failure), retries, "{failure}");
        assert_eq!(times(&limited, failure), 3, "{failure}");
    }
}

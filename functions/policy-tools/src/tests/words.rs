//! Tests of conditions on the end of the process and on its place.

use super::*;
use Match::{No, Yes};

const EXECUTION: &str = "state_machine: etl, error: E";

#[test]
fn exit_status_matches_numbers_and_its_star_never_matches_success_or_a_lost_worker() {
    for (condition, on_none, on_lost, on_0, on_1, on_137, on_255) in [
        ("1", No, No, No, Yes, No, No),
        ("-1", No, Yes, No, No, No, No),
        ("0", No, No, Yes, No, No, No),
        ("[1, 137]", No, No, No, Yes, Yes, No),
        ("'137'", No, No, No, No, Yes, No),
        ("'-1'", No, Yes, No, No, No, No),
        ("0x89", No, No, No, No, Yes, No),
        ("'*'", Yes, No, No, Yes, Yes, Yes),
        ("none", Yes, No, No, No, No, No),
        ("[none, -1]", Yes, Yes, No, No, No, No),
        ("['*', -1]", Yes, Yes, No, Yes, Yes, Yes),
        ("[255, '*']", Yes, No, No, Yes, Yes, Yes),
    ] {
        for (status, expected) in [
            ("none", on_none),
            ("-1", on_lost),
            ("0", on_0),
            ("1", on_1),
            ("137", on_137),
            ("255", on_255),
        ] {
            for of in [EXECUTION, "pipeline: web"] {
                let rule = format!("{{exit_status: {condition}}}");
                let matched = met(&rule, &format!("{of}, exit_status: {status}"));
                assert_eq!(matched, expected, "{rule} on {status}");
            }
        }
    }
}

#[test]
fn a_signal_is_one_with_and_without_sig_in_any_case() {
    for (condition, on_none, on_kill, on_term) in [
        ("SIGKILL", No, Yes, No),
        ("kill", No, Yes, No),
        ("sigKill", No, Yes, No),
        ("[int, TERM]", No, No, Yes),
        ("none", Yes, No, No),
        ("'*'", Yes, Yes, Yes),
        ("'SIG*'", No, Yes, Yes),
        ("'S*'", No, Yes, Yes),
        ("'k*'", No, Yes, No),
        ("'**'", No, Yes, Yes),
        ("SIGSIGKILL", No, No, No),
        ("''", No, No, No),
    ] {
        for (signals, expected) in [
            (["none", "null"].as_slice(), on_none),
            (&["SIGKILL", "sigkill", "KILL", "kill"], on_kill),
            (&["SIGTERM", "term"], on_term),
        ] {
            for signal in signals {
                let rule = format!("{{signal: {condition}}}");
                let matched = met(&rule, &format!("{EXECUTION}, signal: {signal}"));
                assert_eq!(matched, expected, "{rule} on {signal}");
            }
        }
    }
}

#[test]
fn a_signal_reason_is_buildkites_in_any_case() {
    let reasons = [
        "agent_stop",
        "cancel",
        "process_run_error",
        "stack_error",
        "agent_refused",
        "agent_incompatible",
        "signature_rejected",
    ];
    for reason in reasons {
        for read in [reason.to_string(), reason.to_uppercase()] {
            for other in reasons {
                let matched = met(
                    &format!("{{signal_reason: {read}}}"),
                    &format!("{EXECUTION}, signal_reason: {other}"),
                );
                assert_eq!(matched, Match::from(reason == other), "{read} on {other}");
            }
        }
        let given = format!("pipeline: web, signal_reason: {reason}");
        assert_eq!(met("{signal_reason: '*'}", &given), Yes);
        assert_eq!(met("{signal_reason: none}", &given), No);
        assert_eq!(met("{signal_reason: unheard_of}", &given), No);
    }
    for absent in ["", ", signal_reason: none"] {
        let given = format!("{EXECUTION}{absent}");
        assert_eq!(met("{signal_reason: none}", &given), Yes);
        assert_eq!(met("{signal_reason: '*'}", &given), Yes);
        assert_eq!(met("{signal_reason: cancel}", &given), No);
    }
}

#[test]
fn an_http_status_is_a_number_of_both_services() {
    for of in [EXECUTION, "pipeline: web"] {
        for (condition, on_none, on_429, on_503) in [
            ("503", No, No, Yes),
            ("[429, 503]", No, Yes, Yes),
            ("none", Yes, No, No),
            ("500", No, No, No),
        ] {
            for (status, expected) in [("none", on_none), ("429", on_429), ("503", on_503)] {
                let rule = format!("{{http_status: {condition}}}");
                let matched = met(&rule, &format!("{of}, http_status: {status}"));
                assert_eq!(matched, expected, "{rule} on {status}");
            }
        }
    }
}

#[test]
fn a_state_and_a_resource_are_globs_in_their_own_case_and_step_functions_alone() {
    let given = format!("{EXECUTION}, state: Load orders, resource: 'aws-sdk:s3:getObject'");
    for (condition, expected) in [
        ("{state: 'Load*'}", Yes),
        ("{state: 'load*'}", No),
        ("{state: [x, Load orders]}", Yes),
        ("{state: none}", No),
        ("{resource: 'aws-sdk:s3:*'}", Yes),
        ("{resource: 'AWS-SDK:s3:*'}", No),
        ("{resource: aws-sdk:s3:getobject}", No),
        ("{state: 'Load*', resource: 'glue:*'}", No),
        ("{not: {state: 'Load*'}}", No),
        ("{not: {resource: 'glue:*'}}", Yes),
    ] {
        assert_eq!(met(condition, &given), expected, "{condition}");
    }
    for (condition, expected) in [
        ("{state: none, resource: none}", Yes),
        ("{state: 'Load*'}", No),
        ("{not: {state: 'Load*'}}", Yes),
    ] {
        assert_eq!(met(condition, EXECUTION), expected, "{condition}");
    }
    for condition in ["{state: '*'}", "{state: none}", "{resource: '*'}"] {
        assert_eq!(met(condition, "pipeline: web"), No, "{condition}");
    }
    // Only the history has these values.
    let unseen = failed(Field::Known("E"), Field::Absent);
    for condition in [
        "{state: 'Load*'}",
        "{resource: none}",
        "{not: {state: x}}",
        "{error: E, state: x}",
    ] {
        assert_eq!(
            on(condition, &unseen),
            Match::Unknown(Need::FailedState),
            "{condition}"
        );
    }
    for condition in ["{state: '*'}", "{error: E}", "{not: {error: x}}"] {
        assert_eq!(on(condition, &unseen), Yes, "{condition}");
    }
    assert_eq!(on("{error: x, state: y}", &unseen), No);
}

#[test]
fn not_excludes_by_any_of_the_words_and_by_an_absent_one_only_if_it_says_none() {
    let given = format!(
        "{EXECUTION}, exit_status: 137, signal: SIGKILL, http_status: 503, signal_reason: cancel"
    );
    for (not, on_given, on_absent) in [
        ("exit_status: 137", No, Yes),
        ("exit_status: 1", Yes, Yes),
        ("exit_status: '*'", No, Yes),
        ("exit_status: none", Yes, No),
        ("signal: kill", No, Yes),
        ("signal: '*'", No, Yes),
        ("signal: none", Yes, No),
        ("signal_reason: [cancel, agent_stop]", No, Yes),
        ("http_status: 503", No, Yes),
        ("http_status: 500", Yes, Yes),
        ("mode: standard", No, Yes),
        ("cause: '*'", Yes, Yes),
        ("cause: none", No, No),
        ("http_status: 500, exit_status: 137", No, Yes),
    ] {
        let rule = format!("{{not: {{{not}}}}}");
        assert_eq!(met(&rule, &given), on_given, "{rule}");
        assert_eq!(met(&rule, EXECUTION), on_absent, "{rule}");
    }
}

#[test]
fn a_value_that_was_looked_up_in_vain_leaves_the_condition_open() {
    let unseen = view::of_action("Verify", None);
    let met = |text| Match::of(rule(text).conditions.matches(&unseen), unseen.service);
    for condition in [
        "{exit_status: 1}",
        "{exit_status: '*'}",
        "{signal: none}",
        "{http_status: 503}",
        "{mode: legacy}",
    ] {
        let matched = met(condition);
        assert_eq!(matched, Match::Unknown(Need::PipelineState), "{condition}");
    }
    assert_eq!(met("{signal: '*'}"), Yes);
    assert_eq!(
        met("{not: {signal: '*'}}"),
        Match::Unknown(Need::PipelineState)
    );
}

#[test]
fn what_a_condition_saw_is_shown_as_a_number_or_a_word() {
    let case = case(
        "state_machine: etl, error: DynamoDB.Busy, exit_status: 137, signal: kill, signal_reason: agent_stop, http_status: 503",
    );
    let rule = rule(
        "{exit_status: 1, signal: x, signal_reason: cancel, http_status: [500, none], mode: legacy, stage: x}",
    );
    let failure = runner::failure(&case);
    let view = runner::views(&case, &failure)[0];
    let shown: Vec<String> = rule
        .conditions
        .condition_matches(&view)
        .iter()
        .map(|seen| match seen.field {
            Some(Field::Known(actual)) => format!("{} {actual}", seen.condition.key.as_str()),
            ref other => format!("{} {other:?}", seen.condition.key.as_str()),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "exit_status 137",
            "signal kill",
            "signal_reason agent_stop",
            "stage None",
            "http_status 503",
            "mode Busy",
        ]
    );
}

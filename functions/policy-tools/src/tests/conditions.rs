//! Tests of the values that conditions see, and of matching.

use super::*;

const ASK: Match = Match::Unknown(Need::Description);
const LOOK: Match = Match::Unknown(Need::PipelineState);

#[test]
fn condition_matches_known_absent_unknown_and_redacted_values() {
    use Field::{Absent, Known, Redacted, Unknown};
    use Match::{No, Yes};
    for (cause, on_text, on_absent, on_unknown, on_redacted) in [
        ("a cause", Yes, No, ASK, Match::Redacted),
        ("a *", Yes, No, ASK, Match::Redacted),
        ("cause", No, No, ASK, Match::Redacted),
        ("none", No, Yes, ASK, Match::Redacted),
        ("*", Yes, Yes, Yes, Yes),
        // Two stars need a value; a single star does not.
        ("**", Yes, No, ASK, Match::Redacted),
        (r"\\*", No, No, ASK, Match::Redacted),
    ] {
        let conditions = format!("{{cause: \"{cause}\"}}");
        let conditions = if cause == r"\\*" {
            r#"{cause: '\*'}"#.to_string()
        } else {
            conditions
        };
        for (field, expected) in [
            (Known("a cause"), on_text),
            (Absent, on_absent),
            (Unknown, on_unknown),
            (Redacted, on_redacted),
        ] {
            let matched = on(&conditions, &failed(Known("E"), field));
            assert_eq!(matched, expected, "{conditions} on {field:?}");
        }
    }
    assert_eq!(on(r#"{cause: '\*'}"#, &failed(Known("E"), Known("*"))), Yes);
    assert_eq!(on("{cause: '*'}", &failed(Known("E"), Known(""))), Yes);
    assert_eq!(on("{cause: 'none'}", &failed(Known("E"), Known(""))), No);
}

#[test]
fn conditions_are_and_and_values_are_or() {
    use Match::{No, Yes};
    let execution = failed(Field::Known("S3.SlowDown"), Field::Unknown);
    for (conditions, expected) in [
        ("{}", Yes),
        ("{error: S3.SlowDown}", Yes),
        ("{error: [x, 'S3.*', y]}", Yes),
        ("{error: [x, y]}", No),
        ("{status: FAILED, error: S3.*}", Yes),
        ("{status: TIMED_OUT, error: S3.*}", No),
        ("{status: [FAILED, TIMED_OUT], error: S3.*}", Yes),
        // A condition that fails needs no further fact; one that matches does.
        ("{error: x, cause: '*busy*'}", No),
        ("{error: S3.*, cause: '*busy*'}", ASK),
        ("{cause: ['*busy*', '*']}", Yes),
    ] {
        assert_eq!(on(conditions, &execution), expected, "{conditions}");
    }
}

#[test]
fn not_excludes_if_any_of_its_conditions_matches() {
    use Match::{No, Yes};
    let known = failed(Field::Known("S3.SlowDown"), Field::Known("busy"));
    let bare = failed(Field::Known("S3.SlowDown"), Field::Absent);
    let open = failed(Field::Known("S3.SlowDown"), Field::Unknown);
    let redacted = failed(Field::Redacted, Field::Redacted);
    for (not, on_known, on_bare, on_open) in [
        ("{}", Yes, Yes, Yes),
        ("{error: S3.SlowDown}", No, No, No),
        ("{error: x}", Yes, Yes, Yes),
        ("{cause: busy}", No, Yes, ASK),
        ("{error: S3.*, cause: x}", No, No, No),
        ("{error: x, cause: BUSY}", No, Yes, ASK),
        ("{error: x, cause: [a, b]}", Yes, Yes, ASK),
        ("{status: TIMED_OUT}", Yes, Yes, Yes),
        // Conditions of the other service never match, so they exclude nothing.
        ("{stage: '*', summary: '*'}", Yes, Yes, Yes),
    ] {
        let conditions = format!("{{not: {not}}}");
        assert_eq!(on(&conditions, &known), on_known, "{conditions}");
        assert_eq!(on(&conditions, &bare), on_bare, "{conditions}");
        assert_eq!(on(&conditions, &open), on_open, "{conditions}");
    }
    assert_eq!(on("{not: {cause: busy}}", &redacted), Match::Redacted);
    assert_eq!(on("{status: TIMED_OUT, not: {cause: busy}}", &redacted), No);
    assert_eq!(on("{error: S3.*, not: {error: S3.SlowDown}}", &known), No);
}

#[test]
fn a_condition_of_the_other_service_never_matches() {
    let execution = failed(Field::Known("E"), Field::Known("c"));
    for conditions in [
        "stage",
        "action",
        "category",
        "provider",
        "error_code",
        "summary",
    ] {
        for value in ["'*'", "none", "x", "[x, '*']"] {
            let conditions = format!("{{{conditions}: {value}}}");
            assert_eq!(on(&conditions, &execution), Match::No, "{conditions}");
        }
    }
    let action = failed_action();
    for conditions in [
        "{status: '*'}",
        "{status: FAILED}",
        "{error: '*'}",
        "{error: States.ALL}",
        "{cause: none}",
    ] {
        assert_eq!(
            on_action(conditions, Some(&action)),
            Match::No,
            "{conditions}"
        );
        assert_eq!(on_action(conditions, None), Match::No, "{conditions}");
    }
}

#[test]
fn a_failed_action_is_matched_by_its_words_and_its_stage() {
    use Match::{No, Yes};
    let action = failed_action();
    let bare = FailedAction {
        category: Field::Absent,
        provider: Field::Absent,
        error_code: Field::Absent,
        summary: Field::Absent,
        ..failed_action()
    };
    for (conditions, on_full, on_bare, on_unseen) in [
        ("{stage: Verify}", Yes, Yes, Yes),
        ("{stage: verify}", No, No, No),
        ("{action: Unit*}", Yes, Yes, LOOK),
        ("{action: unit*}", No, No, LOOK),
        ("{category: TEST}", Yes, No, LOOK),
        ("{provider: codebuild}", Yes, No, LOOK),
        ("{error_code: JobFailed}", Yes, No, LOOK),
        ("{error_code: jobfailed}", No, No, LOOK),
        ("{summary: '*EXIT STATUS 1'}", Yes, No, LOOK),
        ("{summary: none}", No, Yes, LOOK),
        ("{summary: '*'}", Yes, Yes, Yes),
        ("{stage: x, action: UnitTests}", No, No, No),
        ("{}", Yes, Yes, Yes),
    ] {
        assert_eq!(
            on_action(conditions, Some(&action)),
            on_full,
            "{conditions}"
        );
        assert_eq!(on_action(conditions, Some(&bare)), on_bare, "{conditions}");
        assert_eq!(on_action(conditions, None), on_unseen, "{conditions}");
    }
}

#[test]
fn case_matters_for_names_and_not_for_words() {
    let execution = failed(
        Field::Known("Lambda.Unknown"),
        Field::Known("Ünable to PULL"),
    );
    for (conditions, matches) in [
        ("{status: failed}", true),
        ("{status: Failed}", true),
        ("{error: lambda.unknown}", false),
        ("{error: 'lambda.*'}", false),
        ("{error: 'Lambda.*'}", true),
        ("{cause: '*pull'}", true),
        ("{cause: 'ÜNABLE*'}", true),
        ("{cause: 'ünable*'}", true),
    ] {
        assert_eq!(
            on(conditions, &execution),
            Match::from(matches),
            "{conditions}"
        );
    }
}

#[test]
fn the_failed_container_is_told_from_its_sidecars() {
    use Field::Known;
    use Match::{No, Yes};
    let cause = r#"{"Containers":[{"ExitCode":143,"Name":"proxy"},{"ExitCode":1,"Name":"load-orders"}],"StopCode":"EssentialContainerExited"}"#;
    let open = failed(Known("States.TaskFailed"), Field::Unknown);
    let task = failed(Known("States.TaskFailed"), Known(cause));
    for (conditions, matched) in [
        ("{container: load-orders}", Yes),
        ("{container: 'load-*', exit_status: 1}", Yes),
        ("{container: proxy}", No),
        ("{not: {container: [proxy, log-router]}}", Yes),
        ("{container: none}", No),
    ] {
        assert_eq!(on(conditions, &task), matched, "{conditions}");
    }
    assert_eq!(on("{container: proxy}", &open), ASK);
}

#[test]
fn states_all_and_states_task_failed_are_read_as_step_functions_reads_them() {
    use Field::{Absent, Known, Redacted, Unknown};
    use Match::{No, Yes};
    for (error, all, task_failed) in [
        (Known("Lambda.Unknown"), Yes, Yes),
        (Known("States.TaskFailed"), Yes, Yes),
        (Known("States.Timeout"), Yes, No),
        (Known("States.HeartbeatTimeout"), Yes, Yes),
        (Known("States.Runtime"), No, No),
        (Absent, No, No),
        (Unknown, ASK, ASK),
        (Redacted, Match::Redacted, Match::Redacted),
    ] {
        assert_eq!(on_error("{error: States.ALL}", error), all, "{error:?}");
        assert_eq!(
            on_error("{error: States.TaskFailed}", error),
            task_failed,
            "{error:?}"
        );
    }
    // The wildcards are names of errors: for other keys they are plain text, not globs.
    let summary = FailedAction {
        summary: Field::Known("x".into()),
        ..failed_action()
    };
    assert_eq!(
        on_action("{summary: States.ALL}", Some(&summary)),
        Match::No
    );
    assert_eq!(on_error("{error: 'States.*'}", Known("Lambda.Unknown")), No);
    assert_eq!(
        on_error("{not: {error: States.ALL}}", Known("Lambda.Unknown")),
        No
    );
}

#[test]
fn two_errors_are_matched_only_by_their_names() {
    for error in ["States.Runtime", "States.DataLimitExceeded"] {
        for (conditions, matches) in [
            ("{}".to_string(), false),
            ("{error: '*'}".into(), false),
            ("{error: States.ALL}".into(), false),
            ("{error: States.TaskFailed}".into(), false),
            ("{error: 'States.*'}".into(), false),
            (format!("{{error: '{error}*'}}"), false),
            ("{status: FAILED}".into(), false),
            ("{not: {error: x}}".into(), false),
            (format!("{{error: {error}}}"), true),
            (format!("{{error: ['*', {error}]}}"), true),
            (format!("{{error: {error}, cause: x}}"), false),
            (
                format!("{{error: {error}, not: {{error: {error}}}}}"),
                false,
            ),
        ] {
            assert_eq!(
                on_error(&conditions, Field::Known(error)),
                Match::from(matches),
                "{conditions}"
            );
        }
        // `never` forbids retries, so it may match every error.
        let never = read("version: 1\nretry: {}\nnever: [{error: States.ALL}]")
            .never
            .remove(0);
        let execution = failed(Field::Known(error), Field::Absent);
        assert_eq!(
            Match::of(never.matches(&execution.view()), Service::StepFunctions),
            Match::Yes
        );
    }
    // The lower-case name is another error.
    assert_eq!(on_error("{}", Field::Known("states.runtime")), Match::Yes);
}

#[test]
fn unknown_error_may_be_one_that_must_be_named() {
    for conditions in ["{}", "{error: '*'}", "{status: FAILED}", "{cause: '*'}"] {
        assert_eq!(on_error(conditions, Field::Unknown), ASK, "{conditions}");
        // A redacted error blocks a retry only where a condition tests the error.
        assert_eq!(
            on_error(conditions, Field::Redacted),
            Match::Yes,
            "{conditions}"
        );
        assert_eq!(
            on_error(conditions, Field::Absent),
            Match::Yes,
            "{conditions}"
        );
    }
    assert_eq!(on_error("{status: TIMED_OUT}", Field::Unknown), Match::No);
}

#[test]
fn a_text_is_matched_in_its_first_32_kib() {
    let most = 32 * 1024;
    let fits = format!("{}end", "x".repeat(most - 3));
    let beyond = format!("{}end", "x".repeat(most - 2));
    let wide = format!("{}é", "x".repeat(most - 1));
    for (cause, value, expected) in [
        ("*end", &fits, Match::Yes),
        ("*end", &beyond, Match::No),
        ("*en", &beyond, Match::Yes),
        ("*x", &wide, Match::Yes),
        ("*é", &wide, Match::No),
    ] {
        let execution = failed(Field::Known("E"), Field::Known(value));
        assert_eq!(
            on(&format!("{{cause: '{cause}'}}"), &execution),
            expected,
            "{cause}"
        );
    }
}

#[test]
fn a_stage_is_seen_once_for_each_failed_action() {
    let stage = |announced, snapshot| Failure {
        subject: stage_of("web"),
        at: Time::default(),
        detail: FailureDetail::Stage(FailedStage {
            announced,
            snapshot,
        }),
    };
    let snapshot = |failed| Field::Known(StageSnapshot::failed(failed));
    let actions = |failure: &Failure| -> Vec<Option<Field<String>>> {
        failure
            .views()
            .iter()
            .map(|view| {
                assert_eq!(
                    view.get(ConditionKey::Stage),
                    Some(Field::Known(ActualValue::Text("Build")))
                );
                view.get(ConditionKey::Action)
                    .map(|field| field.map(|saw| saw.to_string()))
            })
            .collect()
    };
    let lint = FailedAction {
        action: "Lint".into(),
        ..failed_action()
    };
    let known = |name: &str| Some(Field::Known(name.to_string()));
    assert_eq!(
        actions(&stage(None, Field::Unknown)),
        [Some(Field::Unknown)]
    );
    assert_eq!(
        actions(&stage(Some(failed_action()), Field::Unknown)),
        [known("UnitTests")]
    );
    // The snapshot of CodePipeline takes precedence over the event.
    let both = snapshot(vec![lint.clone(), failed_action()]);
    assert_eq!(
        actions(&stage(Some(lint), both)),
        [known("Lint"), known("UnitTests")]
    );
    assert_eq!(actions(&stage(Some(failed_action()), snapshot(vec![]))), []);
}

#[test]
fn trace_has_the_value_and_match_of_each_condition() {
    let rule = rule(
        "{error: [x, 'S3.*', S3.SlowDown], cause: [a, '*token*'], status: TIMED_OUT, not: {summary: x, error: S3.SlowDown}}",
    );
    let execution = failed(Field::Known("S3.SlowDown"), Field::Known("my token"));
    let view = execution.view();
    let seen = rule.conditions.condition_matches(&view);
    let traced: Vec<(ConditionKey, bool, Match, Option<&str>)> = seen
        .iter()
        .map(|s| {
            let by = s.by.map(|value| value.written.as_str());
            (
                s.condition.key,
                s.negated,
                Match::of(s.matched, view.service),
                by,
            )
        })
        .collect();
    assert_eq!(
        traced,
        [
            (ConditionKey::Status, false, Match::No, None),
            (ConditionKey::Error, false, Match::Yes, Some("S3.*")),
            (ConditionKey::Cause, false, Match::Yes, Some("*token*")),
            (ConditionKey::Error, true, Match::Yes, Some("S3.SlowDown")),
            (ConditionKey::Summary, true, Match::No, None),
        ]
    );
}

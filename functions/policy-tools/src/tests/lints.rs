//! Tests of the exact text of every lint, and that lints report only certain findings.

use super::*;
use redrive_core::definition::Machine;

fn linted(text: &str) -> Vec<String> {
    let document = read(text);
    lint(&document).iter().map(ToString::to_string).collect()
}

/// Returns the lints of rules, which begin on the third line.
fn of(rules: &str) -> Vec<String> {
    linted(&format!("version: 1\nretry: {{automatic:\n {rules}\n}}"))
}

const NOTHING: [&str; 0] = [];

const FORMER: &str = "matches everything that it matches, and when its limit is spent no later rule is consulted; put it before that rule, or remove it";

#[test]
fn each_lint_has_its_place_its_words_and_its_remedy() {
    for (rules, expected) in [
        ("[{error: 'Lambda.*'},\n  {error: Lambda.Unknown}]", format!("4:3: this rule is never reached: the rule on line 3 {FORMER}")),
        ("[{},\n  {error: A},\n {exit_status: 1}]", "3:3: a rule without conditions matches every failure, so 2 rules after it are never reached; put it last".into()),
        ("[{},\n  {error: A}]", "3:3: a rule without conditions matches every failure, so a rule after it is never reached; put it last".into()),
        ("{error: States.ALL}", "3:10: error: \"States.ALL\" matches time-outs too: a run that took too long may take as long again; add not: { error: States.Timeout }, or put a rule before this one that names States.Timeout".into()),
        ("[{exit_status: -1}, {exit_status: '*', not: {error: States.Timeout}}, {signal_reason: '*', not: {signal_reason: cancel}}]", String::new()),
        ("{exit_status: '*', not: {signal_reason: cancel}}", "3:16: exit_status: \"*\" is 1 to 255, or no exit status at all, and never -1, which is a lost worker; write exit_status: -1 if lost workers are meant, or [-1, \"*\"] for both".into()),
        ("{error: A, stage: B}", "3:13: stage is of CodePipeline and error is of Step Functions: no failure has both, so this never matches; write one for each service".into()),
        ("{stage: B, error: A}", "3:13: error is of Step Functions and stage is of CodePipeline: no failure has both, so this never matches; write one for each service".into()),
        ("{error: States.Timout}", "3:10: error: \"States.Timout\" is not a known error of the States language or of an AWS service, so it may never match; did you mean \"States.Timeout\"?".into()),
        ("[{exit_status: 1, limit: 6},\n {exit_status: 2, limit: 5}]", "4:2: from this rule on the limits of policy \"default\" add up to more than budget.per_execution: 11 in all, and an execution or stage is retried at most 10 times; lower limits, or write budget: { per_execution: 11 }".into()),
        ("{category: deploy}", "3:13: category: deploy retries every failed deployment, even one that is half done; add a condition on the error: summary, error_code, exit_status, signal_reason or mode".into()),
    ] {
        let expected: Vec<String> = [expected].into_iter().filter(|e| !e.is_empty()).collect();
        assert_eq!(of(rules), expected, "{rules}");
    }
    assert_eq!(
        linted(
            "version: 1\nnever: [{error: 'Lambda.*'}]\nretry: {automatic: {error: Lambda.Unknown}}"
        ),
        [
            "3:20: this rule is never reached: the entry of never on line 2 matches everything that it matches; remove the rule, or narrow that entry"
        ]
    );
}

#[test]
fn a_policy_or_a_rule_that_its_match_keeps_from_everything_is_named_with_its_remedy() {
    let of_policies = |policies: &str| linted(&format!("version: 1\npolicies:\n{policies}"));
    let own = |service| {
        let keys = ConditionKey::of_service(Some(service)).map(ConditionKey::as_str);
        one_of(&keys.collect::<Vec<_>>())
    };
    let error = format!(
        "error is of Step Functions, and policy \"a\" matches only pipelines: this rule never matches; use {} instead, or move the rule to a policy whose match names state machines",
        own(Service::CodePipeline)
    );
    let summary = format!(
        "summary is of CodePipeline, and policy \"a\" matches only state machines: this rule never matches; use {} instead, or move the rule to a policy whose match names pipelines",
        own(Service::StepFunctions)
    );
    for (policies, expected) in [
        ("- {name: a, match: {}, retry: {}}\n- {name: b, match: {pipeline: w}, retry: {}}", "4:3: policy \"b\" is never reached: policy \"a\" on line 3 matches every target that it matches, and the first match applies; put it before it, or remove it".to_string()),
        ("- {name: a, match: {pipeline: '*'}, retry: {}}\n- {name: b, match: {state_machine: '*'}, retry: {}}\n- {name: c, retry: {}}", "5:3: policy \"c\" is never reached: the policies \"a\" on line 3 and \"b\" on line 4 together match every target that it matches, and the first match applies; put it before them, or remove it".into()),
        ("- {name: a, match: {pipeline: w}, retry: {automatic: {limit: 1, error: E}}}", format!("3:65: {error}")),
        ("- {name: a, match: {state_machine: w}, retry: {automatic: {summary: E}}}", format!("3:60: {summary}")),
    ] {
        assert_eq!(of_policies(policies), [expected], "{policies}");
    }
}

#[test]
fn a_rule_for_the_other_service_is_doubted_only_where_the_match_names_one_alone() {
    let is = |scope: &str, rule: &str| {
        let lints = linted(&format!(
            "version: 1\npolicies: [{{name: a, match: {{{scope}}}, retry: {{automatic: {rule}}}}}]"
        ));
        lints
            .iter()
            .any(|lint| lint.contains("this rule never matches"))
    };
    for (scope, rule, expected) in [
        ("pipeline: a", "{state: S}", true),
        ("pipeline: a", "{resource: 'x*', limit: 0}", true),
        ("pipeline: a", "{exit_status: 1, error: '*'}", true),
        ("pipeline: a, region: r", "{cause: x}", true),
        ("state_machine: a", "{category: Build}", true),
        ("pipeline: a, state_machine: a", "{error: A}", false),
        ("", "{error: A}", false),
        ("region: r", "{stage: S}", false),
        ("pipeline: a", "{exit_status: 1, mode: standard}", false),
        ("pipeline: a", "{exit_status: 1, not: {error: A}}", false),
        ("pipeline: a", "{stage: S}", false),
        // Conditions of both services have a report of their own.
        ("pipeline: a", "{error: A, stage: S}", false),
    ] {
        assert_eq!(is(scope, rule), expected, "{scope} {rule}");
    }
    // A rule that never matches retries no failure and spends no budget. A pipeline has no States.Timeout.
    for rule in [
        "{error: '*', limit: 10}",
        "{exit_status: [-1, '*'], limit: 10}",
    ] {
        let lints = linted(&format!(
            "version: 1\npolicies: [{{name: a, match: {{pipeline: p}}, retry: {{automatic: [{rule}, {{error: A, limit: 10}}]}}}}]"
        ));
        assert!(
            lints
                .iter()
                .all(|lint| lint.contains("this rule never matches")),
            "{lints:?}"
        );
    }
}

#[test]
fn a_policy_is_called_unreachable_only_where_that_is_certain() {
    for (former, later, expected) in [
        (vec![""], "", true),
        (vec![""], "state_machine: a", true),
        (
            vec!["state_machine: 'a*'"],
            "state_machine: [ab, 'a*c']",
            true,
        ),
        (vec!["state_machine: 'a*'"], "state_machine: [ab, b]", false),
        (
            vec!["state_machine: 'a*'", "state_machine: b"],
            "state_machine: [ab, b]",
            true,
        ),
        (vec!["state_machine: 'a*'"], "pipeline: ab", false),
        (vec!["state_machine: '*'"], "", false),
        (vec!["state_machine: '*', pipeline: '*'"], "", true),
        (vec!["state_machine: '*', pipeline: a"], "pipeline: a", true),
        (
            vec!["state_machine: a, pipeline: a"],
            "state_machine: a, pipeline: b",
            false,
        ),
        (vec!["account: '111122223333'"], "", false),
        (
            vec!["account: '111122223333'"],
            "account: '111122223333', region: r",
            true,
        ),
        (
            vec!["account: '111122223333'"],
            "account: ['111122223333', '444455556666']",
            false,
        ),
        (
            vec!["account: '111122223333'", "account: '444455556666'"],
            "account: ['111122223333', '444455556666']",
            true,
        ),
        // A star also stands for private-use characters.
        (vec!["pipeline: 'a\u{e000}b'"], "pipeline: 'a*b'", false),
        (vec!["region: 'eu-*'"], "region: eu-west-1", true),
        (vec!["region: 'eu-*'"], "region: '*-1'", false),
        (vec!["region: '*'"], "", true),
        (
            vec!["region: 'eu-*', state_machine: a"],
            "region: eu-west-1",
            false,
        ),
        (
            vec!["state_machine: '*a'", "state_machine: '*b'"],
            "state_machine: '*'",
            false,
        ),
    ] {
        let text = former.iter().chain([&later]).enumerate().fold(
            "version: 1\npolicies:\n".to_string(),
            |text, (at, scope)| {
                text + &format!("- {{name: p{at}, match: {{{scope}}}, retry: {{}}}}\n")
            },
        );
        assert_eq!(linted(&text).len(), usize::from(expected), "{text}");
    }
    // The targets of a policy with a flawed match are unknown.
    for flawed in [
        "macth: {state_machine: a}",
        "match: {state_machin: a}",
        "match: {account: '1'}",
    ] {
        let text = format!(
            "version: 1\npolicies:\n- {{name: a, {flawed}, retry: {{}}}}\n- {{name: b, retry: {{}}}}"
        );
        assert!(check(&text).warnings.is_empty(), "{text}");
    }
}

#[test]
fn no_target_reaches_a_policy_that_is_called_unreachable() {
    let some = |key: &str, values: &[&str]| -> Vec<String> {
        let written = values.iter().map(|value| format!("{key}: {value}, "));
        written.chain([String::new()]).collect()
    };
    let machines = some("state_machine", &["a", "'a*'", "'*b'", "[a, b]", "'*'"]);
    let pipelines = some("pipeline", &["a", "'*b'", "'*'"]);
    let regions = some("region", &["r", "'r*'"]);
    let accounts = some("account", &["'111122223333'"]);
    let mut scopes = Vec::new();
    for machine in &machines {
        for pipeline in &pipelines {
            for region in &regions {
                for account in &accounts {
                    scopes.push(format!("{machine}{pipeline}{region}{account}"));
                }
            }
        }
    }
    let mut targets = Vec::new();
    for name in ["a", "b", "ab", "ac", "cb", "c"] {
        for region in ["r", "rs", "s"] {
            for account in ["111122223333", "444455556666"] {
                targets.push(Subject::Execution {
                    arn: format!("arn:aws:states:{region}:{account}:execution:{name}:run"),
                });
                targets.push(Subject::stage("aws", region, account, name, "Build", "e"));
            }
        }
    }
    let mut claimed = 0;
    for former in &scopes {
        for between in ["state_machine: c", "pipeline: '*'"] {
            let later = scopes.iter().enumerate();
            let policies: String = later
                .map(|(at, scope)| format!("- {{name: x{at}, match: {{{scope}}}, retry: {{}}}}\n"))
                .collect();
            let text = format!(
                "version: 1\npolicies:\n- {{name: a, match: {{{former}}}, retry: {{}}}}\n- {{name: b, match: {{{between}}}, retry: {{}}}}\n{policies}"
            );
            let document = read(&text);
            let lines: Vec<usize> = lint(&document).iter().map(|lint| lint.place.line).collect();
            claimed += lines.len();
            for target in &targets {
                let reached = document.policy_for(target).unwrap();
                assert!(
                    !lines.contains(&reached.at.0.line),
                    "{target:?} {reached:?}\n{text}"
                );
            }
        }
    }
    assert!(claimed > 10_000, "{claimed}");
}

/// Returns whether a rule is reported as unreachable behind another.
fn is_hidden(former: &str, rule: &str) -> bool {
    of(&format!("[{former},\n{rule}]"))
        .iter()
        .any(|lint| lint.contains("never reached"))
}

#[test]
fn a_rule_is_called_unreachable_only_where_that_is_certain() {
    for (former, rule, hidden) in [
        ("{error: A}", "{error: A}", true),
        ("{error: A}", "{error: A, cause: b}", true),
        ("{error: A, cause: b}", "{error: A}", false),
        ("{error: [A, B]}", "{error: B}", true),
        ("{error: A}", "{error: [A, B]}", false),
        ("{error: 'a*c'}", "{error: 'a*b*c'}", true),
        ("{error: 'a*b*c'}", "{error: 'a*c'}", false),
        ("{error: '*'}", "{cause: x}", true),
        ("{error: '*'}", "{exit_status: 1}", false),
        ("{error: '*'}", "{error: none}", true),
        ("{error: [none, A]}", "{error: none}", true),
        ("{error: A}", "{error: none}", false),
        ("{error: States.ALL}", "{error: A}", true),
        ("{error: States.ALL}", "{error: none}", false),
        ("{error: States.ALL}", "{error: '*'}", false),
        ("{error: [States.ALL, none]}", "{error: '*'}", true),
        ("{error: '**'}", "{error: States.ALL}", true),
        ("{error: '*.*'}", "{error: States.ALL}", false),
        ("{error: ['**', none]}", "{error: '*'}", true),
        (
            "{error: States.TaskFailed}",
            "{error: Lambda.Unknown}",
            true,
        ),
        (
            "{error: States.TaskFailed}",
            "{error: States.TaskFailed, cause: x}",
            true,
        ),
        ("{error: States.TaskFailed}", "{error: 'States.*'}", false),
        (
            "{error: States.TaskFailed}",
            "{error: States.Timeout}",
            false,
        ),
        // These errors are matched only by name.
        ("{}", "{error: States.Runtime}", false),
        (
            "{error: 'States.*'}",
            "{error: States.DataLimitExceeded}",
            false,
        ),
        (
            "{error: [States.Runtime, A]}",
            "{error: States.Runtime}",
            true,
        ),
        ("{exit_status: '*'}", "{exit_status: [1, 2, none]}", true),
        ("{exit_status: '*'}", "{exit_status: -1}", false),
        ("{exit_status: '*'}", "{exit_status: 0}", false),
        ("{exit_status: '*'}", "{error: A}", false),
        ("{status: [FAILED, TIMED_OUT]}", "{error: A}", true),
        ("{status: FAILED}", "{error: A}", false),
        ("{http_status: [500, 503]}", "{http_status: 503}", true),
        ("{http_status: 503}", "{http_status: [500, 503]}", false),
        // Every reason, and an absent one.
        (
            "{signal_reason: [agent_stop, cancel, process_run_error, stack_error, agent_refused, agent_incompatible, signature_rejected, none]}",
            "{error: A}",
            true,
        ),
        (
            "{signal_reason: [agent_stop, cancel, process_run_error, stack_error, agent_refused, agent_incompatible, signature_rejected]}",
            "{error: A}",
            false,
        ),
        ("{signal: SIGKILL}", "{signal: kill}", true),
        ("{signal: term}", "{signal: kill}", false),
        ("{provider: 'code*'}", "{provider: CodeBuild}", true),
        ("{action: 'code*'}", "{action: CodeBuild}", false),
        ("{mode: standard}", "{mode: adaptive}", true),
        ("{mode: standard}", "{mode: legacy}", false),
        ("{mode: standard}", "{error: '*.ThrottlingException'}", true),
        ("{mode: standard}", "{error: 'Throttling*'}", false),
        ("{mode: standard}", "{http_status: [500, 503]}", true),
        ("{mode: standard}", "{http_status: [429, 503]}", false),
        ("{error: 'A*', not: {cause: x}}", "{error: AB}", false),
        (
            "{error: 'A*', not: {cause: x}}",
            "{error: AB, not: {cause: '*x*'}}",
            true,
        ),
        (
            "{error: 'A*', not: {cause: '*x*'}}",
            "{error: AB, not: {cause: x}}",
            false,
        ),
        ("{error: 'A*', not: {error: AC}}", "{error: AB}", true),
        ("{error: 'A*', not: {error: AB}}", "{error: AB}", false),
        ("{error: 'A*', not: {stage: B}}", "{error: AB}", true),
        (
            "{not: {exit_status: [1, 2]}}",
            "{exit_status: [3, 4]}",
            true,
        ),
        (
            "{not: {exit_status: [1, 2]}}",
            "{exit_status: [2, 3]}",
            false,
        ),
        (
            "{not: {exit_status: [1, 2]}}",
            "{error: A, not: {exit_status: [1, 2, 3]}}",
            true,
        ),
        (
            "{not: {exit_status: [1, 2]}}",
            "{error: A, not: {exit_status: [2, 3]}}",
            false,
        ),
        ("{not: {exit_status: '*'}}", "{exit_status: none}", true),
        ("{not: {error: '*'}}", "{error: none}", true),
        ("{not: {error: none}}", "{not: {error: '*'}}", false),
        (
            "{not: {mode: standard}}",
            "{error: A, not: {mode: adaptive}}",
            true,
        ),
        (
            "{not: {mode: standard}}",
            "{error: A, not: {mode: legacy}}",
            false,
        ),
        ("{not: {error: '*'}}", "{not: {error: none}}", false),
    ] {
        assert_eq!(is_hidden(former, rule), hidden, "{former} before {rule}");
    }
}

#[test]
fn a_match_of_one_service_makes_a_condition_on_all_its_failures_cover() {
    let text = |scope: &str| {
        format!(
            "version: 1\npolicies:\n- name: a\n  match: {{{scope}}}\n  retry: {{automatic: [{{error: '*', not: {{error: States.Timeout}}}}, {{exit_status: 1, not: {{error: States.Timeout}}}}]}}"
        )
    };
    assert_eq!(linted(&text("state_machine: a")).len(), 1);
    assert_eq!(linted(&text("region: a")), NOTHING);
}

#[test]
fn a_glob_covers_another_exactly_where_every_text_of_the_other_matches() {
    let globs = [
        "", "*", "a", "b", "a*", "*a", "*a*", "a*a", "a*b", "ab", "ab*", "*ab", "*b*a*", "aa",
        "**", "a**a",
    ];
    let mut texts = vec![String::new()];
    for length in 0..5 {
        let longer: Vec<String> = texts
            .iter()
            .filter(|text| text.len() == length)
            .flat_map(|text| ["a", "b", "c"].map(|c| format!("{text}{c}")))
            .collect();
        texts.extend(longer);
    }
    for own in globs.map(|glob| Glob::new(glob, false)) {
        for other in globs.map(|glob| Glob::new(glob, false)) {
            let all = texts
                .iter()
                .all(|text| !other.matches(text) || own.matches(text));
            assert_eq!(own.covers(&other), all, "{own:?} {other:?}");
        }
    }
    assert!(Glob::new("É*", true).covers(&Glob::new("éc*", true)));
    assert!(Glob::new(r"\**", false).covers(&Glob::new(r"\*a", false)));
    assert!(!Glob::new(r"\*", false).covers(&Glob::new("*", false)));
    // The answer holds for all characters, private-use ones included.
    assert!(!Glob::new("a\u{e000}b", false).covers(&Glob::new("a*b", false)));
}

#[test]
fn a_time_out_that_is_named_or_kept_out_is_not_warned_about() {
    for (rules, warned) in [
        ("{error: '*'}", true),
        ("{error: 'States.*'}", true),
        ("{status: '*'}", true),
        ("{signal_reason: '*'}", true),
        ("{exit_status: [-1, '*']}", true),
        ("{status: FAILED, error: '*'}", true),
        ("{error: '*', limit: 0}", false),
        ("{error: ['*', States.Timeout]}", false),
        ("{status: TIMED_OUT, error: '*'}", false),
        ("{error: 'Lambda.*'}", false),
        ("{error: '*', cause: '*x*'}", false),
        ("{error: '*', not: {error: States.Timeout}}", false),
        ("{error: '*', not: {signal_reason: cancel}}", false),
        ("[{error: States.Timeout}, {error: '*'}]", false),
        ("[{status: TIMED_OUT}, {error: '*'}]", true),
        ("{}", false),
        ("true", false),
        ("{error: States.TaskFailed}", false),
    ] {
        let lints = of(rules);
        let is = lints
            .iter()
            .any(|lint| lint.contains("matches time-outs too"));
        assert_eq!(is, warned, "{rules} {lints:?}");
    }
}

#[test]
fn warns_of_a_name_only_if_it_resembles_another() {
    for (name, meant) in [
        ("States.Timout", "States.Timeout"),
        ("states.timeout", "States.Timeout"),
        ("States.TaskFaild", "States.TaskFailed"),
        ("Timeout", "States.Timeout"),
        ("State.Timeout", "States.Timeout"),
        (
            "Lamda.TooManyRequestsException",
            "Lambda.TooManyRequestsException",
        ),
        (
            "Lambda.TooManyRequestException",
            "Lambda.TooManyRequestsException",
        ),
        (
            "DynamoDB.ProvisionedThroughputExceedException",
            "DynamoDB.ProvisionedThroughputExceededException",
        ),
        ("*.ThrotlingException", "*.ThrottlingException"),
        ("ThrottlingExeption", "ThrottlingException"),
        (
            "Sfn.ExecutionAlreadyExistException",
            "Sfn.ExecutionAlreadyExistsException",
        ),
        (
            "EventBrige.ResourceNotFoundExeption",
            "EventBridge.ResourceNotFoundException",
        ),
        (
            "Payments.ResourceNotFoundExeption",
            "Payments.ResourceNotFoundException",
        ),
        // Two letters of a long word are wrong.
        (
            "Payments.ConcurrentModifcatonException",
            "Payments.ConcurrentModificationException",
        ),
        ("S3.SlowDwon", "S3.SlowDown"),
        (
            "dynamodb.ThrottlingException",
            "DynamoDB.ThrottlingException",
        ),
    ] {
        let lints = of(&format!("{{error: '{name}'}}"));
        assert!(
            lints.len() == 1 && lints[0].ends_with(&format!("; did you mean \"{meant}\"?")),
            "{name}: {lints:?}"
        );
    }
    for name in [
        "States.Timeout",
        "States.Http.StatusCode.503",
        "Lambda.Unknown",
        "DynamoDb.ThrottlingException",
        "S3.S3Exception",
        "Payments.ServiceException",
        "OutOfStock",
        "Own.Error",
        "Sns.SnsException",
        "Glue.ConcurrentRunsExceededException",
        "TimeoutError",
        "Sfn.ExecutionAlreadyExistsException",
        "Kms.KmsInvalidStateException",
        "*Throttling*",
        "ApiGateway.403",
        "com.example.OrderException",
        // A name with several dots may be the author's own, and a star may stand for any text.
        "Lambda.Service.Exception",
        "*.Lamda.ServiceException",
        // Shorter words and names allow fewer wrong letters.
        "Unknows",
        "S3.SlewDawn",
        "RoomNotFoundException",
        "BasketNotFoundException",
        // With two unknown words, a name is taken for the author's own.
        "Payments.ResorceNotFondException",
    ] {
        assert_eq!(of(&format!("{{error: '{name}'}}")), NOTHING, "{name}");
    }
}

#[test]
fn a_deployment_that_names_its_error_or_is_forbidden_is_not_warned_about() {
    for (rule, warned) in [
        ("{category: [Build, Deploy]}", true),
        ("{category: '*'}", true),
        ("{category: Deploy, provider: CodeDeploy}", true),
        ("{category: Deploy, summary: '*'}", true),
        ("{category: Deploy, summary: '*Throttling*'}", false),
        ("{category: Deploy, mode: standard}", false),
        ("{category: Deploy, limit: 0}", false),
        ("{category: '*', not: {category: Deploy}}", false),
        ("{category: '*', not: {category: Source}}", true),
        ("{category: '*', not: {action: Deploy}}", true),
        ("{category: Build}", false),
    ] {
        assert_eq!(
            of(rule)
                .iter()
                .any(|lint| lint.contains("failed deployment")),
            warned,
            "{rule}"
        );
    }
}

#[test]
fn warns_of_wildcard_without_lost_workers_only_if_retried_and_unnamed() {
    for (rules, warned) in [
        ("{exit_status: '*'}", true),
        ("[{exit_status: '*'}, {exit_status: 1}]", true),
        ("{exit_status: [-1, '*']}", false),
        ("[{exit_status: '*'}, {exit_status: -1}]", false),
        ("{exit_status: '*', limit: 0}", false),
        ("{exit_status: 1}", false),
    ] {
        let lints = of(rules);
        let is = lints.iter().any(|lint| lint.contains("a lost worker"));
        assert_eq!(is, warned, "{rules} {lints:?}");
    }
}

#[test]
fn rule_that_never_matches_is_not_reported_as_unreached() {
    for (scope, rules) in [
        ("", "[{stage: B}, {stage: B, error: A}]"),
        (
            "pipeline: a",
            "[{exit_status: 1}, {exit_status: 1, error: A}]",
        ),
        ("state_machine: a", "[{error: A}, {error: A, summary: x}]"),
    ] {
        let lints = linted(&format!(
            "version: 1\npolicies: [{{name: a, match: {{{scope}}}, retry: {{automatic: {rules}}}}}]"
        ));
        assert!(
            lints.len() == 1 && lints[0].contains("never matches"),
            "{rules}: {lints:?}"
        );
    }
}

#[test]
fn rules_that_are_free_of_errors_are_linted_beside_those_that_are_not() {
    let checked = check(
        "version: 1\nretry:\n  automatic:\n  - eror: A\n    error: States.Timout\n  - error: '*'\n    limit: 11\n  - error: States.Timout\n  - error: A\n  - error: A\n",
    );
    assert_eq!(checked.document.unwrap_err().0.len(), 2);
    let lints: Vec<String> = checked.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(lints.len(), 3, "{lints:?}");
    assert!(
        lints[0].starts_with("5:12: error: \"States.Timout\"") && lints[1].starts_with("8:12: ")
    );
    assert!(lints[2].starts_with("10:5: this rule is never reached"));
    // The targets of a flawed match are unknown, but a misspelt name is wrong for every target.
    let checked = check(
        "version: 1\npolicies:\n- name: a\n  match: {pipelin: w}\n  retry: {automatic: [{error: States.Timout}, {error: States.Timout}]}\n",
    );
    assert_eq!(checked.document.unwrap_err().0.len(), 1);
    let lints: Vec<String> = checked.warnings.iter().map(ToString::to_string).collect();
    assert!(
        lints.len() == 2 && lints[0].starts_with("5:31: error: \"States.Timout\""),
        "{lints:?}"
    );
    // Functions read a document without lints.
    assert!(
        Document::read("version: 1\nretry: {automatic: {error: '*'}}")
            .warnings
            .is_empty()
    );
}

#[test]
fn limits_are_summed_by_service_as_no_failure_is_of_both() {
    assert_eq!(of("[{error: A, limit: 6}, {stage: B, limit: 6}]"), NOTHING);
    assert_eq!(
        of("[{error: A, limit: 6}, {exit_status: 1, limit: 6}]").len(),
        1
    );
    // `legacy` allows nine retries of DynamoDB errors.
    assert_eq!(of("[{mode: legacy}, {exit_status: 1}]").len(), 1);
}

pub(super) const MACHINE: &str = r#"{"States":{
  "A":{"Type":"Task","Retry":[{"ErrorEquals":["x"],"MaxAttempts":5},{"ErrorEquals":["y"]}]},
  "B":{"Type":"Task"},
  "P":{"Type":"Parallel","Retry":[{"ErrorEquals":["x"],"MaxAttempts":1}],"Branches":[{"States":{
    "C":{"Type":"Task","Retry":[{"ErrorEquals":["x"],"MaxAttempts":2}]}}}]},
  "F":{"Type":"Fail","Error":"Own"},"G":{"Type":"Fail","Error":"Other","CausePath":"$.c"}}}"#;

#[test]
fn a_machines_worst_case_is_every_redrive_times_every_retry_around_a_task() {
    let machine = Machine::read(MACHINE).unwrap();
    let document = read(
        "version: 1\nbudget: {per_execution: 4}\npolicies:\n- {name: a, match: {state_machine: m, account: '000000000000'}, retry: {automatic: [{error: A, limit: 1}, {stage: B}]}}\n- {name: b, match: {state_machine: 'm*'}, retry: {automatic: [{error: A, limit: 3}, {error: B, limit: 3}]}}\n- {name: c, match: {}, retry: {}}",
    );
    let worst: Vec<_> = amplified(&document, "m", &machine)
        .into_iter()
        .map(|worst| {
            (
                worst.policy,
                worst.state,
                worst.redrives,
                worst.runs_between,
                worst.runs,
            )
        })
        .collect();
    let expect = |policy: &str, state: &str, redrives, between, runs| {
        (
            policy.to_string(),
            state.to_string(),
            redrives,
            between,
            runs,
        )
    };
    assert_eq!(
        worst,
        [
            expect("a", "A", 1, 9, 18),
            expect("a", "B", 1, 1, 2),
            expect("a", "C", 1, 6, 12),
            expect("b", "A", 4, 9, 45),
            expect("b", "B", 4, 1, 5),
            expect("b", "C", 4, 6, 30),
        ]
    );
    assert!(
        amplified(&document, "other", &machine)
            .iter()
            .all(|worst| worst.policy == "c")
    );
}

#[test]
fn only_redrives_that_run_a_task_again_count_in_its_worst_case() {
    let machine = Machine::read(
        r#"{"States":{
          "A":{"Type":"Task","Retry":[{"ErrorEquals":["x"],"MaxAttempts":3}]},
          "B":{"Type":"Task"},
          "P":{"Type":"Parallel","Branches":[{"States":{"C":{"Type":"Task"}}},{"States":{
            "M":{"Type":"Map","ItemProcessor":{"States":{"D":{"Type":"Task"}}}}}}]}}}"#,
    )
    .unwrap();
    let redrives = |rules: &str| -> Vec<u32> {
        let document = read(&format!("version: 1\nretry: {{automatic: {rules}}}"));
        let worst = amplified(&document, "m", &machine);
        let names: Vec<&str> = worst.iter().map(|worst| worst.state.as_str()).collect();
        assert_eq!(names, ["A", "B", "C", "D"]);
        worst.iter().map(|worst| worst.redrives).collect()
    };
    for (rules, expected) in [
        ("[{state: A, limit: 2}, {state: B, limit: 1}]", [2, 1, 0, 0]),
        ("[{state: A, limit: 2}, {limit: 3}]", [5, 3, 3, 3]),
        ("[{not: {state: [A, P, C, M, D]}}]", [2, 2, 2, 2]),
        (
            "[{status: FAILED, not: {state: [A, P, C, M, D]}}]",
            [0, 2, 0, 0],
        ),
        // When one branch fails, the others are aborted and run again with it.
        ("[{state: D, limit: 2}, {state: P, limit: 3}]", [0, 0, 5, 5]),
        ("[{state: 'C*', limit: 1}]", [0, 0, 1, 1]),
        // A time-out of the execution reruns every state that was running.
        ("[{error: States.Timeout, limit: 1}]", [1, 1, 1, 1]),
        (
            "[{error: States.Timeout, state: B, limit: 1}]",
            [0, 1, 0, 0],
        ),
        // A time-out of the execution has neither a state nor a resource.
        (
            "[{status: TIMED_OUT, state: B, limit: 1}, {status: TIMED_OUT, resource: 'glue:*', limit: 1}]",
            [0; 4],
        ),
    ] {
        assert_eq!(redrives(rules), expected, "{rules}");
    }
}

#[test]
fn a_fail_state_that_a_rule_could_reach_is_named_once_for_the_rule() {
    let machine = Machine::read(MACHINE).unwrap();
    let tail = "an execution that ended in one is never retried, regardless of the rule; name errors that tasks fail with, or give the Fail state an error of its own";
    for (rule, expected) in [
        ("{error: Own}", Some("Fail state \"F\" of m reaches")),
        ("{error: 'O*'}", Some("Fail states \"F\", \"G\" of m reach")),
        ("{cause: x}", Some("Fail state \"G\" of m reaches")),
        ("{error: Own, limit: 0}", None),
        ("{error: A}", None),
        ("{stage: A}", None),
        (
            "{error: 'O*', state: F}",
            Some("Fail state \"F\" of m reaches"),
        ),
        ("{error: Own, state: A}", None),
        ("{error: Own, not: {state: F}}", None),
        ("{error: Own, resource: 'lambda:*'}", None),
    ] {
        let document = read(&format!("version: 1\nretry: {{automatic: {rule}}}"));
        let lints: Vec<String> = lint_machine(&document, "m", &machine)
            .iter()
            .map(ToString::to_string)
            .collect();
        let expected: Vec<String> = expected
            .map(|which| format!("2:20: the {which} this rule: {tail}"))
            .into_iter()
            .collect();
        assert_eq!(lints, expected, "{rule}");
    }
}

#[test]
fn no_failure_reaches_a_rule_that_is_called_unreachable() {
    let values = |word: &str, values: &[&str]| -> Vec<String> {
        let all = values.iter();
        all.map(|value| format!("{word}: {value}")).collect()
    };
    let errors = [
        "A",
        "'A*'",
        "'*'",
        "none",
        "States.ALL",
        "States.TaskFailed",
        "States.Timeout",
        "'States.*'",
        "States.Runtime",
        "[A, none]",
    ];
    let mut conditions = values("error", &errors);
    conditions.extend(values("cause", &["x", "'*x*'", "'*'", "none"]));
    conditions.extend(values("exit_status", &["1", "'*'", "[-1, none]", "none"]));
    conditions.extend(values("mode", &["standard", "legacy"]));
    conditions.extend(values("http_status", &["503", "none"]));
    conditions.extend(values("status", &["FAILED", "TIMED_OUT", "'*'"]));
    conditions.extend(values("stage", &["S", "'*'"]));
    let rules: Vec<Rule> = conditions
        .iter()
        .flat_map(|words| {
            [
                format!("{{{words}}}"),
                format!("{{not: {{{words}}}}}"),
                format!("{{signal: none, {words}}}"),
                format!("{{error: 'A*', not: {{{words}}}}}"),
            ]
        })
        .filter(|text| text.matches("error").count() < 2 || text.contains("not"))
        .map(|text| rule(&text))
        .collect();
    let mut views = Vec::new();
    let mut failures = Vec::new();
    for status in [ExecutionStatus::Failed, ExecutionStatus::TimedOut] {
        for error in [
            None,
            Some(""),
            Some("A"),
            Some("AB"),
            Some("States.Timeout"),
            Some("States.Runtime"),
            Some("X.ThrottlingException"),
            Some("States.Http.StatusCode.503"),
            Some("States.HeartbeatTimeout"),
        ] {
            for cause in [
                None,
                Some("x"),
                Some("axb"),
                Some(r#"{"Container":{"ExitCode":1}}"#),
                Some("Runtime exited with error: exit status 1"),
            ] {
                let field = |text: Option<&str>| {
                    text.map_or(Field::Absent, |text| Field::Known(text.into()))
                };
                failures.push(execution(status, field(error), field(cause)));
            }
        }
    }
    views.extend(failures.iter().map(FailedExecution::view));
    let mut claimed = 0;
    for former in &rules {
        for rule in &rules {
            if !covers_by_name(&former.conditions, &rule.conditions, None) {
                continue;
            }
            claimed += 1;
            for view in &views {
                let met =
                    |rule: &Rule| Match::of(rule.conditions.matches_by_name(view), view.service);
                let reached = met(rule) == Match::Yes && met(former) == Match::No;
                assert!(!reached, "{former:?}\n{rule:?}\n{view:?}");
            }
        }
    }
    assert!(claimed > 500, "{claimed}");
}

//! Tests of the tests that documents carry.

use super::*;
use redrive_core::decide::{LedgerView, verdict_on};
use redrive_core::verdict::{Decision, Reason};

/// The example from the documentation of the language.
const EXAMPLE: &str = r#"
version: 1
never:                                      # an organisation-wide "limit: 0"
  - error: [States.Permissions, States.DataLimitExceeded]
  - cause: ["*AccessDenied*", "*not authorized to perform*"]
policies:
  - name: nightly-etl
    match: { state_machine: "etl-*" }
    retry:
      automatic:
        - mode: standard                    # throttling and 5xx, the AWS CLI's list
        - exit_status: [-1, 137]            # host lost, or killed
          limit: 3
          backoff: { interval_seconds: 60, max_delay_seconds: 900 }
        - error: States.Timeout
          state: "Load*"
          limit: 1
          backoff: { interval_seconds: 600 }
  - name: web-delivery
    match: { pipeline: "web-*" }
    retry:
      automatic:
        - provider: CodeBuild
          summary: "*Cannot have more than * builds in queue*"
          not: { summary: "*more than 0 builds*" }
          limit: 3
        - category: [Build, Test]
          signal_reason: [agent_stop, process_run_error]
          limit: 2
      manual:
        allowed: false
        reason: "Production deploys are re-released, never retried"
tests:
  - name: two throttles, then stop
    attempts:
      - { state_machine: etl-orders, status: FAILED, error: DynamoDB.ThrottlingException }
      - { state_machine: etl-orders, status: FAILED, error: DynamoDB.ThrottlingException }
      - { state_machine: etl-orders, status: FAILED, error: DynamoDB.ThrottlingException }
    expect: [retry, retry, give_up]
  - name: access denied is nobody's transient
    failure: { state_machine: etl-orders, status: FAILED, error: S3.S3Exception, cause: "AccessDenied (Service: S3, Status Code: 403)" }
    expect: give_up
"#;

#[test]
fn the_example_of_the_language_reads_and_passes_its_own_tests() {
    let checked = Document::read(EXAMPLE);
    assert_eq!(checked.warnings.len(), 1, "{:?}", checked.warnings);
    let document = checked.document.unwrap();
    let manual = &document.policies[1].manual;
    assert!(!manual.allowed && !manual.permit_on_passed);
    assert_eq!(
        manual.reason.as_deref(),
        Some("Production deploys are re-released, never retried")
    );
    assert_eq!(document.policies[0].manual, Manual::default());
    assert_eq!(document.tests.len(), 2);
    for test in &document.tests {
        assert!(
            runner::passes(&document, test),
            "{}: {:?}",
            test.name,
            runner::verdicts(&document, test)
        );
    }
    let json = read(
        r#"{"version": 1, "retry": {}, "tests": [{"name": "t", "failure": {"state_machine": "etl", "exit_status": 1, "signal": null}, "expect": {"decision": "give_up"}}]}"#,
    );
    let yaml = read(
        "version: 1\nretry: {}\ntests:\n- {name: t, failure: {state_machine: etl, exit_status: 1, signal: none}, expect: {decision: give_up}}\n",
    );
    assert_eq!(json, yaml);
}

fn tested(rules: &str, test: &str) -> (Document, Vec<redrive_core::verdict::Verdict>) {
    let document = read(&format!(
        "{{version: 1, policies: [{{name: p, match: {{state_machine: 'etl*', pipeline: 'web*'}}, retry: {{automatic: {rules}}}}}], tests: [{{name: t, {test}}}]}}"
    ));
    let verdicts = runner::verdicts(&document, &document.tests[0]);
    (document, verdicts)
}

#[test]
fn a_test_holds_where_all_that_is_written_of_the_verdict_holds() {
    for (expect, passes) in [
        ("retry", true),
        ("give_up", false),
        ("ignore", false),
        ("{decision: retry}", true),
        ("{policy: p}", true),
        ("{policy: q}", false),
        ("{rule: r}", true),
        ("{rule: s}", false),
        ("{reason: matched}", true),
        ("{reason: denied_by_policy}", false),
        (
            "{decision: retry, policy: p, rule: r, reason: matched}",
            true,
        ),
        (
            "{decision: give_up, policy: p, rule: r, reason: matched}",
            false,
        ),
    ] {
        let (document, _) = tested(
            "{id: r, error: E}",
            &format!("failure: {{state_machine: etl, error: E}}, expect: {expect}"),
        );
        assert_eq!(
            runner::passes(&document, &document.tests[0]),
            passes,
            "{expect}"
        );
    }
}

#[test]
fn attempts_are_consecutive_failures_of_one_subject() {
    let lost = "{state_machine: etl, exit_status: -1}";
    let killed = "{state_machine: etl, exit_status: 137}";
    let rules = "[{exit_status: -1, limit: 1}, {exit_status: 137, limit: 2}]";
    for (attempts, expect, decisions) in [
        (vec![lost, lost], "[retry, give_up]", "retry give_up"),
        (
            vec![lost, killed, killed, killed],
            "[retry, retry, retry, give_up]",
            "retry retry retry give_up",
        ),
        // An attempt that is not expected to be retried is not counted.
        (vec![lost, lost], "[give_up, retry]", "retry retry"),
        // A refused attempt is not retried, even if a retry is expected.
        (
            vec!["{state_machine: etl, exit_status: 3}", lost],
            "[retry, retry]",
            "give_up retry",
        ),
        (vec!["{state_machine: other}"], "[ignore]", "ignore"),
        (
            vec!["{state_machine: etl, status: ABORTED}"],
            "[ignore]",
            "ignore",
        ),
        (
            vec!["{pipeline: web, category: Approval}"],
            "[give_up]",
            "give_up",
        ),
        (
            vec![
                "{pipeline: web, exit_status: 137}",
                "{pipeline: web, exit_status: 137}",
                "{pipeline: web, exit_status: 137}",
            ],
            "[retry, retry, give_up]",
            "retry retry give_up",
        ),
    ] {
        let (_, verdicts) = tested(
            rules,
            &format!("attempts: [{}], expect: {expect}", attempts.join(", ")),
        );
        let decided: Vec<&str> = verdicts
            .iter()
            .map(|verdict| verdict.decision.as_str())
            .collect();
        assert_eq!(decided.join(" "), decisions, "{attempts:?}");
    }
}

#[test]
fn given_values_win_and_others_are_absent() {
    for (words, rule, matches) in [
        (
            "state_machine: etl",
            "{error: none, cause: none, state: none, resource: none, exit_status: none, signal: none, signal_reason: none, http_status: none}",
            true,
        ),
        (
            "pipeline: web",
            "{category: none, provider: none, error_code: none, summary: none}",
            true,
        ),
        (
            "state_machine: etl, status: TIMED_OUT",
            "{status: timed_out, error: States.Timeout}",
            true,
        ),
        (
            "state_machine: etl, status: timed_out, error: none",
            "{error: none}",
            true,
        ),
        ("state_machine: etl", "{status: FAILED}", true),
        (
            "state_machine: etl, error: States.Http.StatusCode.503, http_status: 404",
            "{http_status: 404}",
            true,
        ),
        (
            "state_machine: etl, error: States.Http.StatusCode.503, http_status: none",
            "{http_status: none}",
            true,
        ),
        (
            "pipeline: web, stage: Build, action: Compile",
            "{stage: Build, action: Comp*}",
            true,
        ),
        ("pipeline: web, stage: Build", "{stage: Test}", false),
    ] {
        assert_eq!(met(rule, words), Match::from(matches), "{rule} on {words}");
    }
    let of = |words: &str| runner::failure(&case(words)).subject;
    assert_eq!(of("state_machine: etl").account(), "000000000000");
    assert_eq!(
        of("pipeline: web, account: '111122223333', region: eu-west-1").account(),
        "111122223333"
    );
    assert_eq!(
        of("pipeline: web, account: '111122223333', region: eu-west-1").region(),
        "eu-west-1"
    );
}

#[test]
fn a_job_that_a_person_stopped_inside_is_never_retried() {
    for words in [
        "state_machine: etl, error: E",
        "pipeline: web, category: Build",
    ] {
        let document = read("version: 1\nretry: {automatic: true}");
        let case = case(words);
        let verdict = |by_person| {
            let failure = runner::failure(&case);
            let views = runner::views(&case, &failure)
                .into_iter()
                .map(|view| FailureView {
                    by_person: Field::Known(by_person),
                    ..view
                });
            verdict_on(&document, &failure, views.collect(), LedgerView::Empty)
        };
        assert_eq!(verdict(false).decision, Decision::Retry);
        let stopped = verdict(true);
        assert_eq!(
            (stopped.decision, stopped.reason),
            (Decision::GiveUp, Reason::JobStoppedByUser)
        );
        assert_eq!(stopped.policy.as_deref(), Some("default"));
    }
}

#[test]
fn each_problem_of_a_test_has_its_place_and_its_words() {
    let keys: Vec<&str> = ConditionKey::of_failures()
        .map(ConditionKey::as_str)
        .collect();
    let words = one_of(&keys);
    for (tests, expected) in [
        ("{}", "3:8: tests: expected a list, read a mapping; begin each test with a dash, and its name".to_string()),
        ("[retry]", "3:9: a test: expected a mapping with the keys name, failure, attempts or expect, read the text \"retry\"".into()),
        ("[{failure: {pipeline: w}, expect: retry}]", "3:9: a test needs a name; write: name: and what it shows".into()),
        ("[{name: t, expect: retry}]", "3:9: a test needs failure, or attempts with a list of them".into()),
        ("[{name: t, failure: {pipeline: w}}]", "3:9: a test needs expect; write: expect: retry, give_up or ignore".into()),
        ("[{name: t, failure: {pipeline: w}, attempts: [{pipeline: w}], expect: [retry]}]", "3:43: failure and attempts exclude each other: one failure, or a list of consecutive ones".into()),
        ("[{name: t, failure: {pipeline: w}, expect: [retry]}]", "3:51: expect: a list goes with attempts; one failure has one decision".into()),
        ("[{name: t, attempts: {pipeline: w}, expect: [retry]}]", "3:29: attempts: expected a list of failures, read a mapping".into()),
        ("[{name: t, attempts: [], expect: []}]", "3:29: attempts: the list is empty; name a failure".into()),
        ("[{name: t, attempts: [{pipeline: w}], expect: retry}]", "3:54: expect: attempts need a list, one decision for each; read the text \"retry\"".into()),
        ("[{name: t, attempts: [{pipeline: w}], expect: [retry, retry]}]", "3:54: expect: 1 attempts need as many decisions, read 2".into()),
        ("[{name: t, attempts: [{pipeline: w}, {pipeline: v}], expect: [retry, retry]}]", "3:45: attempts: these are failures of one subject, and this is another than on line 3".into()),
        ("[{name: t, failure: {pipeline: w}, expect: giveup}]", "3:51: expect: expected retry, give_up or ignore, read the text \"giveup\"; did you mean \"give_up\"?".into()),
        ("[{name: t, failure: {pipeline: w}, expect: {}}]", "3:51: expect: the mapping is empty, so every verdict would pass; write decision: retry, give_up or ignore".into()),
        ("[{name: t, failure: {pipeline: w}, expect: {decison: retry}}]", "3:52: expect: unknown key \"decison\"; the keys here are decision, policy, rule or reason; did you mean \"decision\"?".into()),
        ("[{name: t, failure: {pipeline: w}, expect: {reason: limitspent}}]", "3:60: reason: \"limitspent\" is not a reason of a verdict; did you mean \"limit_spent\"?; `redrive explain` prints the reason of a verdict".into()),
        ("[{name: t, failure: {}, expect: retry}]", "3:28: a failure needs state_machine or pipeline, by its name".into()),
        ("[{name: t, failure: {state_machine: e, pipeline: w}, expect: retry}]", "3:47: state_machine and pipeline exclude each other: a failure has one of them".into()),
        ("[{name: t, failure: {pipeline: w, eror: E}, expect: retry}]", format!("3:42: a failure: unknown key \"eror\"; the keys here are state_machine, pipeline, account, region, {words}; did you mean \"error\"?")),
        ("[{name: t, failure: {pipeline: w, mode: legacy}, expect: retry}]", format!("3:42: a failure: unknown key \"mode\"; the keys here are state_machine, pipeline, account, region, {words}")),
        ("[{name: t, failure: {pipeline: w, cause: x}, expect: retry}]", "3:42: cause: a failure of a pipeline has no such key".into()),
        ("[{name: t, failure: {state_machine: w, summary: x}, expect: retry}]", "3:47: summary: a failure of a state machine has no such key".into()),
        ("[{name: t, failure: {pipeline: w, exit_status: '*'}, expect: retry}]", "3:55: exit_status: expected a whole number from -1 to 255 or none, read the text \"*\"".into()),
        ("[{name: t, failure: {pipeline: w, http_status: 5}, expect: retry}]", "3:55: http_status: expected a whole number from 100 to 599 or none, read the number 5".into()),
        ("[{name: t, failure: {pipeline: w, signal_reason: agent_stopped}, expect: retry}]", "3:57: signal_reason: expected agent_stop, cancel, process_run_error, stack_error, agent_refused, agent_incompatible or signature_rejected, read \"agent_stopped\"; did you mean \"agent_stop\"?".into()),
        ("[{name: t, failure: {state_machine: w, status: FAILD}, expect: retry}]", "3:55: status: expected FAILED, TIMED_OUT or ABORTED, read \"FAILD\"; did you mean \"FAILED\"?".into()),
        ("[{name: t, failure: {state_machine: w, error: 503}, expect: retry}]", "3:54: error: expected text, read the number 503; put it in quotes if text is meant".into()),
    ] {
        let text = format!("version: 1\nretry: {{}}\ntests: {tests}");
        assert_eq!(wrong(&text), expected, "{text}");
    }
}

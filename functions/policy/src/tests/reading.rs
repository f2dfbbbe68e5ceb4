//! Tests of the values that a document sets, and of its defaults.

use super::*;

#[test]
fn shortest_documents_are_read() {
    let retry_all = read("version: 1\nretry:\n  automatic: true\n");
    assert_eq!(retry_all.never, []);
    assert_eq!(retry_all.per_execution, 10);
    assert_eq!(retry_all.policies.len(), 1);
    let policy = &retry_all.policies[0];
    assert_eq!(policy.name, "default");
    assert_eq!(policy.scope, Scope::default());
    assert_eq!(policy.nested, Nested::Parent);
    let [rule] = policy.automatic.as_slice() else {
        panic!()
    };
    assert!(rule.conditions.is_empty());
    for nothing in [
        "version: 1\nretry: {automatic: false}",
        "version: 1\nretry: {}",
        "version: 1\nretry: {automatic: []}",
        "version: 1\npolicies: [{name: a, retry: {}}]",
    ] {
        assert_eq!(read(nothing).policies[0].automatic, [], "{nothing}");
    }
    assert_eq!(read("version: 1\npolicies: []").policies, []);
}

#[test]
fn a_rule_has_defaults() {
    let rule = rule("{}");
    assert_eq!(
        (rule.limit, rule.retry_mode, rule.description),
        (2, StageRetryMode::FailedActions, None)
    );
    assert_eq!(
        rule.backoff,
        Backoff {
            interval_seconds: 30,
            backoff_rate: 2.0,
            max_delay_seconds: 900,
            jitter_strategy: JitterStrategy::Full,
        }
    );
}

#[test]
fn a_default_that_is_written_out_says_the_same() {
    let written = rule(
        "{limit: 2, retry_mode: FAILED_ACTIONS, backoff: {interval_seconds: 30, backoff_rate: 2, max_delay_seconds: 900, jitter_strategy: FULL}}",
    );
    assert_eq!(written, rule("{}"));
}

#[test]
fn a_rule_and_its_conditions_stand_where_the_rule_begins() {
    for written in ["true", "{}", "{error: A}", "[{error: A}]"] {
        let document = read(&format!("version: 1\nretry:\n  automatic: {written}"));
        let rule = &document.policies[0].automatic[0];
        let begins = Place {
            line: 3,
            column: if written.starts_with('[') { 15 } else { 14 },
        };
        assert_eq!((rule.at.0, rule.conditions.at.0), (begins, begins));
    }
}

const WHOLE: &str = r#"
version: 1
never:
  - error: [States.Permissions]
  - cause: "*AccessDenied*"
    not: { error: Lambda.* }
policies:
  - name: nightly
    match: { state_machine: "etl-*", account: "111122223333", region: [eu-*, us-east-1] }
    retry:
      nested: own
      automatic:
        - error: ["Lambda.*", none]
          status: failed
          limit: 3
          backoff: { interval_seconds: 0, backoff_rate: 1.5, max_delay_seconds: 1209600, jitter_strategy: NONE }
          id: lambda
          description: it passes
  - name: delivery
    match: { pipeline: web-* }
    retry:
      automatic: { stage: Build, action: "*", category: [Build, Test], provider: CodeBuild, error_code: JobFailed, summary: "*x*", retry_mode: ALL_ACTIONS, limit: 0 }
budget: { per_execution: 0 }
"#;

#[test]
fn every_word_is_read_and_json_says_the_same() {
    let document = read(WHOLE);
    assert_eq!(document.per_execution, 0);
    assert_eq!(document.never.len(), 2);
    assert_eq!(document.never[1].not.len(), 1);
    let nightly = &document.policies[0];
    assert_eq!(
        (nightly.name.as_str(), nightly.nested),
        ("nightly", Nested::Own)
    );
    let rule = &nightly.automatic[0];
    assert_eq!((rule.id.as_str(), rule.limit), ("lambda", 3));
    assert_eq!(rule.description.as_deref(), Some("it passes"));
    assert_eq!(
        rule.backoff,
        Backoff {
            interval_seconds: 0,
            backoff_rate: 1.5,
            max_delay_seconds: 1_209_600,
            jitter_strategy: JitterStrategy::None,
        }
    );
    let delivery = &document.policies[1].automatic[0];
    assert_eq!(
        (delivery.limit, delivery.retry_mode),
        (0, StageRetryMode::AllActions)
    );
    let words: BTreeSet<ConditionKey> = delivery.conditions.all.iter().map(|c| c.key).collect();
    assert_eq!(words.len(), 6);

    let json = r#"{
      "version": 1,
      "never": [{"error": ["States.Permissions"]}, {"cause": "*AccessDenied*", "not": {"error": "Lambda.*"}}],
      "policies": [
        {"name": "nightly", "match": {"state_machine": "etl-*", "account": "111122223333", "region": ["eu-*", "us-east-1"]},
         "retry": {"nested": "own", "automatic": [{"error": ["Lambda.*", "none"], "status": "failed", "limit": 3,
           "backoff": {"interval_seconds": 0, "backoff_rate": 1.5, "max_delay_seconds": 1209600, "jitter_strategy": "NONE"},
           "id": "lambda", "description": "it passes"}]}},
        {"name": "delivery", "match": {"pipeline": "web-*"}, "retry": {"automatic": {"stage": "Build", "action": "*",
           "category": ["Build", "Test"], "provider": "CodeBuild", "error_code": "JobFailed", "summary": "*x*",
           "retry_mode": "ALL_ACTIONS", "limit": 0}}}],
      "budget": {"per_execution": 0}}"#;
    assert_eq!(read(json), document);
    // A byte order mark and Windows line ends change nothing.
    assert_eq!(
        read(&format!("\u{feff}{}", WHOLE.replace('\n', "\r\n"))),
        document
    );
}

#[test]
fn anchors_and_merge_keys_are_resolved() {
    let merged = read(
        r#"
version: 1
retry:
  automatic:
    - &lambda
      error: Lambda.*
      limit: 1
      backoff: &slow { interval_seconds: 60 }
    - <<: *lambda
      error: S3.*
    - { <<: [{ limit: 7 }, *lambda], error: "Sfn.*", backoff: *slow }
"#,
    );
    let plain = read(
        r#"
version: 1
retry:
  automatic:
    - { error: Lambda.*, limit: 1, backoff: { interval_seconds: 60 } }
    - { error: S3.*, limit: 1, backoff: { interval_seconds: 60 } }
    - { error: Sfn.*, limit: 7, backoff: { interval_seconds: 60 } }
"#,
    );
    assert_eq!(merged, plain);
}

#[test]
fn on_yes_and_no_are_text() {
    for word in [
        "on",
        "off",
        "yes",
        "no",
        "y",
        "N",
        "On",
        "YES",
        "none1",
        "1.2.3",
        "2026-11-20",
        "1_000",
        "0xg",
        "inf",
        "nan",
        "-Infinity",
        "e5",
        "1e",
        "..5",
        ".",
    ] {
        let rule = rule(&format!("{{error: {word}}}"));
        assert_eq!(written(&rule), [word]);
        let document = read(&format!(
            "version: 1\npolicies: [{{name: {word}, retry: {{automatic: false}}}}]"
        ));
        assert_eq!(document.policies[0].name, word);
    }
    assert_eq!(
        wrong("version: 1\nretry: {automatic: yes}"),
        "2:20: automatic: expected true, false, a rule or a list of rules, read the text \"yes\"; write true"
    );
}

#[test]
fn quoted_value_is_text_and_plain_may_be_a_number() {
    for text in ["\"503\"", "'503'", "!!str 503", "! 503", "|-\n   503"] {
        let document = read(&format!(
            "version: 1\nretry: \n automatic: \n  error: {text}\n"
        ));
        let rule = &document.policies[0].automatic[0];
        assert_eq!(written(rule), ["503"], "{text}");
    }
    for (value, described) in [
        ("503", "the number 503"),
        ("-1", "the number -1"),
        ("0x1F", "the number 0x1F"),
        ("5e3", "the number 5e3"),
        (".5", "the number .5"),
        ("-1.5E+3", "the number -1.5E+3"),
        ("7.", "the number 7."),
        (".inf", "the number .inf"),
        ("99999999999999999999", "the number 99999999999999999999"),
        ("true", "true"),
        ("False", "False"),
    ] {
        assert_eq!(
            wrong(&format!(
                "version: 1\nretry: {{automatic: {{error: {value}}}}}"
            )),
            format!(
                "2:28: error: expected text, read {described}; put it in quotes if text is meant"
            )
        );
    }
    // The empty text is a value, different from an absent one.
    let empty = read("version: 1\nretry: {automatic: {cause: ''}}");
    let conditions = &empty.policies[0].automatic[0].conditions;
    for (cause, matched) in [
        (Field::Known(""), Match::Yes),
        (Field::Known("x"), Match::No),
        (Field::Absent, Match::No),
    ] {
        let view = FailureView::unknown(Service::StepFunctions).with(ConditionKey::Cause, cause);
        assert_eq!(conditions.matches(&view), matched, "{cause:?}");
    }
    for nothing in ["null", "~"] {
        let read = "nothing";
        assert_eq!(
            wrong(&format!(
                "version: 1\nretry: {{automatic: {{error: {nothing}}}}}"
            )),
            format!("2:28: error: expected text, read {read}; name a value, or leave error out")
        );
    }
}

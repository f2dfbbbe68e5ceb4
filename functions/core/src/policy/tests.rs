use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;

use super::*;
use crate::failure::{
    ExecutionStatus, FailedAction, FailedExecution, FailedStage, Failure, Field, Need, Redrivable,
    StageStanding, StageStatus, What,
};
use crate::time::Time;

fn read(text: &str) -> Document {
    Document::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn wrong(text: &str) -> alloc::string::String {
    match Document::parse(text) {
        Ok(document) => panic!("{document:?} from {text}"),
        Err(problems) => problems.to_string(),
    }
}

/// The only rule of a document with that rule, written in flow style or as JSON.
fn rule(rule: &str) -> Rule {
    let document = read(&format!("{{version: 1, retry: {{automatic: {rule}}}}}"));
    let mut rules = document.policies.into_iter().next().unwrap().automatic;
    assert_eq!(rules.len(), 1);
    rules.remove(0)
}

fn text(field: Option<Field<&str>>) -> Field<alloc::string::String> {
    match field {
        None | Some(Field::Absent) => Field::Absent,
        Some(Field::Unknown) => Field::Unknown,
        Some(Field::Withheld) => Field::Withheld,
        Some(Field::Known(text)) => Field::Known(text.into()),
    }
}

fn failed(error: Field<&str>, cause: Field<&str>) -> FailedExecution {
    FailedExecution {
        status: ExecutionStatus::Failed,
        redrive_count: Field::Known(0),
        redrivable: Field::Known(Redrivable::Yes),
        started: None,
        state_machine_arn: None,
        version_arn: None,
        error: text(Some(error)),
        cause: text(Some(cause)),
        parent: Field::Absent,
        fail_state: Field::Known(false),
        state: Field::Unknown,
        resource: Field::Unknown,
        moved_on: None,
    }
}

fn failed_action() -> FailedAction {
    FailedAction {
        action: "UnitTests".into(),
        id: Some("a-1".into()),
        category: Field::Known("Test".into()),
        provider: Field::Known("CodeBuild".into()),
        error_code: Field::Known("JobFailed".into()),
        summary: Field::Known("Reason: exit status 1".into()),
    }
}

fn on_error(conditions: &str, error: Field<&str>) -> Hit {
    on(conditions, &failed(error, Field::Absent))
}

fn on(conditions: &str, execution: &FailedExecution) -> Hit {
    rule(conditions)
        .conditions
        .meet_by_name(&View::Execution(execution))
}

fn on_action(conditions: &str, action: Option<&FailedAction>) -> Hit {
    let view = View::Action {
        stage: "Verify",
        action,
    };
    rule(conditions).conditions.meet_by_name(&view)
}

fn run(machine: &str) -> Subject {
    Subject::Execution {
        arn: format!("arn:aws:states:eu-west-1:111122223333:execution:{machine}:run-1"),
    }
}

fn stage_of(pipeline: &str) -> Subject {
    Subject::stage("aws", "eu-west-1", "111122223333", pipeline, "Build", "e-1")
}

// Reading

#[test]
fn the_shortest_documents_mean_what_they_say() {
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
        (rule.limit, rule.retry_mode, rule.reason),
        (2, RetryMode::FailedActions, None)
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
          reason: it passes
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
    assert_eq!(rule.reason.as_deref(), Some("it passes"));
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
        (0, RetryMode::AllActions)
    );
    let words: BTreeSet<Word> = delivery.conditions.all.iter().map(|c| c.word).collect();
    assert_eq!(words.len(), 6);

    let json = r#"{
      "version": 1,
      "never": [{"error": ["States.Permissions"]}, {"cause": "*AccessDenied*", "not": {"error": "Lambda.*"}}],
      "policies": [
        {"name": "nightly", "match": {"state_machine": "etl-*", "account": "111122223333", "region": ["eu-*", "us-east-1"]},
         "retry": {"nested": "own", "automatic": [{"error": ["Lambda.*", "none"], "status": "failed", "limit": 3,
           "backoff": {"interval_seconds": 0, "backoff_rate": 1.5, "max_delay_seconds": 1209600, "jitter_strategy": "NONE"},
           "id": "lambda", "reason": "it passes"}]}},
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
    ] {
        let rule = rule(&format!("{{error: {word}}}"));
        assert_eq!(rule.conditions.all[0].values, [word]);
        let document = read(&format!(
            "version: 1\npolicies: [{{name: {word}, retry: {{automatic: false}}}}]"
        ));
        assert_eq!(document.policies[0].name, word);
    }
    assert_eq!(
        wrong("version: 1\nretry: {automatic: yes}"),
        "2:20: automatic: expected true, false, a rule or a list of rules, read the text \"yes\""
    );
}

#[test]
fn what_is_quoted_is_text_and_what_is_not_may_be_a_number() {
    for text in ["\"503\"", "'503'", "!!str 503", "! 503", "|-\n   503"] {
        let document = read(&format!(
            "version: 1\nretry: \n automatic: \n  error: {text}\n"
        ));
        let rule = &document.policies[0].automatic[0];
        assert_eq!(rule.conditions.all[0].values, ["503"], "{text}");
    }
    for (value, described) in [
        ("503", "the number 503"),
        ("-1", "the number -1"),
        ("0x1F", "the number 0x1F"),
        ("5e3", "the number 5e3"),
        (".5", "the number .5"),
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
                "2:28: error: expected text, read {described}; put it in quotes if it is meant"
            )
        );
    }
    // The empty text is a value: empty is not absent.
    let empty = read("version: 1\nretry: {automatic: {cause: ''}}");
    let conditions = &empty.policies[0].automatic[0].conditions;
    for (cause, hit) in [
        (Field::Known(""), Hit::Yes),
        (Field::Known("x"), Hit::No),
        (Field::Absent, Hit::No),
    ] {
        let execution = failed(Field::Known("E"), cause);
        assert_eq!(
            conditions.meet(&View::Execution(&execution)),
            hit,
            "{cause:?}"
        );
    }
    for nothing in ["null", "~"] {
        let read = "nothing";
        assert_eq!(
            wrong(&format!(
                "version: 1\nretry: {{automatic: {{error: {nothing}}}}}"
            )),
            format!("2:28: error: expected text, read {read}")
        );
    }
}

const RULE_KEYS: &str = "status, error, cause, stage, action, category, provider, error_code, summary, not, limit, backoff, retry_mode, id or reason";
const CONDITIONS: &str =
    "status, error, cause, stage, action, category, provider, error_code or summary";

#[test]
fn each_problem_of_a_document_has_its_place_and_its_words() {
    let keys = "version, retry, policies, never or budget";
    for (text, expected) in [
        ("", "1:1: the document is empty; the shortest one that retries nothing is: { version: 1, retry: {} }".to_string()),
        ("# nothing\n", "1:1: the document is empty; the shortest one that retries nothing is: { version: 1, retry: {} }".into()),
        ("\n---\n", format!("3:1: the document: expected a mapping with the keys {keys}, read nothing")),
        ("[]", format!("1:1: the document: expected a mapping with the keys {keys}, read a list")),
        ("version", format!("1:1: the document: expected a mapping with the keys {keys}, read the text \"version\"")),
        ("retry: {}", "1:1: version is missing; write: version: 1".into()),
        ("version: 2\nretry: {}", "1:10: version: expected 1, read the number 2".into()),
        ("version: \"1\"\nretry: {}", "1:10: version: expected 1, read the text \"1\"".into()),
        ("version: 1.0\nretry: {}", "1:10: version: expected 1, read the number 1.0".into()),
        ("version: 1", "1:1: there is neither retry (one policy for every target) nor policies".into()),
        ("version: 1\nretry: {}\npolicies: []", "2:1: retry and policies exclude each other: move retry into a policy with match: {}".into()),
        ("version: 1\nretry: true", "2:8: retry: expected a mapping with the keys automatic or nested, read true".into()),
        ("version: 1\nretry:", "2:6: retry: expected a mapping with the keys automatic or nested, read nothing".into()),
        ("version: 1\nretry:\n  nested: child", "3:11: nested: expected parent or own, read the text \"child\"".into()),
        ("version: 1\nretry:\n  automatic: 3", "3:14: automatic: expected true, false, a rule or a list of rules, read the number 3".into()),
        ("version: 1\nretry:\n  automatic:", "3:12: automatic: expected true, false, a rule or a list of rules, read nothing".into()),
        ("version: 1\nretry: {automatic: [true]}", format!("2:21: a rule: expected a mapping with the keys {RULE_KEYS}, read true")),
        ("version: 1\npolicies: {}", "2:11: policies: expected a list, read a mapping".into()),
        ("version: 1\npolicies: [3]", "2:12: a policy: expected a mapping with the keys name, match or retry, read the number 3".into()),
        ("version: 1\npolicies:\n- retry: {}", "3:3: a policy needs a name; write: name: and a word that the records will carry".into()),
        ("version: 1\npolicies:\n- name: a", "3:3: a policy needs retry; write: retry: { automatic: false } to retry nothing".into()),
        ("version: 1\npolicies:\n- {name: 7, retry: {}}", "3:10: name: expected text, read the number 7; put it in quotes if it is meant".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}}\n- {name: b, retry: {}}\n- {name: a, retry: {}}", "5:10: name: \"a\" is taken by the policy on line 3; names are unique".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: etl}", "3:31: match: expected a mapping with the keys state_machine, pipeline, account or region, read the text \"etl\"".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: {account: 111122223333}}", "3:41: account: expected text, read the number 111122223333; put it in quotes if it is meant".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: {account: [\"1111*\"]}}", "3:42: account: expected twelve digits in quotes, read \"1111*\"; globs are not allowed here".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: {region: []}}", "3:40: region: the list is empty, so nothing would ever match; name a value or leave region out".into()),
        ("version: 1\nretry: {}\nnever: {}", "3:8: never: expected a list of conditions, read a mapping".into()),
        ("version: 1\nretry: {}\nnever: [{}]", "3:9: never: an entry without conditions would forbid everything; write automatic: false instead".into()),
        ("version: 1\nretry: {}\nnever: [x]", format!("3:9: never: expected a mapping with the keys {}, not, read the text \"x\"", "x")
            .replace("keys x, not", "keys status, error, cause, stage, action, category, provider, error_code, summary or not")),
        ("version: 1\nretry: {}\nbudget: 3", "3:9: budget: expected a mapping with the keys per_execution, read the number 3".into()),
        ("version: 1\nretry: {}\nbudget: {per_execution: 1001}", "3:25: per_execution: expected a whole number from 0 to 1000, read the number 1001".into()),
        ("version: 1\nretry: {}\nbudget: {per_execution: -1}", "3:25: per_execution: expected a whole number from 0 to 1000, read the number -1".into()),
        ("version: 1\nretry: {}\n---\nversion: 1", "3:1: a second document begins here; a policy is one document".into()),
    ] {
        assert_eq!(wrong(text), expected, "{text}");
    }
    assert_eq!(
        read("version: 1\nretry: {}\nbudget: {per_execution: 1000}").per_execution,
        1000
    );
}

#[test]
fn each_problem_of_a_rule_has_its_place_and_its_words() {
    for (rule, expected) in [
        ("{limit: 11}", "2:28: limit: expected a whole number from 0 to 10, read the number 11".to_string()),
        ("{limit: -1}", "2:28: limit: expected a whole number from 0 to 10, read the number -1".into()),
        ("{limit: \"2\"}", "2:28: limit: expected a whole number from 0 to 10, read the text \"2\"".into()),
        ("{limit: 2.0}", "2:28: limit: expected a whole number from 0 to 10, read the number 2.0".into()),
        ("{limit: }", "2:26: limit: expected a whole number from 0 to 10, read nothing".into()),
        ("{retry_mode: ALL}", "2:33: retry_mode: expected FAILED_ACTIONS or ALL_ACTIONS, read the text \"ALL\"".into()),
        ("{retry_mode: all-action}", "2:33: retry_mode: expected FAILED_ACTIONS or ALL_ACTIONS, read the text \"all-action\"; did you mean \"ALL_ACTIONS\"?".into()),
        ("{retry_mode: 1}", "2:33: retry_mode: expected FAILED_ACTIONS or ALL_ACTIONS, read the number 1".into()),
        ("{id: 4}", "2:25: id: expected text, read the number 4; put it in quotes if it is meant".into()),
        ("{id: \"\"}", "2:25: id: expected text, read the text \"\"".into()),
        ("{reason: [a]}", "2:29: reason: expected text, read a list".into()),
        ("[{id: a}, {id: b}, {id: a}]", "2:44: id: \"a\" is taken by the rule on line 2; ids are unique in a policy".into()),
        ("{error: []}", "2:28: error: the list is empty, so nothing would ever match; name a value or leave error out".into()),
        ("{error: {}}", "2:28: error: expected text, read a mapping".into()),
        ("{error: [a, 3, [b]]}", "2:32: error: expected text, read the number 3; put it in quotes if it is meant\n2:35: error: expected text, read a list".into()),
        ("{status: ABORTED}", "2:29: status: expected FAILED or TIMED_OUT, read \"ABORTED\"; nothing else is ever retried".into()),
        ("{status: [FAILED, time_out]}", "2:38: status: expected FAILED or TIMED_OUT, read \"time_out\"; did you mean \"TIMED_OUT\"?; nothing else is ever retried".into()),
        ("{not: [a]}", format!("2:26: not: expected a mapping with the keys {CONDITIONS}, read a list")),
        ("{not: {limit: 1}}", format!("2:27: not: unknown key \"limit\"; the keys here are {CONDITIONS}")),
        ("{limt: 1}", format!("2:21: a rule: unknown key \"limt\"; the keys here are {RULE_KEYS}; did you mean \"limit\"?")),
        ("{errorCode: 1}", format!("2:21: a rule: unknown key \"errorCode\"; the keys here are {RULE_KEYS}; did you mean \"error_code\"?")),
        ("{colour: 1}", format!("2:21: a rule: unknown key \"colour\"; the keys here are {RULE_KEYS}")),
        ("{backoff: 30}", "2:30: backoff: expected a mapping with the keys interval_seconds, backoff_rate, max_delay_seconds or jitter_strategy, read the number 30".into()),
        ("{backoff: {interval: 5}}", "2:31: backoff: unknown key \"interval\"; the keys here are interval_seconds, backoff_rate, max_delay_seconds or jitter_strategy; did you mean \"interval_seconds\"?".into()),
        ("{backoff: {interval_seconds: -1}}", "2:49: interval_seconds: expected a whole number from 0 to 1209600, read the number -1".into()),
        ("{backoff: {interval_seconds: 1.5}}", "2:49: interval_seconds: expected a whole number from 0 to 1209600, read the number 1.5".into()),
        ("{backoff: {max_delay_seconds: 1209601}}", "2:50: max_delay_seconds: expected a whole number from 0 to 1209600, read the number 1209601".into()),
        ("{backoff: {interval_seconds: 901}}", "2:31: interval_seconds 901 is above max_delay_seconds 900, the default: write both, the second not below the first".into()),
        ("{backoff: {interval_seconds: 11, max_delay_seconds: 10}}", "2:31: interval_seconds 11 is above max_delay_seconds 10: write both, the second not below the first".into()),
        ("{backoff: {backoff_rate: 0.9}}", "2:45: backoff_rate: expected a number from 1 to 100, read the number 0.9".into()),
        ("{backoff: {backoff_rate: 101}}", "2:45: backoff_rate: expected a number from 1 to 100, read the number 101".into()),
        ("{backoff: {backoff_rate: .nan}}", "2:45: backoff_rate: expected a number from 1 to 100, read the number .nan".into()),
        ("{backoff: {backoff_rate: \"2\"}}", "2:45: backoff_rate: expected a number from 1 to 100, read the text \"2\"".into()),
        ("{backoff: {jitter_strategy: full}}", "2:48: jitter_strategy: expected FULL or NONE, read the text \"full\"; did you mean \"FULL\"?".into()),
    ] {
        let text = format!("version: 1\nretry: {{automatic: {rule}}}");
        assert_eq!(wrong(&text), expected, "{text}");
    }
}

#[test]
fn a_word_that_is_not_read_yet_is_not_called_unknown() {
    for word in [
        "exit_status",
        "signal",
        "signal_reason",
        "state",
        "resource",
        "http_status",
        "mode",
        "max_attempts",
    ] {
        let expected = format!(
            "2:21: \"{word}\" belongs to the policy language, but this version does not read it yet: leave it out"
        );
        assert_eq!(
            wrong(&format!("version: 1\nretry: {{automatic: {{{word}: 1}}}}")),
            expected
        );
    }
    assert_eq!(
        wrong("version: 1\nretry: {manual: false}\ntests: []"),
        "2:9: \"manual\" belongs to the policy language, but this version does not read it yet: leave it out\n\
         3:1: \"tests\" belongs to the policy language, but this version does not read it yet: leave it out"
    );
}

#[test]
fn a_word_kept_for_later_is_not_called_unknown() {
    for (text, word, place) in [
        ("version: 1\nretry: {}\nbudget: {fleet: 1}", "fleet", "3:10"),
        (
            "version: 1\nretry: {}\nbudget: {per_target: 1}",
            "per_target",
            "3:10",
        ),
        (
            "version: 1\nretry: {}\nbudget: {breaker: 1}",
            "breaker",
            "3:10",
        ),
        (
            "version: 1\nretry: {automatic: {approval: x}}",
            "approval",
            "2:21",
        ),
        (
            "version: 1\nretry: {automatic: {window: x}}",
            "window",
            "2:21",
        ),
        (
            "version: 1\nretry: {automatic: {give_up: {}}}",
            "give_up",
            "2:21",
        ),
        (
            "version: 1\npolicies: [{name: a, match: {tags: {}}, retry: {}}]",
            "tags",
            "2:30",
        ),
    ] {
        assert_eq!(
            wrong(text),
            format!(
                "{place}: \"{word}\" is kept for a later version of the policy language: leave it out"
            )
        );
    }
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_their_places() {
    let text = r#"version: 3
retry:
  automatic:
    - limit: eleven
      eror: Lambda.*
      limit: 12
    - backoff: { jitter_strategy: SOME }
      status: [RUNNING]
      signal: SIGKILL
      <<: 7
  nested: 3
budget: { per_execution: many, fleet: 3 }
polices: []
"#;
    let expected = format!(
        r#"1:10: version: expected 1, read the number 3
4:14: limit: expected a whole number from 0 to 10, read the text "eleven"
5:7: a rule: unknown key "eror"; the keys here are {RULE_KEYS}; did you mean "error"?
6:7: the key "limit" is here twice; it is on line 4 too
7:35: jitter_strategy: expected FULL or NONE, read the text "SOME"
8:16: status: expected FAILED or TIMED_OUT, read "RUNNING"; nothing else is ever retried
9:7: "signal" belongs to the policy language, but this version does not read it yet: leave it out
10:7: << takes a mapping, or a list of mappings
11:11: nested: expected parent or own, read the number 3
12:26: per_execution: expected a whole number from 0 to 1000, read the text "many"
12:32: "fleet" is kept for a later version of the policy language: leave it out
13:1: the document: unknown key "polices"; the keys here are version, retry, policies, never or budget; did you mean "policies"?"#
    );
    assert_eq!(wrong(text), expected);
}

#[test]
fn duplicate_keys_are_errors_wherever_they_stand() {
    for (text, expected) in [
        (
            "version: 1\nversion: 1\nretry: {}",
            "2:1: the key \"version\" is here twice; it is on line 1 too",
        ),
        (
            "version: 1\nretry: {automatic: {error: a, \"error\": b}}",
            "2:31: the key \"error\" is here twice; it is on line 2 too",
        ),
        (
            "{\"version\": 1,\n\"retry\": {},\n\"retry\": {}}",
            "3:1: the key \"retry\" is here twice; it is on line 2 too",
        ),
    ] {
        assert_eq!(wrong(text), expected);
    }
}

#[test]
fn what_an_anchor_repeats_is_told_once() {
    let text = "version: 1\npolicies:\n- {name: a, retry: &r {automatic: {limit: 99}}}\n- {name: b, retry: *r}\n";
    assert_eq!(
        wrong(text),
        "3:43: limit: expected a whole number from 0 to 10, read the number 99"
    );
    let text = "version: 1\nretry: {automatic: [&r {error: a}, {error: &e [b, 3], cause: *e}]}";
    assert_eq!(
        wrong(text),
        "2:51: error: expected text, read the number 3; put it in quotes if it is meant\n\
         2:51: cause: expected text, read the number 3; put it in quotes if it is meant"
    );
}

#[test]
fn what_is_no_yaml_is_located() {
    for (text, place) in [
        ("version: 1\nretry: {automatic: [", "3:1"),
        ("version: 1\n\tretry: {}", "1:10"),
        ("version: 1\nretry: *nobody", "2:8"),
        ("version: \"1", "1:10"),
        ("version: 1\n ? [a, b]\n : c", "3:2"),
    ] {
        let problem = wrong(text);
        assert!(problem.starts_with(&format!("{place}: ")), "{problem}");
    }
    assert_eq!(
        wrong("version: 1\nretry: {}\n? [a, b]\n: c"),
        "3:3: a key is a word, not a list or a mapping"
    );
    assert!(
        wrong("version: &v [*v]")
            .ends_with("this alias refers to an anchor that is not complete yet")
    );
    // Columns count characters.
    assert!(wrong("version: 1\nretry: {é: 1}").starts_with("2:9: "));
    assert!(wrong("version: 1\nretry: {\"éé\": {}, x: 1}").contains("2:19: "));
}

#[test]
fn a_long_value_is_shortened_in_a_message() {
    let long = "x".repeat(500);
    assert_eq!(
        wrong(&format!("version: 1\nretry: {{automatic: {long}}}")),
        format!(
            "2:20: automatic: expected true, false, a rule or a list of rules, read the text \"{}…\"",
            "x".repeat(60)
        )
    );
}

// Hostile documents

#[test]
fn a_document_that_laughs_a_billion_times_is_refused() {
    let mut text = "a: &a0 [x, x, x, x, x, x, x, x, x]\n".to_string();
    for i in 1..12 {
        let again = vec![format!("*a{}", i - 1); 9].join(", ");
        text.push_str(&format!("b{i}: &a{i} [{again}]\n"));
    }
    assert!(
        wrong(&text)
            .contains("the document grows past 2000000 nodes; does an anchor repeat itself?")
    );
    // One long text, many times.
    let text = format!(
        "a: &a \"{}\"\nb: [{}]\n",
        "x".repeat(500_000),
        vec!["*a"; 100_000].join(",")
    );
    assert!(wrong(&text).contains("the document grows past 2000000 nodes"));
}

#[test]
fn deep_nesting_is_refused_where_it_gets_too_deep() {
    for (open, place) in [("[", "1:65"), ("{a: ", "1:257")] {
        assert_eq!(
            wrong(&open.repeat(100)),
            format!("{place}: this is nested more than 64 deep")
        );
        assert!(wrong(&open.repeat(300_000)).ends_with("recursion limit exceeded"));
    }
    let block: alloc::string::String = (0..500).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(wrong(&block).contains("this is nested more than 64 deep"));
}

#[test]
fn a_megabyte_is_read_in_its_own_time() {
    let keys: alloc::string::String = (0..100_000).map(|i| format!("k{i:05}: 1\n")).collect();
    assert_eq!(wrong(&keys).lines().count(), 100_002);
    let policies: alloc::string::String = (0..30_000)
        .map(|i| format!("- {{name: p{i}, retry: {{}}}}\n"))
        .collect();
    assert_eq!(
        read(&format!("version: 1\npolicies:\n{policies}"))
            .policies
            .len(),
        30_000
    );
    let rules: alloc::string::String = (0..40_000)
        .map(|i| format!("- {{id: r{i}, limit: 1}}\n"))
        .collect();
    let document = read(&format!(
        "version: 1\nretry:\n automatic:\n{}",
        rules.replace("- ", " - ")
    ));
    assert_eq!(document.policies[0].automatic.len(), 40_000);
    let long = format!(
        "version: 1\nretry: {{automatic: {{error: \"{}\"}}}}",
        "*a".repeat(500_000)
    );
    assert_eq!(read(&long).policies[0].automatic.len(), 1);
}

// Which policy

#[test]
fn a_policy_covers_what_its_match_names() {
    let scope = |text: &str| {
        let document = read(&format!(
            "version: 1\npolicies: [{{name: a, match: {text}, retry: {{}}}}]"
        ));
        document.policies.into_iter().next().unwrap().scope
    };
    let etl = run("etl-orders");
    let child = run("etl-orders/EachOrder");
    let web = stage_of("web-shop");
    for (text, on_etl, on_child, on_web) in [
        ("{}", true, true, true),
        ("{state_machine: etl-orders}", true, true, false),
        ("{state_machine: \"etl-*\"}", true, true, false),
        ("{state_machine: [x, \"*-orders\"]}", true, true, false),
        ("{state_machine: ETL-ORDERS}", false, false, false),
        ("{state_machine: etl}", false, false, false),
        ("{pipeline: \"web-*\"}", false, false, true),
        ("{pipeline: [a, b]}", false, false, false),
        // Alternatives by service.
        (
            "{state_machine: \"etl-*\", pipeline: \"web-*\"}",
            true,
            true,
            true,
        ),
        ("{state_machine: \"*\", pipeline: x}", true, true, false),
        ("{account: \"111122223333\"}", true, true, true),
        ("{account: \"000000000000\"}", false, false, false),
        (
            "{account: [\"000000000000\", \"111122223333\"]}",
            true,
            true,
            true,
        ),
        ("{region: eu-west-1}", true, true, true),
        ("{region: [\"us-*\", \"eu-*\"]}", true, true, true),
        ("{region: \"us-*\"}", false, false, false),
        (
            "{state_machine: \"etl-*\", region: \"us-*\"}",
            false,
            false,
            false,
        ),
        (
            "{pipeline: \"web-*\", account: \"000000000000\"}",
            false,
            false,
            false,
        ),
    ] {
        let scope = scope(text);
        assert_eq!(
            (scope.covers(&etl), scope.covers(&child), scope.covers(&web)),
            (on_etl, on_child, on_web),
            "{text}"
        );
    }
}

#[test]
fn the_first_policy_that_covers_a_target_is_the_only_one() {
    let document = read(
        "version: 1\npolicies:\n- {name: a, match: {state_machine: x}, retry: {}}\n- {name: b, match: {state_machine: \"*\"}, retry: {}}\n- {name: c, match: {}, retry: {}}\n",
    );
    let name = |subject| {
        document
            .policy_for(&subject)
            .map(|policy| policy.name.as_str())
    };
    assert_eq!(name(run("x")), Some("a"));
    assert_eq!(name(run("y")), Some("b"));
    assert_eq!(name(stage_of("x")), Some("c"));
    let etl_only = read("version: 1\npolicies: [{name: a, match: {state_machine: x}, retry: {}}]");
    assert_eq!(etl_only.policy_for(&run("y")), None);
    assert_eq!(etl_only.policy_for(&stage_of("x")), None);
}

// Conditions

const ASK: Hit = Hit::Unknown(Need::Description);
const LOOK: Hit = Hit::Unknown(Need::PipelineState);

#[test]
fn a_condition_meets_what_is_known_absent_unknown_and_withheld() {
    use Field::{Absent, Known, Unknown, Withheld};
    use Hit::{No, Yes};
    for (cause, on_text, on_absent, on_unknown, on_withheld) in [
        ("a cause", Yes, No, ASK, Hit::Withheld),
        ("a *", Yes, No, ASK, Hit::Withheld),
        ("cause", No, No, ASK, Hit::Withheld),
        ("none", No, Yes, ASK, Hit::Withheld),
        ("*", Yes, Yes, Yes, Yes),
        // Two stars ask for a value, one does not.
        ("**", Yes, No, ASK, Hit::Withheld),
        (r"\\*", No, No, ASK, Hit::Withheld),
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
            (Withheld, on_withheld),
        ] {
            let hit = on(&conditions, &failed(Known("E"), field));
            assert_eq!(hit, expected, "{conditions} on {field:?}");
        }
    }
    assert_eq!(on(r#"{cause: '\*'}"#, &failed(Known("E"), Known("*"))), Yes);
    assert_eq!(on("{cause: '*'}", &failed(Known("E"), Known(""))), Yes);
    assert_eq!(on("{cause: 'none'}", &failed(Known("E"), Known(""))), No);
}

#[test]
fn conditions_are_and_and_values_are_or() {
    use Hit::{No, Yes};
    let execution = failed(Field::Known("S3.SlowDown"), Field::Unknown);
    for (conditions, expected) in [
        ("{}", Yes),
        ("{error: S3.SlowDown}", Yes),
        ("{error: [x, 'S3.*', y]}", Yes),
        ("{error: [x, y]}", No),
        ("{status: FAILED, error: S3.*}", Yes),
        ("{status: TIMED_OUT, error: S3.*}", No),
        ("{status: [FAILED, TIMED_OUT], error: S3.*}", Yes),
        // What does not match needs no fact, what matches does.
        ("{error: x, cause: '*busy*'}", No),
        ("{error: S3.*, cause: '*busy*'}", ASK),
        ("{cause: ['*busy*', '*']}", Yes),
    ] {
        assert_eq!(on(conditions, &execution), expected, "{conditions}");
    }
}

#[test]
fn not_excludes_if_any_of_its_conditions_matches() {
    use Hit::{No, Yes};
    let known = failed(Field::Known("S3.SlowDown"), Field::Known("busy"));
    let bare = failed(Field::Known("S3.SlowDown"), Field::Absent);
    let open = failed(Field::Known("S3.SlowDown"), Field::Unknown);
    let withheld = failed(Field::Withheld, Field::Withheld);
    for (not, on_known, on_bare, on_open) in [
        ("{}", Yes, Yes, Yes),
        ("{error: S3.SlowDown}", No, No, No),
        ("{error: x}", Yes, Yes, Yes),
        ("{cause: busy}", No, Yes, ASK),
        ("{error: S3.*, cause: x}", No, No, No),
        ("{error: x, cause: BUSY}", No, Yes, ASK),
        ("{error: x, cause: [a, b]}", Yes, Yes, ASK),
        ("{status: TIMED_OUT}", Yes, Yes, Yes),
        // The other service's conditions never match, so they exclude nothing.
        ("{stage: '*', summary: '*'}", Yes, Yes, Yes),
    ] {
        let conditions = format!("{{not: {not}}}");
        assert_eq!(on(&conditions, &known), on_known, "{conditions}");
        assert_eq!(on(&conditions, &bare), on_bare, "{conditions}");
        assert_eq!(on(&conditions, &open), on_open, "{conditions}");
    }
    assert_eq!(on("{not: {cause: busy}}", &withheld), Hit::Withheld);
    assert_eq!(on("{status: TIMED_OUT, not: {cause: busy}}", &withheld), No);
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
            assert_eq!(on(&conditions, &execution), Hit::No, "{conditions}");
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
            Hit::No,
            "{conditions}"
        );
        assert_eq!(on_action(conditions, None), Hit::No, "{conditions}");
    }
}

#[test]
fn a_failed_action_is_matched_by_its_words_and_its_stage() {
    use Hit::{No, Yes};
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
            Hit::from(matches),
            "{conditions}"
        );
    }
}

#[test]
fn states_all_and_states_task_failed_are_read_as_step_functions_reads_them() {
    use Field::{Absent, Known, Unknown, Withheld};
    use Hit::{No, Yes};
    for (error, all, task_failed) in [
        (Known("Lambda.Unknown"), Yes, Yes),
        (Known("States.TaskFailed"), Yes, Yes),
        (Known("States.Timeout"), Yes, No),
        (Known("States.HeartbeatTimeout"), Yes, Yes),
        (Known("States.Runtime"), No, No),
        (Absent, No, No),
        (Unknown, ASK, ASK),
        (Withheld, Hit::Withheld, Hit::Withheld),
    ] {
        assert_eq!(on_error("{error: States.ALL}", error), all, "{error:?}");
        assert_eq!(
            on_error("{error: States.TaskFailed}", error),
            task_failed,
            "{error:?}"
        );
    }
    // They are names of errors, nothing more to other words, and no globs.
    let summary = FailedAction {
        summary: Field::Known("x".into()),
        ..failed_action()
    };
    assert_eq!(on_action("{summary: States.ALL}", Some(&summary)), Hit::No);
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
                Hit::from(matches),
                "{conditions}"
            );
        }
        // `never` takes away, so it may match them all.
        let never = read("version: 1\nretry: {}\nnever: [{error: States.ALL}]")
            .never
            .remove(0);
        let execution = failed(Field::Known(error), Field::Absent);
        assert_eq!(never.meet(&View::Execution(&execution)), Hit::Yes);
    }
    // Lower case is another error's name.
    assert_eq!(on_error("{}", Field::Known("states.runtime")), Hit::Yes);
}

#[test]
fn an_error_that_nobody_knows_may_be_one_that_must_be_named() {
    for conditions in ["{}", "{error: '*'}", "{status: FAILED}", "{cause: '*'}"] {
        assert_eq!(on_error(conditions, Field::Unknown), ASK, "{conditions}");
        // What is withheld is held against a retry only where a condition asks for it.
        assert_eq!(
            on_error(conditions, Field::Withheld),
            Hit::Yes,
            "{conditions}"
        );
        assert_eq!(
            on_error(conditions, Field::Absent),
            Hit::Yes,
            "{conditions}"
        );
    }
    assert_eq!(on_error("{status: TIMED_OUT}", Field::Unknown), Hit::No);
}

#[test]
fn a_text_is_matched_in_its_first_32_kib() {
    let most = 32 * 1024;
    let fits = format!("{}end", "x".repeat(most - 3));
    let beyond = format!("{}end", "x".repeat(most - 2));
    let wide = format!("{}é", "x".repeat(most - 1));
    for (cause, value, expected) in [
        ("*end", &fits, Hit::Yes),
        ("*end", &beyond, Hit::No),
        ("*en", &beyond, Hit::Yes),
        ("*x", &wide, Hit::Yes),
        ("*é", &wide, Hit::No),
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
    let stage = |announced, standing| Failure {
        subject: stage_of("web"),
        at: Time::default(),
        what: What::Stage(FailedStage {
            announced,
            standing,
        }),
    };
    let standing = |failed| {
        Field::Known(StageStanding {
            status: StageStatus::Failed,
            rollback: false,
            stopped: false,
            superseded: false,
            structure_changed: false,
            in_progress: 0,
            retried: 0,
            retries_itself: false,
            failed,
        })
    };
    let actions = |failure: &Failure| -> Vec<Option<Field<String>>> {
        View::of(failure)
            .iter()
            .map(|view| {
                assert_eq!(view.get(Word::Stage), Some(Field::Known("Build")));
                view.get(Word::Action).map(|field| text(Some(field)))
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
    // What CodePipeline shows counts, not what the event announced.
    let both = standing(vec![lint.clone(), failed_action()]);
    assert_eq!(
        actions(&stage(Some(lint), both)),
        [known("Lint"), known("UnitTests")]
    );
    assert_eq!(actions(&stage(Some(failed_action()), standing(vec![]))), []);
}

#[test]
fn a_trace_says_what_each_condition_saw() {
    let rule = rule("{error: 'S3.*', cause: '*token*', not: {summary: x}}");
    let execution = failed(Field::Known("S3.SlowDown"), Field::Known("my token"));
    let view = View::Execution(&execution);
    let seen = rule.conditions.seen(&view);
    let told: Vec<(Word, bool, Hit)> = seen
        .iter()
        .map(|s| (s.condition.word, s.negated, s.hit))
        .collect();
    assert_eq!(
        told,
        [
            (Word::Error, false, Hit::Yes),
            (Word::Cause, false, Hit::Yes),
            (Word::Summary, true, Hit::No),
        ]
    );
}

// Rule ids

#[test]
fn a_rules_id_follows_from_its_conditions_alone() {
    let id = |text: &str| rule(text).id;
    let base = id("{error: [A, B], cause: '*x*', not: {error: C, cause: y}}");
    assert_eq!(base.len(), "rule-".len() + 10);
    for same in [
        "{cause: '*x*', error: [A, B], not: {cause: y, error: C}}",
        "{error: [B, A], cause: '*x*', not: {error: C, cause: y}}",
        "{error: [A, B, A], cause: ['*x*'], not: {error: [C], cause: y}}",
        "{error: [A, B], cause: '*X*', not: {error: C, cause: Y}}",
        "{error: [A, B], cause: '*x*', not: {error: C, cause: y}, limit: 9}",
        "{error: [A, B], cause: '*x*', not: {error: C, cause: y}, backoff: {interval_seconds: 1}, reason: r, retry_mode: ALL_ACTIONS}",
    ] {
        assert_eq!(id(same), base, "{same}");
    }
    for other in [
        "{error: [A, B, D], cause: '*x*', not: {error: C, cause: y}}",
        "{error: [a, B], cause: '*x*', not: {error: C, cause: y}}",
        "{error: 'A,B', cause: '*x*', not: {error: C, cause: y}}",
        "{error: [A, B], cause: '*x*', not: {error: C}}",
        "{error: [A, B], cause: '*x*'}",
        "{error: [A, B, C], cause: ['*x*', y]}",
        "{not: {error: [A, B], cause: '*x*'}}",
        "{}",
    ] {
        assert_ne!(id(other), base, "{other}");
    }
    let ids = |text: &str| -> Vec<String> {
        read(text).policies[0]
            .automatic
            .iter()
            .map(|rule| rule.id.clone())
            .collect()
    };
    let forth = ids("version: 1\nretry: {automatic: [{error: A}, {cause: B, limit: 1}, {}]}");
    let mut back = ids("version: 1\nretry: {automatic: [{}, {cause: b}, {error: A, limit: 0}]}");
    back.reverse();
    assert_eq!(forth, back);
    assert_eq!(ids("version: 1\nretry: {automatic: true}"), [id("{}")]);
    assert_eq!(id("{error: A, id: mine}"), "mine");
    // Counts in the ledger hang on these words: they must never change.
    assert_eq!(id("{}"), "rule-af5570f5a1");
}

// Backoff

const LOWEST: u64 = 0;
const HIGHEST: u64 = u64::MAX;

#[test]
fn the_wait_grows_to_its_cap() {
    let backoff = |interval_seconds, backoff_rate, max_delay_seconds| Backoff {
        interval_seconds,
        backoff_rate,
        max_delay_seconds,
        jitter_strategy: JitterStrategy::None,
    };
    for (backoff, expected) in [
        (backoff(30, 2.0, 900), [30, 60, 120, 240, 480, 900, 900]),
        (backoff(30, 1.0, 900), [30; 7]),
        (backoff(10, 1.5, 900), [10, 15, 22, 33, 50, 75, 113]),
        (backoff(0, 2.0, 900), [0; 7]),
        (
            backoff(1, 100.0, 1_209_600),
            [1, 100, 10_000, 1_000_000, 1_209_600, 1_209_600, 1_209_600],
        ),
        (backoff(30, 2.0, 10), [10; 7]),
        (backoff(5, 2.0, 0), [0; 7]),
    ] {
        for (n, expected) in (1..).zip(expected) {
            for draw in [LOWEST, 1 << 60, HIGHEST] {
                assert_eq!(backoff.delay_seconds(n, draw), expected, "{backoff:?} {n}");
            }
        }
    }
}

#[test]
fn full_jitter_draws_from_all_of_the_wait_and_never_more() {
    let backoff = Backoff::default();
    for (n, most) in [(1, 30), (2, 60), (3, 120), (6, 900), (10, 900)] {
        assert_eq!(backoff.delay_seconds(n, LOWEST), 0);
        assert_eq!(backoff.delay_seconds(n, HIGHEST), most);
        assert_eq!(
            backoff.delay_seconds(n, HIGHEST / 2),
            most / 2 - u32::from(most % 2 == 0)
        );
        let mut draw = 0x9E37_79B9_7F4A_7C15_u64;
        let mut seen = BTreeSet::new();
        for _ in 0..5000 {
            draw ^= draw << 13;
            draw ^= draw >> 7;
            draw ^= draw << 17;
            let delay = backoff.delay_seconds(n, draw);
            assert!(delay <= most);
            assert_eq!(backoff.delay_seconds(n, draw), delay);
            seen.insert(delay);
        }
        assert!(
            seen.len() >= usize::try_from(most).unwrap() * 9 / 10,
            "{n}: {}",
            seen.len()
        );
    }
    let nothing = Backoff {
        interval_seconds: 0,
        ..Backoff::default()
    };
    assert_eq!(nothing.delay_seconds(9, HIGHEST), 0);
}

//! Tests of the exact text of every problem.

use super::*;

/// Returns the keys of a mapping with conditions and these keys, as messages list them.
fn condition_keys(more: &[&str]) -> String {
    let keys = ConditionKey::ALL.map(ConditionKey::as_str);
    one_of(&[keys.as_slice(), more].concat())
}

fn rule_keys() -> String {
    condition_keys(&[
        "not",
        "limit",
        "max_attempts",
        "backoff",
        "retry_mode",
        "id",
        "description",
    ])
}

#[test]
fn each_problem_of_a_document_has_place_and_message() {
    let rule_keys = rule_keys();
    let keys = "version, retry, policies, never, budget or tests";
    for (text, expected) in [
        ("", "1:1: the document is empty; the shortest policy that retries nothing is: { version: 1, retry: {} }".to_string()),
        ("# nothing\n", "1:1: the document is empty; the shortest policy that retries nothing is: { version: 1, retry: {} }".into()),
        ("\n---\n", format!("3:1: the document: expected a mapping with the keys {keys}, read nothing")),
        ("[]", format!("1:1: the document: expected a mapping with the keys {keys}, read a list")),
        ("version", format!("1:1: the document: expected a mapping with the keys {keys}, read the text \"version\"")),
        ("retry: {}", "1:1: version is missing; write: version: 1".into()),
        ("version: 2\nretry: {}", "1:10: version: expected 1, read the number 2; write: version: 1".into()),
        ("version: \"1\"\nretry: {}", "1:10: version: expected 1, read the text \"1\"; write: version: 1".into()),
        ("version: 1.0\nretry: {}", "1:10: version: expected 1, read the number 1.0; write: version: 1".into()),
        ("version: 1", "1:1: there is neither retry (one policy for every target) nor policies".into()),
        ("version: 1\nretry: {}\npolicies: []", "2:1: retry and policies exclude each other: move retry into a policy with match: {}".into()),
        ("version: 1\nretry: true", "2:8: retry: expected a mapping with the keys automatic, manual or nested, read true; write { automatic: true }".into()),
        ("version: 1\nretry:", "2:6: retry: expected a mapping with the keys automatic, manual or nested, read nothing; indent its content".into()),
        ("version: 1\nretry:\n  nested: child", "3:11: nested: expected parent or own, read the text \"child\"".into()),
        ("version: 1\nretry:\n  automatic: 3", "3:14: automatic: expected true, false, a rule or a list of rules, read the number 3; write { limit: 3 }".into()),
        ("version: 1\nretry:\n  automatic:", "3:12: automatic: expected true, false, a rule or a list of rules, read nothing".into()),
        ("version: 1\nretry: {automatic: [true]}", format!("2:21: a rule: expected a mapping with the keys {rule_keys}, read true")),
        ("version: 1\npolicies: {}", "2:11: policies: expected a list, read a mapping; begin each policy with a dash, and its name".into()),
        ("version: 1\npolicies: [3]", "2:12: a policy: expected a mapping with the keys name, match or retry, read the number 3".into()),
        ("version: 1\npolicies:\n- retry: {}", "3:3: a policy needs a name; write name: and a name for the records".into()),
        ("version: 1\npolicies:\n- name: a", "3:3: a policy needs retry; write: retry: { automatic: false } to retry nothing".into()),
        ("version: 1\npolicies:\n- {name: 7, retry: {}}", "3:10: name: expected text, read the number 7; put it in quotes if text is meant".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}}\n- {name: b, retry: {}}\n- {name: a, retry: {}}", "5:10: name: \"a\" is taken by the policy on line 3; names are unique".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: etl}", "3:31: match: expected a mapping with the keys state_machine, pipeline, account or region, read the text \"etl\"".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: {account: 111122223333}}", "3:41: account: expected text, read the number 111122223333; put it in quotes if text is meant".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: {account: [\"1111*\"]}}", "3:42: account: expected twelve digits in quotes, read \"1111*\"; globs are not allowed here".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: {account: [\"12345\"]}}", "3:42: account: expected twelve digits in quotes, read \"12345\"; globs are not allowed here".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: {account: [\"12345678901x\"]}}", "3:42: account: expected twelve digits in quotes, read \"12345678901x\"; globs are not allowed here".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: {account: [\"1234567890123\"]}}", "3:42: account: expected twelve digits in quotes, read \"1234567890123\"; globs are not allowed here".into()),
        ("version: 1\npolicies:\n- {name: a, retry: {}, match: {region: []}}", "3:40: region: the list is empty, so nothing can match; name a value or leave region out".into()),
        ("version: 1\nretry: {}\nnever: {}", "3:8: never: expected a list of conditions, read a mapping; begin each entry with a dash".into()),
        ("version: 1\nretry: {}\nnever: [{}]", "3:9: never: an entry without conditions would forbid everything; write automatic: false instead".into()),
        ("version: 1\nretry: {}\nnever: [x]", format!("3:9: never: expected a mapping with the keys {}, read the text \"x\"; name a condition, as in {{ error: \"Lambda.*\" }}", condition_keys(&["not"]))),
        ("version: 1\nretry: {}\nbudget: 3", "3:9: budget: expected a mapping with the keys per_execution, read the number 3; write { per_execution: 3 }".into()),
        ("version: 1\nretry: {}\nbudget: {per_execution: 1001}", "3:25: per_execution: expected a whole number from 0 to 1000, read the number 1001".into()),
        ("version: 1\nretry: {}\nbudget: {per_execution: -1}", "3:25: per_execution: expected a whole number from 0 to 1000, read the number -1".into()),
        ("version: 1\nretry: {}\n---\nversion: 1", "3:1: a second document begins here; a policy is one document: make a file of each".into()),
    ] {
        assert_eq!(wrong(text), expected, "{text}");
    }
    assert_eq!(
        read("version: 1\nretry: {}\nbudget: {per_execution: 1000}").per_execution,
        1000
    );
}

#[test]
fn foreign_document_is_named_only_if_it_is_no_policy() {
    for (text, foreign) in [
        ("{steps: []}", true),
        ("{steps: [], retry: {}}", false),
        ("{steps: [], policies: []}", false),
        ("{States: {}, StartAt: A}", true),
        ("{States: {}}", false),
        ("{StartAt: A}", false),
        ("{retryStrategy: {}}", true),
        ("{jobs: {}, on: push}", true),
        ("{jobs: {}}", false),
        ("{on: push}", false),
        ("{AWSTemplateFormatVersion: x}", true),
        ("{Resources: {}}", true),
        ("[steps]", false),
    ] {
        assert_eq!(wrong(text).contains(", not a policy"), foreign, "{text}");
    }
}

#[test]
fn each_problem_of_a_rule_has_place_and_message() {
    let rule_keys = rule_keys();
    let conditions = condition_keys(&[]);
    for (rule, expected) in [
        ("{limit: 11}", "2:28: limit: expected a whole number from 0 to 10, read the number 11".to_string()),
        ("{limit: -1}", "2:28: limit: expected a whole number from 0 to 10, read the number -1".into()),
        ("{limit: \"2\"}", "2:28: limit: expected a whole number from 0 to 10, read the text \"2\"; write it without quotes".into()),
        ("{limit: 2.0}", "2:28: limit: expected a whole number from 0 to 10, read the number 2.0".into()),
        ("{limit: }", "2:26: limit: expected a whole number from 0 to 10, read nothing".into()),
        ("{retry_mode: ALL}", "2:33: retry_mode: expected FAILED_ACTIONS or ALL_ACTIONS, read the text \"ALL\"".into()),
        ("{retry_mode: all-action}", "2:33: retry_mode: expected FAILED_ACTIONS or ALL_ACTIONS, read the text \"all-action\"; did you mean \"ALL_ACTIONS\"?".into()),
        ("{retry_mode: 1}", "2:33: retry_mode: expected FAILED_ACTIONS or ALL_ACTIONS, read the number 1".into()),
        ("{id: 4}", "2:25: id: expected text, read the number 4; put it in quotes if text is meant".into()),
        ("{id: \"\"}", "2:25: id: expected text, read the text \"\"".into()),
        ("{description: [a]}", "2:34: description: expected text, read a list".into()),
        ("[{id: a}, {id: b}, {id: a}]", "2:44: id: \"a\" is taken by the rule on line 2; ids are unique in a policy".into()),
        // The id generated from no conditions, before and after the rule that has it.
        ("[{}, {error: A, id: rule-af5570f5a1}]", "2:40: id: \"rule-af5570f5a1\" is taken by the rule on line 2; ids are unique in a policy".into()),
        ("[{error: A, id: rule-af5570f5a1}, {}]", "2:54: id: \"rule-af5570f5a1\" is taken by the rule on line 2; ids are unique in a policy".into()),
        ("{error: []}", "2:28: error: the list is empty, so nothing can match; name a value or leave error out".into()),
        ("{error: {}}", "2:28: error: expected text, read a mapping".into()),
        ("{error: [a, 3, [b]]}", "2:32: error: expected text, read the number 3; put it in quotes if text is meant\n2:35: error: expected text, read a list".into()),
        ("{status: ABORTED}", "2:29: status: expected FAILED or TIMED_OUT, read \"ABORTED\"; nothing else is ever retried".into()),
        ("{status: [FAILED, time_out]}", "2:38: status: expected FAILED or TIMED_OUT, read \"time_out\"; did you mean \"TIMED_OUT\"?; nothing else is ever retried".into()),
        ("{not: [a]}", format!("2:26: not: expected a mapping with the keys {conditions}, read a list; the values of a condition may be a list")),
        ("{not: {limit: 1}}", format!("2:27: not: unknown key \"limit\"; the keys here are {conditions}; \"limit\" belongs in a rule")),
        ("{limt: 1}", format!("2:21: a rule: unknown key \"limt\"; the keys here are {rule_keys}; did you mean \"limit\"?")),
        ("{errorCode: 1}", format!("2:21: a rule: unknown key \"errorCode\"; the keys here are {rule_keys}; did you mean \"error_code\"?")),
        ("{colour: 1}", format!("2:21: a rule: unknown key \"colour\"; the keys here are {rule_keys}")),
        ("{backoff: 30}", "2:30: backoff: expected a mapping with the keys interval_seconds, backoff_rate, max_delay_seconds or jitter_strategy, read the number 30; write { interval_seconds: 30 }".into()),
        ("{backoff: {interval: 5}}", "2:31: backoff: unknown key \"interval\"; the keys here are interval_seconds, backoff_rate, max_delay_seconds or jitter_strategy; did you mean \"interval_seconds\"?".into()),
        ("{backoff: {interval_seconds: -1}}", "2:49: interval_seconds: expected a whole number from 0 to 1209600, read the number -1".into()),
        ("{backoff: {interval_seconds: 1.5}}", "2:49: interval_seconds: expected a whole number from 0 to 1209600, read the number 1.5".into()),
        ("{backoff: {max_delay_seconds: 1209601}}", "2:50: max_delay_seconds: expected a whole number from 0 to 1209600, read the number 1209601".into()),
        ("{backoff: {interval_seconds: 901}}", "2:31: interval_seconds 901 is above max_delay_seconds 900, the default: write both, with max_delay_seconds not below interval_seconds".into()),
        ("{backoff: {interval_seconds: 11, max_delay_seconds: 10}}", "2:31: interval_seconds 11 is above max_delay_seconds 10: write both, with max_delay_seconds not below interval_seconds".into()),
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
                "{place}: \"{word}\" is reserved for a later version of the policy language: remove it"
            )
        );
    }
}

#[test]
fn all_problems_are_reported_at_once_in_order_of_place() {
    let rule_keys = rule_keys();
    let text = r#"version: 3
retry:
  automatic:
    - limit: eleven
      eror: Lambda.*
      limit: 12
    - backoff: { jitter_strategy: SOME }
      status: [RUNNING]
      exit_status: 256
      <<: 7
  nested: 3
budget: { per_execution: many, fleet: 3 }
polices: []
"#;
    let expected = format!(
        r#"1:10: version: expected 1, read the number 3; write: version: 1
4:14: limit: expected a whole number from 0 to 10, read the text "eleven"
5:7: a rule: unknown key "eror"; the keys here are {rule_keys}; did you mean "error"?
6:7: the key "limit" is a duplicate of the key on line 4
7:35: jitter_strategy: expected FULL or NONE, read the text "SOME"
8:16: status: expected FAILED or TIMED_OUT, read "RUNNING"; nothing else is ever retried
9:20: exit_status: expected a whole number from -1 to 255, "*" or none, read the number 256
10:7: << takes a mapping, or a list of mappings, read the number 7
11:11: nested: expected parent or own, read the number 3
12:26: per_execution: expected a whole number from 0 to 1000, read the text "many"
12:32: "fleet" is reserved for a later version of the policy language: remove it
13:1: the document: unknown key "polices"; the keys here are version, retry, policies, never, budget or tests; did you mean "policies"?"#
    );
    assert_eq!(wrong(text), expected);
}

#[test]
fn duplicate_keys_are_errors_wherever_they_stand() {
    for (text, expected) in [
        (
            "version: 1\nversion: 1\nretry: {}",
            "2:1: the key \"version\" is a duplicate of the key on line 1",
        ),
        (
            "version: 1\nretry: {automatic: {error: a, \"error\": b}}",
            "2:31: the key \"error\" is a duplicate of the key on line 2",
        ),
        (
            "{\"version\": 1,\n\"retry\": {},\n\"retry\": {}}",
            "3:1: the key \"retry\" is a duplicate of the key on line 2",
        ),
    ] {
        assert_eq!(wrong(text), expected);
    }
}

#[test]
fn repeated_anchor_is_reported_once() {
    let text = "version: 1\npolicies:\n- {name: a, retry: &r {automatic: {limit: 99}}}\n- {name: b, retry: *r}\n";
    assert_eq!(
        wrong(text),
        "3:43: limit: expected a whole number from 0 to 10, read the number 99"
    );
    let text = "version: 1\nretry: {automatic: [&r {error: a}, {error: &e [b, 3], cause: *e}]}";
    assert_eq!(
        wrong(text),
        "2:51: error: expected text, read the number 3; put it in quotes if text is meant\n\
         2:51: cause: expected text, read the number 3; put it in quotes if text is meant"
    );
}

#[test]
fn problem_of_an_alias_is_reported_at_the_alias() {
    assert_eq!(
        wrong("version: 1\nretry: {automatic: {description: &r slow,\n limit: *r}}"),
        "3:9: limit: expected a whole number from 0 to 10, read the text \"slow\""
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
        wrong("version: 1\nretry:\n  automatic:\n    exit_status: *\n"),
        "4:18: this is not YAML: while scanning an anchor or alias, did not find expected alphabetic or numeric character; a star is an alias unless it is in quotes: \"*\""
    );
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

#[test]
fn each_problem_of_a_condition_has_place_and_message() {
    let exit = "exit_status: expected a whole number from -1 to 255, \"*\" or none, read";
    let http = "http_status: expected a whole number from 100 to 599 or none, read";
    for (rule, expected) in [
        ("{exit_status: 256}", format!("2:34: {exit} the number 256")),
        ("{exit_status: -2}", format!("2:34: {exit} the number -2")),
        ("{exit_status: 1.5}", format!("2:34: {exit} the number 1.5")),
        ("{exit_status: '300'}", format!("2:34: {exit} the text \"300\"")),
        ("{exit_status: '1*'}", format!("2:34: {exit} the text \"1*\"; name each number in a list, or write \"*\" for 1 to 255")),
        ("{exit_status: '+1'}", format!("2:34: {exit} the text \"+1\"; name each number in a list, or write \"*\" for 1 to 255")),
        ("{exit_status: true}", format!("2:34: {exit} true")),
        ("{exit_status: }", format!("2:32: {exit} nothing")),
        ("{exit_status: {}}", format!("2:34: {exit} a mapping")),
        ("{exit_status: [1, [2]]}", format!("2:38: {exit} a list")),
        ("{exit_status: []}", "2:34: exit_status: the list is empty, so nothing can match; name a value or leave exit_status out".into()),
        ("{not: {exit_status: 999}}", format!("2:40: {exit} the number 999")),
        ("{http_status: 99}", format!("2:34: {http} the number 99")),
        ("{http_status: 600}", format!("2:34: {http} the number 600")),
        ("{http_status: '503'}", format!("2:34: {http} the text \"503\"; write it without quotes")),
        ("{http_status: '*'}", format!("2:34: {http} the text \"*\"; leave http_status out to match any")),
        ("{http_status: 5xx}", format!("2:34: {http} the text \"5xx\"; name each number, there are no globs here")),
        ("{signal: 9}", "2:29: signal: expected a name, read the number 9; write SIGKILL for 9".into()),
        ("{signal_reason: 'agent_*'}", "2:36: signal_reason: the only glob here is \"*\", read \"agent_*\"; name agent_stop, cancel, process_run_error, stack_error, agent_refused, agent_incompatible or signature_rejected".into()),
        ("{signal_reason: 3}", "2:36: signal_reason: expected text, read the number 3; put it in quotes if text is meant".into()),
        ("{mode: standart}", "2:27: mode: expected legacy, standard or adaptive, read the text \"standart\"; did you mean \"standard\"?".into()),
        ("{mode: Legacy}", "2:27: mode: expected legacy, standard or adaptive, read the text \"Legacy\"; did you mean \"legacy\"?".into()),
        ("{mode: '*'}", "2:27: mode: expected legacy, standard or adaptive, read the text \"*\"".into()),
        ("{max_attempts: 3}", "2:21: max_attempts is allowed only beside mode; without mode write limit, which is max_attempts minus the first call".into()),
        ("{not: {mode: legacy}, max_attempts: 3}", "2:42: max_attempts is allowed only beside mode; without mode write limit, which is max_attempts minus the first call".into()),
        ("{mode: legacy, limit: 2, max_attempts: 3}", "2:45: max_attempts and limit exclude each other: max_attempts includes the first call, limit counts only the retries; keep one".into()),
        ("{limit: 2, max_attempts: 3}", "2:31: max_attempts and limit exclude each other: max_attempts includes the first call, limit counts only the retries; keep one".into()),
        ("{mode: legacy, max_attempts: 0}", "2:49: max_attempts: expected a whole number from 1 to 11, read the number 0".into()),
        ("{mode: legacy, max_attempts: 12}", "2:49: max_attempts: expected a whole number from 1 to 11, read the number 12".into()),
        ("{mode: standard, backoff: {interval_seconds: 601}}", "2:47: interval_seconds 601 is above max_delay_seconds 600, which mode standard sets: write both, with max_delay_seconds not below interval_seconds".into()),
        ("{state: 3}", "2:28: state: expected text, read the number 3; put it in quotes if text is meant".into()),
    ] {
        let text = format!("version: 1\nretry: {{automatic: {rule}}}");
        assert_eq!(wrong(&text), expected, "{text}");
    }
}

#[test]
fn each_problem_of_manual_has_its_place_and_its_words() {
    for (manual, expected) in [
        (
            "3",
            "2:17: manual: expected true, false or a mapping with the keys allowed, reason or permit_on_passed, read the number 3",
        ),
        (
            "no",
            "2:17: manual: expected true, false or a mapping with the keys allowed, reason or permit_on_passed, read the text \"no\"",
        ),
        (
            "[]",
            "2:17: manual: expected true, false or a mapping with the keys allowed, reason or permit_on_passed, read a list",
        ),
        (
            "{alowed: false}",
            "2:18: manual: unknown key \"alowed\"; the keys here are allowed, reason or permit_on_passed; did you mean \"allowed\"?",
        ),
        (
            "{allowed: maybe}",
            "2:27: allowed: expected true or false, read the text \"maybe\"",
        ),
        (
            "{permit_on_passed: 1}",
            "2:36: permit_on_passed: expected true or false, read the number 1",
        ),
        (
            "{reason: 7}",
            "2:26: reason: expected text, read the number 7; put it in quotes if text is meant",
        ),
    ] {
        let text = format!("version: 1\nretry: {{manual: {manual}}}");
        assert_eq!(wrong(&text), expected, "{text}");
    }
}

#[test]
fn misplaced_or_foreign_key_gets_a_hint() {
    for (text, hint) in [
        (
            "version: 1\nretry: {automatic: {exit_code: 1}}",
            "; did you mean \"exit_status\"?",
        ),
        (
            "version: 1\nretry: {automatic: {ErrorEquals: [a]}}",
            "; the name here is error; redrive import asl converts the Retry of a machine",
        ),
        (
            "version: 1\nretry: {automatic: {status_code: 503}}",
            "; did you mean \"http_status\"?",
        ),
        (
            "version: 1\nretry: {automatic: {max_retries: 3}}",
            "; did you mean \"limit\"?",
        ),
        (
            "version: 1\nretry: {automatic: {MaxAttempts: 3}}",
            "; the name here is limit; redrive import asl converts the Retry of a machine",
        ),
        (
            "version: 1\nretry: {automatic: {interval_seconds: 3}}",
            "; \"interval_seconds\" belongs in backoff",
        ),
        (
            "version: 1\nretry: {automatic: {IntervalSeconds: 3}}",
            "; the name here is interval_seconds in backoff; redrive import asl converts the Retry of a machine",
        ),
        (
            "version: 1\nretry: {automatic: {BackoffRate: 3}}",
            "; the name here is backoff_rate in backoff; redrive import asl converts the Retry of a machine",
        ),
        (
            "version: 1\nretry: {automatic: {state_machine: etl}}",
            "; \"state_machine\" belongs in match",
        ),
        (
            "version: 1\nretry: {limit: 3}",
            "; \"limit\" belongs in a rule",
        ),
        (
            "version: 1\nretry: {}\nautomatic: true",
            "; \"automatic\" belongs in retry",
        ),
        (
            "version: 1\nretry: {}\nper_execution: 3",
            "; \"per_execution\" belongs in budget",
        ),
        (
            "version: 1\nretry: {allowed: true}",
            "; \"allowed\" belongs in manual",
        ),
    ] {
        let problem = wrong(text);
        assert!(problem.ends_with(hint), "{problem}");
    }
}

//! One-line descriptions of the keys. A key without a description fails the test. Conditions have theirs in their rows.

use redrive_policy::ConditionKey;

/// Returns the description of a key in its place.
pub(crate) fn of(place: &str, key: &str) -> &'static str {
    match (place, key) {
        ("document", "version") => "The version of the policy language: 1.",
        ("document", "retry") => {
            "One policy, named default, for every target; or else write policies."
        }
        ("document", "policies") => {
            "Policies by target: the first whose match matches applies, and no other."
        }
        ("document", "never") => {
            "Conditions under which nothing is ever retried, read before every policy."
        }
        ("document", "budget") => "What all rules together may spend.",
        ("document", "tests") => {
            "Failures with the decision expected of them, run by `redrive test`."
        }
        ("budget", "per_execution") => {
            "Most automatic retries of one execution or one stage, over all rules; 10 if left out."
        }
        ("policy", "name") => {
            "The policy's name, unique in the document; records and logs carry it."
        }
        ("policy", "match") => "The targets that the policy applies to; {} or nothing matches all.",
        ("policy", "retry") => "What is retried, by redrive and by people.",
        ("match", "state_machine") => "Names of state machines, globs allowed.",
        ("match", "pipeline") => "Names of pipelines, globs allowed.",
        ("match" | "failure", "account") => "Accounts, twelve digits in quotes.",
        ("match" | "failure", "region") => "Regions, for example eu-west-1.",
        ("retry", "automatic") => {
            "true, false, a rule or a list of rules: the first that matches is the rule."
        }
        ("retry", "manual") => {
            "What people may do with redrive's own commands; consoles still can retry."
        }
        ("retry", "nested") => {
            "A child execution is left to its parent (parent), or judged itself (own)."
        }
        ("manual", "allowed") => "Whether people may retry by hand.",
        ("manual", "reason") => "Words for those who may not.",
        ("manual", "permit_on_passed") => {
            "Legal as in Buildkite, and without effect: what passed cannot be retried."
        }
        ("rule", "not") => "Conditions any of which excludes the failure.",
        ("never", "not") => "Conditions any of which lets the failure past this entry.",
        ("rule", "limit") => {
            "Retries that the rule may spend on one subject; 0 forbids, 2 if left out."
        }
        ("rule", "max_attempts") => {
            "As limit, and counts the first call, as the AWS CLI does; beside mode alone."
        }
        ("rule", "backoff") => "How long to wait before a retry, in Step Functions' own words.",
        ("rule", "retry_mode") => {
            "How a stage is retried: only its failed actions, or all of them."
        }
        ("rule", "id") => "A stable name for the rule, unique in its policy; counts hang on it.",
        ("rule", "description") => "Words for people: why such a failure is retried, or is not.",
        ("backoff", "interval_seconds") => "Seconds before the first retry; 30 if left out.",
        ("backoff", "backoff_rate") => "By how much each further wait grows; 2 if left out.",
        ("backoff", "max_delay_seconds") => {
            "Seconds that no wait exceeds, up to 14 days; 900 if left out, 600 beside mode standard."
        }
        ("backoff", "jitter_strategy") => {
            "FULL draws each wait from nothing to the delay; NONE waits the delay itself."
        }
        ("test", "name") => "What the test shows.",
        ("test", "failure") => "One failure, in the words of conditions.",
        ("test", "attempts") => {
            "Consecutive failures of one execution or stage, each retried while that is expected."
        }
        ("test", "expect") => {
            "The decision, or a mapping of what must hold; a list of them beside attempts."
        }
        ("expect", "decision") => "retry, give_up or ignore.",
        ("expect", "policy") => "The policy's name.",
        ("expect", "rule") => "The rule's id.",
        ("expect", "reason") => "The reason's code, as `redrive explain` names it.",
        ("failure", "state_machine") => "The name of the state machine that failed.",
        ("failure", "pipeline") => "The name of the pipeline of which a stage failed.",
        (_, key) => match ConditionKey::of_word(key) {
            Some(condition_key) => condition_key.row().doc,
            None => panic!("{key} of {place} has no description: write one here"),
        },
    }
}

use redrive_core::decide::decide_optimistically;
use redrive_core::failure::{FailedAction, FailedStage, Failure, FailureDetail, StageSnapshot};
use redrive_core::time::Time;
use serde_json::{Value, json};

use super::*;

/// Returns a stage as the snapshot of CodePipeline shows it. An event names at most one failed action.
fn stage(summaries: [(&str, &str); 2]) -> Failure {
    let failed = summaries.map(|(action, summary)| FailedAction {
        action: action.into(),
        id: Some(format!("{action}-1")),
        category: Field::Known("Build".into()),
        provider: Field::Known("CodeBuild".into()),
        error_code: Field::Known("JobFailed".into()),
        summary: Field::Known(summary.into()),
    });
    Failure {
        subject: Subject::stage(
            "aws",
            "eu-west-1",
            "111122223333",
            "web",
            "Build",
            "56dd4e8f",
        ),
        at: Time::default(),
        detail: FailureDetail::Stage(FailedStage {
            announced: None,
            snapshot: Field::Known(StageSnapshot::failed(failed.into())),
        }),
    }
}

/// Returns the trace as JSON and as text.
fn traced(policy: &str, failure: &Failure) -> (Value, String) {
    let document = Document::parse(policy).unwrap();
    let (verdict, _) = decide_optimistically(&document, failure);
    let trace = Trace::of(&document, &failure.subject, &failure.views(), &verdict);
    let mut text = Vec::new();
    trace.print("", &mut text).unwrap();
    let text = String::from_utf8(text).unwrap();
    (serde_json::to_value(&trace).unwrap(), text)
}

fn summary(glob: &str, matches: &str, saw: &str) -> Value {
    json!({
        "key": "summary",
        "not": false,
        "values": [glob],
        "matches": matches,
        "by": (matches == "yes").then_some(glob),
        "needs": null,
        "actual": [{"what": "summary", "is": "known", "value": saw}],
    })
}

#[test]
fn each_failed_action_of_a_stage_has_its_own_trace() {
    let (json, text) = traced(
        "
version: 1
never: [{summary: '*denied*'}]
retry: {automatic: [{id: pull, summary: '*pull*'}, {id: queue, summary: '*queue*'}, {id: rest}]}
",
        &stage([("Site", "cannot pull"), ("Docs", "queue\u{1b}[2J")]),
    );
    assert_eq!(
        json,
        json!({
            "policy": "default",
            "passed_over": [],
            "not_consulted": null,
            "consulted": [
                {
                    "action": "Site",
                    "never": [{
                        "entry": 0,
                        "matches": "no",
                        "conditions": [summary("*denied*", "no", "cannot pull")],
                    }],
                    "rules": [{
                        "rule": "pull",
                        "matches": "yes",
                        "conditions": [summary("*pull*", "yes", "cannot pull")],
                        "must_name": null,
                    }],
                    "not_consulted": {"reason": "decided", "by": "pull", "rules": ["queue", "rest"]},
                },
                {
                    "action": "Docs",
                    "never": [{
                        "entry": 0,
                        "matches": "no",
                        "conditions": [summary("*denied*", "no", "queue\u{1b}[2J")],
                    }],
                    "rules": [
                        {
                            "rule": "pull",
                            "matches": "no",
                            "conditions": [summary("*pull*", "no", "queue\u{1b}[2J")],
                            "must_name": null,
                        },
                        {
                            "rule": "queue",
                            "matches": "yes",
                            "conditions": [summary("*queue*", "yes", "queue\u{1b}[2J")],
                            "must_name": null,
                        },
                    ],
                    "not_consulted": {"reason": "decided", "by": "queue", "rules": ["rest"]},
                },
            ],
        })
    );
    assert_eq!(
        text,
        "\
policy   default
  action Site
  never[0]: does not match
    summary *denied*: does not match; saw cannot pull
  rule pull: matches
    summary *pull*: matches; saw cannot pull
  not consulted, since rule pull decides: queue, rest
  action Docs
  never[0]: does not match
    summary *denied*: does not match; saw queue\\u{1b}[2J
  rule pull: does not match
    summary *pull*: does not match; saw queue\\u{1b}[2J
  rule queue: matches
    summary *queue*: matches; saw queue\\u{1b}[2J
  not consulted, since rule queue decides: rest
"
    );
}

/// The never list is tested for every failed action before any rule.
#[test]
fn never_for_one_action_consults_no_rules() {
    let (json, text) = traced(
        "version: 1\nnever: [{summary: '*denied*'}]\nretry: {automatic: [{id: r}]}",
        &stage([("Site", "cannot pull"), ("Docs", "denied")]),
    );
    let forbidden = json!({"reason": "denied_by_policy", "by": "never[0]", "rules": ["r"]});
    for (action, name, matches) in [(0, "Site", "no"), (1, "Docs", "yes")] {
        let consulted = &json["consulted"][action];
        assert_eq!(consulted["action"], name);
        assert_eq!(consulted["never"][0]["matches"], matches);
        assert_eq!(consulted["rules"], json!([]));
        assert_eq!(consulted["not_consulted"], forbidden);
    }
    let unasked = "  not consulted, since never forbids it: r\n";
    assert_eq!(text.matches(unasked).count(), 2, "{text}");
}

//! The policies that are deployed.

use redrive_core::policy::{Document, PolicyVersion, Problems};

use super::fault_plan::FaultPlan;

/// Returns a policy document as the deployment with this number has it.
///
/// # Errors
/// The text is no policy document.
pub(super) fn deployed(text: &str, number: u64) -> Result<Document, Problems> {
    let version = PolicyVersion::new(text, Some(&format!("layer:{number}")));
    Ok(Document::parse(text)?.with_version(version))
}

/// Returns a policy with rules for everything that the workload does.
pub(super) fn policy(fault_plan: &mut FaultPlan, changed: bool) -> String {
    let per_execution = if fault_plan.one_of(3) == 0 { 2 } else { 10 };
    let mut limit = || {
        if changed {
            fault_plan.one_of(3)
        } else {
            1 + fault_plan.one_of(3)
        }
    };
    let (now, soon, later) = (limit(), limit(), limit());
    let soon_seconds = 20 + fault_plan.one_of(400);
    let later_seconds = 1_000 + fault_plan.one_of(4_000);
    let name = if changed && fault_plan.coin() {
        "renamed"
    } else {
        "etl"
    };
    let rules = |now_is: &str, soon_is: &str, later_is: &str, forbidden_is: &str| {
        format!(
            r#"
        - {{ id: forbidden, {forbidden_is}, limit: 0 }}
        - {{ id: now, {now_is}, limit: {now}, backoff: {{ interval_seconds: 0 }} }}
        - {{ id: soon, {soon_is}, limit: {soon}, backoff: {{ interval_seconds: {soon_seconds} }} }}
        - {{ id: later, {later_is}, limit: {later}, backoff: {{ interval_seconds: {later_seconds}, max_delay_seconds: 7200 }} }}"#
        )
    };
    let executions = rules(
        "error: Throttled.Now",
        "error: Throttled.Soon",
        "error: Throttled.Later",
        "error: Throttled.Forbidden",
    );
    let stages = rules(
        "summary: '*now*'",
        "summary: '*soon*'",
        "summary: '*later*'",
        "summary: '*forbidden*'",
    );
    format!(
        r#"version: 1
budget: {{ per_execution: {per_execution} }}
never:
  - error: "Never.*"
  - summary: "*never*"
policies:
  - name: {name}
    match: {{ state_machine: ["etl-*", "jobs-*"] }}
    retry:
      automatic:{executions}
        - {{ id: in_state, error: Throttled.InState, state: Load, backoff: {{ interval_seconds: 60 }} }}
        - {{ id: timed_out, status: TIMED_OUT, limit: 1, backoff: {{ interval_seconds: 60 }} }}
        - {{ id: stopped, error: States.TaskFailed }}
  - name: children
    match: {{ state_machine: "own-*" }}
    retry:
      nested: own
      automatic:{executions}
  - name: web
    match: {{ pipeline: "web-*" }}
    retry:
      automatic:{stages}
"#
    )
}

//! The services of conditions and targets.

use redrive_policy::{Condition, Conditions, Scope, Service};

/// Returns the name of the service for people.
pub(super) const fn name(service: Option<Service>) -> &'static str {
    match service {
        Some(Service::CodePipeline) => "CodePipeline",
        _ => "Step Functions",
    }
}

/// Returns two conditions that no failure can match together.
pub(super) fn both_services(conditions: &Conditions) -> Option<(&Condition, &Condition)> {
    let of = |service| {
        let mut all = conditions.all.iter();
        all.find(|condition| condition.key.service() == Some(service))
    };
    of(Service::StepFunctions).zip(of(Service::CodePipeline))
}

/// Returns the service of all targets of a policy, if there is only one.
pub(super) const fn only_service(scope: &Scope) -> Option<Service> {
    match (&scope.state_machine, &scope.pipeline) {
        (Some(_), None) => Some(Service::StepFunctions),
        (None, Some(_)) => Some(Service::CodePipeline),
        _ => None,
    }
}

//! The services that conditions and targets are of.

use redrive_policy::{Condition, Conditions, Scope, Service};

/// Its name for people.
pub(super) const fn name(service: Option<Service>) -> &'static str {
    match service {
        Some(Service::CodePipeline) => "CodePipeline",
        _ => "Step Functions",
    }
}

/// Two conditions that no failure can meet together.
pub(super) fn both_services(conditions: &Conditions) -> Option<(&Condition, &Condition)> {
    let of = |service| {
        let mut all = conditions.all.iter();
        all.find(|condition| condition.key.service() == Some(service))
    };
    of(Service::StepFunctions).zip(of(Service::CodePipeline))
}

/// The only service that a policy's targets are of.
pub(super) const fn only_service(scope: &Scope) -> Option<Service> {
    match (&scope.state_machine, &scope.pipeline) {
        (Some(_), None) => Some(Service::StepFunctions),
        (None, Some(_)) => Some(Service::CodePipeline),
        _ => None,
    }
}

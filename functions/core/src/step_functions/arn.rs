//! ARNs of executions.

use crate::arn::{Arn, NotAnArn};

/// The parts of a Step Functions execution ARN.
///
/// A Standard execution's resource is `execution:<machine>:<name>`. A Map Run's child has
/// `execution:<machine>/<label>:<name>`. An Express execution has `express:<machine>:<name>:<id>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutionArn<'a> {
    /// The general parts.
    pub arn: Arn<'a>,
    /// The state machine's name, without a Map Run's label.
    pub state_machine: &'a str,
    /// The execution's name.
    pub name: &'a str,
    /// Standard, Express, or a Map Run's child.
    pub kind: ExecutionKind,
}

/// The kind of workflow that an execution ARN names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionKind {
    /// A Standard workflow's execution. AWS can redrive it.
    Standard,
    /// An Express workflow's execution. AWS never redrives it.
    Express,
    /// A Distributed Map's child. Redriving the parent redrives it.
    MapChild,
}

impl<'a> ExecutionArn<'a> {
    /// Reads an execution ARN.
    ///
    /// # Errors
    /// The text is no execution ARN. The error names the part that is missing or wrong.
    pub fn parse(text: &'a str) -> Result<Self, NotAnArn> {
        let arn = Arn::parse(text)?;
        if arn.service != "states" {
            return Err(NotAnArn("its service is not states"));
        }
        // AWS: an execution ARN has 1 to 256 characters.
        if text.len() > 256 {
            return Err(NotAnArn("it is longer than 256 characters"));
        }
        let mut parts = arn.resource.splitn(3, ':');
        let (kind, machine, name) = (parts.next(), parts.next(), parts.next());
        let (machine, name) = match (machine, name) {
            (Some(machine), Some(name)) if !machine.is_empty() && !name.is_empty() => {
                (machine, name)
            }
            _ => {
                return Err(NotAnArn(
                    "it does not name a state machine and an execution",
                ));
            }
        };
        let (state_machine, label) = match machine.split_once('/') {
            Some((machine, label)) => (machine, Some(label)),
            None => (machine, None),
        };
        let kind = match (kind, label) {
            (Some("execution"), None) => ExecutionKind::Standard,
            (Some("execution"), Some(_)) => ExecutionKind::MapChild,
            (Some("express"), _) => ExecutionKind::Express,
            _ => return Err(NotAnArn("it names no execution")),
        };
        Ok(Self {
            arn,
            state_machine,
            name,
            kind,
        })
    }
}

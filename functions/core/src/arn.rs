//! ARNs of every partition: general ones, and those of executions.

pub use crate::step_functions::arn::{ExecutionArn, ExecutionKind};

/// A borrowed ARN, `arn:partition:service:region:account:resource`.
///
/// Partitions are not listed, so `aws`, `aws-cn`, `aws-us-gov` and future ones are all read alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arn<'a> {
    /// The partition, for example `aws` or `aws-cn`.
    pub partition: &'a str,
    /// The service, for example `states`.
    pub service: &'a str,
    /// The region, for example `eu-west-1`.
    pub region: &'a str,
    /// The account id, twelve digits.
    pub account: &'a str,
    /// The rest after the account, colons included.
    pub resource: &'a str,
}

impl<'a> Arn<'a> {
    /// Reads an ARN that names a region and an account.
    ///
    /// # Errors
    /// The text is no such ARN. The error names the part that is missing or wrong.
    pub fn parse(text: &'a str) -> Result<Self, NotAnArn> {
        let mut parts = text.splitn(6, ':');
        let mut part = || parts.next().unwrap_or_default();
        let (scheme, partition, service, region, account, resource) =
            (part(), part(), part(), part(), part(), part());
        let plain = |text: &str| {
            // The longest region has about 15 letters, but an untrusted text may have a million.
            (1..=64).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        };
        if scheme != "arn" {
            Err(NotAnArn("it does not begin with arn:"))
        } else if !plain(partition) {
            Err(NotAnArn("its partition is missing or not a word"))
        } else if !plain(service) {
            Err(NotAnArn("its service is missing or not a word"))
        } else if !plain(region) {
            Err(NotAnArn("its region is missing or not a word"))
        } else if account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            Err(NotAnArn("its account is not twelve digits"))
        } else if resource.is_empty()
            || resource
                .chars()
                .any(|c| c.is_control() || c.is_whitespace())
        {
            Err(NotAnArn(
                "its resource is missing, or has white space or control characters in it",
            ))
        } else {
            Ok(Self {
                partition,
                service,
                region,
                account,
                resource,
            })
        }
    }
}

/// Returns whether a text is a valid name of a pipeline, stage, action or pipeline execution.
// AWS: such a name has 1 to 100 letters, digits and `.@-_` (CodePipeline API Reference).
#[must_use]
pub(crate) fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".@-_".contains(&b))
}

/// Returns the partition of a region, for texts without an ARN.
#[must_use]
pub fn partition_of(region: &str) -> &'static str {
    if region.starts_with("cn-") {
        "aws-cn"
    } else if region.starts_with("us-gov-") {
        "aws-us-gov"
    } else {
        "aws"
    }
}

/// The error about a text that is not the expected ARN.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAnArn(pub(crate) &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executions_of_every_partition_and_kind_are_parsed() {
        for (text, machine, name, kind) in [
            (
                "arn:aws:states:eu-west-1:111122223333:execution:etl:run-1",
                "etl",
                "run-1",
                ExecutionKind::Standard,
            ),
            (
                "arn:aws-cn:states:cn-north-1:111122223333:execution:etl:run-1",
                "etl",
                "run-1",
                ExecutionKind::Standard,
            ),
            (
                "arn:aws-us-gov:states:us-gov-west-1:111122223333:execution:e:r",
                "e",
                "r",
                ExecutionKind::Standard,
            ),
            (
                "arn:aws:states:eu-west-1:111122223333:execution:etl/EachOrder:c1",
                "etl",
                "c1",
                ExecutionKind::MapChild,
            ),
            (
                "arn:aws:states:eu-west-1:111122223333:express:hook:r:8b1a4c7d",
                "hook",
                "r:8b1a4c7d",
                ExecutionKind::Express,
            ),
        ] {
            let read = ExecutionArn::parse(text).unwrap();
            assert_eq!(
                (read.state_machine, read.name, read.kind),
                (machine, name, kind),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_execution_arn_is_refused_with_its_reason() {
        for (text, why) in [
            ("", "it does not begin with arn:"),
            ("etl:run-1", "it does not begin with arn:"),
            (
                "arn::states:eu-west-1:111122223333:execution:etl:r",
                "its partition is missing or not a word",
            ),
            (
                "arn:aws:lambda:eu-west-1:111122223333:function:f",
                "its service is not states",
            ),
            (
                "arn:aws:states::111122223333:execution:etl:r",
                "its region is missing or not a word",
            ),
            (
                "arn:aws:states:eu-west-1:1111:execution:etl:r",
                "its account is not twelve digits",
            ),
            (
                "arn:aws:states:eu-west-1:111122223333:execution:etl",
                "it does not name a state machine and an execution",
            ),
            (
                "arn:aws:states:eu-west-1:111122223333:stateMachine:etl:1",
                "it names no execution",
            ),
            (
                "arn:aws:states:eu-west-1:111122223333:execution:etl:a\nb",
                "its resource is missing, or has white space or control characters in it",
            ),
        ] {
            assert_eq!(
                ExecutionArn::parse(text).unwrap_err().to_string(),
                why,
                "{text}"
            );
        }
    }

    use alloc::string::ToString;
}

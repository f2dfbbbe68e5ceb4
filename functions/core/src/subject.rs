//! Subjects and the ids of their failures.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use core::fmt;

pub use redrive_policy::Service;
use redrive_policy::TargetName;
use serde::{Deserialize, Serialize};

use crate::arn::{Arn, ExecutionArn, ExecutionKind, is_name};
use crate::digest;

/// An execution or a stage of a pipeline execution. A subject fails, is retried, and has one item in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A Step Functions execution.
    Execution {
        /// Its ARN. A redrive keeps the ARN.
        arn: String,
    },
    /// A stage of a CodePipeline execution.
    Stage {
        /// The stage's ARN, `arn:…:codepipeline:REGION:ACCOUNT:PIPELINE/STAGE`, as IAM names it.
        arn: String,
        /// The id of the pipeline execution. A stage retry keeps the id.
        execution_id: String,
    },
}

impl Subject {
    /// Returns a stage from the parts that an event gives.
    #[must_use]
    pub fn stage(
        partition: &str,
        region: &str,
        account: &str,
        pipeline: &str,
        stage: &str,
        execution_id: &str,
    ) -> Self {
        Self::Stage {
            arn: format!("arn:{partition}:codepipeline:{region}:{account}:{pipeline}/{stage}"),
            execution_id: execution_id.to_string(),
        }
    }

    /// Returns the subject's key in the ledger. An execution's key is its ARN, a stage's key is `<stage ARN>/<execution
    /// id>`.
    // INVARIANT: keys of the two kinds never collide, because their ARNs name different services.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Execution { arn } => arn.clone(),
            Self::Stage { arn, execution_id } => format!("{arn}/{execution_id}"),
        }
    }

    /// Returns the subject's partition among `parts`, from 0 on. Subjects are spread evenly, and a subject always has
    /// the same partition.
    #[must_use]
    pub fn part_of(&self, parts: u64) -> u64 {
        let draw = digest::draw(&[self.key().as_bytes()]);
        draw.checked_rem(parts).unwrap_or_default()
    }

    /// Reads a key back.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        let arn = Arn::parse(key).ok()?;
        match arn.service {
            "states" => Some(Self::Execution {
                arn: key.to_string(),
            }),
            "codepipeline" => {
                let (stage, execution_id) = key.rsplit_once('/')?;
                stage.contains('/').then(|| Self::Stage {
                    arn: stage.to_string(),
                    execution_id: execution_id.to_string(),
                })
            }
            _ => None,
        }
    }

    /// Returns whether the subject has the form of one that can be retried. A subject that does not come from an event
    /// may have any length and content.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        match self {
            Self::Execution { arn } => {
                ExecutionArn::parse(arn).is_ok_and(|read| read.kind == ExecutionKind::Standard)
            }
            Self::Stage { arn, execution_id } => {
                let names = |resource: &str| {
                    let names = resource.split_once('/');
                    names.is_some_and(|(pipeline, stage)| is_name(pipeline) && is_name(stage))
                };
                Arn::parse(arn)
                    .is_ok_and(|arn| arn.service == "codepipeline" && names(arn.resource))
                    && is_name(execution_id)
            }
        }
    }

    /// Returns the ARN of the execution or of the stage.
    #[must_use]
    pub fn arn(&self) -> &str {
        match self {
            Self::Execution { arn } | Self::Stage { arn, .. } => arn,
        }
    }

    /// Returns the name that a policy's `match` matches, of the state machine or the pipeline.
    #[must_use]
    pub fn target(&self) -> &str {
        let resource = Arn::parse(self.arn())
            .map(|arn| arn.resource)
            .unwrap_or_default();
        match self {
            Self::Execution { .. } => resource
                .split(':')
                .nth(1)
                .and_then(|machine| machine.split('/').next())
                .unwrap_or_default(),
            Self::Stage { .. } => resource.split('/').next().unwrap_or_default(),
        }
    }

    /// Returns the region in which the subject runs.
    #[must_use]
    pub fn region(&self) -> &str {
        Arn::parse(self.arn())
            .map(|arn| arn.region)
            .unwrap_or_default()
    }

    /// Returns the account in which the subject runs.
    #[must_use]
    pub fn account(&self) -> &str {
        Arn::parse(self.arn())
            .map(|arn| arn.account)
            .unwrap_or_default()
    }

    /// Returns the service that runs the subject.
    #[must_use]
    pub const fn service(&self) -> Service {
        match self {
            Self::Execution { .. } => Service::StepFunctions,
            Self::Stage { .. } => Service::CodePipeline,
        }
    }
}

impl<'a> From<&'a Subject> for TargetName<'a> {
    fn from(subject: &'a Subject) -> Self {
        Self {
            service: subject.service(),
            account: subject.account(),
            region: subject.region(),
            name: subject.target(),
        }
    }
}

/// Formats a subject for a line that a person reads, for example `etl-orders run-7` or `web-delivery Build 5f0c…`.
impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let last = self.arn().rsplit([':', '/']).next().unwrap_or_default();
        match self {
            Self::Execution { .. } => write!(f, "{} {last}", self.target()),
            Self::Stage { execution_id, .. } => {
                let short = execution_id.split('-').next().unwrap_or_default();
                write!(f, "{} {last} {short}", self.target())
            }
        }
    }
}

/// The identity of one failure among its subject's failures.
///
/// It is never the id of an event. One failure may reach the controller by its event, by a duplicate of it, and by the
/// sweep.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureId {
    /// How often the execution had been redriven when it failed.
    RedriveCount(u32),
    /// The action executions of a stage that failed. Sets that overlap are one failure.
    FailedActions(BTreeSet<String>),
}

impl fmt::Display for FailureId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::RedriveCount(count) => write!(f, "redriveCount {count}"),
            Self::FailedActions(ids) => {
                f.write_str("actions")?;
                ids.iter().try_for_each(|id| write!(f, " {id}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_reads_back_as_its_subject() {
        for subject in [
            Subject::Execution {
                arn: "arn:aws:states:eu-west-1:111122223333:execution:etl:run-1".into(),
            },
            Subject::stage(
                "aws-cn",
                "cn-north-1",
                "111122223333",
                "web",
                "Build",
                "5f0c2f0e-0000-4000-8000-000000000001",
            ),
        ] {
            assert_eq!(Subject::from_key(&subject.key()), Some(subject));
        }
        for key in [
            "",
            "etl",
            "arn:aws:sqs:eu-west-1:111122223333:q",
            "arn:aws:codepipeline:eu-west-1:111122223333:web/Build",
        ] {
            assert_eq!(Subject::from_key(key), None, "{key}");
        }
    }

    #[test]
    fn what_a_key_reads_as_is_not_yet_sound() {
        let prefix = "arn:aws:codepipeline:eu-west-1:111122223333";
        for (key, sound) in [
            (
                "arn:aws:states:eu-west-1:111122223333:execution:etl:run-1",
                true,
            ),
            (
                "arn:aws:states:eu-west-1:111122223333:express:etl:run-1:x",
                false,
            ),
            (
                "arn:aws:states:eu-west-1:111122223333:stateMachine:etl",
                false,
            ),
            (
                &format!("{prefix}:web/Build/5f0c2f0e-0000-4000-8000-000000000001"),
                true,
            ),
            (&format!("{prefix}:web/Build/Unit/5f0c2f0e"), false),
            (&format!("{prefix}:web/Bu\u{202e}ild/5f0c2f0e"), false),
            (&format!("{prefix}:web/Build/{}", "a".repeat(101)), false),
        ] {
            assert_eq!(
                Subject::from_key(key).map(|it| it.is_sound()),
                Some(sound),
                "{key}"
            );
        }
    }

    #[test]
    fn a_subject_names_its_target() {
        let child = Subject::Execution {
            arn: "arn:aws:states:eu-west-1:111122223333:execution:etl/Each:run-1".into(),
        };
        assert_eq!(child.target(), "etl");
        let stage = Subject::stage(
            "aws",
            "eu-west-1",
            "111122223333",
            "web",
            "Build",
            "5f0c2f0e-1",
        );
        assert_eq!(
            (stage.target(), stage.account(), stage.region()),
            ("web", "111122223333", "eu-west-1")
        );
        assert_eq!(stage.to_string(), "web Build 5f0c2f0e");
    }
}

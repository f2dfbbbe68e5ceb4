//! Guesses the kind of problem of a failed action and the usual remedy, for people who read a decision.
//!
//! The guess is no part of any verdict, since policies match the services' own words. CodePipeline's error code is
//! nearly always `JobFailed`, so the message classifies the problem. The signs are wordings of CodePipeline, CodeBuild,
//! CodeDeploy, CloudFormation and the connections. No text of the message is kept.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

use crate::failure::{FailedAction, Failure, FailureDetail, Field};

/// The guess about one failed action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// The action's name.
    pub action: String,
    /// The likely kind of problem.
    pub looks_like: Kind,
    /// The usual remedy.
    pub remedy: &'static str,
}

/// A kind of problem that a pipeline's action has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The source cannot be read: a connection, a repository, a branch, a bucket.
    SourceAccess,
    /// A build or a test failed.
    Build,
    /// A deployment failed, or was rolled back.
    Deploy,
    /// A role lacks a permission.
    Permission,
    /// An artifact is missing or cannot be used.
    Artifact,
    /// Something took too long.
    TimeOut,
    /// A limit of the account or of another service is reached.
    Quota,
    /// The configuration of the action is wrong.
    Configuration,
    /// No sign matches.
    Unclear,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::SourceAccess,
        Self::Build,
        Self::Deploy,
        Self::Permission,
        Self::Artifact,
        Self::TimeOut,
        Self::Quota,
        Self::Configuration,
        Self::Unclear,
    ];

    /// The usual remedy.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::SourceAccess => {
                "Check that the connection is AVAILABLE, and that the repository, branch or bucket exists and may \
                 be read; then release the change again"
            }
            Self::Build => {
                "Read the log of the build from its first failed phase; a retry helps only if the failed command \
                 can succeed without a change"
            }
            Self::Deploy => {
                "Read the events of the deployment or stack. A rollback leaves the old version running; a stack in \
                 ROLLBACK_COMPLETE must be deleted before it can be created again"
            }
            Self::Permission => {
                "Grant the denied permission to the role of the pipeline or the action, in its policy, the \
                 bucket's and the key's; then retry the stage"
            }
            Self::Artifact => {
                "Check that the previous action writes the artifact that this one reads, under the same name, and \
                 that it has not expired; then release the change again"
            }
            Self::TimeOut => {
                "Find the cause of the wait. If it was slow rather than stuck, give the action or the build more time"
            }
            Self::Quota => {
                "Wait, or run fewer actions at once; if it happens again, request a higher quota, or sign in to the \
                 registry"
            }
            Self::Configuration => {
                "Correct the action in the pipeline's structure. CodePipeline then refuses a retry of the stage, so \
                 release the change again"
            }
            Self::Unclear => "Read the details of the action in the console",
        }
    }
}

/// The conditions under which a kind is named. All that are given must hold.
struct Sign {
    kind: Kind,
    /// Any of these categories, in CodePipeline's spelling. An empty list matches all.
    category: &'static [&'static str],
    /// Any of these words, in lower case, in the error code or the message. An empty list matches all.
    words: &'static [&'static str],
}

const fn sign(
    kind: Kind,
    category: &'static [&'static str],
    words: &'static [&'static str],
) -> Sign {
    Sign {
        kind,
        category,
        words,
    }
}

/// Words that show a missing permission.
const DENIED: &[&str] = &[
    "accessdenied",
    "access denied",
    "not authorized",
    "unauthorized",
    "have permission",
    "have the permissions",
    "sufficient permissions",
    "insufficient permissions",
    "permissionerror",
    "permissionserror",
];

/// The signs in order of precedence. The first match names the kind.
const SIGNS: &[Sign] = &[
    // A failed command's text is its author's, so none of its words is a sign.
    sign(
        Kind::Build,
        &[],
        &["command_execution_error", "yaml_file_error"],
    ),
    sign(
        Kind::Quota,
        &[],
        &[
            "cannot have more than",
            "limitexceeded",
            "limit exceeded",
            "toomanyrequests",
            "too many requests",
            "rate exceeded",
            "throttl",
            "quota",
            "pull rate limit",
            "insufficient_subnet",
        ],
    ),
    sign(
        Kind::TimeOut,
        &[],
        &[
            "timed out",
            "timed_out",
            "timeout",
            "time out",
            "failed to return a result",
        ],
    ),
    sign(
        Kind::SourceAccess,
        &[],
        &[
            "authorization failed for primary source",
            "unable to use connection",
            "unable to connect to the github",
            "could not access the github",
            "revisionunavailable",
            "revisionoutofsync",
        ],
    ),
    sign(Kind::SourceAccess, &["Source"], &[]),
    sign(Kind::Permission, &[], DENIED),
    // The word "artifact" alone is no sign, because it may be part of a name in a CloudFormation message.
    sign(
        Kind::Artifact,
        &[],
        &[
            "artifact or the amazon s3 bucket",
            "input artifact",
            "no matching artifact",
            "artifact not found",
            "upload_artifacts",
            "image definition file",
            "nosuchkey",
        ],
    ),
    sign(
        Kind::Configuration,
        &[],
        &[
            "configurationerror",
            "cannot be found",
            "does not exist",
            "resourcenotfound",
            "no bucket with the name",
            "invalid action configuration",
        ],
    ),
    sign(Kind::Deploy, &["Deploy"], &[]),
    sign(
        Kind::Deploy,
        &[],
        &["rollback", "change set", "deployment d-"],
    ),
    sign(Kind::Build, &["Build", "Test", "Compute"], &[]),
];

/// Returns the likely kind of problem of a failed action. Returns `None` for an approval, which a person rejected or
/// let lapse.
#[must_use]
pub fn looks_like(action: &FailedAction) -> Option<Kind> {
    let text = |field: &Field<String>| field.known().map(|text| text.to_lowercase());
    let category = action
        .category
        .known()
        .map(String::as_str)
        .unwrap_or_default();
    if category == "Approval" {
        return None;
    }
    let said = [text(&action.error_code), text(&action.summary)];
    let fits = |sign: &&Sign| {
        let says = |word: &&str| said.iter().flatten().any(|text| text.contains(word));
        (sign.category.is_empty() || sign.category.contains(&category))
            && (sign.words.is_empty() || sign.words.iter().any(says))
    };
    Some(
        SIGNS
            .iter()
            .find(fits)
            .map_or(Kind::Unclear, |sign| sign.kind),
    )
}

/// Returns the guesses for the failed actions of a stage. An execution has none.
#[must_use]
pub fn of(failure: &Failure) -> Vec<Diagnosis> {
    let FailureDetail::Stage(stage) = &failure.detail else {
        return Vec::new();
    };
    let failed = match stage.snapshot.known() {
        Some(snapshot) => snapshot.failed.as_slice(),
        None => stage.announced.as_slice(),
    };
    let diagnosed = failed.iter().filter_map(|action| {
        let looks_like = looks_like(action)?;
        Some(Diagnosis {
            action: action.action.clone(),
            looks_like,
            remedy: looks_like.remedy(),
        })
    });
    diagnosed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::ToOwned;

    fn seen(category: &str, provider: &str, code: &str, summary: &str) -> Option<Kind> {
        let field = |text: &str| Field::from_option((!text.is_empty()).then(|| text.to_owned()));
        looks_like(&FailedAction {
            action: "Act".into(),
            category: field(category),
            provider: field(provider),
            error_code: field(code),
            summary: field(summary),
            ..FailedAction::default()
        })
    }

    #[test]
    fn each_wording_has_its_diagnosis() {
        use Kind::{
            Artifact, Build, Configuration, Deploy, Permission, Quota, SourceAccess, TimeOut,
            Unclear,
        };
        const FAILED: &str = "JobFailed";
        for (category, provider, code, summary, kind) in [
            (
                "Source",
                "CodeStarSourceConnection",
                FAILED,
                "Unable to use Connection: arn:aws:codeconnections:eu-west-1:111122223333:connection/0. The provided role does not have sufficient permissions.",
                SourceAccess,
            ),
            (
                "Source",
                "GitHub",
                FAILED,
                "The repository web or branch main does not exist",
                SourceAccess,
            ),
            (
                "Source",
                "S3",
                "ConfigurationError",
                "No bucket with the name sources was found",
                SourceAccess,
            ),
            ("Source", "CodeCommit", FAILED, "Rate exceeded", Quota),
            (
                "Build",
                "CodeBuild",
                FAILED,
                "authorization failed for primary source and source version 5f0c2f0e",
                SourceAccess,
            ),
            (
                "Build",
                "CodeBuild",
                FAILED,
                "Build terminated with state: FAILED",
                Build,
            ),
            (
                "Build",
                "CodeBuild",
                FAILED,
                "Build terminated with state: FAILED. Phase: BUILD, Code: COMMAND_EXECUTION_ERROR, Message: Error while executing command: curl --connect-timeout 5 https://api. Reason: exit status 28",
                Build,
            ),
            (
                "Compute",
                "Commands",
                FAILED,
                "Action failed with status: FAILED. COMMAND_EXECUTION_ERROR: Error while executing command: ./access-denied-test. Reason: exit status 1",
                Build,
            ),
            ("Test", "DeviceFarm", FAILED, "Tests failed", Build),
            (
                "Build",
                "CodeBuild",
                FAILED,
                "Build terminated with state: TIMED_OUT",
                TimeOut,
            ),
            (
                "Build",
                "CodeBuild",
                FAILED,
                "Error calling startBuild: Cannot have more than 1 builds in queue for the account (Service: AWSCodeBuild; Error Code: AccountLimitExceededException)",
                Quota,
            ),
            (
                "Build",
                "CodeBuild",
                FAILED,
                "Build terminated with state: FAILED. Phase: PROVISIONING, Code: BUILD_CONTAINER_UNABLE_TO_PULL_IMAGE, Message: CannotPullContainerError: toomanyrequests",
                Quota,
            ),
            (
                "Build",
                "CodeBuild",
                FAILED,
                "Phase: UPLOAD_ARTIFACTS, Code: CLIENT_ERROR, Message: no matching artifact paths found",
                Artifact,
            ),
            (
                "Build",
                "CodeBuild",
                FAILED,
                "Error calling startBuild: Project cannot be found (ResourceNotFoundException)",
                Configuration,
            ),
            (
                "Build",
                "CodeBuild",
                FAILED,
                "Error calling startBuild: User is not authorized to perform: codebuild:StartBuild",
                Permission,
            ),
            (
                "Deploy",
                "S3",
                FAILED,
                "The service role or action role doesn\u{2019}t have the permissions required to access the Amazon S3 bucket named web",
                Permission,
            ),
            ("Deploy", "ECS", "PermissionError", "", Permission),
            (
                "Deploy",
                "CloudFormation",
                FAILED,
                "Access Denied",
                Permission,
            ),
            (
                "Deploy",
                "ECS",
                FAILED,
                "Did not find the image definition file imagedefinitions.json",
                Artifact,
            ),
            (
                "Deploy",
                "CodeDeploy",
                FAILED,
                "The action failed because either the artifact or the Amazon S3 bucket could not be found. Name of artifact bucket: b.",
                Artifact,
            ),
            (
                "Deploy",
                "ECS",
                FAILED,
                "The AWS ECS container web does not exist",
                Configuration,
            ),
            (
                "Deploy",
                "CloudFormation",
                FAILED,
                "Failed to execute change set. Current stack status: UPDATE_ROLLBACK_COMPLETE.",
                Deploy,
            ),
            (
                "Deploy",
                "CodeDeploy",
                FAILED,
                "Deployment d-0A1B2C3D4 failed",
                Deploy,
            ),
            ("Deploy", "CodeDeploy", "", "", Deploy),
            (
                "",
                "",
                FAILED,
                "Failed to update stack. Current status: ROLLBACK_COMPLETE",
                Deploy,
            ),
            (
                "Invoke",
                "Lambda",
                FAILED,
                "The AWS Lambda function f failed to return a result. Check the function",
                TimeOut,
            ),
            (
                "Invoke",
                "Lambda",
                "ConfigurationError",
                "no",
                Configuration,
            ),
            ("Invoke", "Lambda", FAILED, "it did not work", Unclear),
            ("", "", "", "", Unclear),
        ] {
            assert_eq!(
                seen(category, provider, code, summary),
                Some(kind),
                "{category} {provider}: {summary}"
            );
        }
        assert_eq!(seen("Approval", "Manual", FAILED, "Access denied"), None);
    }

    #[test]
    fn every_kind_has_a_remedy_of_its_own() {
        let remedies: alloc::collections::BTreeSet<_> =
            Kind::ALL.iter().map(|kind| kind.remedy()).collect();
        assert_eq!(remedies.len(), Kind::ALL.len());
    }
}

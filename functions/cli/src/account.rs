//! The ledger of an account, reached with the caller's credentials.

use std::env;
use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use clap::Args;
use redrive_aws::aws_sdk_dynamodb::config::ProvideCredentials;
use redrive_aws::aws_sdk_dynamodb::{self, Client};
use redrive_aws::empty_answer::NoEmptyAnswer;
use redrive_aws::http;
use redrive_aws::ledger::DynamoDb;
use redrive_core::arn::{Arn, ExecutionArn};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::Subject;
use redrive_policy_tools::visible::visible;

use crate::CommandError;

/// The default table, where neither `--table` nor the environment names one.
const TABLE: &str = "redrive";

/// The subject of the command, and the place of the ledger.
#[derive(Debug, Args)]
pub(crate) struct Where {
    /// An execution's ARN; for a stage, arn:aws:codepipeline:REGION:ACCOUNT:PIPELINE/STAGE/EXECUTION-ID.
    #[arg(value_name = "ARN")]
    arn: String,
    /// The ledger's table [default: REDRIVE_LEDGER, or redrive]
    #[arg(long, value_name = "NAME")]
    table: Option<String>,
    /// The ledger's region [default: that of the environment, of the profile, or of the ARN]
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
    /// The profile in ~/.aws with the credentials and the region.
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
}

/// Runs a command that calls AWS to its end.
pub(crate) fn run(
    talk: impl Future<Output = Result<(), CommandError>>,
) -> Result<(), CommandError> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| CommandError::Bug(format!("the runtime does not start: {error}")))?
        .block_on(talk)
}

/// The identity of the caller, from STS.
#[derive(Debug)]
pub(crate) struct Caller {
    account: Option<String>,
    /// The ARN of the caller.
    pub(crate) arn: Option<String>,
}

/// The ledger of the caller's account, opened for one subject.
#[derive(Debug)]
pub(crate) struct Account {
    /// The subject of the command.
    pub(crate) subject: Subject,
    /// The ledger.
    pub(crate) ledger: DynamoDb,
    config: SdkConfig,
    table: String,
}

impl Account {
    /// Parses the subject, and resolves credentials, region and table.
    pub(crate) async fn open(place: Where) -> Result<Self, CommandError> {
        let subject = subject(&place.arn)?;
        let table = table(place.table)?;
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(5))
            .operation_attempt_timeout(Duration::from_secs(10))
            .operation_timeout(Duration::from_secs(30))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http::client())
            .timeout_config(timeouts);
        if let Some(profile) = place.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = place.region {
            loader = loader.region(Region::new(region));
        }
        let mut config = loader.load().await;
        if config.region().is_none() {
            let region = Region::new(subject.region().to_owned());
            config = config.into_builder().region(region).build();
        }
        let client = aws_sdk_dynamodb::config::Builder::from(&config).interceptor(NoEmptyAnswer);
        let client = Client::from_conf(client.build());
        Ok(Self {
            subject,
            ledger: DynamoDb::new(client, &table),
            config,
            table,
        })
    }

    /// Returns the caller, or `None` where STS does not answer, as with an emulator.
    pub(crate) async fn caller(&self) -> Option<Caller> {
        let identity = aws_sdk_sts::Client::new(&self.config)
            .get_caller_identity()
            .send()
            .await
            .ok()?;
        Some(Caller {
            account: identity.account,
            arn: identity.arn,
        })
    }

    fn region(&self) -> &str {
        self.config.region().map_or("(none)", Region::as_ref)
    }

    /// Returns the failure of the command for an error of the ledger.
    pub(crate) async fn failed(&self, error: Error) -> CommandError {
        let place = format!(
            "{error} (table {}, region {})",
            visible(&self.table),
            visible(self.region())
        );
        match error.kind {
            ErrorKind::Internal => CommandError::Bug(place),
            ErrorKind::Throttled => CommandError::User(format!(
                "{place}\nThe table is too busy; try again in a minute."
            )),
            ErrorKind::AccessDenied | ErrorKind::KmsAccessDenied => {
                match self.no_credentials().await {
                    Some(why) => CommandError::User(format!(
                        "no credentials were found: {why}\nName a profile with --profile NAME or AWS_PROFILE, or log in \
                     as for the AWS CLI (aws sts get-caller-identity shows your identity)."
                    )),
                    None => CommandError::User(format!(
                        "{place}\nThese credentials lack a permission: dynamodb:GetItem reads the ledger, and \
                     dynamodb:PutItem cancels. Other credentials: --profile NAME."
                    )),
                }
            }
            ErrorKind::NewerSchema => CommandError::User(format!(
                "{place}\nUse the redrive of that version or a later one."
            )),
            ErrorKind::OldTable | ErrorKind::Unavailable => CommandError::User(format!(
                "{place}\nAnother table: --table NAME or REDRIVE_LEDGER; another region: --region NAME."
            )),
        }
    }

    async fn no_credentials(&self) -> Option<String> {
        let Some(provider) = self.config.credentials_provider() else {
            return Some("no provider has any".to_owned());
        };
        let error = provider.provide_credentials().await.err()?;
        Some(visible(&error.to_string()))
    }

    /// Returns the failure for a missing entry: the places searched, and the possible causes.
    pub(crate) async fn no_entry(&self) -> CommandError {
        let asked = &self.subject;
        let account = self.caller().await.and_then(|caller| caller.account);
        let mut text = format!(
            "the ledger has no entry for {}\nRead were table {}, region {}, account {}. Possible reasons:\n",
            visible(&asked.key()),
            visible(&self.table),
            visible(self.region()),
            account
                .as_deref()
                .map_or("unknown (STS does not answer)".to_owned(), visible)
        );
        if let Some(account) = account.filter(|account| account != asked.account()) {
            text.push_str(&format!(
                "- another account: the ARN has {}, and the credentials have {}; see --profile\n",
                asked.account(),
                visible(&account)
            ));
        }
        if self.region() != asked.region() {
            text.push_str(&format!(
                "- another region: the ARN has {0}; try --region {0}\n",
                asked.region()
            ));
        }
        text.push_str(
            "- it never failed, or its event has not arrived yet (at most minutes)\n\
             - no policy matches its target, or redrive was off: such a failure has no entry\n\
             - its entry has expired: an entry expires 30 days after its last write\n\
             - the ledger is in another table or region: --table NAME, --region NAME",
        );
        CommandError::User(text)
    }
}

/// Returns the ledger's table: from the option, the environment of the functions, or the default of the stack.
fn table(asked: Option<String>) -> Result<String, CommandError> {
    let set = |name: &String| !name.is_empty();
    match asked.or_else(|| env::var("REDRIVE_LEDGER").ok().filter(set)) {
        Some(table) if table == "memory" => Err(CommandError::User(
            "REDRIVE_LEDGER is memory, which is no table: name the ledger's table with --table; the stack's output \
             Ledger has it"
                .to_owned(),
        )),
        Some(table) if set(&table) => Ok(table),
        _ => Ok(TABLE.to_owned()),
    }
}

/// Parses an ARN. The error for any other ARN states the problem and the allowed forms.
fn subject(text: &str) -> Result<Subject, CommandError> {
    let wrong = |why: &str| {
        CommandError::User(format!(
            "{} is neither an execution nor a stage: {why}\n\
             Allowed are arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME\n\
             and         arn:aws:codepipeline:REGION:ACCOUNT:PIPELINE/STAGE/EXECUTION-ID",
            visible(text)
        ))
    };
    let arn = Arn::parse(text).map_err(|error| wrong(&error.to_string()))?;
    match arn.service {
        "states" if arn.resource.starts_with("stateMachine:") => {
            return Err(wrong(&format!(
                "it names a state machine; list its executions with\n  \
                 aws stepfunctions list-executions --state-machine-arn {text} --status-filter FAILED"
            )));
        }
        "states" => {
            ExecutionArn::parse(text).map_err(|error| wrong(&error.to_string()))?;
        }
        "codepipeline" => {
            let parts: Vec<&str> = arn.resource.split('/').collect();
            let pipeline = parts.first().copied().unwrap_or_default();
            let missing = match parts.len() {
                _ if parts.contains(&"") => "one of its parts is empty",
                1 => "it names a pipeline, and neither a stage nor an execution id",
                2 => "it names a stage of a pipeline, and no execution id",
                3 => "",
                _ => "it has more than three parts after the account",
            };
            if !missing.is_empty() {
                return Err(wrong(&format!(
                    "{missing}; list its executions with\n  \
                     aws codepipeline list-pipeline-executions --pipeline-name {pipeline}"
                )));
            }
        }
        other => return Err(wrong(&format!("its service is {other}"))),
    }
    Subject::from_key(text).ok_or_else(|| wrong("it cannot be a key of the ledger"))
}

/// Returns the command by which a person stops the restarted target.
pub(crate) fn stop_command(subject: &Subject) -> String {
    match subject {
        Subject::Stage { execution_id, .. } => format!(
            "aws codepipeline stop-pipeline-execution --pipeline-name {} --pipeline-execution-id {execution_id}",
            subject.target()
        ),
        Subject::Execution { arn } => {
            format!("aws stepfunctions stop-execution --execution-arn {arn}")
        }
    }
}

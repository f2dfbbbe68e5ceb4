//! The SDK's clients, from the environment that Lambda gives a function.
//!
//! [`Environment`] reads variables only. A function needs no files, no metadata service and no chain of providers,
//! whose look-ups would delay its first event.
//!
//! AWS: the names of the variables (Environment variables, AWS SDKs and Tools Reference Guide).

use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_sfn::config::retry::{RetryConfig, RetryMode};
use aws_sdk_sfn::config::timeout::TimeoutConfig;
use aws_sdk_sfn::config::{
    BehaviorVersion, Region, SharedAsyncSleep, StalledStreamProtectionConfig,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_types::SdkConfig;

use crate::bus::Bus;
use crate::calls::Calls;
use crate::empty_answer::NoEmptyAnswer;
use crate::http;

/// Maximum time to open a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Maximum time of one attempt of a call.
const ATTEMPT: Duration = Duration::from_secs(5);
/// Maximum time of a call with all its attempts. A handling makes a few calls, and a function has at least 30
/// seconds. The sweep takes over an unfinished handling when its lease has expired.
const OPERATION: Duration = Duration::from_secs(12);
/// Maximum wait between two attempts.
const BACKOFF: Duration = Duration::from_secs(1);

/// Mistakes of a deployment in the environment of a process, one message each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct Misconfigured(pub Vec<String>);

/// Returns a variable of the process. An empty variable counts as not set.
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The configuration that all clients share.
#[derive(Debug)]
pub struct Environment {
    shared: SdkConfig,
    calls: Calls,
    variable: fn(&str) -> Option<String>,
}

macro_rules! client {
    ($name:ident, $sdk:ident, $endpoint:literal, $doc:literal) => {
        #[doc = $doc]
        #[must_use]
        pub fn $name(&self) -> $sdk::Client {
            let config = $sdk::config::Builder::from(&self.shared)
                .interceptor(self.calls.clone())
                .interceptor(NoEmptyAnswer);
            let url = (self.variable)(concat!("AWS_ENDPOINT_URL_", $endpoint));
            $sdk::Client::from_conf(match url {
                Some(url) => config.endpoint_url(url).build(),
                None => config.build(),
            })
        }
    };
}

impl Environment {
    /// Reads the environment of the process. `calls` counts the requests of the clients.
    ///
    /// # Errors
    /// All variables that are missing or cannot be used.
    pub fn read(calls: Calls) -> Result<Self, Misconfigured> {
        Self::of(variable, calls)
    }

    fn of(variable: fn(&str) -> Option<String>, calls: Calls) -> Result<Self, Misconfigured> {
        let mut wrong = Vec::new();
        let mut required = |name: &str| {
            variable(name).unwrap_or_else(|| {
                wrong.push(format!(
                    "{name} is not set: Lambda sets it; locally, set it yourself"
                ));
                String::new()
            })
        };
        let region = required("AWS_REGION");
        let credentials = Credentials::new(
            required("AWS_ACCESS_KEY_ID"),
            required("AWS_SECRET_ACCESS_KEY"),
            variable("AWS_SESSION_TOKEN"),
            None,
            "environment",
        );
        let mut shared = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .http_client(http::client())
            .retry_config(retries(variable, &mut wrong))
            // No answer is a stream, and each attempt has a timeout, so stalled streams need no watch.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT)
                    .operation_attempt_timeout(ATTEMPT)
                    .operation_timeout(OPERATION)
                    .build(),
            );
        shared.set_endpoint_url(variable("AWS_ENDPOINT_URL"));
        for (name, set) in [
            ("AWS_USE_FIPS_ENDPOINT", Switch::Fips),
            ("AWS_USE_DUALSTACK_ENDPOINT", Switch::DualStack),
        ] {
            match (
                variable(name).map(|word| word.to_lowercase()).as_deref(),
                set,
            ) {
                (None | Some("false"), _) => {}
                (Some("true"), Switch::Fips) => shared = shared.use_fips(true),
                (Some("true"), Switch::DualStack) => shared = shared.use_dual_stack(true),
                (Some(other), _) => {
                    wrong.push(format!("{name} is {other:?}: it may be true or false"));
                }
            }
        }
        if wrong.is_empty() {
            Ok(Self {
                shared: shared.build(),
                calls,
                variable,
            })
        } else {
            Err(Misconfigured(wrong))
        }
    }

    client!(
        dynamodb,
        aws_sdk_dynamodb,
        "DYNAMODB",
        "A client of DynamoDB."
    );
    client!(sqs, aws_sdk_sqs, "SQS", "A client of SQS.");
    client!(
        stepfunctions,
        aws_sdk_sfn,
        "SFN",
        "A client of Step Functions."
    );
    client!(
        codepipeline,
        aws_sdk_codepipeline,
        "CODEPIPELINE",
        "A client of CodePipeline."
    );

    /// Returns a client of EventBridge, with shorter timeouts than the other clients have.
    #[must_use]
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        let config = aws_sdk_eventbridge::config::Builder::from(&self.shared)
            .interceptor(self.calls.clone())
            .interceptor(NoEmptyAnswer);
        Bus::hurried(match (self.variable)("AWS_ENDPOINT_URL_EVENTBRIDGE") {
            Some(url) => config.endpoint_url(url),
            None => config,
        })
    }
}

enum Switch {
    Fips,
    DualStack,
}

fn retries(variable: fn(&str) -> Option<String>, wrong: &mut Vec<String>) -> RetryConfig {
    // OPERATION would cut off the SDK's default waits of up to 20 seconds. A call that AWS refused would then end as
    // a call without an answer.
    let mut config = RetryConfig::standard().with_max_backoff(BACKOFF);
    match variable("AWS_RETRY_MODE").as_deref() {
        None | Some("standard") => {}
        Some("adaptive") => config = config.with_retry_mode(RetryMode::Adaptive),
        Some(other) => wrong.push(format!(
            "AWS_RETRY_MODE is {other:?}: it may be standard or adaptive"
        )),
    }
    if let Some(most) = variable("AWS_MAX_ATTEMPTS") {
        match most.parse() {
            Ok(most @ 1..) => config = config.with_max_attempts(most),
            _ => wrong.push(format!(
                "AWS_MAX_ATTEMPTS is {most:?}: it may be a whole number from 1; 1 means that no call is repeated"
            )),
        }
    }
    config
}

#[cfg(test)]
mod tests {
    use aws_credential_types::provider::ProvideCredentials;

    use super::*;

    fn set(name: &str) -> Option<String> {
        let value = match name {
            "AWS_REGION" => "eu-west-1",
            "AWS_ACCESS_KEY_ID" => "111122223333",
            "AWS_SECRET_ACCESS_KEY" => "secret",
            "AWS_SESSION_TOKEN" => "session",
            "AWS_RETRY_MODE" => "adaptive",
            "AWS_MAX_ATTEMPTS" => "7",
            "AWS_USE_FIPS_ENDPOINT" => "true",
            "AWS_USE_DUALSTACK_ENDPOINT" => "TRUE",
            "AWS_ENDPOINT_URL" => "http://127.0.0.1:4599",
            _ => return None,
        };
        Some(value.to_owned())
    }

    #[tokio::test]
    async fn what_lambda_sets_reaches_the_clients() {
        let shared = Environment::of(set, Calls::default()).unwrap().shared;
        let credentials = shared
            .credentials_provider()
            .unwrap()
            .provide_credentials()
            .await
            .unwrap();
        assert_eq!(
            (
                credentials.access_key_id(),
                credentials.secret_access_key(),
                credentials.session_token()
            ),
            ("111122223333", "secret", Some("session"))
        );
        let retries = shared.retry_config().unwrap();
        assert_eq!(
            (retries.mode(), retries.max_attempts()),
            (RetryMode::Adaptive, 7)
        );
        assert_eq!(
            (shared.use_fips(), shared.use_dual_stack()),
            (Some(true), Some(true))
        );
        assert_eq!(shared.endpoint_url(), Some("http://127.0.0.1:4599"));
        assert_eq!(shared.region().map(AsRef::as_ref), Some("eu-west-1"));
    }

    #[test]
    fn all_mistakes_are_reported_at_once_with_allowed_values() {
        let variable = |name: &str| {
            let value = match name {
                "AWS_RETRY_MODE" => "legacy",
                "AWS_MAX_ATTEMPTS" => "0",
                "AWS_USE_FIPS_ENDPOINT" => "yes",
                _ => return None,
            };
            Some(value.to_owned())
        };
        let Misconfigured(wrong) = Environment::of(variable, Calls::default()).unwrap_err();
        assert_eq!(
            wrong,
            [
                "AWS_REGION is not set: Lambda sets it; locally, set it yourself",
                "AWS_ACCESS_KEY_ID is not set: Lambda sets it; locally, set it yourself",
                "AWS_SECRET_ACCESS_KEY is not set: Lambda sets it; locally, set it yourself",
                "AWS_RETRY_MODE is \"legacy\": it may be standard or adaptive",
                "AWS_MAX_ATTEMPTS is \"0\": it may be a whole number from 1; 1 means that no call is repeated",
                "AWS_USE_FIPS_ENDPOINT is \"yes\": it may be true or false",
            ]
        );
    }
}

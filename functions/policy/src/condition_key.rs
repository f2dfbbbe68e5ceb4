//! The table of conditions: a key is one row.
//!
//! The reader, the tests of a document, the lints, `explain`, the JSON schema and the words of the fuzz targets follow
//! from the row. A value that is read from a cause also needs its reader in `redrive_core::cause`, and a property of
//! the failure a line in `redrive_core::view`. The README names each key. What is generated is written by
//! `UPDATE_EXPECTED=1 cargo test -p redrive-policy -p redrive-policy-tools -p redrive-cli`.

use crate::condition_row::{ConditionRow, Source, ValueKind};
use crate::service::Service;
use crate::signal_reason::SignalReason;

/// Declares the keys with their rows, so that no key lacks a row or a place in the list of all keys.
macro_rules! table {
    ($($key:ident: $doc:literal, $row:expr;)*) => {
        /// The key of a condition: the property of a failure that the condition tests.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ConditionKey {
            $(#[doc = $doc] $key,)*
        }

        impl ConditionKey {
            /// Every key, in the order of messages.
            pub const ALL: [Self; [$(stringify!($key)),*].len()] = [$(Self::$key),*];

            /// Returns the key's row.
            #[must_use]
            pub const fn row(self) -> &'static ConditionRow {
                match self {
                    $(Self::$key => &ConditionRow { doc: $doc, ..$row },)*
                }
            }
        }
    };
}

const STEP_FUNCTIONS: Option<Service> = Some(Service::StepFunctions);
const CODE_PIPELINE: Option<Service> = Some(Service::CodePipeline);
const TEXT: ValueKind = ValueKind::Text {
    ignores_case: false,
};
const CASELESS_TEXT: ValueKind = ValueKind::Text { ignores_case: true };

/// The columns that most rows leave as they are.
const ROW: ConditionRow = ConditionRow {
    word: "",
    service: None,
    values: TEXT,
    source: Source::Failure,
    describes_error: false,
    synonyms: &[],
    doc: "",
};

table! {
    ExitStatus: "The exit status of the process; -1 where its machine was lost.", ConditionRow {
        word: "exit_status",
        values: ValueKind::Number { min: -1, max: 255, as_buildkite: true },
        source: Source::ErrorOrCause,
        describes_error: true,
        synonyms: &["exit_code", "exit"],
        ..ROW
    };
    Signal: "The signal that ended the process, with or without SIG.", ConditionRow {
        word: "signal",
        values: ValueKind::Signal,
        source: Source::Cause,
        describes_error: true,
        ..ROW
    };
    SignalReason: "Why the process was ended from outside, in Buildkite's words.", ConditionRow {
        word: "signal_reason",
        values: ValueKind::Open { words: &SignalReason::WORDS },
        source: Source::ErrorOrCause,
        describes_error: true,
        ..ROW
    };
    Status: "FAILED or TIMED_OUT: how the execution ended.", ConditionRow {
        word: "status",
        service: STEP_FUNCTIONS,
        values: ValueKind::Closed {
            words: &["FAILED", "TIMED_OUT"],
            more_in_tests: &["ABORTED"],
            refusal: "nothing else is ever retried",
        },
        ..ROW
    };
    Error: "The error's name; States.ALL and States.TaskFailed mean what they do in a state machine.", ConditionRow {
        word: "error",
        service: STEP_FUNCTIONS,
        describes_error: true,
        synonyms: &["error_name"],
        ..ROW
    };
    Cause: "The error's cause, its first 32 KiB.", ConditionRow {
        word: "cause",
        service: STEP_FUNCTIONS,
        values: CASELESS_TEXT,
        describes_error: true,
        ..ROW
    };
    State: "The state that failed; asking for it costs a call of AWS.", ConditionRow {
        word: "state",
        service: STEP_FUNCTIONS,
        source: Source::FailedState,
        synonyms: &["state_name"],
        ..ROW
    };
    Resource: "What the failed state called, for example glue:startJobRun.sync.", ConditionRow {
        word: "resource",
        service: STEP_FUNCTIONS,
        source: Source::FailedState,
        ..ROW
    };
    Container: "The name of the container that failed, in an ECS task or in a Batch job with several containers.", ConditionRow {
        word: "container",
        service: STEP_FUNCTIONS,
        source: Source::Cause,
        synonyms: &["container_name"],
        ..ROW
    };
    Stage: "The stage's name.", ConditionRow {
        word: "stage",
        service: CODE_PIPELINE,
        synonyms: &["stage_name"],
        ..ROW
    };
    Action: "The failed action's name.", ConditionRow {
        word: "action",
        service: CODE_PIPELINE,
        synonyms: &["action_name"],
        ..ROW
    };
    Category: "The failed action's category: Source, Build, Test, Deploy, Invoke, Approval or Compute.", ConditionRow {
        word: "category",
        service: CODE_PIPELINE,
        values: CASELESS_TEXT,
        ..ROW
    };
    Provider: "The failed action's provider, for example CodeBuild.", ConditionRow {
        word: "provider",
        service: CODE_PIPELINE,
        values: CASELESS_TEXT,
        ..ROW
    };
    ErrorCode: "The failed action's error code, for example JobFailed.", ConditionRow {
        word: "error_code",
        service: CODE_PIPELINE,
        describes_error: true,
        ..ROW
    };
    Summary: "The failed action's message, its first 32 KiB.", ConditionRow {
        word: "summary",
        service: CODE_PIPELINE,
        values: CASELESS_TEXT,
        describes_error: true,
        synonyms: &["message"],
        ..ROW
    };
    HttpStatus: "The HTTP status that the called service answered with, from the error or its cause.", ConditionRow {
        word: "http_status",
        values: ValueKind::Number { min: 100, max: 599, as_buildkite: false },
        source: Source::ErrorOrCause,
        describes_error: true,
        synonyms: &["status_code", "http_code"],
        ..ROW
    };
    Mode: "What a retry mode of the AWS CLI would retry, with its limit and backoff as defaults.", ConditionRow {
        word: "mode",
        values: ValueKind::Mode,
        source: Source::Derived,
        describes_error: true,
        ..ROW
    };
}

impl ConditionKey {
    /// Returns the key with this word.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|key| key.as_str() == word)
    }

    /// Yields the keys of both services, if `service` is `None`, or the keys that only this service has.
    pub fn of_service(service: Option<Service>) -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(move |key| key.service() == service)
    }

    /// Yields the keys that have a value in a failure.
    pub fn of_failures() -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(|key| key.row().source != Source::Derived)
    }

    /// Yields the keys whose values are read from the texts that describe a failure.
    pub fn of_texts() -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .filter(|key| key.row().source.is_text_of_failure())
    }

    /// Returns the word that a policy uses.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.row().word
    }

    /// Returns the service that has the key, or `None` where both have it.
    #[must_use]
    pub const fn service(self) -> Option<Service> {
        self.row().service
    }

    /// Returns whether values of the key ignore case.
    #[must_use]
    pub const fn folds_case(self) -> bool {
        match self.row().values {
            ValueKind::Text { ignores_case } => ignores_case,
            ValueKind::Signal | ValueKind::Closed { .. } | ValueKind::Open { .. } => true,
            ValueKind::Number { .. } | ValueKind::Mode => false,
        }
    }
}

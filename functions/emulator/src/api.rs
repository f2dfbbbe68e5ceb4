//! The parts that the emulated services share: answers and errors of the protocol, emitted events, and made-up ids.
//!
//! The services read no clock and draw no random number. Every call carries the time in milliseconds since the epoch,
//! and every id follows from a seed. A run can therefore be repeated exactly.

use serde_json::{Map, Value};

/// The partition, region and account of an emulated service, which are part of every ARN and every event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: String,
    /// The region, for example `eu-west-1`.
    pub region: String,
    /// The account: twelve digits.
    pub account: String,
}

impl Default for Place {
    fn default() -> Self {
        Self {
            partition: "aws".into(),
            region: "eu-west-1".into(),
            account: "111122223333".into(),
        }
    }
}

/// An error answer of an AWS JSON protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct ApiError {
    /// The `__type`: the bare code, or `namespace#Code` where the real service adds a namespace.
    pub kind: String,
    /// The message for people.
    pub message: String,
    /// The HTTP status, 400 for nearly every error.
    pub status: u16,
    /// Further members of the body, for example `reason` of a `ValidationException`.
    pub members: Map<String, Value>,
}

impl ApiError {
    /// Returns an error with HTTP status 400 and no further members.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            message: message.into(),
            status: 400,
            members: Map::new(),
        }
    }

    /// Returns the code without its namespace, as an SDK shows it.
    pub fn code(&self) -> &str {
        self.kind.rsplit('#').next().unwrap_or(&self.kind)
    }
}

/// An answer that no client of the service understands, as a proxy, a load balancer or a newer service may send it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// The body as it is sent.
    pub body: String,
}

impl RawAnswer {
    /// Reads the answer as an SDK would: the code is `__type` or `code` of a JSON body, if the body has one.
    pub fn as_error(&self) -> ApiError {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let kind = match text("__type") {
            "" => text("code"),
            kind => kind,
        };
        ApiError {
            status: self.status,
            ..ApiError::new(kind, text("message"))
        }
    }
}

/// The reason why a call did not bring an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// The service answered with an error.
    Api(ApiError),
    /// An answer arrived that no client understands.
    Raw(RawAnswer),
    /// The answer was lost. The service may or may not have made the change.
    Lost,
}

impl CallError {
    /// Returns the error as an SDK would read the answer, and none where no answer came.
    pub fn answered(self) -> Option<ApiError> {
        match self {
            Self::Api(error) => Some(error),
            Self::Raw(raw) => Some(raw.as_error()),
            Self::Lost => None,
        }
    }
}

impl From<ApiError> for CallError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// A fault to inject into the next call of one operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// The call has no effect, and this error is the answer (throttling, access denied, 5xx).
    Refuse(ApiError),
    /// The call has no effect, and no answer arrives.
    LoseRequest,
    /// The call takes effect, and no answer arrives.
    LoseAnswer,
    /// Something other than the service answers.
    Answer {
        /// The answer.
        raw: RawAnswer,
        /// Whether the call takes effect first.
        takes_effect: bool,
    },
}

/// An event as EventBridge would deliver it.
#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    /// The time at which the service emitted the event, in milliseconds since the epoch.
    pub at: u64,
    /// The whole event, envelope included.
    pub event: Value,
}

/// One emulated service, driven from outside: it receives calls and the time, and returns answers and events.
pub trait Service {
    /// Answers one API call. `operation` is the bare name, for example `RedriveExecution`.
    fn call(&mut self, now: u64, operation: &str, body: &Value) -> Result<Value, CallError>;
    /// Finishes all work that is due at or before `now`, in the order of its due time.
    fn advance(&mut self, now: u64);
    /// Returns the time of the next due work, if there is any.
    fn next_at(&self) -> Option<u64>;
    /// Takes the events emitted since the last call, oldest first.
    fn take_events(&mut self) -> Vec<Emitted>;
    /// Injects `fault` into the next call of `operation`. Several faults for one operation queue up.
    fn inject(&mut self, operation: &str, fault: Fault);
}

/// A source of ids that look like UUIDs and follow from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Ids(u64);

impl Ids {
    /// Returns a source of ids. Equal seeds give equal ids.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Returns a lower-case UUID in the form of version 4.
    pub fn uuid(&mut self) -> String {
        let (a, b) = (self.next(), self.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            a >> 32,
            (a >> 16) & 0xffff,
            a & 0xfff,
            0x8000 | ((b >> 48) & 0x3fff),
            b & 0xffff_ffff_ffff
        )
    }
}

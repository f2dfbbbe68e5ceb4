//! What the emulated services share: an answer as it goes over the wire, the events they emit, and
//! the ids they make up.
//!
//! Nothing here reads a clock or draws a random number. Every call is told the time in milliseconds
//! since the epoch, and every id follows from a seed, so that one run can be played again exactly.

use serde_json::{Map, Value};

/// Where an emulated service stands: it is part of every ARN and of every event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// `aws`, `aws-cn`, `aws-us-gov`, …
    pub partition: String,
    /// For example `eu-west-1`.
    pub region: String,
    /// Twelve digits.
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
    /// What `__type` says: the bare code, or `namespace#Code` where the real service puts a namespace.
    pub kind: String,
    /// The words for people.
    pub message: String,
    /// HTTP status, 400 for nearly everything.
    pub status: u16,
    /// Further members of the body, for example `reason` of a `ValidationException`.
    pub members: Map<String, Value>,
}

impl ApiError {
    /// An error with HTTP status 400 and no further members.
    pub fn new(kind: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            message: message.into(),
            status: 400,
            members: Map::new(),
        }
    }

    /// The code without its namespace: what an SDK shows.
    pub fn code(&self) -> &str {
        self.kind.rsplit('#').next().unwrap_or(&self.kind)
    }
}

/// An answer in words that no client of the service knows: of a proxy, a load balancer, or a newer service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// The body as it is sent.
    pub body: String,
}

impl RawAnswer {
    /// Reads it as an SDK would: the code that `__type` or `code` of a JSON body says, or none.
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

/// Why a call did not bring an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum CallError {
    /// The service answered with an error.
    Api(ApiError),
    /// Something answered, in words that no client knows.
    Raw(RawAnswer),
    /// The service did what was asked, or did not, and the answer never came.
    Lost,
}

impl From<ApiError> for CallError {
    fn from(error: ApiError) -> Self {
        Self::Api(error)
    }
}

/// A fault to play on the next call of one operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Nothing happens, and this error is answered (throttling, access denied, 5xx).
    Refuse(ApiError),
    /// Nothing happens, and no answer comes.
    LoseRequest,
    /// The call takes effect, and no answer comes.
    LoseAnswer,
    /// Something else than the service answers.
    Answer {
        /// What.
        raw: RawAnswer,
        /// Whether the call takes effect first.
        takes_effect: bool,
    },
}

/// An event as EventBridge would deliver it.
#[derive(Debug, Clone, PartialEq)]
pub struct Emitted {
    /// When the service emitted it, in milliseconds since the epoch.
    pub at: u64,
    /// The whole envelope.
    pub event: Value,
}

/// One emulated service, driven from outside: calls and time go in, answers and events come out.
pub trait Service {
    /// Answers one API call. `operation` is the bare name, for example `RedriveExecution`.
    fn call(&mut self, now: u64, operation: &str, body: &Value) -> Result<Value, CallError>;
    /// Finishes whatever is due at or before `now`, in the order of its due time.
    fn advance(&mut self, now: u64);
    /// When something is due next, if anything is.
    fn next_at(&self) -> Option<u64>;
    /// The events emitted since the last time this was asked, oldest first.
    fn take_events(&mut self) -> Vec<Emitted>;
    /// Plays `fault` on the next call of `operation`; several for one operation queue up.
    fn inject(&mut self, operation: &str, fault: Fault);
}

/// A source of ids that look like UUIDs and follow from a seed (SplitMix64).
#[derive(Debug, Clone)]
pub struct Ids(u64);

impl Ids {
    /// The same seed gives the same ids.
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

    /// A lower-case UUID of version 4's form.
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

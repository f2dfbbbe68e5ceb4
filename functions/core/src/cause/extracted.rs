//! The result of reading a cause or a message.

use redrive_policy::SignalReason;

/// The values that were found. [`Ended`](super::Ended) decides whether the others are absent or unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Extracted {
    pub(super) exit_status: Option<i16>,
    pub(super) signal: Option<&'static str>,
    pub(super) signal_reason: Option<SignalReason>,
    pub(super) http_status: Option<u16>,
    pub(super) by_person: bool,
}

impl Extracted {
    /// Returns a result with only the reason of the end.
    pub(super) const fn reason(reason: SignalReason) -> Self {
        Self {
            exit_status: None,
            signal: None,
            signal_reason: Some(reason),
            http_status: None,
            by_person: false,
        }
    }

    /// Returns these values, filled up from the other result.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            exit_status: self.exit_status.or(other.exit_status),
            signal: self.signal.or(other.signal),
            signal_reason: self.signal_reason.or(other.signal_reason),
            http_status: self.http_status.or(other.http_status),
            by_person: self.by_person || other.by_person,
        }
    }
}

/// Returns the code if a process can end with it. Other values (Windows has 32-bit codes) are no exit status that a
/// policy can name.
pub(super) fn exit_status(code: i64) -> Option<i16> {
    u8::try_from(code).ok().map(i16::from)
}

//! What a cause or a message tells.

use redrive_policy::SignalReason;

/// What was found. Whether the rest is absent or only not looked up is for [`Ended`](super::Ended) to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Told {
    pub(super) exit_status: Option<i16>,
    pub(super) signal: Option<&'static str>,
    pub(super) signal_reason: Option<SignalReason>,
    pub(super) http_status: Option<u16>,
    pub(super) by_person: bool,
}

impl Told {
    /// What only says why it was ended.
    pub(super) const fn reason(reason: SignalReason) -> Self {
        Self {
            exit_status: None,
            signal: None,
            signal_reason: Some(reason),
            http_status: None,
            by_person: false,
        }
    }

    /// This, and where it says nothing, the other.
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

/// A code that a process can end with. What else a platform writes there (Windows has codes of 32 bits) is
/// no exit status that a policy can name.
pub(super) fn exit_status(code: i64) -> Option<i16> {
    u8::try_from(code).ok().map(i16::from)
}

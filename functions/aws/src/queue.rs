//! The queue of delayed retries on SQS.

use std::time::Duration;

use aws_sdk_sqs::Client;
use redrive_core::controller::Queue;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::ledger::RetryMessage;

use crate::answer;

/// Maximum delay of a message. AWS: `DelaySeconds` is at most 900, which is 15 minutes (SendMessage).
const LONGEST_DELAY_SECONDS: u64 = 900;

/// A standard queue.
#[derive(Debug, Clone)]
pub struct Sqs {
    client: Client,
    url: String,
}

impl Sqs {
    /// Returns the queue with a URL.
    #[must_use]
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self {
            client,
            url: url.into(),
        }
    }
}

impl Queue for Sqs {
    async fn send(&self, retry_message: &RetryMessage, delay: Duration) -> Result<(), Error> {
        let body = serde_json::to_string(retry_message).map_err(|_| {
            Error::new(
                ErrorKind::Internal,
                "SendMessage (the retry message is no JSON)",
            )
        })?;
        let sent = self
            .client
            .send_message()
            .queue_url(&self.url)
            .message_body(body)
            .delay_seconds(delay_seconds(delay))
            .send()
            .await;
        answer::read("SendMessage", sent).map(drop)
    }
}

/// Returns a delay in whole seconds. It rounds up, so that no message is early, and stays within the limit of SQS.
fn delay_seconds(delay: Duration) -> i32 {
    let seconds = delay.as_millis().div_ceil(1000);
    i32::try_from(seconds.min(u128::from(LONGEST_DELAY_SECONDS))).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_delay_is_never_too_short_or_too_long() {
        for (millis, seconds) in [
            (0, 0),
            (1, 1),
            (1_000, 1),
            (21_400, 22),
            (900_000, 900),
            (900_001, 900),
            (u64::MAX, 900),
        ] {
            assert_eq!(delay_seconds(Duration::from_millis(millis)), seconds);
        }
    }
}

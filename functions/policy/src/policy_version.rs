//! Which deployment of a policy document a verdict was made by.

use alloc::string::String;

use serde::{Deserialize, Serialize};

use crate::digest;

/// A deployed version of a policy document. During an update, processes with the version before and with the next one
/// run side by side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// The number of the deployment. A later one has a higher number. AWS: the number of a Lambda layer's version
    /// rises with each one and is never used again ("PublishLayerVersion", Lambda API Reference). Absent where the
    /// deployment has no number, so that versions have no order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u64>,
    /// Ten hexadecimal digits of the hash of the document's text.
    pub digest: String,
}

impl PolicyVersion {
    /// Returns the version of a document's text. `deployment` is the ARN of the layer's version, or any text that ends
    /// with a colon and the number.
    #[must_use]
    pub fn new(text: &str, deployment: Option<&str>) -> Self {
        let number = deployment.and_then(|name| name.rsplit_once(':')?.1.parse().ok());
        Self {
            number,
            digest: digest::short_hex(&[b"policy", text.as_bytes()]),
        }
    }

    /// Returns whether `other` was deployed later than this version. Equal texts, and versions without a number, have
    /// no order.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        let numbers = self.number.zip(other.number);
        self.digest != other.digest && numbers.is_some_and(|(ours, theirs)| ours < theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_deployment_has_the_higher_number_and_another_text() {
        const LAYER: &str = "arn:aws:lambda:eu-west-1:111122223333:layer:redrive-policy";
        let version = |text, number: &str| PolicyVersion::new(text, Some(number));
        let nine = version("a", &[LAYER, "9"].join(":"));
        assert_eq!(nine.number, Some(9));
        for (other, expected) in [
            (version("b", &[LAYER, "10"].join(":")), true),
            (version("a", &[LAYER, "10"].join(":")), false),
            (version("b", &[LAYER, "9"].join(":")), false),
            (version("b", &[LAYER, "8"].join(":")), false),
            (version("b", LAYER), false),
            (version("b", "10"), false),
            (PolicyVersion::new("b", None), false),
        ] {
            assert_eq!(nine.is_before(&other), expected, "{other:?}");
        }
        assert!(!PolicyVersion::new("b", None).is_before(&nine));
    }
}

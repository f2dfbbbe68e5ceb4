//! Policy tools for people, which no function carries: [lints](lint), [tests of a document](runner),
//! [display of problems](diagnostic), and [import] of retry configurations of other platforms.
//!
//! ```
//! use redrive_policy_tools::lint::check;
//!
//! let checked = check("
//! version: 1
//! retry:
//!   automatic:
//!     - {}
//!     - error: Lambda.ServiceException
//! ");
//! assert!(checked.document.is_ok());
//! assert_eq!(
//!     checked.warnings[0].message,
//!     "a rule without conditions matches every failure, so a rule after it is never reached"
//! );
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing,
        clippy::string_slice
    )
)]

pub mod diagnostic;
pub mod import;
pub mod lint;
pub mod runner;
#[cfg(test)]
mod tests;
pub mod visible;

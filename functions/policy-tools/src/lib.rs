//! What people need of a policy and no function carries: [lints](lint), a document's [own tests](runner), problems
//! [as they are shown](diagnostic), and [import] of other platforms' retry configurations.
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

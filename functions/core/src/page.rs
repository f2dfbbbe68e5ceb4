//! The results of read calls.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;

/// The result of a read call. It is `None` if the resource does not exist.
pub type Read<T> = Result<Option<T>, Error>;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The items of the page.
    pub items: Vec<T>,
    /// `nextToken`. It is `None` on the last page.
    pub next: Option<String>,
}

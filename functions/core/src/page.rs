//! What calls that read bring.

use alloc::string::String;
use alloc::vec::Vec;

use crate::error::Error;

/// What a read brings. None: what was asked about does not exist.
pub type Read<T> = Result<Option<T>, Error>;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// `nextToken`. None: it is the last page.
    pub next: Option<String>,
}

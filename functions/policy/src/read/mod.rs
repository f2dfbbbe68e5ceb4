//! From the tree to the model: every problem at once.

mod cases;
mod conditions;
mod document;
mod hints;
mod reader;
mod rules;

pub(crate) use self::reader::Reader;

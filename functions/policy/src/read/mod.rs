//! From the tree to the model: every problem at once.

mod cases;
mod document;
mod hints;
mod reader;
mod rules;
mod conditions;

pub(crate) use self::reader::Reader;

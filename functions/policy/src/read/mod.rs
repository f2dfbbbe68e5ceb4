//! Reading of the model from the tree. All problems are reported at once.

mod cases;
mod conditions;
mod document;
mod hints;
mod reader;
mod rules;

pub(crate) use self::reader::Reader;

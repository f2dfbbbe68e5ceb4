//! The number of each kind of item's schema, and the attribute that holds it.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use crate::table::SCHEMA;

/// The schema of each kind of item: what this version writes, and the newest that it reads.
///
/// A schema is raised where an older version would misread an item or lose a part of it. Each kind has its own, so that
/// after a rollback the older version loses only what it cannot read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schemas {
    /// Of entries.
    pub entry: u32,
    /// Of the checkpoint of discovery.
    pub checkpoint: u32,
    /// Of the reserved slots of a call.
    pub slots: u32,
    /// Of cached definitions.
    pub definition: u32,
}

impl Default for Schemas {
    fn default() -> Self {
        Self {
            entry: 1,
            checkpoint: 1,
            slots: 1,
            definition: 1,
        }
    }
}

/// Returns the item with its schema.
pub(super) fn of_schema(
    mut item: HashMap<String, AttributeValue>,
    schema: u32,
) -> HashMap<String, AttributeValue> {
    item.insert(SCHEMA.to_owned(), AttributeValue::N(schema.to_string()));
    item
}

/// Returns the schema of an item. None: an item of a version before the first release.
pub(super) fn schema_of(item: &HashMap<String, AttributeValue>) -> Option<u32> {
    item.get(SCHEMA)?.as_n().ok()?.parse().ok()
}

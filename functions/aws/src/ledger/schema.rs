//! The version of each item. An item of a newer version of this program is neither read nor replaced.
//!
//! RACE: a rolling update. For minutes, old and new functions share the table, and after a rollback old functions meet
//! new items. A conditional write names the revision that it replaces or compares the schema, so that an old function
//! replaces no item of a new one.

use redrive_core::error::{Error, ErrorKind};
use serde::de::DeserializeOwned;

use super::{DynamoDb, Item, number};
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
pub(super) fn of_schema(mut item: Item, schema: u32) -> Item {
    item.insert(SCHEMA.to_owned(), number(schema));
    item
}

/// Returns the schema of an item. None: an item of a version before the first release.
pub(super) fn schema_of(item: &Item) -> Option<u32> {
    item.get(SCHEMA)?.as_n().ok()?.parse().ok()
}

impl DynamoDb {
    /// Refuses an item of a schema newer than `newest`, and one that has none.
    pub(super) fn check_schema(&self, call: &str, newest: u32, item: &Item) -> Result<(), Error> {
        match schema_of(item) {
            Some(schema) if schema <= newest => Ok(()),
            Some(schema) => Err(Error::new(
                ErrorKind::NewerSchema,
                format!("{call} (an item of schema {schema}; this version reads up to {newest})"),
            )),
            None => Err(Error::new(
                ErrorKind::OldTable,
                format!("{call} (an item of {} without a schema)", self.table),
            )),
        }
    }

    /// Reads a stored item as a `T`.
    pub(super) fn read_item<T: DeserializeOwned>(
        &self,
        call: &str,
        newest: u32,
        item: Item,
    ) -> Result<T, Error> {
        self.check_schema(call, newest, &item)?;
        // The error of serde is dropped, since it may quote the item.
        serde_dynamo::from_item(item).map_err(|_| {
            Error::new(
                ErrorKind::Internal,
                format!("{call} (the item cannot be read)"),
            )
        })
    }

    /// Reads the stored item that an answer holds, if it holds one.
    pub(super) fn stored<T: DeserializeOwned>(
        &self,
        call: &str,
        newest: u32,
        item: Option<Item>,
    ) -> Result<Option<T>, Error> {
        item.map(|item| self.read_item(call, newest, item))
            .transpose()
    }
}

//! The version of each item. An item of a newer version of this program is neither read nor replaced.
//!
//! RACE: a rolling update. For minutes, old and new functions share the table. A conditional write names the revision
//! that it replaces or compares the schema, so that an old function replaces no item of a new one.

use redrive_core::error::{Error, ErrorKind};
use serde::de::DeserializeOwned;

use super::{DynamoDb, Item, number};
use crate::table::SCHEMA;

impl DynamoDb {
    /// Returns the item with the schema of this version.
    pub(super) fn of_schema(&self, mut item: Item) -> Item {
        item.insert(SCHEMA.to_owned(), number(self.schema));
        item
    }

    /// Refuses an item of a newer schema, and one that has none.
    pub(super) fn check_schema(&self, call: &str, item: &Item) -> Result<(), Error> {
        let stored = item.get(SCHEMA).and_then(|schema| schema.as_n().ok());
        let read = self.schema;
        match stored.and_then(|schema| schema.parse::<u32>().ok()) {
            Some(schema) if schema <= read => Ok(()),
            Some(schema) => Err(Error::new(
                ErrorKind::NewerSchema,
                format!("{call} (an item of schema {schema}; this version reads up to {read})"),
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
        item: Item,
    ) -> Result<T, Error> {
        self.check_schema(call, &item)?;
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
        item: Option<Item>,
    ) -> Result<Option<T>, Error> {
        item.map(|item| self.read_item(call, item)).transpose()
    }
}

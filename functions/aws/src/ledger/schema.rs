//! The version of each item. An item of a newer version of this program is neither read nor replaced.
//!
//! RACE: a rolling update. For minutes, old and new functions share the table, and after a rollback old functions meet
//! new items. A conditional write names the revision that it replaces or compares the schema, so that an old function
//! replaces no item of a new one.

use redrive_core::error::{Error, ErrorKind};
use serde::de::DeserializeOwned;

use super::schemas::schema_of;
use super::{DynamoDb, Item};

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

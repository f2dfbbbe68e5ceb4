//! Cached definitions of state machines in the ledger's table, one item for each machine or version.

use std::time::Duration;

use aws_sdk_dynamodb::operation::put_item::PutItemError;
use redrive_core::definition::CachedDefinition;
use redrive_core::error::Error;
use redrive_core::reads::DefinitionCache;
use redrive_core::time::Time;

use super::schemas::of_schema;
use super::{DynamoDb, Item, item_of, number, ttl};
use crate::error;
use crate::table::{KEY, SCHEMA, TTL};

/// How long a definition is kept.
const CACHED_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the key of a machine's or version's cached definition. INVARIANT: no subject has this key, since no
/// subject's key begins with `machine#`.
fn machine_key(machine: &str) -> String {
    format!("machine#{machine}")
}

/// Returns the item that stores a cached definition.
fn machine_item(machine: &str, known: &CachedDefinition, now: Time) -> Result<Item, Error> {
    let mut item = item_of(&machine_key(machine), known)?;
    item.insert(TTL.to_owned(), ttl(now.plus(CACHED_FOR)));
    Ok(item)
}

impl DefinitionCache for DynamoDb {
    async fn get(&self, machine: &str) -> Option<CachedDefinition> {
        // An eventually consistent read costs half the price. It may miss the latest write, which costs one call of
        // Step Functions.
        let read = self
            .get_item(&machine_key(machine), self.schemas.definition, false)
            .await;
        read.unwrap_or_else(|error| {
            tracing::warn!(machine, "what is known of it is not read: {error}");
            None
        })
    }

    async fn put(&self, machine: &str, known: &CachedDefinition, now: Time) {
        if let Err(error) = self.put_definition(machine, known, now).await {
            tracing::warn!(machine, "what is known of it is not written: {error}");
        }
    }
}

impl DynamoDb {
    /// Stores a cached definition, unless a newer version of this program stored one.
    async fn put_definition(
        &self,
        machine: &str,
        known: &CachedDefinition,
        now: Time,
    ) -> Result<(), Error> {
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(of_schema(
                machine_item(machine, known, now)?,
                self.schemas.definition,
            )))
            .condition_expression("attribute_not_exists(#pk) OR #schema <= :schema")
            .expression_attribute_names("#pk", KEY)
            .expression_attribute_names("#schema", SCHEMA)
            .expression_attribute_values(":schema", number(self.schemas.definition))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => Ok(()),
                _ => Err(error::of("PutItem", &self.table, &error)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use redrive_core::definition::{MAX_CACHED_ERRORS, Revision};

    use super::super::tests::size;
    use super::*;
    use crate::table::DUE_SHARD;

    /// The definition has [`MAX_CACHED_ERRORS`] errors, the maximum that is cached.
    #[test]
    fn what_is_known_of_a_machine_fits_into_an_item() {
        let names = (0..MAX_CACHED_ERRORS).map(|number| char::from_u32(0x100 + number as u32));
        let names: Vec<String> = names.map(|name| name.unwrap().to_string()).collect();
        let states: Vec<String> = names
            .iter()
            .map(|name| format!(r#""{name}":{{"Type":"Fail","Error":"{name}"}}"#))
            .collect();
        let definition = format!(r#"{{"States":{{{}}}}}"#, states.join(","));
        let now = Time::from_millis(1_795_000_000_000);
        let known = CachedDefinition {
            revision: Revision::read(Some("r".repeat(256)), now, &definition).unwrap(),
            confirmed: Some(now),
        };
        let item = machine_item(&"a".repeat(256), &known, now).unwrap();
        assert!(!item.contains_key(DUE_SHARD));
        assert_eq!(item[TTL], number(1_795_086_400));
        let read: CachedDefinition = serde_dynamo::from_item(item.clone()).unwrap();
        assert_eq!(read, known);
        let bytes: usize = item
            .iter()
            .map(|(name, value)| name.len() + size(value))
            .sum();
        assert!(bytes < 400 * 1_024, "{bytes}");
    }
}

//! The definition of the ledger's table.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::error::{BoxError, BuildError};
use aws_sdk_dynamodb::operation::create_table::CreateTableInput;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, Tag, TimeToLiveSpecification,
};

/// The partition key: [`Subject::key`](redrive_core::failure::Subject::key).
pub const KEY: &str = "pk";

/// The attribute by which DynamoDB deletes expired items, in seconds since the epoch.
pub const TTL: &str = "ttl";

/// The index of entries with a next check. The index is sparse, so that it omits items without [`DUE_SHARD`].
pub const DUE: &str = "due";

/// The index's partition key, one of a few shards. The subject determines the shard.
pub const DUE_SHARD: &str = "due_shard";

/// The index's sort key, in milliseconds since the epoch:
/// [`Entry::next_check_at`](redrive_core::ledger::EntryFields::next_check_at).
pub const NEXT_CHECK_AT: &str = "next_check_at";

/// The index of entries that are held, for commands and reports. The index is sparse: nothing is held yet.
pub const HELD: &str = "held";

/// The partition key of [`HELD`]: who or what holds the entry, and one of sixteen shards.
pub const HELD_SHARD: &str = "held_shard";

/// The sort key of [`HELD`]: whether the entry was retried before, and the time of its failure.
pub const HELD_ORDER: &str = "held_order";

/// The attribute with the version of an item's form: one of [`Schemas`](crate::ledger::Schemas) or a later one.
pub const SCHEMA: &str = "schema";

/// The tag by which commands find the ledger of an account. Its value is the version of the table's keys.
pub const TAG: (&str, &str) = ("redrive:ledger", "1");

/// Returns the input of `CreateTable`: on-demand billing, a partition key without a sort key, and two sparse indexes.
///
/// The indexes have keys, and `due` the schema as well. A failure's entry enters and leaves `due` with nearly every
/// write, and a write of an index costs one unit for each KB. The sweep reads the few entries that it must check from the
/// table, and passes over those of a newer schema without a read.
///
/// # Errors
/// The SDK finds a required part missing.
pub fn definition(table: &str) -> Result<CreateTableInput, BuildError> {
    CreateTableInput::builder()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(KEY, ScalarAttributeType::S)?)
        .attribute_definitions(attribute(DUE_SHARD, ScalarAttributeType::S)?)
        .attribute_definitions(attribute(NEXT_CHECK_AT, ScalarAttributeType::N)?)
        .attribute_definitions(attribute(HELD_SHARD, ScalarAttributeType::S)?)
        .attribute_definitions(attribute(HELD_ORDER, ScalarAttributeType::S)?)
        .key_schema(key(KEY, KeyType::Hash)?)
        .global_secondary_indexes(index(DUE, DUE_SHARD, NEXT_CHECK_AT)?)
        .global_secondary_indexes(index(HELD, HELD_SHARD, HELD_ORDER)?)
        .tags(Tag::builder().key(TAG.0).value(TAG.1).build()?)
        .build()
}

fn index(name: &str, hash: &str, range: &str) -> Result<GlobalSecondaryIndex, BuildError> {
    let projection = Projection::builder()
        .projection_type(ProjectionType::Include)
        .non_key_attributes(SCHEMA);
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .key_schema(key(hash, KeyType::Hash)?)
        .key_schema(key(range, KeyType::Range)?)
        .projection(projection.build())
        .build()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder()
        .attribute_name(name)
        .attribute_type(kind)
        .build()
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder()
        .attribute_name(name)
        .key_type(kind)
        .build()
}

/// Creates the table for tests and locally, and waits until it exists. In an account the stack creates the table.
///
/// # Errors
/// Errors of the SDK.
pub async fn create(client: &Client, table: &str) -> Result<(), BoxError> {
    let definition = definition(table)?;
    client
        .create_table()
        .set_table_name(definition.table_name)
        .set_billing_mode(definition.billing_mode)
        .set_attribute_definitions(definition.attribute_definitions)
        .set_key_schema(definition.key_schema)
        .set_global_secondary_indexes(definition.global_secondary_indexes)
        .set_tags(definition.tags)
        .send()
        .await?;
    client
        .wait_until_table_exists()
        .table_name(table)
        .wait(Duration::from_secs(60))
        .await?;
    Ok(())
}

/// Turns on TTL, so that DynamoDB deletes expired items.
///
/// AWS: DynamoDB deletes an expired item within a few days (Using time to live (TTL) in DynamoDB). INVARIANT: no
/// code depends on the time of the deletion.
///
/// # Errors
/// Errors of the SDK.
pub async fn expire(client: &Client, table: &str) -> Result<(), BoxError> {
    let ttl = TimeToLiveSpecification::builder()
        .enabled(true)
        .attribute_name(TTL)
        .build()?;
    client
        .update_time_to_live()
        .table_name(table)
        .time_to_live_specification(ttl)
        .send()
        .await?;
    Ok(())
}

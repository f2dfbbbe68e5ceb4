//! The ledger's table: what it is made of, in one place.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::client::Waiters;
use aws_sdk_dynamodb::error::{BoxError, BuildError};
use aws_sdk_dynamodb::operation::create_table::CreateTableInput;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
};

/// The partition key: [`Subject::key`](redrive_core::failure::Subject::key).
pub const KEY: &str = "pk";

/// The attribute by which DynamoDB deletes what has expired: seconds since the epoch, as TTL wants them.
pub const TTL: &str = "ttl";

/// The index of what waits. It is sparse: an item without [`DUE_SHARD`] is not in it.
pub const DUE: &str = "due";

/// The index's partition key: which of a few shards an item is in, by its subject.
pub const DUE_SHARD: &str = "due_shard";

/// The index's sort key: [`Entry::next_check_at`](redrive_core::ledger::Entry::next_check_at), milliseconds since the epoch.
pub const NEXT_CHECK_AT: &str = "next_check_at";

/// The table as `CreateTable` takes it: paid by request, one item a subject, one sparse index.
///
/// # Errors
/// The SDK finds a part of it missing.
pub fn definition(table: &str) -> Result<CreateTableInput, BuildError> {
    CreateTableInput::builder()
        .table_name(table)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute(KEY, ScalarAttributeType::S)?)
        .attribute_definitions(attribute(DUE_SHARD, ScalarAttributeType::S)?)
        .attribute_definitions(attribute(NEXT_CHECK_AT, ScalarAttributeType::N)?)
        .key_schema(key(KEY, KeyType::Hash)?)
        .global_secondary_indexes(
            GlobalSecondaryIndex::builder()
                .index_name(DUE)
                .key_schema(key(DUE_SHARD, KeyType::Hash)?)
                .key_schema(key(NEXT_CHECK_AT, KeyType::Range)?)
                .projection(
                    Projection::builder()
                        .projection_type(ProjectionType::All)
                        .build(),
                )
                .build()?,
        )
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

/// Makes the table, for tests and locally, and waits until it is there. In an account the stack makes it.
///
/// # Errors
/// The SDK's.
pub async fn create(client: &Client, table: &str) -> Result<(), BoxError> {
    let definition = definition(table)?;
    client
        .create_table()
        .set_table_name(definition.table_name)
        .set_billing_mode(definition.billing_mode)
        .set_attribute_definitions(definition.attribute_definitions)
        .set_key_schema(definition.key_schema)
        .set_global_secondary_indexes(definition.global_secondary_indexes)
        .send()
        .await?;
    client
        .wait_until_table_exists()
        .table_name(table)
        .wait(Duration::from_secs(60))
        .await?;
    Ok(())
}

/// Lets DynamoDB delete what has expired. It does so within days, not at once, so nothing may hang on it.
///
/// # Errors
/// The SDK's.
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

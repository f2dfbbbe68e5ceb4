//! The ledger on DynamoDB, in one table. The table holds four kinds of items:
//!
//! - one entry for each subject; every write of it is conditional;
//! - one checkpoint of the search for unannounced failures;
//! - one item for each paced call, with the end of its reserved slots;
//! - one cached definition for each state machine or version.
//!
//! Every item has a `schema`. The item of an entry has one attribute for each field of the entry, and up to three
//! attributes for DynamoDB: `pk`, `ttl` and `due_shard`. An entry with a `next_check_at` has a `due_shard`, which puts
//! it into the index `due`.
//!
//! - A condition refuses a write, never a lock. The refusal returns the stored item
//!   (`ReturnValuesOnConditionCheckFailure`), so that the refused writer needs no read.
//! - RACE: a write whose answer was lost against its own repetition by the SDK. The repetition conflicts with the
//!   first write. [`write`](redrive_core::ledger::write) recognizes its own entry, so this is no fault.
//! - AWS: an item holds at most 400 KB, names included (Quotas in DynamoDB). A thousand attempts take 261 to 356 KB,
//!   depending on the rules and their descriptions. A test checks this.
//! - The checkpoint has no `ttl`, so that it never expires, and no `due_shard`. It takes at most about 300 KB. A test
//!   checks this too.
//! - A cached definition is written whatever is stored, unless its schema is newer: every writer is right. It expires after a day. It saves
//!   calls of Step Functions, whose quotas for these calls are the scarcest.
//! - AWS: a partition of the index takes 1,000 writes of 1 KB a second (Best practices for partition keys). A
//!   throttled index throttles its table. Due entries are therefore spread over eight partitions by their subject.

mod definition_cache;
mod due;
mod schema;
mod schemas;
mod slots;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnRefusal,
};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::Subject;
use redrive_core::ledger::{
    CasResult, CheckpointStore, ClaimResult, DueEntries, EARLY, Entry, EntryStore, Lease,
    RetryMessage, ScanCheckpoint, SlotStore, State, Writer,
};
use redrive_core::rate_limiter::Micros;
use redrive_core::services::Service;
use redrive_core::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;

pub use self::schemas::Schemas;
use self::schemas::of_schema;
use crate::error;
use crate::table::{DUE_SHARD, KEY, NEXT_CHECK_AT, SCHEMA, TTL};

type Item = HashMap<String, AttributeValue>;

/// Number of partitions of the due index over which entries are spread.
const SHARDS: u8 = 8;

/// The key of the checkpoint. INVARIANT: no subject has this key, since a subject's key begins with an ARN.
const CHECKPOINT: &str = "checkpoint";

/// A ledger in a DynamoDB table.
#[derive(Debug, Clone)]
pub struct DynamoDb {
    client: Client,
    table: String,
    schemas: Schemas,
}

impl DynamoDb {
    /// Returns the ledger in `table`, which must match [`definition`](crate::table::definition).
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
            schemas: Schemas::default(),
        }
    }

    /// Returns the ledger as a version of this program with other schemas has it, to test a rolling update.
    #[must_use]
    pub fn with_schemas(self, schemas: Schemas) -> Self {
        Self { schemas, ..self }
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Returns the `due_shard` of a subject. INVARIANT: a subject keeps its shard, so that [`EntryStore::claim_due`] writes
/// the attribute without a read.
fn shard(subject: &Subject) -> AttributeValue {
    text(&subject.part_of(SHARDS.into()).to_string())
}

fn millis(time: Time) -> AttributeValue {
    number(time.as_millis())
}

/// Returns a time in whole seconds, the unit of DynamoDB's TTL. It rounds up, so that no item expires too early.
fn ttl(expires_at: Time) -> AttributeValue {
    number(expires_at.as_millis().div_ceil(1_000))
}

/// Returns the item that stores a value, without the attributes for DynamoDB but its key.
fn item_of(key: &str, value: &impl Serialize) -> Result<Item, Error> {
    let mut item: Item = serde_dynamo::to_item(value)
        .map_err(|_| Error::new(ErrorKind::Internal, "PutItem (the value is no item)"))?;
    item.insert(KEY.to_owned(), text(key));
    Ok(item)
}

/// Returns the item that stores an entry.
fn entry_item(entry: &Entry) -> Result<Item, Error> {
    let mut item = item_of(&entry.subject.key(), entry)?;
    item.insert(TTL.to_owned(), ttl(entry.expires_at));
    if entry.next_check_at.is_some() {
        item.insert(DUE_SHARD.to_owned(), shard(&entry.subject));
    }
    Ok(item)
}

impl DynamoDb {
    /// Reads the item of a key.
    async fn get_item<T: DeserializeOwned>(
        &self,
        key: &str,
        schema: u32,
        consistently: bool,
    ) -> Result<Option<T>, Error> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(KEY, text(key))
            .consistent_read(consistently)
            .send()
            .await
            .map_err(|error| error::of("GetItem", &self.table, &error))?;
        self.stored("GetItem", schema, answer.item)
    }

    /// Stores an item if the stored revision is the one before `revision`, or if nothing is stored and that is 1.
    async fn put_item_if_revision<T: DeserializeOwned>(
        &self,
        item: Item,
        schema: u32,
        revision: u64,
    ) -> Result<CasResult<T>, Error> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(of_schema(item, schema)))
            .return_values_on_condition_check_failure(OnRefusal::AllOld);
        let put = match revision {
            1 => put
                .condition_expression("attribute_not_exists(#pk)")
                .expression_attribute_names("#pk", KEY),
            revision => put
                .condition_expression("#revision = :before")
                .expression_attribute_names("#revision", "revision")
                .expression_attribute_values(":before", number(revision.saturating_sub(1))),
        };
        match put.send().await {
            Ok(_) => Ok(CasResult::Stored),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => Ok(
                    CasResult::Conflict(self.stored("PutItem", schema, refused.item.clone())?),
                ),
                _ => Err(error::of("PutItem", &self.table, &error)),
            },
        }
    }
}

impl EntryStore for DynamoDb {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        self.get_item(&subject.key(), self.schemas.entry, true)
            .await
    }

    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error> {
        match entry.revision {
            0 => Ok(CasResult::Conflict(self.read(&entry.subject).await?)),
            revision => {
                self.put_item_if_revision(entry_item(entry)?, self.schemas.entry, revision)
                    .await
            }
        }
    }

    async fn claim_due(
        &self,
        retry_message: &RetryMessage,
        writer: Writer<'_>,
    ) -> Result<ClaimResult, Error> {
        // INVARIANT: the condition equals Entry::is_due and the update equals Entry::claim, so that no read precedes
        // the write. The contract tests and the tests on real engines compare them.
        let until = writer.now.plus(writer.timing.lease);
        let expires_at = writer.now.plus(writer.timing.retention);
        let lease = serde_dynamo::to_attribute_value(Lease {
            owner: writer.owner.clone(),
            until,
        })
        .map_err(|_| {
            Error::new(
                ErrorKind::Internal,
                "UpdateItem (the lease is no attribute)",
            )
        })?;
        let mut update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, text(&retry_message.subject.key()))
            .condition_expression(
                "#schema <= :schema AND #state = :queued AND #failure_number = :failure_number \
                 AND (attribute_not_exists(#due_at) OR #due_at <= :latest)",
            )
            .update_expression(
                "SET #state = :acting, #revision = #revision + :one, #written_by = :owner, #updated_at = :now, \
                 #lease = :lease, #next_check_at = :until, #due_shard = :shard, #expires_at = :expires_at, #ttl = :ttl \
                 REMOVE #due_at",
            )
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnRefusal::AllOld);
        // Every name has a #, since some names are reserved words of the expression language.
        for (name, attribute) in [
            ("#schema", SCHEMA),
            ("#state", "state"),
            ("#failure_number", "failure_number"),
            ("#due_at", "due_at"),
            ("#revision", "revision"),
            ("#written_by", "written_by"),
            ("#updated_at", "updated_at"),
            ("#lease", "lease"),
            ("#next_check_at", NEXT_CHECK_AT),
            ("#due_shard", DUE_SHARD),
            ("#expires_at", "expires_at"),
            ("#ttl", TTL),
        ] {
            update = update.expression_attribute_names(name, attribute);
        }
        for (name, value) in [
            (":schema", number(self.schemas.entry)),
            (":queued", text(State::Queued.as_str())),
            (":failure_number", number(retry_message.failure_number)),
            (":latest", millis(writer.now.plus(EARLY))),
            (":acting", text(State::Acting.as_str())),
            (":one", number(1)),
            (":owner", text(&writer.owner.0)),
            (":now", millis(writer.now)),
            (":lease", lease),
            (":until", millis(until)),
            (":shard", shard(&retry_message.subject)),
            (":expires_at", millis(expires_at)),
            (":ttl", ttl(expires_at)),
        ] {
            update = update.expression_attribute_values(name, value);
        }
        match update.send().await {
            Ok(answer) => {
                let taken = self
                    .stored("UpdateItem", self.schemas.entry, answer.attributes)?
                    .ok_or_else(|| {
                        Error::new(ErrorKind::Unavailable, "UpdateItem (no attributes)")
                    })?;
                Ok(ClaimResult::Claimed(taken))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    Ok(ClaimResult::Refused(self.stored(
                        "UpdateItem",
                        self.schemas.entry,
                        refused.item.clone(),
                    )?))
                }
                _ => Err(error::of("UpdateItem", &self.table, &error)),
            },
        }
    }

    async fn due_entries(&self, now: Time, max: usize) -> Result<DueEntries, Error> {
        self.read_due(now, max).await
    }
}

impl CheckpointStore for DynamoDb {
    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error> {
        self.get_item(CHECKPOINT, self.schemas.checkpoint, true)
            .await
    }

    async fn put_checkpoint(
        &self,
        checkpoint: &ScanCheckpoint,
    ) -> Result<CasResult<ScanCheckpoint>, Error> {
        match checkpoint.revision {
            0 => Ok(CasResult::Conflict(self.checkpoint().await?)),
            revision => {
                self.put_item_if_revision(
                    item_of(CHECKPOINT, checkpoint)?,
                    self.schemas.checkpoint,
                    revision,
                )
                .await
            }
        }
    }
}

impl SlotStore for DynamoDb {
    async fn reserve(&self, service: Service, from: Micros, span: Micros) -> Result<Micros, Error> {
        self.reserve_slots(service, from, span).await
    }
}

#[cfg(test)]
mod tests;

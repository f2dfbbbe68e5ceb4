//! The ledger on DynamoDB, in one table. The table holds four kinds of items:
//!
//! - one entry for each subject; every write of it is conditional;
//! - one checkpoint of the search for unannounced failures;
//! - one item for each paced call, with the end of its reserved slots;
//! - one cached definition for each state machine or version.
//!
//! The item of an entry has one attribute for each field of the entry, and up to three attributes for DynamoDB:
//! `pk`, `ttl` and `due_shard`. An entry with a `next_check_at` has a `due_shard`, which puts it into the index `due`.
//!
//! - A condition refuses a write, never a lock. The refusal returns the stored item
//!   (`ReturnValuesOnConditionCheckFailure`), so that the refused writer needs no read.
//! - RACE: a write whose answer was lost against its own repetition by the SDK. The repetition conflicts with the
//!   first write. [`write`](redrive_core::ledger::write) recognizes its own entry, so this is no fault.
//! - AWS: an item holds at most 400 KB, names included (Quotas in DynamoDB). A thousand attempts take 261 to 356 KB,
//!   depending on the rules and their descriptions. A test checks this.
//! - The checkpoint has no `ttl`, so that it never expires, and no `due_shard`. It takes at most about 300 KB. A test
//!   checks this too.
//! - A cached definition is written without a condition, since every writer is right. It expires after a day. It
//!   saves calls of Step Functions, whose quotas for these calls are the scarcest.
//! - AWS: a partition of the index takes 1,000 writes of 1 KB a second (Best practices for partition keys). A
//!   throttled index throttles its table. Due entries are therefore spread over eight partitions by their subject.

mod definition_cache;

use std::collections::{HashMap, VecDeque};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnRefusal,
};
use redrive_core::calls::Call;
use redrive_core::error::{Error, ErrorKind};
use redrive_core::failure::Subject;
use redrive_core::ledger::{
    CasResult, ClaimResult, EARLY, Entry, Lease, Ledger, RetryMessage, ScanCheckpoint, State,
    Writer,
};
use redrive_core::rate_limiter::Micros;
use redrive_core::time::Time;
use serde::de::DeserializeOwned;

use crate::error;
use crate::table::{DUE, DUE_SHARD, KEY, NEXT_CHECK_AT, TTL};

type Item = HashMap<String, AttributeValue>;

/// Number of partitions of the due index over which entries are spread.
const SHARDS: u8 = 8;

/// Maximum number of pages read from one shard in a tick.
const MAX_PAGES: usize = 10;

/// Maximum number of rounds to reserve slots while other processes reserve some. A round has up to two writes.
const MAX_TRIES: usize = 5;

/// The key of the checkpoint. INVARIANT: no subject has this key, since a subject's key begins with an ARN.
const CHECKPOINT: &str = "checkpoint";

/// A ledger in a DynamoDB table.
#[derive(Debug, Clone)]
pub struct DynamoDb {
    client: Client,
    table: String,
}

impl DynamoDb {
    /// Returns the ledger in `table`, which must match [`definition`](crate::table::definition).
    #[must_use]
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

/// Returns the `due_shard` of a subject. INVARIANT: a subject keeps its shard, so that [`Ledger::claim_due`] writes
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

/// Returns the item that stores an entry.
fn item(entry: &Entry) -> Result<Item, Error> {
    let mut item: Item = serde_dynamo::to_item(entry)
        .map_err(|_| Error::new(ErrorKind::Internal, "PutItem (the entry is no item)"))?;
    item.insert(KEY.to_owned(), text(&entry.subject.key()));
    item.insert(TTL.to_owned(), ttl(entry.expires_at));
    if entry.next_check_at.is_some() {
        item.insert(DUE_SHARD.to_owned(), shard(&entry.subject));
    }
    Ok(item)
}

/// Returns the item that stores a checkpoint.
fn checkpoint_item(checkpoint: &ScanCheckpoint) -> Result<Item, Error> {
    let mut item: Item = serde_dynamo::to_item(checkpoint)
        .map_err(|_| Error::new(ErrorKind::Internal, "PutItem (the checkpoint is no item)"))?;
    item.insert(KEY.to_owned(), text(CHECKPOINT));
    Ok(item)
}

/// Reads a stored item as a `T`.
fn read<T: DeserializeOwned>(call: &str, item: Item) -> Result<T, Error> {
    // The error of serde is dropped, since it may quote the item.
    serde_dynamo::from_item(item).map_err(|_| {
        Error::new(
            ErrorKind::Internal,
            format!("{call} (the item cannot be read)"),
        )
    })
}

impl DynamoDb {
    /// Reads the item of a key.
    async fn get_item<T: DeserializeOwned>(
        &self,
        key: &str,
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
        stored("GetItem", answer.item)
    }

    /// Stores an item if the stored revision is the one before `revision`, or if nothing is stored and that is 1.
    async fn put_item_if_revision<T: DeserializeOwned>(
        &self,
        item: Item,
        revision: u64,
    ) -> Result<CasResult<T>, Error> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
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
                    CasResult::Conflict(stored("PutItem", refused.item.clone())?),
                ),
                _ => Err(error::of("PutItem", &self.table, &error)),
            },
        }
    }
}

impl Ledger for DynamoDb {
    async fn read(&self, subject: &Subject) -> Result<Option<Entry>, Error> {
        self.get_item(&subject.key(), true).await
    }

    async fn put_if_revision(&self, entry: &Entry) -> Result<CasResult, Error> {
        match entry.revision {
            0 => Ok(CasResult::Conflict(self.read(&entry.subject).await?)),
            revision => self.put_item_if_revision(item(entry)?, revision).await,
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
                "#state = :queued AND #failure_number = :failure_number \
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
                let taken = stored("UpdateItem", answer.attributes)?.ok_or_else(|| {
                    Error::new(ErrorKind::Unavailable, "UpdateItem (no attributes)")
                })?;
                Ok(ClaimResult::Claimed(taken))
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => Ok(
                    ClaimResult::Refused(stored("UpdateItem", refused.item.clone())?),
                ),
                _ => Err(error::of("UpdateItem", &self.table, &error)),
            },
        }
    }

    /// Returns the entries that are due, oldest first, merged from all shards.
    ///
    /// One page of each shard is read, and more of a shard whose entries are all among the oldest. An unreadable item
    /// stays at the front of its shard for ever, so up to `MAX_PAGES` pages are read past such items.
    ///
    /// AWS: a page holds at most 1 MB (Query). The query limits it to about a quarter of `max` items.
    async fn due_entries(&self, now: Time, max: usize) -> Result<Vec<Entry>, Error> {
        if max == 0 {
            return Ok(Vec::new());
        }
        // Twice an even share. One shard seldom holds more of the oldest entries.
        let a_page = max.div_ceil(SHARDS.into()).saturating_mul(2).min(max);
        let mut shards = Vec::with_capacity(SHARDS.into());
        // The shards are read in sequence over one connection. Parallel reads would need eight handshakes.
        for number in 0..SHARDS {
            let mut shard = Shard::new(number);
            self.read_on(&mut shard, now, a_page).await?;
            shards.push(shard);
        }
        let mut entries = Vec::new();
        while entries.len() < max
            && let Some((_, first)) = shards
                .iter_mut()
                .filter_map(|shard| Some((shard.entries.front()?.next_check_at, shard)))
                .min_by_key(|(next_check_at, _)| *next_check_at)
        {
            entries.extend(first.entries.pop_front());
            if entries.len() < max {
                self.read_on(first, now, a_page).await?;
            }
        }
        Ok(entries)
    }

    async fn checkpoint(&self) -> Result<Option<ScanCheckpoint>, Error> {
        self.get_item(CHECKPOINT, true).await
    }

    async fn put_checkpoint(
        &self,
        checkpoint: &ScanCheckpoint,
    ) -> Result<CasResult<ScanCheckpoint>, Error> {
        match checkpoint.revision {
            0 => Ok(CasResult::Conflict(self.checkpoint().await?)),
            revision => {
                self.put_item_if_revision(checkpoint_item(checkpoint)?, revision)
                    .await
            }
        }
    }

    /// Reserves slots with one write in a storm, when reserved slots lie ahead. The first reservation after a pause
    /// takes two writes.
    ///
    /// RACE: this process against another process that reserves. The end may move between the two writes, so that
    /// neither condition holds. Both writes are then tried again.
    async fn reserve(&self, call: Call, from: Micros, span: Micros) -> Result<Micros, Error> {
        let extended = ("#ends >= :from", "SET #ends = #ends + :by", span);
        let restarted = (
            "attribute_not_exists(#ends) OR #ends < :from",
            "SET #ends = :by",
            Micros(from.0.saturating_add(span.0)),
        );
        for (condition, update, by) in [extended, restarted]
            .into_iter()
            .cycle()
            .take(2 * MAX_TRIES)
        {
            if let Some(ends) = self.extend(call, condition, update, from, by).await? {
                return Ok(Micros(ends.0.saturating_sub(span.0)));
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "UpdateItem (the slots changed at every try)",
        ))
    }
}

/// The part of one partition of the due index that was read.
struct Shard {
    name: String,
    /// Entries that were read but not yet returned.
    entries: VecDeque<Entry>,
    /// The start key of the next page. None: the last page was read, or no page was read yet.
    after: Option<Item>,
    pages: usize,
}

impl Shard {
    fn new(number: u8) -> Self {
        Self {
            name: number.to_string(),
            entries: VecDeque::new(),
            after: None,
            pages: 0,
        }
    }

    /// Returns whether a page must be read to find the next entry.
    fn is_open(&self) -> bool {
        let more = self.pages == 0 || self.after.is_some();
        self.entries.is_empty() && more && self.pages < MAX_PAGES
    }
}

impl DynamoDb {
    /// Moves the end of a call's reserved slots and returns the new end. None: the condition, which compares the
    /// stored end with `from`, does not hold.
    async fn extend(
        &self,
        call: Call,
        condition: &str,
        update: &str,
        from: Micros,
        by: Micros,
    ) -> Result<Option<Micros>, Error> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, text(&format!("slots#{}", call.as_str())))
            .condition_expression(condition)
            .update_expression(update)
            .expression_attribute_names("#ends", "ends")
            .expression_attribute_values(":from", number(from.0))
            .expression_attribute_values(":by", number(by.0))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await;
        match sent {
            Ok(answer) => answer
                .attributes
                .and_then(|item| item.get("ends")?.as_n().ok()?.parse().ok())
                .map(|ends| Some(Micros(ends)))
                .ok_or_else(|| Error::new(ErrorKind::Internal, "UpdateItem (no end of the slots)")),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => Ok(None),
                _ => Err(error::of("UpdateItem", &self.table, &error)),
            },
        }
    }

    /// Reads pages of a shard until it has a next entry, or is at its end or at [`MAX_PAGES`].
    async fn read_on(&self, shard: &mut Shard, now: Time, a_page: usize) -> Result<(), Error> {
        while shard.is_open() {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(DUE)
                .key_condition_expression("#due_shard = :shard AND #next_check_at <= :now")
                .expression_attribute_names("#due_shard", DUE_SHARD)
                .expression_attribute_names("#next_check_at", NEXT_CHECK_AT)
                .expression_attribute_values(":shard", text(&shard.name))
                .expression_attribute_values(":now", millis(now))
                .scan_index_forward(true)
                .limit(i32::try_from(a_page).unwrap_or(i32::MAX))
                .set_exclusive_start_key(shard.after.take())
                .send()
                .await
                .map_err(|error| error::of("Query", &self.table, &error))?;
            // An unreadable item, perhaps of a later version, is logged and skipped. It does not stop the others.
            let entry = |item: Item| {
                let key = item.get(KEY).and_then(|key| key.as_s().ok()).cloned();
                read("Query", item)
                    .inspect_err(|error| tracing::error!(key, "{error}"))
                    .ok()
            };
            let items = answer.items.unwrap_or_default();
            shard.entries.extend(items.into_iter().filter_map(entry));
            shard.after = answer.last_evaluated_key;
            shard.pages = shard.pages.saturating_add(1);
        }
        Ok(())
    }
}

/// Reads the stored item that an answer holds, if it holds one.
fn stored<T: DeserializeOwned>(call: &str, item: Option<Item>) -> Result<Option<T>, Error> {
    item.map(|item| read(call, item)).transpose()
}

#[cfg(test)]
mod tests;

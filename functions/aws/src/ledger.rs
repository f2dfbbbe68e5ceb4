//! The ledger on DynamoDB: one table, one item a subject, every write conditional; one item that says how far the
//! search for what was never announced has come; one for each call that is paced, with the end of its slots; and one
//! for each state machine, of what was learned of it.
//!
//! An entry's item is the entry, each field an attribute of its own, and three attributes for DynamoDB itself:
//! `pk`, `ttl`, and, while the entry has a `next_check_at`, `due_shard`, which puts it into the index `due`.
//!
//! - A write is refused by its condition, never by a lock, and the refusal brings what is stored with it
//!   (`ReturnValuesOnConditionCheckFailure`), so that who loses needs no read.
//! - The SDK repeats a write whose answer was lost; the second one then meets the first. That is no fault:
//!   [`write`](redrive_core::ledger::write) knows its own.
//! - An item holds at most 400 KB, names included ("Quotas in DynamoDB"). A thousand attempts take 262 to 354 KB,
//!   by rules and their reasons: that is a test.
//! - The checkpoint of the search has no `ttl`, so that it never expires, and no `due_shard`. At its most it takes
//!   some 300 KB: that is a test too.
//! - What was learned of a machine is written without a condition, since whoever writes is right, and expires in a day.
//!   A process reads it where it would ask Step Functions, whose quotas for that are the scarcest.
//! - A partition of the index takes 1,000 writes of 1 KB a second ("Best practices for partition keys"), and an
//!   index that is throttled throttles its table. So what waits is spread over eight of them by its subject.

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

/// Over so many partitions of the due index is spread what waits.
const SHARDS: u8 = 8;

/// So many pages of each shard are read in a tick at the most.
const MAX_PAGES: usize = 10;

/// So often slots are asked for anew that somebody else reserved meanwhile.
const MAX_TRIES: usize = 5;

/// The key of the checkpoint. No subject has it: each of theirs is an ARN.
const CHECKPOINT: &str = "checkpoint";

/// Entries in a DynamoDB table.
#[derive(Debug, Clone)]
pub struct DynamoDb {
    client: Client,
    table: String,
}

impl DynamoDb {
    /// The ledger in `table`, which has to be as [`table`](crate::table) says.
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

/// What `due_shard` says in a subject's item: always the same, so that [`Ledger::claim_due`] need not read it.
fn shard(subject: &Subject) -> AttributeValue {
    text(&subject.part_of(SHARDS.into()).to_string())
}

fn millis(time: Time) -> AttributeValue {
    number(time.as_millis())
}

/// In whole seconds, as TTL wants it; never too early.
fn ttl(expires_at: Time) -> AttributeValue {
    number(expires_at.as_millis().div_ceil(1_000))
}

/// An entry as it is stored.
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

/// A checkpoint as it is stored.
fn checkpoint_item(checkpoint: &ScanCheckpoint) -> Result<Item, Error> {
    let mut item: Item = serde_dynamo::to_item(checkpoint)
        .map_err(|_| Error::new(ErrorKind::Internal, "PutItem (the checkpoint is no item)"))?;
    item.insert(KEY.to_owned(), text(CHECKPOINT));
    Ok(item)
}

/// A stored item as what it is.
fn read<T: DeserializeOwned>(call: &str, item: Item) -> Result<T, Error> {
    // The error is not passed on: it may quote the item.
    serde_dynamo::from_item(item).map_err(|_| {
        Error::new(
            ErrorKind::Internal,
            format!("{call} (the item cannot be read)"),
        )
    })
}

impl DynamoDb {
    /// The item of a key.
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

    /// Stores an item in place of the revision before its own.
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
        // What Entry::is_due asks and Entry::claim does, so that no read comes before the write. The contract
        // and the tests on real engines compare.
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
        // Every name behind a #: some are words of the expression language.
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

    /// A page of each shard, where all of it can be read, and more of a shard whose entries were all among the first.
    /// What cannot be read stays in front for ever, so that it is passed over, some pages of it: each has 1 MB or a
    /// quarter of `max` at the most.
    async fn due_entries(&self, now: Time, max: usize) -> Result<Vec<Entry>, Error> {
        if max == 0 {
            return Ok(Vec::new());
        }
        // Twice an even part: seldom has a shard more of those that come first.
        let a_page = max.div_ceil(SHARDS.into()).saturating_mul(2).min(max);
        let mut shards = Vec::with_capacity(SHARDS.into());
        // One after the other, over one connection: eight at once would greet eight times.
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

    /// In a storm slots lie ahead, and one write reserves more; only where nobody asked for long it takes two.
    async fn reserve(&self, call: Call, from: Micros, span: Micros) -> Result<Micros, Error> {
        let on = ("#ends >= :from", "SET #ends = #ends + :by", span);
        let anew = (
            "attribute_not_exists(#ends) OR #ends < :from",
            "SET #ends = :by",
            Micros(from.0.saturating_add(span.0)),
        );
        for (condition, update, by) in [on, anew].into_iter().cycle().take(2 * MAX_TRIES) {
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

/// One of the partitions of the due index, as far as it is read.
struct Shard {
    name: String,
    /// Read, and not yet given out.
    entries: VecDeque<Entry>,
    /// Where its next page begins. None: there is none, or it was not read yet.
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

    /// Whether a page has to be read to know what comes next in it.
    fn is_open(&self) -> bool {
        let more = self.pages == 0 || self.after.is_some();
        self.entries.is_empty() && more && self.pages < MAX_PAGES
    }
}

impl DynamoDb {
    /// Moves the end of what is reserved of a call's time, and answers where it lies then. None: the condition, which
    /// compares it with `from`, does not hold.
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

    /// Reads on in a shard until it shows what comes next, or that nothing does.
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
            // An item that this version cannot read, written by a later one perhaps, stops none of the others.
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

/// What an answer says is stored.
fn stored<T: DeserializeOwned>(call: &str, item: Option<Item>) -> Result<Option<T>, Error> {
    item.map(|item| read(call, item)).transpose()
}

#[cfg(test)]
mod tests;

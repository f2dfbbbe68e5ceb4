//! The entries that are due. The index `due` has their keys, and the table has the entries.

use std::collections::{HashMap, HashSet, VecDeque};

use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::ledger::{DueEntries, Entry};
use redrive_core::time::Time;

use super::schemas::schema_of;
use super::{DynamoDb, Item, SHARDS, millis, text};
use crate::error;
use crate::table::{DUE, DUE_SHARD, KEY, NEXT_CHECK_AT};

/// Maximum number of pages read from one shard in a tick.
const MAX_PAGES: usize = 10;

/// Maximum number of items of one `BatchGetItem`. Twenty of the largest entries take 8 MB, which a function of 128 MB can
/// hold.
///
/// AWS: 100 items and 16 MB (BatchGetItem, Amazon DynamoDB API Reference).
const MAX_BATCH: usize = 20;

/// Maximum number of attempts in the entries of one tick, which bounds its memory. An attempt takes up to 365 bytes.
const MAX_ATTEMPTS: usize = 20_000;

/// Maximum number of calls for one batch, since DynamoDB may leave items unread. The next tick reads the rest.
const MAX_CALLS: usize = 3;

/// The part of one partition of the due index that was read.
struct Shard {
    name: String,
    /// The maximum number of keys of the first page. The others have none: a page holds at most 1 MB (Query), which is
    /// thousands of keys.
    first_limit: Option<i32>,
    /// Keys that were read but not yet taken, each with its time.
    keys: VecDeque<(Time, String)>,
    /// The start key of the next page. None: the last page was read, or no page was read yet.
    after: Option<Item>,
    pages: usize,
}

impl Shard {
    fn new(number: u8, first_limit: usize) -> Self {
        Self {
            name: number.to_string(),
            first_limit: i32::try_from(first_limit).ok(),
            keys: VecDeque::new(),
            after: None,
            pages: 0,
        }
    }

    /// Returns whether a page must be read to find the next key.
    fn is_open(&self) -> bool {
        let more = self.pages == 0 || self.after.is_some();
        self.keys.is_empty() && more && self.pages < MAX_PAGES
    }
}

impl DynamoDb {
    /// Returns the entries that are due, oldest first, merged from all shards.
    ///
    /// One page of each shard is read, and more of a shard whose keys are all among the oldest. An item that this version
    /// cannot read stays at the front of its shard for weeks, so up to `MAX_PAGES` pages are read past such items.
    ///
    /// RACE: the index against the table. The index may be behind. Entries that are no longer due are left out.
    pub(super) async fn read_due(&self, now: Time, max: usize) -> Result<DueEntries, Error> {
        let mut due = DueEntries::default();
        if max == 0 {
            return Ok(due);
        }
        // Twice an even share. One shard seldom holds more of the oldest entries.
        let first_limit = max.div_ceil(SHARDS.into()).saturating_mul(2).min(max);
        let mut shards = Vec::with_capacity(SHARDS.into());
        // The shards are read in sequence over one connection. Parallel reads would need eight handshakes.
        for number in 0..SHARDS {
            let mut shard = Shard::new(number, first_limit);
            self.read_keys(&mut shard, now, &mut due).await?;
            shards.push(shard);
        }
        // RACE: a read of the index against its writes. An entry that moves between two pages has its key in both.
        let mut taken = HashSet::new();
        let mut attempts: usize = 0;
        while due.entries.len() < max && attempts < MAX_ATTEMPTS {
            match self
                .read_batch(&mut shards, &mut taken, now, &mut due)
                .await
            {
                Ok(None) => break,
                Ok(Some(read)) => attempts = attempts.saturating_add(read),
                // What was read before is handled now, and the rest with the next tick.
                Err(error) if !due.entries.is_empty() => {
                    tracing::warn!("the rest of what is due is not read: {error}");
                    due.more = true;
                    break;
                }
                Err(error) => return Err(error),
            }
        }
        let unread = |shard: &Shard| !shard.keys.is_empty() || shard.after.is_some();
        due.more |= shards.iter().any(unread);
        due.entries.truncate(max);
        Ok(due)
    }

    /// Reads the entries of the longest wait, maximum [`MAX_BATCH`]. Returns the number of their attempts. None: no key is
    /// left.
    async fn read_batch(
        &self,
        shards: &mut [Shard],
        taken: &mut HashSet<String>,
        now: Time,
        due: &mut DueEntries,
    ) -> Result<Option<usize>, Error> {
        let keys = self.oldest(shards, taken, now, due).await?;
        if keys.is_empty() {
            return Ok(None);
        }
        self.read_entries(&keys, now, due).await.map(Some)
    }

    /// Takes the keys of the longest wait, maximum [`MAX_BATCH`].
    async fn oldest(
        &self,
        shards: &mut [Shard],
        taken: &mut HashSet<String>,
        now: Time,
        due: &mut DueEntries,
    ) -> Result<Vec<String>, Error> {
        let mut keys = Vec::new();
        while keys.len() < MAX_BATCH
            && let Some((_, first)) = shards
                .iter_mut()
                .filter_map(|shard| Some((shard.keys.front()?.0, shard)))
                .min_by_key(|(next_check_at, _)| *next_check_at)
        {
            let key = first.keys.pop_front().map(|(_, key)| key);
            keys.extend(key.filter(|key| taken.insert(key.clone())));
            self.read_keys(first, now, due).await?;
        }
        Ok(keys)
    }

    /// Reads pages of a shard until it has a next key, or is at its end or at [`MAX_PAGES`]. Counts keys of a newer
    /// schema.
    async fn read_keys(
        &self,
        shard: &mut Shard,
        now: Time,
        due: &mut DueEntries,
    ) -> Result<(), Error> {
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
                .set_limit(shard.first_limit.take())
                .set_exclusive_start_key(shard.after.take())
                .send()
                .await
                .map_err(|error| error::of("Query", &self.table, &error))?;
            for mut item in answer.items.unwrap_or_default() {
                if schema_of(&item).is_some_and(|schema| schema > self.schemas.entry) {
                    due.newer_schema = due.newer_schema.saturating_add(1);
                    continue;
                }
                let at = item.get(NEXT_CHECK_AT).and_then(|at| at.as_n().ok());
                let at = at.and_then(|at| at.parse().ok());
                if let (Some(at), Some(AttributeValue::S(key))) = (at, item.remove(KEY)) {
                    shard.keys.push_back((Time::from_millis(at), key));
                }
            }
            shard.after = answer.last_evaluated_key;
            shard.pages = shard.pages.saturating_add(1);
        }
        Ok(())
    }

    /// Reads the entries of keys, consistently and in their order. Returns the number of their attempts.
    async fn read_entries(
        &self,
        keys: &[String],
        now: Time,
        due: &mut DueEntries,
    ) -> Result<usize, Error> {
        let mut items = self.read_items(keys).await?;
        let mut attempts: usize = 0;
        for key in keys {
            let Some(item) = items.remove(key) else {
                continue;
            };
            match self.read_item::<Entry>("BatchGetItem", self.schemas.entry, item) {
                Ok(entry) if entry.next_check_at.is_some_and(|at| at <= now) => {
                    attempts = attempts.saturating_add(entry.attempts.len());
                    due.entries.push(entry);
                }
                Ok(_) => {}
                Err(error) if error.kind == ErrorKind::NewerSchema => {
                    due.newer_schema = due.newer_schema.saturating_add(1);
                }
                // An item that cannot be read does not stop the others.
                Err(error) => {
                    tracing::error!(key, "{error}");
                    due.unreadable = due.unreadable.saturating_add(1);
                }
            }
        }
        Ok(attempts)
    }

    /// Reads the items of keys, maximum [`MAX_BATCH`], by key.
    async fn read_items(&self, keys: &[String]) -> Result<HashMap<String, Item>, Error> {
        let key = |key: &String| HashMap::from([(KEY.to_owned(), text(key))]);
        let request = KeysAndAttributes::builder()
            .consistent_read(true)
            .set_keys(Some(keys.iter().map(key).collect()))
            .build()
            .map_err(|_| Error::new(ErrorKind::Internal, "BatchGetItem (no keys)"))?;
        let mut unread = HashMap::from([(self.table.clone(), request)]);
        let mut items = HashMap::new();
        for _ in 0..MAX_CALLS {
            let answer = self
                .client
                .batch_get_item()
                .set_request_items(Some(unread))
                .send()
                .await
                .map_err(|error| error::of("BatchGetItem", &self.table, &error))?;
            let read = answer.responses.unwrap_or_default().into_values().flatten();
            items.extend(read.filter_map(|item| Some((item.get(KEY)?.as_s().ok()?.clone(), item))));
            unread = answer.unprocessed_keys.unwrap_or_default();
            if unread.is_empty() {
                return Ok(items);
            }
        }
        Err(Error::new(
            ErrorKind::Throttled,
            "BatchGetItem (keys left unread)",
        ))
    }
}

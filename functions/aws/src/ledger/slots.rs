//! The reserved slots of a call: one item with their end.

use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure as OnRefusal};
use redrive_core::error::{Error, ErrorKind};
use redrive_core::rate_limiter::Micros;
use redrive_core::services::{self, Service};

use super::{DynamoDb, number, text};
use crate::error;
use crate::table::{KEY, SCHEMA};

/// Maximum number of rounds to reserve slots while other processes reserve some. A round has up to two writes.
const MAX_TRIES: usize = 5;

impl DynamoDb {
    /// Reserves slots with one write in a storm, when reserved slots lie ahead. The first reservation after a pause
    /// takes two writes.
    ///
    /// RACE: this process against another process that reserves. The end may move between the two writes, so that
    /// neither condition holds. Both writes are then tried again.
    pub(super) async fn reserve_slots(
        &self,
        service: Service,
        from: Micros,
        span: Micros,
    ) -> Result<Micros, Error> {
        // Each condition names `pk`: DynamoDB refuses a name that no expression uses.
        let extended = (
            "attribute_exists(#pk) AND #schema <= :schema AND #ends >= :from",
            "SET #ends = #ends + :by",
            span,
        );
        let restarted = (
            "attribute_not_exists(#pk) OR (#schema <= :schema AND #ends < :from)",
            "SET #ends = :by, #schema = :schema",
            Micros(from.0.saturating_add(span.0)),
        );
        for (condition, update, by) in [extended, restarted]
            .into_iter()
            .cycle()
            .take(2 * MAX_TRIES)
        {
            if let Some(ends) = self.extend(service, condition, update, from, by).await? {
                return Ok(Micros(ends.0.saturating_sub(span.0)));
            }
        }
        Err(Error::new(
            ErrorKind::Unavailable,
            "UpdateItem (the slots changed at every try)",
        ))
    }

    /// Moves the end of a call's reserved slots and returns the new end. None: the condition, which compares the
    /// stored end with `from`, does not hold.
    async fn extend(
        &self,
        service: Service,
        condition: &str,
        update: &str,
        from: Micros,
        by: Micros,
    ) -> Result<Option<Micros>, Error> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(
                KEY,
                text(&format!("slots#{}", services::row(service).retry_call)),
            )
            .condition_expression(condition)
            .update_expression(update)
            .expression_attribute_names("#pk", KEY)
            .expression_attribute_names("#ends", "ends")
            .expression_attribute_names("#schema", SCHEMA)
            .expression_attribute_values(":from", number(from.0))
            .expression_attribute_values(":by", number(by.0))
            .expression_attribute_values(":schema", number(self.schemas.slots))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(OnRefusal::AllOld)
            .send()
            .await;
        match sent {
            Ok(answer) => answer
                .attributes
                .and_then(|item| item.get("ends")?.as_n().ok()?.parse().ok())
                .map(|ends| Some(Micros(ends)))
                .ok_or_else(|| Error::new(ErrorKind::Internal, "UpdateItem (no end of the slots)")),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    if let Some(item) = &refused.item {
                        self.check_schema("UpdateItem", self.schemas.slots, item)?;
                    }
                    Ok(None)
                }
                _ => Err(error::of("UpdateItem", &self.table, &error)),
            },
        }
    }
}

//! An answer without a body is no answer.

use aws_sdk_sfn::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_sfn::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sfn::error::BoxError;

/// An interceptor that makes an error of a successful answer without a body.
///
/// AWS: every operation of the JSON protocols answers an object, `{}` at least (AWS JSON 1.0 protocol, Smithy). The SDK
/// reads an empty body as `{}`, so that a write answered by a proxy would count as done, and a read as "nothing there".
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEmptyAnswer;

impl Intercept for NoEmptyAnswer {
    fn name(&self) -> &'static str {
        "NoEmptyAnswer"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let answer = context.response();
        if answer.status().is_success() && answer.body().bytes().is_some_and(<[u8]>::is_empty) {
            return Err("a successful answer without a body".into());
        }
        Ok(())
    }
}

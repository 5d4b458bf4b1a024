//! Interceptors of the caller's own, each of a closure.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextMut, BeforeSerializationInterceptorContextRef,
    BeforeTransmitInterceptorContextMut, FinalizerInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

/// The hooks of the SDK that an application may mean harm at, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    ReadBeforeExecution,
    BeforeSerialization,
    ReadBeforeSerialization,
    BeforeRetryLoop,
    BeforeSigning,
    BeforeTransmit,
    BeforeCompletion,
    ReadAfterExecution,
}

/// What a hook is given.
pub struct Seen<'a> {
    pub when: When,
    pub config: &'a mut ConfigBag,
    input: Option<&'a mut Input>,
    request: Option<&'a mut HttpRequest>,
}

impl Seen<'_> {
    /// The operation's input, before it is serialized.
    pub fn input<I: fmt::Debug + Send + Sync + 'static>(&mut self) -> &mut I {
        self.input.as_mut().unwrap().downcast_mut().unwrap()
    }

    /// The request, before it is transmitted.
    pub fn request(&mut self) -> &mut HttpRequest {
        self.request.as_mut().unwrap()
    }
}

type Does = dyn Fn(Seen<'_>) -> Result<(), BoxError> + Send + Sync;

/// An interceptor that does what a closure says.
#[derive(Clone)]
pub struct Hook(Arc<Does>);

impl Hook {
    /// At every hook, with all that may be modified there borrowed for it.
    pub fn everywhere(does: impl Fn(Seen<'_>) -> Result<(), BoxError> + Send + Sync + 'static) -> Self {
        Self(Arc::new(does))
    }

    pub fn at(when: When, does: impl Fn(Seen<'_>) + Send + Sync + 'static) -> Self {
        Self::everywhere(move |seen| {
            if seen.when == when {
                does(seen);
            }
            Ok(())
        })
    }
}

/// The SDK logs the `Debug` of interceptors.
impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hook(..)")
    }
}

impl Intercept for Hook {
    fn name(&self) -> &'static str {
        "a caller's"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        (self.0)(Seen { when: When::ReadBeforeExecution, config, input: None, request: None })
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let input = Some(context.input_mut());
        (self.0)(Seen { when: When::BeforeSerialization, config, input, request: None })
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        (self.0)(Seen { when: When::ReadBeforeSerialization, config, input: None, request: None })
    }

    fn modify_before_retry_loop(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = Some(context.request_mut());
        (self.0)(Seen { when: When::BeforeRetryLoop, config, input: None, request })
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = Some(context.request_mut());
        (self.0)(Seen { when: When::BeforeSigning, config, input: None, request })
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let request = Some(context.request_mut());
        (self.0)(Seen { when: When::BeforeTransmit, config, input: None, request })
    }

    fn modify_before_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let _ = context.output_or_error_mut();
        (self.0)(Seen { when: When::BeforeCompletion, config, input: None, request: None })
    }

    fn read_after_execution(
        &self,
        _: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        (self.0)(Seen { when: When::ReadAfterExecution, config, input: None, request: None })
    }
}

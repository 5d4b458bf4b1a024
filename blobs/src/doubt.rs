//! Attempts of a write whose answers did not come: nobody can tell what they did.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_s3::config::interceptors::FinalizerInterceptorContextRef;
use aws_sdk_s3::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_s3::error::BoxError;

/// Notes whether any attempt of a request is in doubt: the SDK's error is that of the last one alone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doubt(Arc<AtomicBool>);

impl Doubt {
    /// Whether an attempt may have done what it was sent for, although the request failed.
    pub(crate) fn exists(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Intercept for Doubt {
    fn name(&self) -> &'static str {
        "Doubt"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let status = context.response().map(|response| response.status().as_u16());
        // With 3xx, 4xx and 503 (SlowDown) S3 says that it did nothing.
        if !matches!(status, Some(300..500 | 503)) {
            self.0.store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}

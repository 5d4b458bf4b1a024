//! What the caller changes of the SDK's request before it is sent, and a builder's future.

use std::fmt;
use std::pin::Pin;

use crate::error::Error;

pub(crate) type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;

/// Changes of a request of the SDK.
pub(crate) struct Changes<B>(Vec<Box<dyn FnOnce(B) -> B + Send>>);

impl<B> Changes<B> {
    pub(crate) fn none() -> Self {
        Self(Vec::new())
    }

    pub(crate) fn push(&mut self, change: impl FnOnce(B) -> B + Send + 'static) {
        self.0.push(Box::new(change));
    }

    pub(crate) fn apply(self, request: B) -> B {
        self.0.into_iter().fold(request, |request, change| change(request))
    }
}

impl<B> fmt::Debug for Changes<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Changes({})", self.0.len())
    }
}

/// A builder's future, and its `Debug`, which shows no key.
macro_rules! awaits {
    ($builder:ident gives $output:ty) => {
        impl std::future::IntoFuture for $builder {
            type Output = Result<$output, crate::error::Error>;
            type IntoFuture = crate::changes::Pending<$output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.send())
            }
        }

        impl std::fmt::Debug for $builder {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($builder), "({:?})"), self.blobs)
            }
        }
    };
}
pub(crate) use awaits;

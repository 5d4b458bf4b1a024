//! The operations that this release knows, each recognized by its input.

use aws_sdk_dynamodb::config::ConfigBag;
use aws_sdk_dynamodb::error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::ser_de::{SerializeRequest, SharedRequestSerializer, SharedResponseDeserializer};
use aws_smithy_types::config_bag::FrozenLayer;

use super::Binding;
use super::operation::Operation;
use crate::error::Error;

/// The result of a check. `None` for an operation that touches no items and is sent unchanged.
pub(super) type Checked = Result<Option<Box<dyn Operation>>, Error>;

/// An operation that this release knows, and the SDK's own components for it.
pub(super) struct Known {
    /// The name that belongs to its input, whatever name hooks give it.
    pub(super) name: &'static str,
    pub(super) has: fn(&Input) -> bool,
    pub(super) check: fn(&Input, &Binding) -> Checked,
    pub(super) empty: fn() -> Option<Input>,
    /// The SDK's own layer, whatever hooks have put into the config bag.
    pub(super) sdk: fn() -> &'static FrozenLayer,
}

/// The operations with these inputs, each checked by an expression.
macro_rules! operations {
    ($($module:ident::{$operation:ident, $input:ident} => $check:expr;)*) => {
        &[$(Known {
            name: stringify!($operation),
            has: |input| input.downcast_ref::<sdk::$module::$input>().is_some(),
            check: |input, binding| {
                let check: fn(&sdk::$module::$input, &Binding) -> Checked = $check;
                check(input.downcast_ref().ok_or(NOT_CHECKED)?, binding)
            },
            empty: || Some(Input::erase(sdk::$module::$input::builder().build().ok()?)),
            sdk: || {
                static SDK: LazyLock<FrozenLayer> = LazyLock::new(|| {
                    sdk::$module::$operation::new().config().expect("each operation of the SDK has a configuration")
                });
                &SDK
            },
        },)*]
    };
}
pub(super) use operations;

impl Known {
    /// Checks an input of this operation.
    pub(super) fn check(&self, input: &Input, binding: &Binding) -> Checked {
        (self.check)(input, binding)
    }

    /// An empty input.
    pub(super) fn empty(&self) -> Result<Input, BoxError> {
        (self.empty)().ok_or_else(|| "each input of the SDK can be empty".into())
    }

    /// Serializes an input as the SDK does.
    pub(super) fn serialize(&self, input: Input, config: &mut ConfigBag) -> Result<HttpRequest, BoxError> {
        let serializer = (self.sdk)().load::<SharedRequestSerializer>().ok_or("the SDK has no serializer")?;
        serializer.serialize_input(input, config)
    }

    /// The SDK's own deserializer for the answer.
    pub(super) fn deserializer(&self) -> Result<&'static SharedResponseDeserializer, BoxError> {
        (self.sdk)().load::<SharedResponseDeserializer>().ok_or_else(|| "the SDK has no deserializer".into())
    }
}

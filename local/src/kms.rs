//! KMS's wire protocol: JSON 1.1, one operation per `X-Amz-Target`.
//!
//! Every operation takes the same steps: authenticate, parse, resolve the key, authorise, check the key's state, act.
//! Each file below holds one family of operations. `session` holds the steps that they share.

mod aliases;
mod cipher;
mod data;
mod grants;
mod input;
mod keys;
mod page;
mod policies;
mod replicas;
mod rotation;
mod session;
mod tags;

use std::{collections::BTreeMap, time::SystemTime};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::{
    authorise::Caller,
    calls::{Call, Service},
    credentials::authenticate,
    protocol::{Message, Protocol},
    refusal::{Refusal, kms as code},
    state::{Shared, iam::Rejected},
};
use session::Session;

/// A request to KMS, parsed as far as possible.
#[derive(Debug)]
pub(crate) struct Incoming {
    operation: String,
    region: String,
    caller: Result<Caller, Refusal>,
    input: Result<Value, Refusal>,
    now: SystemTime,
}

impl Protocol for Incoming {
    const SERVICE: Service = Service::Kms;
    const CONTENT_TYPE: &'static str = "application/x-amz-json-1.1";

    fn read(message: Message, shared: &Shared) -> Self {
        let target = message.headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
        let operation = target.strip_prefix("TrentService.").unwrap_or_default().to_owned();
        let now = shared.clock.now();
        let (caller, region) = authenticate(&message.headers, shared, now);
        let caller = caller.map_err(refuse_credentials);
        let input = match serde_json::from_slice(&message.body) {
            Ok(input @ Value::Object(_)) => Ok(input),
            _ => Err(code::SERIALIZATION.because("the body is not a JSON object")),
        };
        Self { operation, region, caller, input, now }
    }

    fn call(&self, shared: &Shared) -> Call {
        let caller = self.caller.as_ref().ok();
        let field = |name| self.input.as_ref().ok().and_then(|input| input.get(name));
        let text = |name| field(name).and_then(Value::as_str);
        let key_id = ["AliasName", "KeyId", "SourceKeyId"].into_iter().find_map(text);
        let context = field("EncryptionContext").or_else(|| field("SourceEncryptionContext"));
        let context = context.and_then(|context| BTreeMap::<String, String>::deserialize(context).ok());
        let resource = caller.and_then(|caller| {
            let mut state = shared.state();
            let session = Session::new(&mut state, caller, &self.region, self.now);
            session.key_arn(key_id, text("CiphertextBlob"))
        });
        Call {
            service: Self::SERVICE,
            operation: self.operation.clone(),
            region: self.region.clone(),
            principal: caller.map(|caller| caller.principal.arn.clone()),
            session_name: caller.and_then(|caller| caller.session_name.clone()),
            key_id: key_id.map(str::to_owned),
            resource,
            encryption_context: context.unwrap_or_default(),
        }
    }

    fn answer(self, shared: &Shared, _request_id: &str) -> Result<String, Refusal> {
        let Self { operation, region, caller, input, now } = self;
        let (caller, input) = (caller?, input?);
        let mut state = shared.state();
        let output = Session::new(&mut state, &caller, &region, now).perform(&operation, input)?;
        Ok(output.map(|output| output.to_string()).unwrap_or_default())
    }

    fn refuse(refusal: &Refusal, _request_id: &str) -> String {
        json!({ "__type": refusal.code, "message": refusal.message }).to_string()
    }
}

impl Session<'_> {
    /// Performs one operation.
    fn perform(mut self, operation: &str, input: Value) -> Result<Option<Value>, Refusal> {
        match operation {
            "CancelKeyDeletion" => self.run(input, Self::cancel_key_deletion),
            "CreateGrant" => self.run(input, Self::create_grant),
            "CreateAlias" => self.run(input, Self::create_alias),
            "CreateKey" => self.run(input, Self::create_key),
            "Decrypt" => self.run(input, Self::decrypt),
            "DeleteAlias" => self.run(input, Self::delete_alias),
            "DescribeKey" => self.run(input, Self::describe_key),
            "DisableKey" => self.run(input, Self::disable_key),
            "DisableKeyRotation" => self.run(input, Self::disable_key_rotation),
            "EnableKey" => self.run(input, Self::enable_key),
            "EnableKeyRotation" => self.run(input, Self::enable_key_rotation),
            "Encrypt" => self.run(input, Self::encrypt),
            "GenerateDataKey" => self.run(input, Self::generate_data_key),
            "GenerateDataKeyWithoutPlaintext" => self.run(input, Self::generate_data_key_without_plaintext),
            "GenerateRandom" => self.run(input, Self::generate_random),
            "GetKeyPolicy" => self.run(input, Self::get_key_policy),
            "GetKeyRotationStatus" => self.run(input, Self::get_key_rotation_status),
            "ListAliases" => self.run(input, Self::list_aliases),
            "ListGrants" => self.run(input, Self::list_grants),
            "ListKeyPolicies" => self.run(input, Self::list_key_policies),
            "ListKeyRotations" => self.run(input, Self::list_key_rotations),
            "ListKeys" => self.run(input, Self::list_keys),
            "ListResourceTags" => self.run(input, Self::list_resource_tags),
            "PutKeyPolicy" => self.run(input, Self::put_key_policy),
            "ReEncrypt" => self.run(input, Self::re_encrypt),
            "ReplicateKey" => self.run(input, Self::replicate_key),
            "RevokeGrant" => self.run(input, Self::revoke_grant),
            "RotateKeyOnDemand" => self.run(input, Self::rotate_key_on_demand),
            "ScheduleKeyDeletion" => self.run(input, Self::schedule_key_deletion),
            "TagResource" => self.run(input, Self::tag_resource),
            "UntagResource" => self.run(input, Self::untag_resource),
            "UpdateAlias" => self.run(input, Self::update_alias),
            "UpdateKeyDescription" => self.run(input, Self::update_key_description),
            _ => Err(code::UNKNOWN_OPERATION.because(format!("the local stack does not know {operation}"))),
        }
    }
}

fn refuse_credentials(rejected: Rejected) -> Refusal {
    match rejected {
        Rejected::Missing => code::MISSING_TOKEN.because("Missing Authentication Token"),
        Rejected::Unknown => {
            code::UNRECOGNIZED_CLIENT.because("The security token included in the request is invalid.")
        }
        Rejected::Expired => code::EXPIRED_TOKEN.because("The security token included in the request is expired"),
    }
}

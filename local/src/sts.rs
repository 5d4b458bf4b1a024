//! STS's wire protocol: forms in, XML out.

mod assume_role;
mod form;
mod xml;

use std::{collections::BTreeMap, time::SystemTime};

use crate::{
    authorise::Caller,
    calls::{Call, Service},
    credentials::authenticate,
    protocol::{Message, Protocol},
    refusal::{Refusal, sts as code},
    state::{Shared, iam::Rejected},
};
use form::Form;
use xml::Element;

/// A request to STS, parsed as far as possible.
#[derive(Debug)]
pub(crate) struct Incoming {
    form: Form,
    region: String,
    caller: Result<Caller, Refusal>,
    now: SystemTime,
}

impl Protocol for Incoming {
    const SERVICE: Service = Service::Sts;
    const CONTENT_TYPE: &'static str = "text/xml";

    fn read(message: Message, shared: &Shared) -> Self {
        let now = shared.clock.now();
        let (caller, region) = authenticate(&message.headers, shared, now);
        let caller = caller.map_err(refuse_credentials);
        Self { form: Form::read(&message.body), region, caller, now }
    }

    fn call(&self, _shared: &Shared) -> Call {
        let caller = self.caller.as_ref().ok();
        let asked = self.form.get("RoleSessionName").map(str::to_owned);
        Call {
            service: Self::SERVICE,
            operation: self.form.get("Action").unwrap_or_default().to_owned(),
            region: self.region.clone(),
            principal: caller.map(|caller| caller.principal.arn.clone()),
            session_name: asked.or_else(|| caller.and_then(|caller| caller.session_name.clone())),
            key_id: None,
            resource: self.form.get("RoleArn").map(str::to_owned),
            encryption_context: BTreeMap::new(),
        }
    }

    fn answer(self, shared: &Shared, request_id: &str) -> Result<String, Refusal> {
        let Self { form, region, caller, now } = self;
        let caller = caller?;
        let (action, result) = match form.get("Action").unwrap_or_default() {
            "AssumeRole" => {
                let mut state = shared.state();
                ("AssumeRole", assume_role::assume_role(&mut state.iam, &caller, &region, now, &form)?)
            }
            "GetCallerIdentity" => ("GetCallerIdentity", get_caller_identity(&caller)),
            unknown => return Err(code::INVALID_ACTION.because(format!("Could not find operation {unknown}"))),
        };
        Ok(xml::response(action, result, request_id))
    }

    fn refuse(refusal: &Refusal, request_id: &str) -> String {
        xml::error(refusal, request_id)
    }
}

/// Needs no permission: whoever has credentials may learn whose they are.
fn get_caller_identity(caller: &Caller) -> Vec<Element> {
    vec![
        Element::text("Arn", &caller.principal.arn),
        Element::text("UserId", &caller.unique_id),
        Element::text("Account", &caller.principal.account),
    ]
}

fn refuse_credentials(rejected: Rejected) -> Refusal {
    match rejected {
        Rejected::Missing => code::MISSING_TOKEN.because("Request is missing Authentication Token"),
        Rejected::Unknown => {
            code::INVALID_CLIENT_TOKEN.because("The security token included in the request is invalid.")
        }
        Rejected::Expired => code::EXPIRED_TOKEN.because("The security token included in the request is expired"),
    }
}

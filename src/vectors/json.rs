//! Vectors as JSON: items as DynamoDB's, binaries in Base64; keys, nonces and wrapped keys in hex.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_types::base64;
use serde_json::{Map, Value, json};

use super::hex::hex;
use super::scene::{Expected, Scene, Sealing, Unwrapping, Vector};
use crate::item::Item;
use tenantseal_core::tenant::TenantId;

pub(super) fn item(item: &Item) -> Value {
    item.iter().map(|(name, attribute)| (name.clone(), value(attribute))).collect::<Map<_, _>>().into()
}

pub(super) fn value(value: &AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::B(bytes) => json!({ "B": base64::encode(bytes) }),
        AttributeValue::Bool(flag) => json!({ "BOOL": flag }),
        AttributeValue::Null(flag) => json!({ "NULL": flag }),
        AttributeValue::M(map) => json!({ "M": item(map) }),
        AttributeValue::L(list) => json!({ "L": list.iter().map(self::value).collect::<Vec<_>>() }),
        AttributeValue::Ss(members) => json!({ "SS": members }),
        AttributeValue::Ns(members) => json!({ "NS": members }),
        AttributeValue::Bs(members) => json!({ "BS": members.iter().map(base64::encode).collect::<Vec<_>>() }),
        other => panic!("{other:?}"),
    }
}

/// The contexts configured for a tenant.
pub(super) fn configured(scene: &Scene) -> Vec<Value> {
    let context = |pairs: &Vec<(String, String)>| {
        let tenant = ("tenant".to_owned(), json!(scene.tenant.as_str()));
        let pairs = pairs.iter().map(|(name, value)| (name.clone(), json!(value)));
        Value::from(pairs.chain([tenant]).collect::<Map<_, _>>())
    };
    scene.contexts.iter().map(context).collect()
}

/// What KMS unwraps, and has wrapped for this tenant.
pub(super) fn known(known: &Unwrapping, tenant: &TenantId) -> Value {
    let Unwrapping { wrapped, data_key, kek, alias_of, .. } = known;
    let context = known.context(tenant);
    let context: Map<_, _> = context.pairs().map(|(name, value)| (name.to_owned(), json!(value))).collect();
    let mut known = json!({ "wrapped": hex(wrapped), "context": context, "data_key": hex(data_key), "key": kek });
    if let Some(key_id) = alias_of {
        known["alias"] = json!(format!("alias/customer-{tenant}/{key_id}"));
    }
    known
}

impl Vector {
    pub(super) fn to_json(&self) -> Value {
        let Self { name: _, rule, scene, stored, expected } = self;
        let kms = scene.kms.0.iter().map(|one| known(one, &scene.tenant));
        let mut vector = json!({
            "rule": rule,
            "tenant": scene.tenant.as_str(),
            "contexts": configured(scene),
            "schema": {
                "table": scene.table,
                "partition_key": scene.partition_key,
                "template": scene.template,
                "sort_key": scene.sort_key,
                "encrypted": scene.encrypted,
            },
            "kms": kms.collect::<Vec<_>>(),
            "stored": item(stored),
        });
        if let Some(entries) = &scene.key_table {
            let entries = entries.iter().map(|(entry, record)| (entry.clone(), json!(hex(record))));
            vector["key_table"] = entries.collect::<Map<_, _>>().into();
        }
        if scene.without_value {
            vector["schema"]["without_value"] = json!(true);
        }
        if let Some((attribute, types)) = &scene.discriminator {
            let varying: Map<_, _> = types.iter().map(|(value, names)| ((*value).to_owned(), json!(names))).collect();
            vector["schema"]["discriminator"] = json!(attribute);
            vector["schema"]["varying"] = varying.into();
        }
        if let Some(requested) = &scene.requested {
            vector["requested"] = item(requested);
        }
        if let Some(wanted) = &scene.wanted {
            vector["wanted"] = json!(wanted);
        }
        match expected {
            Expected::Opened { item: opened, sealing } => {
                vector["opened"] = item(opened);
                if let Some(Sealing { attribute, form, nonce, token, value: given }) = sealing {
                    vector["sealed"] = json!({ "attribute": attribute, "form": hex(&[*form]), "nonce": hex(nonce), "value": value(given) });
                    if let Some(token) = token {
                        vector["sealed"]["token"] = json!(token);
                    }
                }
            }
            Expected::Refused { fault, attributes } => {
                vector["refused"] = json!({ "fault": fault, "attributes": attributes })
            }
        }
        sorted(vector)
    }
}

/// Objects in the order of their names, whatever order the JSON library keeps.
pub(super) fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.into_iter().collect();
            fields.sort_by(|(one, _), (other, _)| one.cmp(other));
            fields.into_iter().map(|(name, field)| (name, sorted(field))).collect::<Map<_, _>>().into()
        }
        Value::Array(elements) => elements.into_iter().map(sorted).collect(),
        other => other,
    }
}

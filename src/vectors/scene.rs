//! What a vector takes place in: a tenant, a table and what KMS knows.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_dynamodb::types::AttributeValue;
use tenantseal_core::context::{EncryptionContext, Period, StaticPairs};
use tenantseal_core::crypto::{DataKey, PseudorandomKey, WrappedDataKey};
use tenantseal_core::envelope::{KeyRecordPlacement, VerifiedDataKey};
use tenantseal_core::format::{Identity, KekId};
use tenantseal_core::keys::{GeneratedDataKey, KeyService, KeyServiceError, KeyServiceErrorKind, UnwrappedDataKey};
use tenantseal_core::tenant::TenantId;

use super::hex::hex;
use crate::item::{Item, identity};
use crate::schema::{TableSchema, TableSchemaBuilder};

pub(super) const STANDARD: &str = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
pub(super) const MULTI_REGION: &str = "arn:aws:kms:us-east-1:111122223333:key/mrk-1234abcd12ab34cd56ef1234567890ab";
pub(super) const CREATED: u32 = 1_700_000_000;
pub(super) const NONCE: [u8; 12] = [0xa0, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xa8, 0xa9, 0xaa, 0xab];

/// One file.
pub(super) struct Vector {
    pub(super) name: String,
    /// The section of docs/FORMAT.md and the rule.
    pub(super) rule: &'static str,
    pub(super) scene: Scene,
    pub(super) stored: Item,
    pub(super) expected: Expected,
}

pub(super) enum Expected {
    /// It opens to this item; `sealing` makes the stored bytes again.
    Opened { item: Item, sealing: Option<Sealing> },
    /// It does not open, and the error names one of these attributes.
    Refused { fault: &'static str, attributes: Vec<&'static str> },
}

/// How a stored attribute was made, for those who write a writer.
pub(super) struct Sealing {
    pub(super) attribute: String,
    pub(super) form: u8,
    pub(super) nonce: [u8; 12],
    /// From which the nonce was made (section 10).
    pub(super) token: Option<&'static str>,
    pub(super) value: AttributeValue,
}

/// A value of the discriminator, and the varying attributes that its type encrypts.
pub(super) type RecordType = (&'static str, Vec<&'static str>);

#[derive(Clone)]
pub(super) struct Scene {
    pub(super) tenant: TenantId,
    pub(super) table: String,
    pub(super) partition_key: String,
    pub(super) template: String,
    pub(super) sort_key: Option<String>,
    pub(super) encrypted: Vec<String>,
    /// The static pairs: the current ones, then former ones.
    pub(super) contexts: Vec<Vec<(String, String)>>,
    pub(super) kms: Kms,
    /// The tenant's entries of the key table, where there is one: then the table is compact.
    pub(super) key_table: Option<Vec<(String, Vec<u8>)>>,
    /// What tells the table's record types apart, and which of the attributes about which they disagree each encrypts, by its value.
    pub(super) discriminator: Option<(&'static str, Vec<RecordType>)>,
    /// Whether a type without a value of the discriminator is there too. It declares none of those attributes.
    pub(super) without_value: bool,
    /// The key of the item that is asked for, when it is not just opened.
    pub(super) requested: Option<Item>,
    /// The attributes that are asked for, when it is not all.
    pub(super) wanted: Option<Vec<&'static str>>,
}

/// The scene of section 11.
pub(super) fn scene() -> Scene {
    Scene {
        tenant: TenantId::parse("acme").unwrap(),
        table: "crm".to_owned(),
        partition_key: "tenant_id".to_owned(),
        template: "{tenant}".to_owned(),
        sort_key: Some("n".to_owned()),
        encrypted: vec!["a".to_owned()],
        contexts: vec![vec![]],
        kms: Kms(vec![Unwrapping {
            wrapped: vec![0xaa, 0xbb, 0xcc, 0xdd],
            context: vec![],
            period: None,
            data_key: (0..32).collect(),
            kek: STANDARD.to_owned(),
            for_lookups: false,
            alias_of: None,
        }]),
        key_table: None,
        discriminator: None,
        without_value: false,
        requested: None,
        wanted: None,
    }
}

impl Scene {
    pub(super) fn with_pairs(mut self, pairs: &[(&str, &str)]) -> Self {
        let pairs: Vec<_> = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        self.contexts = vec![pairs.clone()];
        self.kms.0[0].context = pairs;
        self
    }

    pub(super) fn with_kek(mut self, kek: &str) -> Self {
        kek.clone_into(&mut self.kms.0[0].kek);
        self
    }

    /// With a data key that was made to be shared.
    pub(super) fn in_period(mut self, period: &str) -> Self {
        self.kms.0[0].period = Some(Period::parse(period).unwrap());
        self
    }

    /// With a data key that was made to wrap a lookup key.
    pub(super) fn for_lookups(mut self) -> Self {
        self.kms.0[0].for_lookups = true;
        self
    }

    /// Stores items compactly, and their record in the key table.
    pub(super) fn compact(mut self) -> Self {
        let record = self.unwrapped(0, CREATED).stored_record().to_vec();
        self.key_table = Some(vec![(entry(&record), record)]);
        self
    }

    pub(super) fn encrypting(mut self, names: &[&str]) -> Self {
        self.encrypted = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Encrypts `b` beside `a`, and knows a second data key.
    pub(super) fn with_second_key(self) -> Self {
        let mut two = self.encrypting(&["a", "b"]);
        two.kms.0.push(Unwrapping {
            wrapped: vec![0x0a],
            context: vec![],
            period: None,
            data_key: (32..64).collect(),
            kek: STANDARD.to_owned(),
            for_lookups: false,
            alias_of: None,
        });
        two
    }

    pub(super) fn table_schema(&self) -> TableSchema {
        let Some((attribute, types)) = &self.discriminator else { return self.schema_of_type(|schema| schema) };
        let varying: BTreeSet<_> = types.iter().flat_map(|(_, encrypted)| encrypted).collect();
        let of_type = |(value, encrypted): &RecordType| {
            self.schema_of_type(|mut schema| {
                if self.sort_key.as_deref() != Some(attribute) {
                    schema = schema.plain(*attribute);
                }
                for name in &varying {
                    schema = if encrypted.contains(name) { schema.encrypt(**name) } else { schema.plain(**name) };
                }
                schema.discriminator(*attribute, *value)
            })
        };
        let mut schemas = types.iter().map(of_type);
        let mut schema = schemas.next().unwrap();
        schemas.for_each(|other| schema.merge(other).unwrap());
        if self.without_value {
            schema.merge(self.schema_of_type(|schema| schema)).unwrap();
        }
        schema
    }

    fn schema_of_type(&self, more: impl FnOnce(TableSchemaBuilder) -> TableSchemaBuilder) -> TableSchema {
        let mut schema = TableSchema::builder(&self.table).partition_key(&self.partition_key, &self.template);
        if let Some(sort_key) = &self.sort_key {
            schema = schema.sort_key(sort_key);
        }
        let schema = self.encrypted.iter().fold(schema, |schema, name| schema.encrypt(name));
        let mut schema = more(schema).build().unwrap();
        if self.key_table.is_some() {
            schema.set_record_place(KeyRecordPlacement::KeyTable);
        }
        schema
    }

    /// The key attributes of the example.
    pub(super) fn key(&self) -> Item {
        let partition = self.template.replace("{tenant}", self.tenant.as_str());
        let mut key = Item::from([(self.partition_key.clone(), s(&partition))]);
        if let Some(sort_key) = &self.sort_key {
            key.insert(sort_key.clone(), n("150"));
        }
        key
    }

    pub(super) fn identity(&self, key: &Item) -> Identity {
        identity(&self.table_schema(), &self.tenant, key).unwrap()
    }

    pub(super) fn prk(&self) -> PseudorandomKey {
        PseudorandomKey::extract(&DataKey::take(self.kms.0[0].data_key.clone()).unwrap())
    }

    /// The data key that KMS knows at this place, as the library holds it.
    pub(super) fn unwrapped(&self, at: usize, created: u32) -> VerifiedDataKey {
        let known = &self.kms.0[at];
        let Unwrapping { wrapped, data_key, kek, .. } = known;
        let context = known.context(&self.tenant);
        let data_key = DataKey::take(data_key.clone()).unwrap();
        let wrapped = WrappedDataKey::new(wrapped.clone()).unwrap();
        let key = VerifiedDataKey::from_generated(&data_key, created, &context, KekId::parse(kek).unwrap(), wrapped);
        if self.key_table.is_some() {
            key.mark_in_key_table();
        }
        key
    }
}

/// The entry of the key table in which a record lies.
pub(super) fn entry(record: &[u8]) -> String {
    format!("key#{}", hex(&record[1..17]))
}

/// What KMS unwraps.
#[derive(Debug, Clone)]
pub(super) struct Kms(pub(super) Vec<Unwrapping>);

#[derive(Debug, Clone)]
pub(super) struct Unwrapping {
    pub(super) wrapped: Vec<u8>,
    /// The static pairs; `tenant` comes from whose scene it is.
    pub(super) context: Vec<(String, String)>,
    /// Of a data key that is shared (section 13.2).
    pub(super) period: Option<Period>,
    /// Of a data key that wraps a lookup key (section 15).
    pub(super) for_lookups: bool,
    pub(super) data_key: Vec<u8>,
    pub(super) kek: String,
    /// The id of the key on which the tenant's alias for a former key stays, when its present key is another.
    pub(super) alias_of: Option<&'static str>,
}

impl Unwrapping {
    /// With which KMS wrapped.
    pub(super) fn context(&self, tenant: &TenantId) -> EncryptionContext {
        let context = EncryptionContext::new(tenant, &StaticPairs::new(self.context.clone()).unwrap());
        let context = self.period.map_or_else(|| context.clone(), |period| context.in_period(period));
        if self.for_lookups { context.for_lookups().unwrap() } else { context }
    }
}

#[async_trait]
impl KeyService for Kms {
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        _: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        Err(KeyServiceError::new(tenant, "GenerateDataKey", KeyServiceErrorKind::Denied))
    }

    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        _: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        self.decrypt(tenant, context, None, wrapped)
    }

    async fn unwrap_former_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        self.decrypt(tenant, context, Some(kek.key_id()), wrapped)
    }
}

impl Kms {
    /// By the tenant's alias, or by that which stays on the key of this id.
    fn decrypt(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        alias_of: Option<&str>,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        let refused = |kind| KeyServiceError::new(tenant, "Decrypt", kind);
        let known =
            self.0.iter().find(|known| known.wrapped == wrapped.as_bytes() && known.context(tenant) == *context);
        let Unwrapping { data_key, kek, alias_of: its, .. } =
            known.ok_or_else(|| refused(KeyServiceErrorKind::InvalidCiphertext))?;
        if *its != alias_of {
            return Err(refused(KeyServiceErrorKind::IncorrectKey));
        }
        // As the key service of AWS does with a data key of another length.
        let data_key = DataKey::take(data_key.clone()).map_err(|_| refused(KeyServiceErrorKind::InvalidCiphertext))?;
        Ok(UnwrappedDataKey::new(data_key, KekId::parse(kek).unwrap()))
    }
}

pub(super) fn with(mut item: Item, name: &str, value: AttributeValue) -> Item {
    item.insert(name.to_owned(), value);
    item
}

pub(super) fn s(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

pub(super) fn n(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

pub(super) fn b(bytes: impl Into<Vec<u8>>) -> AttributeValue {
    AttributeValue::B(bytes.into().into())
}

//! Samples sealed items of a tenant, and tests whether the tenant's session can still unwrap their data keys.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::primitives::Blob;
use serde::{Serialize, Serializer};
use tenantseal::inspect::{HEADER, SealedAttribute, StoredHeader, StoredKeyRecord, record_entry};
use tenantseal::keys::{Alias, DataKey, DataKeyId, DynamoDbKeyTable, KeyTable, Tenancy};
use tenantseal::schema::TenantTemplate;
use tenantseal::{Item, TenantId};
use tenantseal_kms::errors::AwsErrorClass;

use crate::errors::{Failure, Result};
use crate::sessions::{Limits, Sessions};
use crate::tenant_items::TenantItems;

/// The maximum number of pages in a search for the tenant's items.
const MAX_PAGES: u32 = 100;
/// A disabled key may still work for some seconds (KMS developer guide, "Eventual consistency").
const PATIENCE: u32 = 20;
const PAUSE: Duration = Duration::from_secs(3);
/// The reason when no endpoint has answered.
const SILENCE: &str = "unreachable";

/// The source of the samples.
pub(super) struct Source {
    pub(super) table: String,
    pub(super) template: TenantTemplate,
    pub(super) limit: u32,
    /// The key table of compact items.
    pub(super) key_table: Option<String>,
    /// The Regions of the tenant's keys and of its services.
    pub(super) regions: BTreeSet<String>,
}

/// Sampled items and their data keys.
#[derive(Debug, Serialize)]
pub(super) struct Samples {
    pub(super) table: String,
    /// The Regions that are asked for every data key, besides the one in the key record.
    pub(super) regions: BTreeSet<String>,
    pub(super) items: Vec<Sample>,
    pub(super) data_keys: BTreeMap<String, Wrapped>,
    /// Data keys of compact items that could not be tested, with the reason.
    pub(super) skipped: BTreeMap<String, &'static str>,
}

/// One item.
#[derive(Debug, Serialize)]
pub(super) struct Sample {
    /// Its primary key in DynamoDB JSON.
    pub(super) key: BTreeMap<String, serde_dynamo::AttributeValue>,
    /// The data keys that seal it.
    pub(super) data_keys: Vec<String>,
}

/// One data key, and KMS's answers to the tenant's session.
#[derive(Debug, Serialize)]
pub(super) struct Wrapped {
    pub(super) kek: String,
    /// By Region: a KEK has copies, and the registry may not list them all.
    pub(super) answers: BTreeMap<String, Answers>,
    #[serde(skip)]
    record: StoredKeyRecord,
}

impl Wrapped {
    fn is_open(&self) -> bool {
        self.answers.values().any(|answers| answers.after == Answer::Opened)
    }

    /// Whether every Region has refused it.
    pub(super) fn is_refused(&self) -> bool {
        self.answers.values().all(|answers| matches!(answers.after, Answer::Refused(_)))
    }
}

/// KMS's answer in one Region.
#[derive(Debug, Serialize)]
pub(super) struct Answers {
    pub(super) before: Answer,
    pub(super) after: Answer,
}

/// One answer in the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// KMS would unwrap it, or did.
    Opened,
    /// KMS refused, or STS before it.
    Refused(String),
    /// No answer, and why.
    Unanswered(String),
    NotTried,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened => f.write_str("unwrapped"),
            Self::Refused(how) => f.write_str(how),
            Self::Unanswered(why) => write!(f, "no answer ({why})"),
            Self::NotTried => f.write_str("not tried"),
        }
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The sessions and their tenant.
#[derive(Debug, Clone, Copy)]
pub(super) struct TenantSessions<'a> {
    pub(super) sessions: &'a Sessions,
    pub(super) tenancy: &'a Tenancy,
    pub(super) tenant: &'a TenantId,
}

impl Samples {
    /// Reads the tenant's items with a plain client, until `limit` of them are sealed.
    pub(super) async fn take(config: &SdkConfig, source: Source, tenant: &TenantId) -> Result<Self> {
        let Source { table, template, limit, key_table, regions } = source;
        let key_table = key_table.map(|name| DynamoDbKeyTable::new(config, name));
        let stored = TenantItems::of(config, &table, template).await?;
        let (data_keys, skipped) = (BTreeMap::new(), BTreeMap::new());
        let mut samples = Self { table, regions, items: Vec::new(), data_keys, skipped };
        let mut start = None;
        for _ in 0..MAX_PAGES {
            let (items, next) = stored.page(tenant, start).await?;
            for item in items {
                if samples.items.len() < limit as usize {
                    samples.add(stored.key(&item), &item, tenant, key_table.as_ref()).await?;
                }
            }
            start = next;
            if start.is_none() || samples.items.len() >= limit as usize {
                break;
            }
        }
        Ok(samples)
    }

    /// Keeps an item if it is sealed for the tenant.
    async fn add(
        &mut self,
        key: BTreeMap<String, serde_dynamo::AttributeValue>,
        item: &Item,
        tenant: &TenantId,
        key_table: Option<&DynamoDbKeyTable>,
    ) -> Result<()> {
        let mut data_keys = Vec::new();
        for (name, value) in item {
            let AttributeValue::B(stored) = value else { continue };
            let found = match name.as_str() {
                HEADER => StoredHeader::parse(stored.as_ref()).ok(),
                _ => SealedAttribute::parse(stored.as_ref()).ok().and_then(own_key),
            };
            let Some(found) = found else { continue };
            let id = found.key_id().to_string();
            let record = match found {
                // KMS would refuse another tenant's key record for that reason alone.
                StoredHeader::Record(record) if !is_record(&record, tenant) => continue,
                StoredHeader::Record(record) => Ok(record),
                StoredHeader::Reference(_) if self.data_keys.contains_key(&id) || self.skipped.contains_key(&id) => {
                    data_keys.push(id);
                    continue;
                }
                StoredHeader::Reference(key_id) => find_key_record(key_table, tenant, key_id).await?,
            };
            data_keys.push(id.clone());
            match record {
                Ok(record) => {
                    let named = record.kek().aws().map(|arn| arn.region().to_owned());
                    let untried = || Answers { before: Answer::NotTried, after: Answer::NotTried };
                    let regions = self.regions.iter().cloned().chain(named);
                    let answers = regions.map(|region| (region, untried())).collect();
                    let kek = record.kek().to_string();
                    self.data_keys.entry(id).or_insert_with(|| Wrapped { kek, answers, record });
                }
                Err(why) => {
                    self.skipped.insert(id, why);
                }
            }
        }
        if !data_keys.is_empty() {
            data_keys.sort();
            data_keys.dedup();
            self.items.push(Sample { key, data_keys });
        }
        Ok(())
    }

    /// Tests with `DryRun` whether the data keys can be unwrapped.
    pub(super) async fn try_before(&mut self, by: TenantSessions<'_>) -> Result<()> {
        // An error that prevents every session is reported before the offboarding begins.
        by.session(by.sessions.region()).await?.ok();
        self.ask(by, true).await;
        Ok(())
    }

    /// Tries to unwrap the data keys for real, until KMS refuses all of them or time runs out. The tenant is offboarded
    /// by then, and the record must be written: failures here go into the record.
    pub(super) async fn try_after(&mut self, by: TenantSessions<'_>) {
        for attempt in 0..PATIENCE {
            if attempt > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            self.ask(by, false).await;
            if !self.is_open_where_ended() {
                break;
            }
        }
    }

    /// Whether KMS still unwraps a data key in a Region whose KEK was ended. Elsewhere no wait helps: the key there lives on.
    fn is_open_where_ended(&self) -> bool {
        let answers = self.data_keys.values().flat_map(|wrapped| &wrapped.answers);
        let mut ended = answers.filter(|(region, _)| self.regions.contains(*region));
        ended.any(|(_, answers)| answers.after == Answer::Opened)
    }

    /// Asks each Region for the data keys that it has not refused yet.
    async fn ask(&mut self, by: TenantSessions<'_>, before: bool) {
        let regions = self.data_keys.values().flat_map(|wrapped| wrapped.answers.keys().cloned());
        for region in regions.collect::<BTreeSet<_>>() {
            let mut session = None;
            for Wrapped { answers, record, .. } in self.data_keys.values_mut() {
                let Some(Answers { before: earlier, after }) = answers.get_mut(&region) else { continue };
                let answer = if before { earlier } else { after };
                if !matches!(answer, Answer::NotTried | Answer::Opened) {
                    continue;
                }
                if session.is_none() {
                    let made = by.session(&region).await;
                    let made = made.unwrap_or_else(|failure| Err(Answer::Unanswered(failure.message().to_owned())));
                    session = Some(made);
                }
                *answer = match &session {
                    Some(Ok(session)) => unwrap(session, by, record, before).await,
                    Some(Err(told)) => told.clone(),
                    None => continue,
                };
                // An unreachable Region would cost a timeout per data key.
                if *answer == Answer::Unanswered(SILENCE.to_owned()) {
                    session = Some(Err(answer.clone()));
                }
            }
        }
    }

    /// The number of data keys that KMS still unwraps.
    pub(super) fn count_open(&self) -> usize {
        self.data_keys.values().filter(|wrapped| wrapped.is_open()).count()
    }

    /// The number of data keys without an answer in some Region.
    pub(super) fn count_unanswered(&self) -> usize {
        self.data_keys.values().filter(|wrapped| !wrapped.is_open() && !wrapped.is_refused()).count()
    }
}

/// The data key of an attribute that has its own.
fn own_key(sealed: SealedAttribute) -> Option<StoredHeader> {
    let record = sealed.key_record().cloned().map(StoredHeader::Record);
    record.or(sealed.reference().map(StoredHeader::Reference))
}

fn is_record(record: &StoredKeyRecord, tenant: &TenantId) -> bool {
    record.context().iter().any(|(name, value)| name == "tenant" && value == tenant.as_str())
}

/// The key record of a compact item, or why it cannot be tested.
async fn find_key_record(
    key_table: Option<&DynamoDbKeyTable>,
    tenant: &TenantId,
    key_id: DataKeyId,
) -> Result<Result<StoredKeyRecord, &'static str>> {
    let Some(key_table) = key_table else { return Ok(Err("no --key-table was given")) };
    let Some(stored) = key_table.get(tenant.as_str(), &record_entry(key_id)).await? else {
        return Ok(Err("the key table has no record of it"));
    };
    let record = StoredKeyRecord::parse(&stored).ok();
    let record = record.filter(|record| record.key_id() == key_id && is_record(record, tenant));
    Ok(record.ok_or("what the key table has is not its record"))
}

impl TenantSessions<'_> {
    /// The tenant's session in this Region, or STS's refusal.
    async fn session(self, region: &str) -> Result<Result<aws_sdk_kms::Client, Answer>> {
        match self.sessions.assume_in(region, Limits::for_tenant(self.tenant)).await? {
            Ok(session) => Ok(Ok(session)),
            Err(error) if AwsErrorClass::from_error(&error) == Some(AwsErrorClass::AccessDenied) => {
                Ok(Err(Answer::Refused("AssumeRole: AccessDenied".to_owned())))
            }
            Err(error) => Err(Failure::aws("AssumeRole", &error)),
        }
    }
}

/// KMS's answer to the library's own sequence: the tenant's alias, then the per-key alias of the KEK that wrapped the
/// data key. Both must be refused.
async fn unwrap(
    session: &aws_sdk_kms::Client,
    by: TenantSessions<'_>,
    record: &StoredKeyRecord,
    dry_run: bool,
) -> Answer {
    let alias = by.tenancy.alias(by.tenant);
    let own = alias.for_key(record.kek().key_id());
    let by_alias = match decrypt(session, &alias, record, dry_run).await {
        Answer::Refused(how) => how,
        answer => return answer,
    };
    match decrypt(session, &own, record, dry_run).await {
        Answer::Refused(how) if how == by_alias => Answer::Refused(how),
        Answer::Refused(how) => Answer::Refused(format!("{by_alias} by {alias}, {how} by {own}")),
        answer => answer,
    }
}

/// KMS's answer to Decrypt by this alias.
async fn decrypt(session: &aws_sdk_kms::Client, alias: &Alias, record: &StoredKeyRecord, dry_run: bool) -> Answer {
    let answer = session
        .decrypt()
        .key_id(alias.as_str())
        .ciphertext_blob(Blob::new(record.wrapped_key().as_bytes()))
        .set_encryption_context(Some(record.context().iter().cloned().collect()))
        .dry_run(dry_run)
        .send()
        .await;
    match answer {
        Ok(answer) => {
            // The data key is not used: it is zeroized here.
            drop(answer.plaintext.map(|plaintext| DataKey::take(plaintext.into_inner())));
            Answer::Opened
        }
        Err(error) => {
            let Some(code) = error.code() else { return Answer::Unanswered(SILENCE.to_owned()) };
            match AwsErrorClass::from_code(code) {
                AwsErrorClass::DryRunPassed => Answer::Opened,
                AwsErrorClass::Disabled
                | AwsErrorClass::InvalidKeyState
                | AwsErrorClass::NotFound
                | AwsErrorClass::AccessDenied
                | AwsErrorClass::IncorrectKey
                | AwsErrorClass::InvalidCiphertext
                // Anyone may have written the stored record: a name or a length that KMS always rejects opens nothing.
                | AwsErrorClass::InvalidRequest => Answer::Refused(code.to_owned()),
                _ => Answer::Unanswered(code.to_owned()),
            }
        }
    }
}

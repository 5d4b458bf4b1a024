//! The CRM's record, and the file with its data set.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tenantseal::Record;

use crate::Outcome;
use crate::text::grouped;

/// One contact. Fields marked `encrypt` leave the process as ciphertext; the others serve queries, filters and exports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[serde(deny_unknown_fields)]
#[seal(table = "crm")]
pub(crate) struct Contact {
    #[seal(partition_key, tenant)]
    pub(crate) tenant_id: String,
    #[seal(sort_key)]
    pub(crate) contact_id: String,
    company: String,
    created_at: String,
    stage: Stage,
    lead_score: u8,
    #[serde(with = "serde_dynamo::string_set", default, skip_serializing_if = "BTreeSet::is_empty")]
    tags: BTreeSet<String>,
    #[seal(encrypt)]
    pub(crate) name: String,
    #[seal(encrypt)]
    pub(crate) email: String,
    #[seal(encrypt)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    #[seal(encrypt)]
    #[serde(skip_serializing_if = "Option::is_none")]
    contract_cents: Option<i64>,
    #[seal(encrypt)]
    #[serde(with = "serde_dynamo::string_set", default, skip_serializing_if = "BTreeSet::is_empty")]
    ip_allowlist: BTreeSet<String>,
    #[seal(encrypt)]
    api_keys: HashMap<String, String>,
    #[seal(encrypt)]
    #[serde(skip_serializing_if = "Option::is_none")]
    credentials: Option<Credentials>,
    #[seal(encrypt)]
    notes: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Stage {
    Lead,
    Qualified,
    Proposal,
    Customer,
    Churned,
}

/// How the contact signs in to the tenant's portal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    login: String,
    password: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    totp_seed: Option<ByteBuf>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    recovery_codes: Vec<String>,
}

impl Contact {
    /// The texts that must not appear in the table. They are too long to occur in ciphertext by chance.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        let Self { name, email, phone, ip_allowlist, api_keys, credentials, notes, .. } = self;
        let credentials = credentials.iter().flat_map(|Credentials { login, password, recovery_codes, .. }| {
            [login, password].into_iter().chain(recovery_codes)
        });
        let texts = [name, email, notes].into_iter().chain(phone).chain(ip_allowlist).chain(api_keys.values());
        texts.chain(credentials).map(String::as_str).filter(|text| text.len() >= 8)
    }
}

/// The contacts of all tenants.
pub(crate) struct DataSet(Vec<Contact>);

impl DataSet {
    /// The path of the example's data set.
    pub(crate) const FILE: &str = "examples/data/contacts.jsonl";

    /// Reads the file: one JSON object per line.
    pub(crate) fn load() -> Outcome<Self> {
        let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(Self::FILE))?;
        let contact = |(at, line)| {
            serde_json::from_str(line).map_err(|error| format!("{}, line {}: {error}", Self::FILE, at + 1).into())
        };
        text.lines().enumerate().map(contact).collect::<Outcome<_>>().map(Self)
    }

    /// All of them, in the order of the file.
    pub(crate) fn contacts(&self) -> &[Contact] {
        &self.0
    }

    /// The counts of the data set.
    pub(crate) fn summary(&self) -> String {
        let tenants = self.by_tenant();
        let sizes = || tenants.values().map(Vec::len);
        format!(
            "{} tenants of {} to {}; {} API keys, {} logins, notes up to {} bytes",
            tenants.len(),
            sizes().min().unwrap_or_default(),
            sizes().max().unwrap_or_default(),
            grouped(self.0.iter().map(|contact| contact.api_keys.len()).sum::<usize>()),
            self.0.iter().filter(|contact| contact.credentials.is_some()).count(),
            grouped(self.0.iter().map(|contact| contact.notes.len()).max().unwrap_or_default()),
        )
    }

    /// The contacts of each tenant in the order of their sort keys, as a query returns them.
    pub(crate) fn by_tenant(&self) -> BTreeMap<&str, Vec<&Contact>> {
        let mut tenants: BTreeMap<&str, Vec<&Contact>> = BTreeMap::new();
        for contact in &self.0 {
            tenants.entry(&contact.tenant_id).or_default().push(contact);
        }
        for contacts in tenants.values_mut() {
            contacts.sort_by(|a, b| a.contact_id.cmp(&b.contact_id));
        }
        tenants
    }

    /// One contact.
    pub(crate) fn get(&self, tenant: &str, contact: &str) -> Outcome<&Contact> {
        let found = self.0.iter().find(|one| one.tenant_id == tenant && one.contact_id == contact);
        found.ok_or_else(|| format!("{} has no contact {contact} of {tenant}", Self::FILE).into())
    }
}

//! The checks afterwards: every acknowledged write is stored, nothing is in plaintext, and no tenant was served
//! another's item.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::{StreamExt, TryStreamExt, stream};
use tenantseal::{Item, TenantId};

use crate::Outcome;
use crate::chaos::Suspension;
use crate::entry::{CANARY, Entry, TABLE, TOKEN, secret, tenant_id};
use crate::journal::{EntryKey, Fate, History, Possible};
use crate::stage::{GRACE, REVALIDATION, Stage};
use crate::worker::key;

/// Deliberate damage that the verdict must find, to a stored item or to the writers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Sabotage {
    /// One bit of an encrypted value.
    Bit,
    /// The item is gone.
    Lost,
    /// The token of a lookup is another value's.
    Token,
    /// The plaintext of an encrypted value, in an attribute that nobody reads.
    Plaintext,
    /// The writers have almost no cache of data keys.
    Cache,
    /// The writers leak 16 MiB a second.
    Memory,
}

/// The findings.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) violations: Vec<String>,
    /// Entries that a writer has written.
    pub(crate) written: usize,
    /// Entries that are stored, read back through the library.
    pub(crate) read_back: usize,
    /// Entries of which two revisions were possible.
    pub(crate) open: usize,
    /// Stored tokens that are those of what the entries open to.
    pub(crate) tokens: usize,
    /// Stored values searched for plaintext.
    pub(crate) searched: usize,
    /// Requests for other tenants' items.
    pub(crate) foreign: usize,
}

impl Verdict {
    /// What a journal alone shows: the writers' own findings, and suspended tenants that were served.
    pub(crate) fn judge_journal(&mut self, name: &str, history: &History, suspensions: &[Suspension]) -> Outcome<()> {
        // A lease counts from the start of its KMS request, which may have been in flight.
        let notice = REVALIDATION + GRACE + Duration::from_secs(1);
        let mut suspended: HashMap<String, Vec<(u64, u64)>> = HashMap::new();
        for Suspension { tenant, from, to } in suspensions {
            let from = from + u64::try_from(notice.as_millis())?;
            suspended.entry(tenant_id(*tenant)?.as_str().to_owned()).or_default().push((from, *to));
        }
        for operation in history.operations.values() {
            match &operation.fate {
                Some(Fate::Violation(what)) => self.violations.push(format!("{name}, {}: {what}", operation.kind)),
                Some(Fate::Acknowledged(1..)) => {
                    let end = operation.begun + u64::try_from(operation.took.as_millis())?;
                    let times = suspended.get(&operation.tenant).into_iter().flatten();
                    if times.clone().any(|(from, to)| operation.begun >= *from && end < *to) {
                        self.violations.push(format!(
                            "{name}, {}: served {} while it was suspended",
                            operation.kind, operation.tenant
                        ));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads everything back with cold caches.
    pub(crate) async fn judge_table(
        &mut self,
        stage: &Stage,
        entries: &HashMap<EntryKey, Possible>,
        step: impl Fn(),
    ) -> Outcome<()> {
        let stored = self.search_for_plaintext(stage, entries).await?;
        let seal = stage.library()?;
        let tenants: HashSet<_> = entries.keys().chain(stored.keys()).map(|(tenant, _)| tenant.as_str()).collect();
        let reading = stream::iter(tenants).map(|tenant| {
            let (seal, step) = (&seal, &step);
            async move {
                let handle = seal.tenant(&TenantId::parse(tenant)?);
                let found: Result<Vec<Entry>, _> = handle.records::<Entry>().query().stream().try_collect().await;
                let mut tokens = Vec::new();
                for entry in found.iter().flatten() {
                    tokens.push(handle.token(TABLE, "secret", &entry.secret).await?);
                }
                step();
                Outcome::Ok((tenant, found.map(|found| found.into_iter().zip(tokens).collect::<Vec<_>>())))
            }
        });
        let found: Vec<_> = reading.buffer_unordered(16).try_collect().await?;
        let (mut read, mut unreadable) = (HashMap::new(), HashSet::new());
        for (tenant, found) in found {
            match found {
                Ok(found) => {
                    for (entry, token) in found {
                        let key = (tenant.to_owned(), entry.entry_id.clone());
                        if !entry.is_whole() {
                            self.violations.push(format!("{tenant} {} is not whole", entry.entry_id));
                        }
                        match stored.get(&key).and_then(|item| item.get(TOKEN)) {
                            Some(AttributeValue::S(stored)) if *stored == token => self.tokens += 1,
                            _ => self.violations.push(format!("{tenant} {}: not the token of its secret", key.1)),
                        }
                        read.insert(key, entry.revision);
                    }
                }
                Err(error) => {
                    self.violations.push(format!("{tenant} cannot be read: {error}"));
                    unreadable.insert(tenant);
                }
            }
        }
        self.read_back = read.len();
        self.written = entries.len();
        for (key, possible) in entries {
            let revision = read.remove(key).unwrap_or_default();
            self.open += usize::from(possible.len() > 1);
            if !possible.contains(&revision) && !unreadable.contains(key.0.as_str()) {
                self.violations.push(format!("{} {} has revision {revision}, possible are {possible:?}", key.0, key.1));
            }
        }
        for ((tenant, entry), revision) in read {
            self.violations.push(format!("{tenant} {entry} has revision {revision}, and nobody wrote it"));
        }
        self.cross(stage, &stored).await
    }

    /// Reads the whole table with a plain client.
    async fn search_for_plaintext(
        &mut self,
        stage: &Stage,
        entries: &HashMap<EntryKey, Possible>,
    ) -> Outcome<HashMap<EntryKey, Item>> {
        let mut stored = HashMap::with_capacity(entries.len());
        let mut items = stage.plain.scan().table_name(TABLE).into_paginator().items().send();
        while let Some(item) = items.try_next().await? {
            let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
            let key = text("tenant_id").zip(text("entry_id")).ok_or("a stored item has no key of strings")?;
            for (name, value) in &item {
                self.searched += 1;
                if Entry::ENCRYPTED.contains(&name.as_str()) && !value.is_b() {
                    self.violations.push(format!("{} {}: `{name}` is not stored sealed", key.0, key.1));
                }
                if shows(value) {
                    self.violations.push(format!("{} {}: `{name}` shows plaintext", key.0, key.1));
                }
            }
            stored.insert(key, item);
        }
        Ok(stored)
    }

    /// Some tenants request another tenant's item, copied into their own partition.
    async fn cross(&mut self, stage: &Stage, stored: &HashMap<EntryKey, Item>) -> Outcome<()> {
        let seal = stage.library()?;
        let mut sample: Vec<_> = stored.iter().collect();
        sample.sort_by_key(|(key, _)| (*key).clone());
        sample.dedup_by_key(|((tenant, _), _)| tenant.clone());
        sample.truncate(50);
        for at in 0..sample.len() {
            let ((victim, entry), item) = sample[at];
            let ((thief, _), _) = sample[(at + 1) % sample.len()];
            if thief == victim {
                continue;
            }
            let thief = seal.tenant(&TenantId::parse(thief)?);
            let dynamodb = thief.dynamodb();
            let asked = dynamodb.get_item().table_name(TABLE).set_key(Some(key(victim, entry))).send().await;
            let planted = key(thief.id().as_str(), "planted");
            let mut moved = item.clone();
            moved.extend(planted.clone());
            stage.plain.put_item().table_name(TABLE).set_item(Some(moved)).send().await?;
            let found = dynamodb.get_item().table_name(TABLE).set_key(Some(planted.clone())).send().await;
            stage.plain.delete_item().table_name(TABLE).set_key(Some(planted)).send().await?;
            self.foreign += 2;
            if asked.is_ok() || found.is_ok() {
                self.violations.push(format!("{} read {entry} of {victim}", thief.id()));
            }
        }
        Ok(())
    }
}

impl Sabotage {
    /// Damages one entry that is certainly stored.
    pub(crate) async fn commit(self, stage: &Stage, entries: &HashMap<EntryKey, Possible>) -> Outcome<()> {
        if matches!(self, Self::Cache | Self::Memory) {
            return Ok(());
        }
        let certain =
            entries.iter().filter(|(_, possible)| possible.len() == 1 && possible[0] != 0).map(|(key, _)| key);
        let (tenant, entry) = certain.min().ok_or("no entry is stored for certain")?;
        let at = Some(key(tenant, entry));
        if self == Self::Lost {
            stage.plain.delete_item().table_name(TABLE).set_key(at).send().await?;
            return Ok(());
        }
        let item = stage.plain.get_item().table_name(TABLE).set_key(at).send().await?.item;
        let mut item = item.ok_or("the entry is not stored")?;
        if self == Self::Plaintext {
            item.insert("note".to_owned(), AttributeValue::S(secret(tenant, entry, 1)));
        } else if self == Self::Token {
            let mut token =
                item.get(TOKEN).and_then(|value| value.as_s().ok()).ok_or("the entry has no token")?.clone();
            let last = token.pop();
            // The last of 22 letters has 2 bits.
            token.push(if last == Some('A') { 'Q' } else { 'A' });
            item.insert(TOKEN.to_owned(), AttributeValue::S(token));
        } else {
            let sealed = item.get("secret").and_then(|value| value.as_b().ok()).ok_or("the entry is not sealed")?;
            let mut bytes = sealed.as_ref().to_vec();
            if let Some(last) = bytes.last_mut() {
                *last ^= 1;
            }
            item.insert("secret".to_owned(), AttributeValue::B(Blob::new(bytes)));
        }
        stage.plain.put_item().table_name(TABLE).set_item(Some(item)).send().await?;
        Ok(())
    }
}

/// Whether the stored value reveals the canary.
fn shows(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::B(bytes) => bytes.as_ref().windows(CANARY.len()).any(|window| window == CANARY.as_bytes()),
        other => format!("{other:?}").contains(CANARY),
    }
}

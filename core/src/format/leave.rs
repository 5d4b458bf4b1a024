//! A leave: what lets a tenant's items of one table have plaintext in encrypted attributes for a while (docs/FORMAT.md,
//! section 16).

use std::time::Duration;

use super::reader::{Reader, put_lp};
use super::{FormatError, KeyRecord};
use crate::crypto::{LeaveKey, TAG_LEN};

/// The entry of the ledger that holds a tenant's leave for this logical table.
pub fn leave_entry(table: &str) -> String {
    format!("leave#{table}")
}

/// What the attributes that a leave names are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaveStage {
    /// Sealed: the leave is over.
    Closed = 0x00,
    /// Written as plaintext; read as plaintext or sealed.
    Plain = 0x01,
    /// Written sealed; read as plaintext or sealed.
    Sealing = 0x02,
}

/// What a leave says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveTerms {
    pub stage: LeaveStage,
    /// Higher with each leave of the tenant and table.
    pub serial: u32,
    /// Seconds since 1970.
    pub issued: u32,
    /// Seconds since 1970.
    pub expires: u32,
    /// The attributes, strictly ascending.
    pub names: Vec<String>,
}

/// A leave as it was read: **not authenticated** before its data key has verified it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leave<'a> {
    terms: LeaveTerms,
    stored_key_record: &'a [u8],
    key_record: KeyRecord,
    body: &'a [u8],
    tag: [u8; TAG_LEN],
}

/// What is wrong with the bytes of a leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeaveFault {
    /// It is of a version, or has a stage or flag, that no release of this version writes.
    #[error("it is not a leave of this release")]
    NotALeave,
    /// The bytes end too early, or there are some after the end.
    #[error("its length is wrong")]
    Length,
    /// Its names are not UTF-8, or not strictly ascending.
    #[error("its names are malformed")]
    Names,
    /// It expires before it was issued, or more than 90 days later.
    #[error("its period is malformed")]
    Period,
    /// The key record in it is malformed.
    #[error("the key record in it: {0}")]
    KeyRecord(#[source] FormatError),
    /// It was not made under this data key for this tenant and table.
    #[error("it was altered, or made for another tenant or table")]
    NotAuthentic,
}

impl LeaveTerms {
    /// A leave ends within 90 days.
    pub const MOST: Duration = Duration::from_secs(90 * 24 * 60 * 60);
    /// How far ahead the clock of whoever issued a leave may be.
    const AHEAD: u32 = 5 * 60;

    /// Whether it is in force at this time, in seconds since 1970.
    pub fn is_in_force(&self, now: u32) -> bool {
        self.stage != LeaveStage::Closed && now < self.expires && self.issued <= now.saturating_add(Self::AHEAD)
    }

    /// The leave to store: these terms under this data key.
    pub(crate) fn issue(&self, stored_key_record: &[u8], key: &LeaveKey) -> Vec<u8> {
        let Self { stage, serial, issued, expires, names } = self;
        let mut out = vec![Leave::VERSION, *stage as u8, 0];
        for number in [serial, issued, expires] {
            out.extend_from_slice(&number.to_be_bytes());
        }
        let count = u16::try_from(names.len()).expect("a table has far fewer attributes than 65,536");
        out.extend_from_slice(&count.to_be_bytes());
        names.iter().for_each(|name| put_lp(&mut out, name.as_bytes()));
        put_lp(&mut out, stored_key_record);
        let tag = key.tag(&out);
        out.extend_from_slice(&tag);
        out
    }

    fn check(&self) -> Result<(), LeaveFault> {
        if !self.names.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(LeaveFault::Names);
        }
        match self.expires.checked_sub(self.issued) {
            Some(period) if u64::from(period) <= Self::MOST.as_secs() => Ok(()),
            _ => Err(LeaveFault::Period),
        }
    }
}

impl<'a> Leave<'a> {
    const VERSION: u8 = 0x01;

    /// Reads exactly one leave.
    pub fn decode(stored: &'a [u8]) -> Result<Self, LeaveFault> {
        let mut reader = Reader(stored);
        let head: [u8; 3] = reader.array()?;
        let stage = match head {
            [Self::VERSION, 0x00, 0] => LeaveStage::Closed,
            [Self::VERSION, 0x01, 0] => LeaveStage::Plain,
            [Self::VERSION, 0x02, 0] => LeaveStage::Sealing,
            _ => return Err(LeaveFault::NotALeave),
        };
        let (serial, issued, expires) = (reader.u32()?, reader.u32()?, reader.u32()?);
        let mut names = Vec::new();
        for _ in 0..reader.u16()? {
            let name = std::str::from_utf8(reader.lp()?).map_err(|_| LeaveFault::Names)?;
            names.push(name.to_owned());
        }
        let terms = LeaveTerms { stage, serial, issued, expires, names };
        terms.check()?;
        let stored_key_record = reader.lp()?;
        let key_record = KeyRecord::decode(stored_key_record).map_err(LeaveFault::KeyRecord)?;
        let body = &stored[..stored.len() - reader.0.len()];
        let tag = reader.array()?;
        reader.finish()?;
        Ok(Self { terms, stored_key_record, key_record, body, tag })
    }

    /// The record of the data key.
    pub fn key_record(&self) -> &KeyRecord {
        &self.key_record
    }

    /// The same as it is stored.
    pub fn stored_key_record(&self) -> &'a [u8] {
        self.stored_key_record
    }

    /// What it says, **not authenticated**.
    pub fn claimed(&self) -> &LeaveTerms {
        &self.terms
    }

    /// What it says, if it was made under this key.
    pub(crate) fn verify(self, key: &LeaveKey) -> Result<LeaveTerms, LeaveFault> {
        if key.verifies(self.body, &self.tag) { Ok(self.terms) } else { Err(LeaveFault::NotAuthentic) }
    }
}

impl From<FormatError> for LeaveFault {
    fn from(_: FormatError) -> Self {
        // The reader knows no other fault than a wrong length.
        Self::Length
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::context::{EncryptionContext, StaticPairs};
    use crate::crypto::{DataKey, WrappedDataKey};
    use crate::envelope::VerifiedDataKey;
    use crate::format::KekId;
    use crate::tenant::TenantId;

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).unwrap()
    }

    fn key(byte: u8) -> VerifiedDataKey {
        let context = EncryptionContext::new(&tenant("acme"), &StaticPairs::default());
        let kek = KekId::parse("arn:aws:kms:us-east-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab").unwrap();
        let data_key = DataKey::take(vec![byte; 32]).unwrap();
        VerifiedDataKey::from_generated(&data_key, 1000, &context, kek, WrappedDataKey::new(vec![byte; 184]).unwrap())
    }

    fn terms() -> LeaveTerms {
        let names = ["email", "iban", "phone"].map(str::to_owned).into();
        LeaveTerms { stage: LeaveStage::Sealing, serial: 5, issued: 1000, expires: 1000 + 30 * 86_400, names }
    }

    fn verify(stored: &[u8], key: &VerifiedDataKey, of: &str, table: &str) -> Result<LeaveTerms, LeaveFault> {
        key.verify_leave(&tenant(of), table, Leave::decode(stored)?)
    }

    #[test]
    fn a_leave_comes_back_for_its_tenant_table_and_key_alone() {
        let (ours, other) = (key(1), key(2));
        let stored = ours.issue_leave(&tenant("acme"), "crm", &terms());
        assert_eq!(verify(&stored, &ours, "acme", "crm"), Ok(terms()));
        for (key, of, table) in [(&other, "acme", "crm"), (&ours, "globex", "crm"), (&ours, "acme", "orders")] {
            assert_eq!(verify(&stored, key, of, table), Err(LeaveFault::NotAuthentic), "{of} {table}");
        }
        // Tenant and table are kept apart.
        let shifted = ours.issue_leave(&tenant("acm"), "ecrm", &terms());
        assert_eq!(verify(&shifted, &ours, "acme", "crm"), Err(LeaveFault::NotAuthentic));
    }

    #[test]
    fn no_bit_of_a_leave_can_be_flipped_and_nothing_cut_or_added() {
        let key = key(1);
        let stored = key.issue_leave(&tenant("acme"), "crm", &terms());
        for bit in 0..8 * stored.len() {
            let mut forged = stored.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            assert!(verify(&forged, &key, "acme", "crm").is_err(), "bit {bit}");
        }
        for end in 0..stored.len() {
            assert!(Leave::decode(&stored[..end]).is_err(), "{end} bytes");
        }
        assert_eq!(Leave::decode(&[&stored[..], &[0]].concat()), Err(LeaveFault::Length));
    }

    #[test]
    fn names_and_period_are_checked_even_when_they_are_authentic() {
        let key = key(1);
        let issue = |edit: fn(&mut LeaveTerms)| {
            let mut terms = terms();
            edit(&mut terms);
            verify(&key.issue_leave(&tenant("acme"), "crm", &terms), &key, "acme", "crm").map(drop)
        };
        assert_eq!(issue(|terms| terms.names.swap(0, 1)), Err(LeaveFault::Names));
        assert_eq!(issue(|terms| terms.names[1] = terms.names[0].clone()), Err(LeaveFault::Names));
        assert_eq!(issue(|terms| terms.expires = terms.issued - 1), Err(LeaveFault::Period));
        assert_eq!(issue(|terms| terms.expires = terms.issued + 90 * 86_400 + 1), Err(LeaveFault::Period));
        assert_eq!(issue(|terms| terms.expires = terms.issued + 90 * 86_400), Ok(()));
        assert_eq!(issue(|terms| terms.names.clear()), Ok(()));
    }

    #[test]
    fn a_leave_is_in_force_between_its_times_unless_it_is_closed() {
        let terms = terms();
        let in_force = |now| terms.is_in_force(now);
        assert_eq!([699, 700, 1000].map(in_force), [false, true, true], "clocks may be 5 minutes apart");
        assert_eq!([terms.expires - 1, terms.expires].map(in_force), [true, false]);
        assert!(!LeaveTerms { stage: LeaveStage::Closed, ..terms.clone() }.is_in_force(2000));
    }
}

//! How far an adoption is.

use std::time::{Duration, SystemTime};

use serde::Serialize;
use tenantseal_core::format::{LeaveStage, LeaveTerms};
use tenantseal_core::tenant::TenantId;

use super::{FENCE, NotPassed};

/// The stage of a tenant's adoption.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AdoptionStage {
    /// There is no leave: items are sealed, and plaintext is refused.
    None,
    /// Adopted attributes are written as plaintext, and read either way.
    Plain,
    /// Adopted attributes are written sealed, and read either way.
    Sealing,
    /// The leave was ended: as without one.
    Closed,
}

/// How far a tenant's adoption of a table is.
#[derive(Debug, Clone, Serialize)]
pub struct AdoptionStatus {
    table: String,
    tenant: TenantId,
    stage: AdoptionStage,
    serial: u32,
    issued: u32,
    expires: u32,
    is_in_force: bool,
    attributes: Vec<String>,
    #[serde(skip)]
    may_close: Result<(), NotPassed>,
}

impl AdoptionStatus {
    pub(super) fn none(table: &str, tenant: &TenantId) -> Self {
        Self {
            table: table.to_owned(),
            tenant: tenant.clone(),
            stage: AdoptionStage::None,
            serial: 0,
            issued: 0,
            expires: 0,
            is_in_force: false,
            attributes: Vec::new(),
            may_close: Err(NotPassed::None),
        }
    }

    pub(super) fn new(
        table: &str,
        tenant: &TenantId,
        terms: LeaveTerms,
        now: u32,
        may_close: Result<(), NotPassed>,
    ) -> Self {
        let is_in_force = terms.is_in_force(now);
        let LeaveTerms { stage, serial, issued, expires, names } = terms;
        let (table, tenant, stage) = (table.to_owned(), tenant.clone(), stage.into());
        Self { table, tenant, stage, serial, issued, expires, is_in_force, attributes: names, may_close }
    }

    /// The logical table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The tenant.
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// The stage.
    pub fn stage(&self) -> AdoptionStage {
        self.stage
    }

    /// The number of the leave, which is higher with each; 0 without one.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Whether plaintext counts now: there is a leave, which is neither closed nor expired.
    pub fn is_in_force(&self) -> bool {
        self.is_in_force
    }

    /// When the leave was issued, by the operator's clock.
    pub fn issued(&self) -> Option<SystemTime> {
        self.time(self.issued)
    }

    /// When it expires. From then on plaintext is refused.
    pub fn expires(&self) -> Option<SystemTime> {
        self.time(self.expires)
    }

    /// The attributes that may be plaintext.
    pub fn attributes(&self) -> &[String] {
        &self.attributes
    }

    /// While items are being sealed: when no process writes plaintext any more. A sealing pass must begin after it.
    pub fn fence(&self) -> Option<SystemTime> {
        Some(self.issued()? + FENCE).filter(|_| self.stage == AdoptionStage::Sealing)
    }

    /// Whether the adoption may be closed, or why not.
    ///
    /// # Errors
    ///
    /// [`NotPassed`]: what is missing.
    pub fn may_close(&self) -> Result<(), NotPassed> {
        self.may_close
    }

    fn time(&self, seconds: u32) -> Option<SystemTime> {
        (self.stage != AdoptionStage::None).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds.into()))
    }
}

impl From<LeaveStage> for AdoptionStage {
    fn from(stage: LeaveStage) -> Self {
        match stage {
            LeaveStage::Closed => Self::Closed,
            LeaveStage::Plain => Self::Plain,
            LeaveStage::Sealing => Self::Sealing,
        }
    }
}

//! What DynamoDB says of a table, as far as a plan needs it.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{MultiRegionConsistency, PointInTimeRecoveryStatus, TableDescription};

use super::error::SweepError;
use super::stop::Stop;

/// The share of a table's throughput that a sweep takes unless told otherwise.
const SHARE: f64 = 0.25;

/// A table's size, and what a sweep may take a second.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) bytes: u64,
    pub(super) read_units: Option<u32>,
    pub(super) write_units: Option<u32>,
    /// Regions where another writer may win over a condition that held here.
    replicas: Vec<String>,
}

impl Facts {
    pub(super) async fn of(client: &Client, physical: &str) -> Result<Self, SweepError> {
        let described = client.describe_table().table_name(physical).send().await;
        let described = described.map_err(|error| SweepError::Describe(Stop::new(error).cause))?.table;
        let table = described.as_ref();
        let bytes = table.and_then(TableDescription::table_size_bytes).and_then(|bytes| u64::try_from(bytes).ok());
        let provisioned = table.and_then(|table| table.provisioned_throughput.as_ref());
        let warm = table.and_then(|table| table.warm_throughput.as_ref());
        let units = |provisioned: Option<i64>, warm: Option<i64>| {
            let units = provisioned.filter(|units| *units > 0).or(warm.filter(|units| *units > 0))?;
            // A float is exact up to 2^53, and no table has so many units.
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive share of an i64")]
            Some(((units as f64 * SHARE) as u32).max(1))
        };
        Ok(Self {
            bytes: bytes.unwrap_or(0),
            read_units: units(
                provisioned.and_then(|units| units.read_capacity_units),
                warm.and_then(|units| units.read_units_per_second),
            ),
            write_units: units(
                provisioned.and_then(|units| units.write_capacity_units),
                warm.and_then(|units| units.write_units_per_second),
            ),
            replicas: table.map(replicas).unwrap_or_default(),
        })
    }

    /// Refuses a table of which another Region's writers could undo what a sweep writes, unless they are all in
    /// `writers_in`.
    pub(super) fn check_replicas(&self, physical: &str, writers_in: Option<&str>) -> Result<(), SweepError> {
        match (&self.replicas[..], writers_in) {
            ([], _) | (_, Some(_)) => Ok(()),
            (regions, None) => Err(SweepError::Replicas { table: physical.to_owned(), regions: regions.join(", ") }),
        }
    }
}

fn replicas(table: &TableDescription) -> Vec<String> {
    if table.multi_region_consistency == Some(MultiRegionConsistency::Strong) {
        return Vec::new();
    }
    table.replicas().iter().filter_map(|replica| replica.region_name.clone()).collect()
}

/// Refuses a table without point-in-time recovery.
pub(super) async fn check_recovery(client: &Client, physical: &str) -> Result<(), SweepError> {
    let described = client.describe_continuous_backups().table_name(physical).send().await;
    let described = described.map_err(|error| SweepError::Describe(Stop::new(error).cause))?;
    let recovery = described.continuous_backups_description.and_then(|now| now.point_in_time_recovery_description);
    match recovery.and_then(|recovery| recovery.point_in_time_recovery_status) {
        Some(PointInTimeRecoveryStatus::Enabled) => Ok(()),
        _ => Err(SweepError::NoRecovery { table: physical.to_owned() }),
    }
}

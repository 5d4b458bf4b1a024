//! The key table as a service uses it.

use aws_config::SdkConfig;
use tenantseal::keys::{DynamoDbKeyTable, KeyTable, KeyTableError, KeyTableErrorKind};

use super::check::{Outcome, Report};
use crate::errors::{Failure, Result};

/// Checks with a service's credentials that the table exists, has the right key schema, and has recovery.
pub(super) async fn check(report: &mut Report, service: &SdkConfig, service_arn: &str, name: &str) -> Result<()> {
    let area = format!("key table {name}");
    let table = DynamoDbKeyTable::new(service, name);
    let found = DynamoDbKeyTable::new(service, name).danger_without_recovery().check().await;
    let exists = found.is_ok();
    report.add(&area, "it is a key table", outcome(found, "strings `tenant` and `entry`", name, service_arn)?);
    let recovery = match exists {
        true => outcome(table.check().await, "enabled", name, service_arn)?,
        false => Outcome::skipped("there is no key table"),
    };
    report.add(&area, "point-in-time recovery is on", recovery);
    Ok(())
}

/// The outcome of the table's check and its fix; an error when the check could not run.
fn outcome(checked: Result<(), KeyTableError>, passed: &str, name: &str, service_arn: &str) -> Result<Outcome> {
    use KeyTableErrorKind as Kind;
    let Err(error) = checked else { return Ok(Outcome::passed(passed)) };
    let recovery = format!(
        "aws dynamodb update-continuous-backups --table-name {name} --point-in-time-recovery-specification \
         PointInTimeRecoveryEnabled=true"
    );
    Ok(match error.kind() {
        Kind::NotFound => {
            let fix = format!("tenantseal init --key-table {name}, or check --key-table and --region");
            Outcome::failed("it does not exist", fix)
        }
        Kind::NotAKeyTable => Outcome::failed(
            error.kind().to_string(),
            "tenantseal init --key-table <another name>, and configure that one",
        ),
        Kind::NoRecovery => Outcome::failed(error.kind().to_string(), recovery),
        Kind::Denied => {
            let fix = format!(
                "let {service_arn} call dynamodb:GetItem, PutItem, DescribeTable and DescribeContinuousBackups on \
                 {name}"
            );
            Outcome::failed("access denied", fix)
        }
        // A field that DynamoDB always sends was missing: nothing may rely on such a table.
        Kind::Unexpected => {
            Outcome::failed(Failure::from(error).message(), format!("{recovery}; or check --endpoint-url"))
        }
        _ => return Err(error.into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Finding;
    use crate::errors::Exit;

    fn of(kind: KeyTableErrorKind) -> Result<Outcome> {
        outcome(Err(KeyTableError::new("keys", kind)), "enabled", "keys", "arn:aws:iam::222222222222:role/crm")
    }

    #[test]
    fn each_fault_of_a_key_table_is_mended_by_what_is_said() {
        for (kind, fix) in [
            (KeyTableErrorKind::NotFound, "tenantseal init --key-table keys"),
            (KeyTableErrorKind::NotAKeyTable, "tenantseal init --key-table <another name>"),
            (KeyTableErrorKind::NoRecovery, "aws dynamodb update-continuous-backups --table-name keys --point-in-time"),
            (KeyTableErrorKind::Denied, "let arn:aws:iam::222222222222:role/crm call dynamodb:GetItem, PutItem, Desc"),
        ] {
            let Ok(Outcome::Failed(Finding { fix: said, .. })) = of(kind.clone()) else { panic!("{kind:?}") };
            assert!(said.starts_with(fix), "{said}");
        }
        assert!(matches!(outcome(Ok(()), "enabled", "keys", ""), Ok(Outcome::Passed { .. })));
    }

    #[test]
    fn a_check_that_could_not_be_made_is_no_finding() {
        for (kind, exit) in
            [(KeyTableErrorKind::Unavailable, Exit::Unreachable), (KeyTableErrorKind::Credentials, Exit::Aws)]
        {
            assert_eq!(of(kind).unwrap_err().exit(), exit);
        }
    }
}

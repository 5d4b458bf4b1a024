//! Who asks, and whether the role is given to them for one tenant and for nothing else.

use aws_config::SdkConfig;
use aws_sdk_sts::error::ProvideErrorMetadata;
use tenantseal::TenantId;
use tenantseal::keys::Tenancy;

use super::check::{Outcome, Report};
use super::{Patient, document, documents};
use crate::aws;
use crate::errors::{Failure, Result};
use crate::sessions::Limits;

const AREA: &str = "access";

/// Checks the credentials of the operator and of the service; gives the service's ARN.
pub(super) async fn callers(
    report: &mut Report,
    tenancy: &Tenancy,
    operator: &SdkConfig,
    service: &SdkConfig,
) -> Result<String> {
    let (account, arn) = identity(operator).await?;
    let role = tenancy.role();
    let outcome = if account == role.account() {
        Outcome::passed(&arn)
    } else {
        let wrong = format!("{arn} is of account {account}; the role and the tenants' keys are in {}", role.account());
        Outcome::failed(wrong, "choose a --profile of the key account, or correct --role")
    };
    report.add(AREA, "the operator's credentials are of the key account", outcome);
    let (_, service_arn) = identity(service).await?;
    report.add(AREA, "there are credentials of a service", Outcome::passed(&service_arn));
    let (here, there) = (aws::region(operator)?, aws::region(service)?);
    let outcome = if here == there {
        Outcome::passed(here)
    } else {
        Outcome::failed(
            format!("the operator is in {here}, the service in {there}"),
            "give --region, or correct the profiles",
        )
    };
    report.add(AREA, "operator and service are in one Region", outcome);
    Ok(service_arn)
}

/// Checks that the role is given with a session tag, and not without.
pub(super) async fn role(report: &mut Report, patient: &Patient, tenant: &TenantId) -> Result<()> {
    let role = patient.tenancy.role();
    let trust = document(&patient.tenancy.trust_policy(&[&principal(&patient.service_arn)]));
    let mend = format!("replace the trust policy of {role} by this statement (`tenantseal policy trust`)");

    let assumed = patient.sessions.assume(Limits::of(tenant)).await?;
    let granted = assumed.is_ok();
    let outcome = match assumed {
        Ok(_) => Outcome::passed(role.as_str()),
        Err(error) if error.code() == Some("AccessDenied") => {
            let also = format!("{mend}, and let {} call sts:AssumeRole and sts:TagSession on it", patient.service_arn);
            Outcome::failed(error.message().unwrap_or("access denied"), also).with(documents::additions(&trust))
        }
        Err(error) => return Err(Failure::aws("AssumeRole", &error)),
    };
    report.add(AREA, "the role can be assumed for a tenant", outcome);

    for (check, limits) in [
        ("the role is refused without the session tag", Limits { tag: None, policy: Some(tenant) }),
        ("the role is refused without session tag and session policy", Limits { tag: None, policy: None }),
    ] {
        let outcome = if !granted {
            Outcome::skipped("the role cannot be assumed at all")
        } else {
            match patient.sessions.assume(limits).await? {
                Ok(_) => {
                    Outcome::failed(format!("STS gave {} a session that names no tenant", patient.service_arn), &mend)
                        .with(documents::additions(&trust))
                }
                Err(error) if error.code() == Some("AccessDenied") => Outcome::passed("refused"),
                Err(error) => return Err(Failure::aws("AssumeRole", &error)),
            }
        };
        report.add(AREA, check, outcome);
    }
    Ok(())
}

/// The account and the ARN of the credentials of a configuration.
pub(super) async fn identity(config: &SdkConfig) -> Result<(String, String)> {
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| Failure::aws("GetCallerIdentity", &error))?;
    Ok((answer.account.unwrap_or_default(), answer.arn.unwrap_or_default()))
}

/// The role behind a session's ARN: trust policies name roles.
fn principal(arn: &str) -> String {
    let role = || {
        let (account, session) = arn.split_once(":sts::")?.1.split_once(":assumed-role/")?;
        let partition = arn.split(':').nth(1)?;
        let (name, _) = session.rsplit_once('/')?;
        Some(format!("arn:{partition}:iam::{account}:role/{name}"))
    };
    role().unwrap_or_else(|| arn.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trust_policy_names_the_role_of_a_session() {
        let session = "arn:aws:sts::222222222222:assumed-role/crm-service/i-1";
        assert_eq!(principal(session), "arn:aws:iam::222222222222:role/crm-service");
        let user = "arn:aws:iam::222222222222:user/me";
        assert_eq!(principal(user), user);
    }
}

//! The credentials, and whether the role can be assumed for one tenant and for nothing else.

use aws_config::SdkConfig;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use serde_json::Value;
use tenantseal::TenantId;
use tenantseal::keys::Tenancy;
use tenantseal_kms::errors::AwsErrorClass;

use super::check::{Outcome, Report};
use super::documents::{self, document};
use super::setup::Setup;
use crate::aws;
use crate::errors::{Failure, Result};
use crate::sessions::Limits;

const AREA: &str = "access";

/// Checks the credentials of the operator and of the service. Returns the service's ARN.
pub(super) async fn check_callers(
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
        let wrong =
            format!("{arn} belongs to account {account}; the role and the tenants' keys are in {}", role.account());
        Outcome::failed(wrong, "choose a --profile of the key account, or correct --role")
    };
    report.add(AREA, "the operator's credentials belong to the key account", outcome);
    let (_, service_arn) = identity(service).await?;
    report.add(AREA, "a service's credentials are available", Outcome::passed(&service_arn));
    let (here, there) = (aws::region(operator)?, aws::region(service)?);
    let outcome = if here == there {
        Outcome::passed(here)
    } else {
        Outcome::failed(
            format!("the operator is in {here}, the service in {there}"),
            "give --region, or correct the profiles",
        )
    };
    report.add(AREA, "operator and service use the same Region", outcome);
    Ok(service_arn)
}

/// Checks that the role can be assumed with a session tag and the tenant's session name, and not otherwise.
pub(super) async fn check_role(report: &mut Report, setup: &Setup, tenant: &TenantId) -> Result<()> {
    let role = setup.tenancy.role();
    let trust = document(&setup.tenancy.trust_policy(&[&principal(&setup.service_arn)]));
    let fix = format!("replace the statements of the trust policy of {role} with these (`tenantseal policy trust`)");

    let assumed = setup.sessions.assume(Limits::for_tenant(tenant)).await?;
    let granted = assumed.is_ok();
    let outcome = match assumed {
        Ok(_) => Outcome::passed(role.as_str()),
        Err(error) => refusal_outcome(&setup.service_arn, &error, &fix, &trust)?,
    };
    report.add(AREA, "the role can be assumed for a tenant", outcome);

    let all = Limits::for_tenant(tenant);
    for (check, limits, wrong) in [
        ("the role is refused without the session tag", Limits { tag: None, ..all }, "that names no tenant"),
        (
            "the role is refused without session tag and session policy",
            Limits { tag: None, policy: None, ..all },
            "that names no tenant",
        ),
        (
            "the role is refused under a session name that is not the tenant's",
            Limits { named: None, ..all },
            "whose name it chose, and by that name CloudTrail tells tenants apart",
        ),
    ] {
        let outcome = if !granted {
            Outcome::skipped("the role cannot be assumed at all")
        } else {
            match setup.sessions.assume(limits).await? {
                Ok(_) => Outcome::failed(format!("STS gave {} a session {wrong}", setup.service_arn), &fix)
                    .with(documents::additions(&trust)),
                Err(error) if AwsErrorClass::from_error(&error) == Some(AwsErrorClass::AccessDenied) => {
                    Outcome::passed("refused")
                }
                Err(error) => return Err(Failure::aws("AssumeRole", &error)),
            }
        };
        report.add(AREA, check, outcome);
    }
    Ok(())
}

/// What a refused AssumeRole means, and its fix. No API lists the transitive tags of the caller's own session, which
/// STS counts as passed.
fn refusal_outcome(service: &str, error: &SdkError<AssumeRoleError>, fix: &str, trust: &Value) -> Result<Outcome> {
    let said = error.message().unwrap_or("access denied");
    Ok(match AwsErrorClass::from_error(error) {
        Some(AwsErrorClass::AccessDenied) => {
            let own = if is_of_eks(service) {
                "; those of EKS Pod Identity are in the list unless it was changed"
            } else {
                ""
            };
            let also = format!(
                "{fix}, and let {service} call sts:AssumeRole and sts:TagSession on the role. If all of that is \
                 already so, its session has further transitive tags, which it passes on{own}: the event with which \
                 that session began in CloudTrail lists them (transitiveTagKeys). Name each with --inherited-tag, and \
                 deploy the statements that are printed then; or leave the tags out"
            );
            Outcome::failed(said, also).with(documents::additions(trust))
        }
        Some(AwsErrorClass::SessionPolicyTooLarge) => Outcome::failed(
            said,
            format!(
                "the transitive tags of {service} leave too little room for the session policy: use fewer or shorter \
                 ones. For EKS Pod Identity: aws eks update-pod-identity-association --cluster-name <cluster> \
                 --association-id <id> --disable-session-tags"
            ),
        ),
        Some(AwsErrorClass::InvalidRequest) => Outcome::failed(
            said,
            format!(
                "if {service} inherits the session tag TenantId, AWS lets nobody pass it again: whoever assumes that \
                 role must not set it as transitive"
            ),
        ),
        _ => return Err(Failure::aws("AssumeRole", error)),
    })
}

/// Whether EKS Pod Identity created this session: its names are `eks-<cluster>-<pod>-<UUID>`.
fn is_of_eks(arn: &str) -> bool {
    arn.contains(":assumed-role/") && arn.rsplit('/').next().is_some_and(|session| session.starts_with("eks-"))
}

/// Account and ARN of a configuration's credentials.
pub(super) async fn identity(config: &SdkConfig) -> Result<(String, String)> {
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let answer = answer.map_err(|error| Failure::aws("GetCallerIdentity", &error))?;
    Ok((answer.account.unwrap_or_default(), answer.arn.unwrap_or_default()))
}

/// The role of a session's ARN: trust policies name roles.
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

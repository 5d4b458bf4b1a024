//! The isolation proof: what tenant A's session may do, and what KMS must refuse, tested with `DryRun`.

use aws_sdk_kms::Client;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_kms::primitives::Blob;
use tenantseal::TenantId;
use tenantseal::keys::DataKey;
use tenantseal_kms::errors::AwsErrorClass;

use super::check::{Outcome, Report};
use super::documents::{self, document};
use super::setup::{KeyFindings, Setup};
use crate::args::Scope;
use crate::errors::{Failure, Result};
use crate::sessions::{self, Limits};

/// A data key that was really created.
struct Made {
    key_arn: String,
    wrapped: Blob,
}

/// KMS's refusal of a call.
struct Refusal {
    /// Whether IAM refused it, and not the key's state.
    is_denial: bool,
    said: String,
}

/// A call: the key that it names, and the tenant in its encryption context.
#[derive(Clone, Copy)]
struct Call<'a> {
    key: Option<&'a str>,
    context: Option<&'a TenantId>,
    /// The ciphertext to decrypt; without it, the call creates a data key.
    wrapped: Option<&'a Blob>,
}

/// Tries what `a`'s session may do with its own key, and everything that it must not do.
pub(super) async fn check_isolation(report: &mut Report, setup: &Setup, a: &TenantId, b: &TenantId) -> Result<()> {
    let area = format!("{a} against {b}");
    let (own, other) = (setup.tenancy.alias(a), setup.tenancy.alias(b));
    let (own, other) = (own.as_str(), other.as_str());

    // If B's own session failed, a refusal of A on B's alias would prove nothing.
    let own_session = async |tenant| session(setup, Limits::for_tenant(tenant), &sessions::REFUSALS).await;
    let (Some(session), Some(b_session)) = (own_session(a).await?, own_session(b).await?) else {
        report.add(&area, "isolation", Outcome::skipped("the role cannot be assumed"));
        return Ok(());
    };
    let made = make(&session, own, a).await?;
    let outcome = match &made {
        Ok(_) => Outcome::passed("allowed"),
        Err(refusal) => denial_outcome(setup, a, refusal),
    };
    report.add(&area, format!("{a}'s session makes a data key by {own}"), outcome);
    let theirs = make(&b_session, other, b).await?;
    let (Ok(mine), Ok(theirs)) = (made, theirs) else {
        report.add(
            &area,
            "what must be refused",
            Outcome::skipped("it proves nothing while the tenants' own calls fail"),
        );
        return Ok(());
    };

    let decrypt = Call { key: Some(own), context: Some(a), wrapped: Some(&mine.wrapped) };
    let outcome = match try_it(&session, decrypt).await? {
        Ok(()) => Outcome::passed("allowed"),
        Err(refusal) => denial_outcome(setup, a, &refusal),
    };
    report.add(&area, format!("{a}'s session decrypts by {own}"), outcome);

    let generate = Call { wrapped: None, ..decrypt };
    let theirs_by = |key, wrapped| Call { key, context: Some(b), wrapped };
    let mut forbidden = vec![
        (format!("a data key by {b}'s alias"), theirs_by(Some(other), None), b),
        (format!("a data key by {b}'s alias for {a}'s context"), Call { key: Some(other), ..generate }, b),
        (format!("a data key by {b}'s key ARN"), theirs_by(Some(&theirs.key_arn), None), b),
        (format!("decrypting {b}'s data key by {b}'s alias"), theirs_by(Some(other), Some(&theirs.wrapped)), b),
        (format!("decrypting {b}'s data key without KeyId"), theirs_by(None, Some(&theirs.wrapped)), b),
        (format!("a data key for {b}'s context"), Call { context: Some(b), ..generate }, a),
        ("a data key without a context".to_owned(), Call { context: None, ..generate }, a),
    ];
    // The other scopes are for programs that name the tenant's own key by its ARN.
    if setup.scope == Scope::RequestAlias {
        forbidden.extend([
            ("a data key by its own key ARN".to_owned(), Call { key: Some(&mine.key_arn), ..generate }, a),
            ("decrypting by its own key ARN".to_owned(), Call { key: Some(&mine.key_arn), ..decrypt }, a),
            ("decrypting without KeyId".to_owned(), Call { key: None, ..decrypt }, a),
        ]);
    }
    for (check, call, of) in forbidden {
        let outcome = must_be_refused(setup, &session, call, of).await?;
        report.add(&area, format!("{a}'s session is refused {check}"), outcome);
    }

    // Without the session policy, the tag alone must protect.
    let across = Call { key: Some(other), context: Some(b), ..generate };
    for (check, limits) in [
        (
            format!("tagged {a}, without a session policy, is refused {b}'s alias"),
            Limits { policy: None, ..Limits::for_tenant(a) },
        ),
        (
            format!("tagged {a}, with {b}'s session policy, is refused {b}'s alias"),
            Limits { policy: Some(b), ..Limits::for_tenant(a) },
        ),
    ] {
        let outcome = match self::session(setup, limits, &[AwsErrorClass::AccessDenied]).await? {
            None => Outcome::passed("STS issues no such session"),
            Some(session) => must_be_refused(setup, &session, across, b).await?,
        };
        report.add(&area, format!("a session {check}"), outcome);
    }
    Ok(())
}

/// A KMS client within `limits`, unless STS refuses such a session in one of these ways.
async fn session(setup: &Setup, limits: Limits<'_>, refusals: &[AwsErrorClass]) -> Result<Option<Client>> {
    match setup.sessions.assume(limits).await? {
        Ok(session) => Ok(Some(session)),
        Err(error) if AwsErrorClass::from_error(&error).is_some_and(|class| refusals.contains(&class)) => Ok(None),
        Err(error) => Err(Failure::aws("AssumeRole", &error)),
    }
}

/// Really creates a data key; the inner error is KMS's refusal.
async fn make(session: &Client, alias: &str, tenant: &TenantId) -> Result<Result<Made, Refusal>> {
    let request = session.generate_data_key().key_id(alias).number_of_bytes(32);
    match request.encryption_context("tenant", tenant.as_str()).send().await {
        Ok(answer) => {
            // The data key is not used: it is zeroized here.
            drop(answer.plaintext.map(|plaintext| DataKey::take(plaintext.into_inner())));
            let wrapped = answer.ciphertext_blob.unwrap_or_else(|| Blob::new([]));
            Ok(Ok(Made { key_arn: answer.key_id.unwrap_or_default(), wrapped }))
        }
        Err(error) => refusal(&error, "GenerateDataKey").map(Err),
    }
}

/// Tries a call with `DryRun`; the inner error is KMS's refusal.
async fn try_it(session: &Client, call: Call<'_>) -> Result<Result<(), Refusal>> {
    let Call { key, context, wrapped } = call;
    let key = key.map(str::to_owned);
    let context = context.map(|tenant| [("tenant".to_owned(), tenant.to_string())].into());
    match wrapped {
        Some(wrapped) => {
            let request = session.decrypt().set_key_id(key).ciphertext_blob(wrapped.clone());
            dry_run_result(request.set_encryption_context(context).dry_run(true).send().await, "Decrypt")
        }
        None => {
            let request = session.generate_data_key().set_key_id(key).number_of_bytes(32);
            dry_run_result(request.set_encryption_context(context).dry_run(true).send().await, "GenerateDataKey")
        }
    }
}

/// What KMS answered to a call with `DryRun`.
fn dry_run_result<T, E>(answer: Result<T, SdkError<E>>, doing: &str) -> Result<Result<(), Refusal>>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Err(error) if AwsErrorClass::from_error(&error) != Some(AwsErrorClass::DryRunPassed) => {
            refusal(&error, doing).map(Err)
        }
        _ => Ok(Ok(())),
    }
}

/// KMS's refusal. An answer that proves nothing, such as throttling, ends the check.
fn refusal<E>(error: &SdkError<E>, doing: &str) -> Result<Refusal>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    use AwsErrorClass::{AccessDenied, Disabled, InvalidKeyState, NotFound};
    match AwsErrorClass::from_error(error) {
        Some(class @ (AccessDenied | Disabled | InvalidKeyState | NotFound)) => {
            let said = [error.code(), error.message()].map(Option::unwrap_or_default).join(": ");
            Ok(Refusal { is_denial: class == AccessDenied, said })
        }
        _ => Err(Failure::aws(doing, error)),
    }
}

/// The outcome when KMS refuses a tenant's own call.
fn denial_outcome(setup: &Setup, tenant: &TenantId, Refusal { is_denial, said }: &Refusal) -> Outcome {
    if !is_denial {
        return Outcome::failed(said, format!("see the findings for tenant {tenant} above"));
    }
    let KeyFindings { key_policy, .. } = setup.findings(tenant);
    if !key_policy.is_empty() {
        return Outcome::failed(said, format!("change the key policy of {tenant}:")).with(key_policy);
    }
    let role = setup.tenancy.role();
    let wanted = document(&setup.tenancy.role_policy(&setup.region));
    let fix = format!(
        "the key policy allows it; {role} needs this statement (`tenantseal policy role`), and no statement that \
         denies it:"
    );
    Outcome::failed(said, fix).with(documents::additions(&wanted))
}

/// Tries a call on the key of `tenant` that KMS must refuse.
async fn must_be_refused(setup: &Setup, session: &Client, call: Call<'_>, tenant: &TenantId) -> Result<Outcome> {
    match try_it(session, call).await? {
        Err(Refusal { is_denial: true, .. }) => return Ok(Outcome::passed("refused")),
        Err(Refusal { said, .. }) => return Ok(Outcome::skipped(said)),
        Ok(()) => {}
    }
    let wrong = "KMS would have answered";
    let KeyFindings { key_id, key_policy } = setup.findings(tenant);
    if !key_policy.is_empty() {
        return Ok(Outcome::failed(wrong, format!("change the key policy of {tenant}:")).with(key_policy));
    }
    let role = setup.tenancy.role();
    let fix =
        format!("the key policy is right, so a grant to {role} must allow it: aws kms list-grants --key-id {key_id}");
    Ok(Outcome::failed(wrong, fix))
}

//! Tenant isolation, tested from the wrong side: sessions that try other tenants' keys, and tampered items.

use std::time::Instant;

use aws_sdk_kms::Client as Kms;
use aws_sdk_kms::error::ProvideErrorMetadata;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::DataKeySpec;
use tenantseal::keys::EncryptionContext;
use tenantseal::{Error, TenantId, TenantSeal};

use crate::Outcome;
use crate::cloud::{Cloud, TABLE, key};
use crate::contact::{Contact, DataSet};
use crate::terminal::Terminal;
use crate::text::left;

/// The text for a successful KMS call; the others are KMS's error codes.
const DATA_KEY: &str = "a data key";
const DENIED: &str = "AccessDeniedException";
const INCORRECT: &str = "IncorrectKeyException";

/// Tries tenants' keys with their own sessions and with others'.
///
/// The attempts that must succeed come first: a session that is refused everywhere would prove nothing.
pub(crate) async fn keys(terminal: Terminal, cloud: &Cloud) -> Outcome<()> {
    let tenant = |id| TenantId::parse(id);
    let (acme, globex, twelve, longer) = (&tenant("acme")?, &tenant("globex")?, &tenant("12")?, &tenant("123")?);
    let [acmes, globexs, longers] = [acme, globex, longer].map(|tenant| cloud.tenancy.alias(tenant).to_string());
    let (as_acme, as_globex) = (&cloud.session(acme).await?, &cloud.session(globex).await?);
    let as_twelve = &cloud.session(twelve).await?;
    let made = as_globex.generate_data_key().key_id(&globexs).key_spec(DataKeySpec::Aes256);
    let made = made.encryption_context(EncryptionContext::TENANT, globex.as_str()).send().await?;
    let arn = made.key_id().unwrap_or_default();
    let wrapped = made.ciphertext_blob();

    terminal.heading("The session of one tenant at the key of another");
    terminal.columns(&format!("    {}", row("session", "operation", "the key, as named", "KMS answers")));
    terminal.rule();
    for (caller, kms, wrapped, context, key, expected) in [
        ("acme", as_acme, None, acme, &*acmes, DATA_KEY),
        ("globex", as_globex, None, globex, &globexs, DATA_KEY),
        ("globex", as_globex, wrapped, globex, &globexs, DATA_KEY),
        ("acme", as_acme, None, globex, &globexs, DENIED),
        ("acme", as_acme, None, globex, arn, DENIED),
        ("acme", as_acme, wrapped, globex, &globexs, DENIED),
        ("acme", as_acme, wrapped, globex, arn, DENIED),
        ("acme", as_acme, wrapped, acme, &acmes, INCORRECT),
        ("12", as_twelve, None, longer, &longers, DENIED),
        ("admin", &cloud.administrator, None, acme, &acmes, DENIED),
    ] {
        let operation = if wrapped.is_some() { "Decrypt globex's" } else { "GenerateDataKey" };
        let answer = ask(kms, wrapped, context, key).await;
        if answer != expected {
            return Err(format!("{operation} by {caller} for {key}: {answer}, but {expected} is right").into());
        }
        let named = if key == arn { "the ARN of globex's key" } else { key };
        terminal.found(&row(caller, operation, named, &answer));
    }
    terminal.remark("admin is the key account's administrator, allowed everything by IAM.");
    Ok(())
}

fn row(caller: &str, operation: &str, key: &str, answer: &str) -> String {
    format!("{}{}{}{answer}", left(caller, 9), left(operation, 18), left(key, 26))
}

/// Asks KMS to make or unwrap a data key, and returns the answer as text.
async fn ask(kms: &Kms, wrapped: Option<&Blob>, tenant: &TenantId, key: &str) -> String {
    let code = match wrapped {
        None => {
            let request = kms.generate_data_key().key_id(key).key_spec(DataKeySpec::Aes256);
            let answer = request.encryption_context(EncryptionContext::TENANT, tenant.as_str()).send().await;
            answer.err().map(|error| error.code().map(str::to_owned))
        }
        Some(wrapped) => {
            let request = kms.decrypt().key_id(key).ciphertext_blob(wrapped.clone());
            let answer = request.encryption_context(EncryptionContext::TENANT, tenant.as_str()).send().await;
            answer.err().map(|error| error.code().map(str::to_owned))
        }
    };
    match code {
        None => DATA_KEY.to_owned(),
        Some(code) => code.unwrap_or_else(|| "no answer".to_owned()),
    }
}

/// Tampers with stored items and reads them through the tenant's client. Then restores them, and they open again.
pub(crate) async fn items(terminal: Terminal, cloud: &Cloud, seal: &TenantSeal, data: &DataSet) -> Outcome<()> {
    const CONTACT: &str = "c-0003";
    terminal.heading("Stored items, after a plain client has tampered with them");
    let acme = seal.tenant(&TenantId::parse("acme")?);
    let contacts = acme.records::<Contact>();
    let original = cloud.stored("acme", CONTACT).await?;

    let started = Instant::now();
    let mut moved = cloud.stored("globex", CONTACT).await?;
    moved.extend(key("acme", CONTACT));
    cloud.store(moved).await?;
    let Err(error) = contacts.get(CONTACT).await else { return Err("globex's item opens for acme".into()) };
    refused(terminal, Error::is_integrity, "an item of globex, moved to acme, does not open", &error, started)?;

    let started = Instant::now();
    let mut swapped = original.clone();
    for (name, other) in [("name", "email"), ("email", "name")] {
        swapped.insert(name.to_owned(), original.get(other).ok_or("a sealed attribute is missing")?.clone());
    }
    cloud.store(swapped).await?;
    let request = acme.dynamodb().get_item().table_name(TABLE).set_key(Some(key("acme", CONTACT)));
    let Err(error) = request.send().await else { return Err("swapped attributes open".into()) };
    refused(terminal, Error::is_integrity, "name and email of an item, swapped, do not open", &error, started)?;

    let started = Instant::now();
    let request = acme.dynamodb().get_item().table_name(TABLE).set_key(Some(key("globex", CONTACT)));
    let Err(error) = request.send().await else { return Err("acme reads globex's item".into()) };
    let unsent = |error: &Error| matches!(error, Error::Refused(_));
    refused(terminal, unsent, "an item of globex, asked for by acme's client, is not even fetched", &error, started)?;

    let started = Instant::now();
    cloud.store(original).await?;
    if contacts.get(CONTACT).await?.as_ref() != Some(data.get("acme", CONTACT)?) {
        return Err("what was put back is not what it was".into());
    }
    terminal.done("the item of acme, put back as it was, opens again", started);
    Ok(())
}

/// Says what was refused and why, if `error` contains a library error of the expected kind.
fn refused(
    terminal: Terminal,
    right: impl Fn(&Error) -> bool,
    what: &str,
    error: &(dyn std::error::Error + 'static),
    started: Instant,
) -> Outcome<()> {
    match Error::find_in(error) {
        Some(ours) if right(ours) => {
            terminal.done(what, started);
            terminal.remark(&ours.to_string());
            Ok(())
        }
        _ => Err(format!("{what}: that is so, but for another reason: {error}").into()),
    }
}

//! Wrapped keys that somebody copied, tried in every other tenant's session, under other contexts and in other Regions.

use aws_sdk_kms::config::{Credentials, Region};
use aws_sdk_kms::error::SdkError;
use aws_sdk_kms::operation::decrypt::{DecryptError, DecryptOutput};
use aws_sdk_kms::primitives::Blob;
use aws_sdk_sts::types::Tag;
use tenantseal::error::{OpenError, OpenFault};
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal::{Error, Item};

use crate::attacks::victim::{bytes, store, with};
use crate::common::{Contact, ROLE, World, contact, id, key};

const ENV: (&str, &str) = ("env", "prod");

/// The wrapped key of a header that has no other bytes behind it; KMS of the local stack makes 184.
fn wrapped(stored: &Item) -> Vec<u8> {
    let header = bytes(stored, "_seal");
    let at = header.len() - 184;
    assert_eq!(header[at - 2..at], 184_u16.to_be_bytes());
    header[at..].to_vec()
}

/// KMS as a tenant's session sees it: the role, with that tenant's session policy and session tag.
async fn session(world: &World, tenant: &str) -> aws_sdk_kms::Client {
    let policy = world.tenancy.session_policy(&id(tenant), world.stack.region()).unwrap();
    let assume = aws_sdk_sts::Client::new(&world.app).assume_role().role_arn(ROLE);
    let assume = assume.role_session_name(id(tenant).session_name()).policy(policy.to_string());
    let tag = Tag::builder().key("TenantId").value(tenant).build().unwrap();
    let session = assume.tags(tag).send().await.unwrap().credentials.unwrap();
    let credentials =
        Credentials::new(session.access_key_id, session.secret_access_key, Some(session.session_token), None, "test");
    aws_sdk_kms::Client::new(&world.stack.sdk_config(credentials))
}

async fn decrypt(
    kms: &aws_sdk_kms::Client,
    key_id: Option<&str>,
    context: &[(&str, &str)],
    wrapped: &[u8],
) -> Result<DecryptOutput, SdkError<DecryptError>> {
    let mut call = kms.decrypt().set_key_id(key_id.map(str::to_owned)).ciphertext_blob(Blob::new(wrapped));
    for (name, value) in context {
        call = call.encryption_context(*name, *value);
    }
    call.send().await
}

#[tokio::test]
async fn a_wrapped_key_unwraps_with_its_own_session_alias_and_context_alone() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.builder().context(ENV.0, ENV.1).build(&world.app).unwrap();
    let stored = store(&world, &seal, "acme", "c-1").await;
    let wrapped = wrapped(&stored);
    let arn = {
        let described = world.admin.describe_key().key_id("alias/customer-acme").send().await.unwrap();
        described.key_metadata.unwrap().arn.unwrap()
    };
    let contexts: [&[(&str, &str)]; 7] = [
        &[("tenant", "acme"), ENV],
        &[("tenant", "globex"), ENV],
        &[("tenant", "acme")],
        &[("tenant", "acme"), ("env", "test")],
        &[("Tenant", "acme"), ENV],
        &[("tenant", "acme"), ENV, ("purpose", "lookup")],
        &[],
    ];
    let key_ids =
        [Some("alias/customer-acme"), Some("alias/customer-globex"), Some("alias/customer-acme/x"), Some(&*arn), None];
    for tenant in ["acme", "globex"] {
        let kms = session(&world, tenant).await;
        for (at, context) in contexts.iter().enumerate() {
            for key_id in key_ids {
                let allowed = tenant == "acme" && at == 0 && key_id == Some("alias/customer-acme");
                let answer = decrypt(&kms, key_id, context, &wrapped).await;
                assert_eq!(answer.is_ok(), allowed, "{tenant}: {key_id:?} {context:?}");
            }
        }
    }
}

/// A header like this one, but for these bytes of its context.
fn in_context(header: &[u8], context: &[(&str, &str)]) -> Vec<u8> {
    let own = [&[1, 6][..], b"tenant", &[0, 4], b"acme"].concat();
    assert_eq!(header[21..21 + own.len()], own);
    let mut other = vec![u8::try_from(context.len()).unwrap()];
    for (name, value) in context {
        other.push(u8::try_from(name.len()).unwrap());
        other.extend_from_slice(name.as_bytes());
        other.extend_from_slice(&u16::try_from(value.len()).unwrap().to_be_bytes());
        other.extend_from_slice(value.as_bytes());
    }
    [&header[..21], &other, &header[21 + own.len()..]].concat()
}

fn fault(error: &Error) -> OpenFault {
    match error.cause() {
        Error::Open(OpenError::Attribute { fault, .. }) => *fault,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn another_tenants_record_opens_nothing_whatever_context_it_claims() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    let theirs = store(&world, &seal, "acme", "c-1").await;
    let mut planted = store(&world, &seal, "globex", "c-1").await;
    // As it is, it is refused before any call; claiming to be globex's, it is asked for as globex's, and KMS refuses.
    let header = bytes(&theirs, "_seal");
    for (header, expected, calls) in [
        (header.clone(), OpenFault::ForeignContext, 0),
        (in_context(&header, &[("tenant", "globex")]), OpenFault::WrappedDataKey, 1),
    ] {
        let globex = world.tenant("globex");
        planted = with(planted, "_seal", header);
        world.plant(planted.clone()).await;
        world.stack.calls().reset();
        let error = globex.records::<Contact>().get("c-1").await.unwrap_err();
        // KMS may also say that the wrapped key is another's; globex has no alias on that one.
        let missing = matches!(error.cause(), Error::KeyService(error) if error.missing_alias().is_some());
        assert!((calls == 1 && missing) || fault(&error) == expected, "{error}");
        let decrypts = world.stack.calls().records();
        let decrypts: Vec<_> = decrypts.iter().filter(|record| record.call.operation == "Decrypt").collect();
        // By the tenant's alias, and by one of the key's own. The item's notes carry globex's own record, which is asked for too when
        // the first was not refused before.
        assert!(decrypts.len() <= 3 * calls, "{}", decrypts.len());
        assert!(decrypts.iter().all(|record| record.call.session_name.as_deref() == Some("tenant-globex")));
    }
}

#[tokio::test]
async fn one_environments_record_opens_nothing_in_another() {
    let world = World::start(&["acme"]).await;
    let stored = store(&world, &world.seal(), "acme", "c-1").await;
    let header = bytes(&stored, "_seal");
    let test = world.builder().context("env", "test").build(&world.app).unwrap().tenant(&id("acme"));
    let mut planted = stored;
    planted.remove("notes");
    let error = test.open("crm", planted.clone()).await.unwrap_err();
    assert_eq!(fault(&error), OpenFault::ForeignContext);
    let claiming = in_context(&header, &[("env", "test"), ("tenant", "acme")]);
    let error = test.open("crm", with(planted, "_seal", claiming)).await.unwrap_err();
    assert_eq!(fault(&error), OpenFault::WrappedDataKey);
}

/// A world in two Regions, with a role for each.
async fn two_regions(multi_region: bool) -> (World, tenantseal::TenantSeal) {
    const EU: &str = "eu-west-1";
    const EU_ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeysEu";
    let world = World::start(&[]).await;
    let tenancy = Tenancy::new(RoleArn::parse(EU_ROLE).unwrap(), AliasTemplate::default());
    let account = world.stack.account("111111111111").unwrap();
    let trust = tenancy.trust_policy(&["arn:aws:iam::222222222222:user/crm-service"]);
    account.role("TenantKeysEu").trust(trust).permission(tenancy.role_policy(EU)).create().unwrap();
    let in_eu = |config: &aws_types::SdkConfig| config.clone().into_builder().region(Region::new(EU)).build();
    let admin = account.user("eu-admin");
    let admin =
        admin.permission(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#);
    let eu_admin = aws_sdk_kms::Client::new(&in_eu(&world.stack.sdk_config(&admin.create().unwrap())));

    let create = world.admin.create_key().multi_region(multi_region);
    let created = create.policy(world.tenancy.key_policy(&id("acme")).unwrap().to_string()).send().await.unwrap();
    let us_key = created.key_metadata.unwrap().key_id;
    let alias = world.tenancy.alias(&id("acme"));
    world.admin.create_alias().alias_name(alias.as_str()).target_key_id(&us_key).send().await.unwrap();
    let policy = tenancy.key_policy(&id("acme")).unwrap().to_string();
    let eu_key = if multi_region {
        world.admin.replicate_key().key_id(&us_key).replica_region(EU).policy(policy).send().await.unwrap();
        us_key
    } else {
        eu_admin.create_key().policy(policy).send().await.unwrap().key_metadata.unwrap().key_id
    };
    eu_admin.create_alias().alias_name(alias.as_str()).target_key_id(eu_key).send().await.unwrap();
    let builder = tenantseal::TenantSeal::builder().assume_role(EU_ROLE).record::<Contact>();
    let seal = builder.build(&in_eu(&world.app)).unwrap();
    (world, seal)
}

#[tokio::test]
async fn a_single_region_keys_record_opens_nothing_in_another_region() {
    let (world, eu) = two_regions(false).await;
    let stored = store(&world, &world.seal(), "acme", "c-1").await;
    let error = eu.tenant(&id("acme")).open("crm", stored.clone()).await.unwrap_err();
    assert!([OpenFault::WrappedDataKey, OpenFault::OtherKek].contains(&fault(&error)), "{error}");
    // Nor when the record claims that Region: the byte strings have one length.
    let header = bytes(&stored, "_seal");
    let at = header.windows(9).position(|bytes| bytes == b"us-east-1").unwrap();
    let claiming = [&header[..at], b"eu-west-1", &header[at + 9..]].concat();
    let error = eu.tenant(&id("acme")).open("crm", with(stored, "_seal", claiming)).await.unwrap_err();
    assert!([OpenFault::WrappedDataKey, OpenFault::OtherKek].contains(&fault(&error)), "{error}");
}

#[tokio::test]
async fn a_multi_region_record_opens_in_the_replica_for_its_tenant_alone() {
    let (world, eu) = two_regions(true).await;
    let stored = store(&world, &world.seal(), "acme", "c-1").await;
    let acme = eu.tenant(&id("acme"));
    let opened = acme.open("crm", stored.clone()).await.unwrap();
    assert_eq!(opened, crate::common::item(&contact("acme", "c-1")));
    // The Region that the record names is authenticated by nothing, and nothing depends on it.
    let header = bytes(&stored, "_seal");
    let at = header.windows(9).position(|bytes| bytes == b"us-east-1").unwrap();
    let renamed = [&header[..at], b"xx-xxxx-9", &header[at + 9..]].concat();
    eu.revoke(&id("acme")).await;
    assert_eq!(acme.open("crm", with(stored.clone(), "_seal", renamed)).await.unwrap(), opened);
    let globex = eu.tenant(&id("globex"));
    let mut moved = stored;
    moved.extend(key("globex", "c-1"));
    assert_eq!(fault(&globex.open("crm", moved).await.unwrap_err()), OpenFault::ForeignContext);
}

//! Data keys wrapped anew: after it the former KMS key can end, and everything opens as before.

mod hostile;
mod interrupted;
mod scene;

use aws_sdk_dynamodb::primitives::Blob;
use tenantseal::sweep::SkipReason;

use crate::common::{World, contact, id, item, key, s};
use scene::{Scene, after_tag, reader};

#[tokio::test]
async fn after_a_rewrap_everything_opens_with_the_former_key_disabled() {
    let scene = Scene::start().await;
    // 3 data keys of 3 processes, and an attribute with a key record of its own.
    let before = scene.fill(3).await;
    let former = scene.rekey("acme").await;
    scene.world.stack.calls().reset();
    let report = scene.rewrap(&scene.rewrapper()).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!((report.items(), report.rewritten()), (6, 6));
    assert_eq!(scene.world.stack.calls().count("ReEncrypt"), 3, "one for each data key");
    for (contact_id, stored) in &before {
        let now = scene.world.stored("acme", contact_id).await;
        assert_eq!(now.len(), stored.len());
        for name in ["notes", "api_keys", "company"] {
            assert_eq!(now.get(name), stored.get(name), "{name}");
        }
        assert_eq!(after_tag(&now["email"]), after_tag(&stored["email"]), "no ciphertext changes");
        assert_ne!(now["_seal"], stored["_seal"]);
    }
    let again = scene.rewrap(&scene.rewrapper()).await;
    assert!(again.changed_nothing(), "{again}");
    assert_eq!(scene.world.stack.calls().count("ReEncrypt"), 3);

    scene.world.admin.disable_key().key_id(&former).send().await.unwrap();
    reader(&scene.world).all_open(&before).await;
}

#[tokio::test]
async fn a_dry_run_wraps_nothing_and_says_what_it_would_rewrite() {
    let scene = Scene::start().await;
    let before = scene.fill(2).await;
    scene.rekey("acme").await;
    scene.world.stack.calls().reset();
    let rewrapper = scene.rewrapper();
    let report = scene.seal().sweep("crm").rewrap(&rewrapper).dry_run().run().await.unwrap();
    assert_eq!((report.items(), report.rewritten()), (4, 4), "{report}");
    assert_eq!(scene.world.stack.calls().count("ReEncrypt"), 0);
    for (contact_id, stored) in &before {
        assert_eq!(scene.world.stored("acme", contact_id).await, *stored);
    }
}

#[tokio::test]
async fn a_rewrap_needs_a_rewrapper() {
    let scene = Scene::start().await;
    let error = scene.seal().sweep("crm").action(tenantseal::sweep::SweepAction::Rewrap).run().await.unwrap_err();
    assert!(matches!(error, tenantseal::sweep::SweepError::NoRewrapper), "{error}");
}

#[tokio::test]
async fn of_a_suspended_tenant_nothing_is_wrapped_and_others_are_served() {
    let scene = Scene::start().await;
    scene.fill(1).await;
    let zeta = scene.onboard("zeta").await;
    let seal = scene.seal();
    let stored = seal.tenant(&id("zeta")).seal("crm", item(&contact("zeta", "c-1"))).await.unwrap();
    scene.world.plant(stored.clone()).await;
    scene.rekey("acme").await;
    let current = scene.rekey("zeta").await;
    assert_eq!(current, zeta, "the former key");
    for key in scene.keys_of("zeta").await {
        scene.world.admin.disable_key().key_id(key).send().await.unwrap();
    }
    scene.world.stack.calls().reset();
    let report = scene.rewrap(&scene.rewrapper()).await;
    let skipped: Vec<_> = report.skipped().map(|(reason, listed)| (reason, listed.items())).collect();
    assert_eq!(report.rewritten(), 2, "{report}");
    assert_eq!(skipped.len(), 1, "{report}");
    assert!(matches!(skipped[0], (SkipReason::Suspended | SkipReason::Unopened, 1)), "{report}");
    assert_eq!(scene.world.stack.calls().count("ReEncrypt"), 1);
    assert_eq!(scene.world.stored("zeta", "c-1").await, stored);
}

#[tokio::test]
async fn in_compact_tables_the_key_table_alone_is_written_and_no_pointer() {
    let world = World::with_key_table(&[]).await;
    let scene = Scene::of(world).await;
    let compact = || scene.world.compact().tenant(&id("acme"));
    let acme = compact();
    let stored = acme.seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    assert_eq!(stored["_seal"].as_b().unwrap().as_ref()[0], 2);
    scene.world.plant(stored.clone()).await;
    let update = acme.dynamodb().update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
    let update = update.update_expression("SET email = :e").expression_attribute_values(":e", s("c-1@example.org"));
    update.send().await.unwrap();
    let stored = scene.world.stored("acme", "c-1").await;
    let (pointers, records) = (scene.world.entries("current#").await, scene.world.entries("key#").await);
    let former = scene.rekey("acme").await;
    scene.world.stack.calls().reset();
    let rewrapper = scene.rewrapper();
    let report = scene.world.compact().sweep("crm").rewrap(&rewrapper).run().await.unwrap();
    assert!(report.is_clean() && report.rewritten() == 0, "{report}");
    assert_eq!(scene.world.stack.calls().count("ReEncrypt"), 1);
    assert_eq!(scene.world.stored("acme", "c-1").await, stored, "no item is touched");
    assert_eq!(scene.world.entries("current#").await, pointers, "a pointer is never wrapped anew");
    assert_ne!(scene.world.entries("key#").await, records);
    scene.world.admin.disable_key().key_id(&former).send().await.unwrap();
    assert_eq!(compact().open("crm", stored).await.unwrap(), item(&contact("acme", "c-1")));
}

#[tokio::test]
async fn the_data_role_wraps_nothing_anew_and_the_rewrap_role_does_nothing_else() {
    let scene = Scene::start().await;
    scene.fill(1).await;
    let former = scene.rekey("acme").await;
    let alias = scene.world.tenancy.alias(&id("acme"));
    let region = scene.world.stack.region();
    let wrapped = |kms: aws_sdk_kms::Client, tenant: &'static str| async move {
        let made = kms.generate_data_key().key_id("alias/customer-acme").encryption_context("tenant", tenant);
        made.key_spec(aws_sdk_kms::types::DataKeySpec::Aes256).send().await
    };
    let data =
        scene.session(crate::common::ROLE, scene.world.tenancy.session_policy(&id("acme"), region).unwrap()).await;
    let rewrap = scene.world.tenancy.rewrap_session_policy(&id("acme"), region).unwrap().unwrap();
    let rewrap = scene.session(scene::REWRAP_ROLE, rewrap).await;
    let blob: Blob = wrapped(data.clone(), "acme").await.unwrap().ciphertext_blob.unwrap();
    let anew = |kms: &aws_sdk_kms::Client, to: &str, context: &str| {
        kms.re_encrypt()
            .ciphertext_blob(blob.clone())
            .source_key_id(alias.to_string())
            .source_encryption_context("tenant", "acme")
            .destination_key_id(to)
            .destination_encryption_context("tenant", context)
    };
    anew(&rewrap, alias.as_str(), "acme").send().await.unwrap();
    let denied = |refused: bool, what: &str| assert!(refused, "{what}");
    denied(anew(&data, alias.as_str(), "acme").send().await.is_err(), "the data role");
    denied(anew(&rewrap, &former, "acme").send().await.is_err(), "a key by its id");
    denied(anew(&rewrap, alias.as_str(), "zeta").send().await.is_err(), "for another context");
    denied(wrapped(rewrap.clone(), "acme").await.is_err(), "a new data key");
    let decrypt = rewrap.decrypt().key_id(alias.to_string()).ciphertext_blob(blob.clone());
    denied(decrypt.encryption_context("tenant", "acme").send().await.is_err(), "Decrypt");
    let encrypt = rewrap.encrypt().key_id(alias.to_string()).plaintext(Blob::new([7; 32]));
    denied(encrypt.encryption_context("tenant", "acme").send().await.is_err(), "Encrypt");
    denied(rewrap.describe_key().key_id(&former).send().await.is_err(), "a look at a key by its id");
    rewrap.describe_key().key_id(alias.to_string()).send().await.unwrap();
}

//! A tenant's client reaches that tenant's items and nothing else.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::{AttributeValue, ScalarAttributeType};
use tenantseal::error::{PrimaryKeyError, Refusal};
use tenantseal::schema::TableSchema;
use tenantseal::{Error, Tenant};

use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, World, contact, id, item, key, s, sealing_error};

pub(crate) async fn put(tenant: &Tenant, contact: &Contact) {
    tenant.dynamodb().put_item().table_name("crm").set_item(Some(item(contact))).send().await.unwrap();
}

pub(crate) fn is_foreign(error: &Error) -> bool {
    matches!(
        error,
        Error::Refused(Refusal::PrimaryKey(PrimaryKeyError::ForeignTenant { .. }) | Refusal::NotOneTenant { .. })
            | Error::Seal(tenantseal::error::SealError::PrimaryKey(PrimaryKeyError::ForeignTenant { .. }))
    )
}

#[tokio::test]
async fn another_tenants_item_is_an_error_before_any_call() {
    let world = World::start(&["acme", "globex"]).await;
    let (taps, app) = world.tapped().await;
    let acme = world.builder().build(&app).unwrap().tenant(&id("acme"));
    let dynamodb = acme.dynamodb();
    let theirs = || Some(item(&contact("globex", "c-1")));
    let errors = [
        sealing_error(dynamodb.put_item().table_name("crm").set_item(theirs()).send().await),
        sealing_error(dynamodb.get_item().table_name("crm").set_key(Some(key("globex", "c-1"))).send().await),
        sealing_error(dynamodb.delete_item().table_name("crm").set_key(Some(key("globex", "c-1"))).send().await),
        sealing_error(
            dynamodb
                .query()
                .table_name("crm")
                .key_condition_expression("tenant_id = :t")
                .expression_attribute_values(":t", s("globex"))
                .send()
                .await,
        ),
        acme.seal("crm", theirs().unwrap()).await.unwrap_err(),
        acme.records::<Contact>().put(&contact("globex", "c-1")).await.unwrap_err(),
    ];
    for error in errors {
        assert!(is_foreign(&error), "{error}");
    }
    assert!(matches!(acme.open("crm", theirs().unwrap()).await.unwrap_err().cause(), Error::Open(_)));
    assert_eq!(world.key_calls(), 0);
    assert_eq!((taps.dynamodb.requests(), taps.kms.requests(), taps.sts.requests()), (0, 0, 0));
}

#[tokio::test]
async fn keys_that_are_almost_the_tenants_are_another_tenants() {
    let world = World::start(&["12"]).await;
    let (taps, app) = world.tapped().await;
    let exact = TableSchema::builder("exact").partition_key("tenant_id", "{tenant}").build().unwrap();
    let prefix = TableSchema::builder("prefix").partition_key("tenant_id", "T#{tenant}#").build().unwrap();
    let seal = world.builder().table(exact).table(prefix).build(&app).unwrap();
    let dynamodb = seal.tenant(&id("12")).dynamodb();
    let number = AttributeValue::N("12".to_owned());
    let binary = AttributeValue::B(b"12".to_vec().into());
    for (table, value) in [
        ("exact", s("123")),
        ("exact", s("1")),
        ("exact", s("12#")),
        ("exact", s("12 ")),
        ("exact", s("012")),
        ("exact", s("")),
        ("exact", s("１２")),
        ("exact", number),
        ("exact", binary),
        ("exact", AttributeValue::Null(true)),
        ("prefix", s("T#123#")),
        ("prefix", s("T#12")),
        ("prefix", s("t#12#")),
        ("prefix", s(" T#12#")),
        ("prefix", s("T#1#12#")),
        ("prefix", s("12#")),
    ] {
        let get = dynamodb.get_item().table_name(table).key("tenant_id", value.clone());
        assert!(is_foreign(&sealing_error(get.send().await)), "{table} {value:?}");
        let query = dynamodb.query().table_name(table).key_condition_expression("tenant_id = :t");
        let query = query.expression_attribute_values(":t", value.clone()).send().await;
        assert!(is_foreign(&sealing_error(query)), "{table} {value:?}");
    }
    assert_eq!((taps.dynamodb.requests(), world.key_calls()), (0, 0));
}

#[tokio::test]
async fn tenants_whose_ids_differ_in_case_alone_are_two_tenants() {
    let world = World::start(&["acme", "ACME"]).await;
    let seal = world.seal();
    let (lower, upper) = (seal.tenant(&id("acme")), seal.tenant(&id("ACME")));
    put(&lower, &contact("acme", "c-1")).await;
    put(&upper, &contact("ACME", "c-1")).await;
    let get = lower.dynamodb().get_item().table_name("crm").set_key(Some(key("ACME", "c-1"))).send().await;
    assert!(is_foreign(&sealing_error(get)));
    assert_eq!(upper.records::<Contact>().get("c-1").await.unwrap(), Some(contact("ACME", "c-1")));
    assert_eq!(world.stack.calls().count("GenerateDataKey"), 2);
}

#[tokio::test]
async fn a_table_that_is_not_configured_is_refused_however_it_is_named() {
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let dynamodb = world.builder().build(&app).unwrap().tenant(&id("acme")).dynamodb();
    for table in [
        "CRM",
        "crm2",
        "crm ",
        "arn:aws:dynamodb:us-east-1:222222222222:table/other",
        "arn:aws:dynamodb:us-east-1:222222222222:table/crm/index/by-company",
        "arn:aws:s3:us-east-1:222222222222:table/crm",
    ] {
        let put = dynamodb.put_item().table_name(table).set_item(Some(item(&contact("acme", "c-1")))).send().await;
        let error = sealing_error(put);
        assert!(matches!(&error, Error::Refused(Refusal::UnknownTable(name)) if name == table), "{error}");
        let scan = sealing_error(dynamodb.scan().table_name(table).send().await);
        assert!(matches!(scan, Error::Refused(Refusal::UnknownTable(_))));
    }
    assert_eq!((taps.dynamodb.requests(), world.key_calls()), (0, 0));
}

#[tokio::test]
async fn a_table_may_be_named_by_its_arn() {
    let world = World::start(&["acme"]).await;
    let wire = Wire::scripted(|sent, _| match &*sent.operation {
        "PutItem" => Reaction::Answer(200, "{}".to_owned()),
        _ => Reaction::Forward,
    });
    let dynamodb = world.tenant_over("acme", wire.clone()).dynamodb();
    let arn = "arn:aws:dynamodb:us-east-1:222222222222:table/crm";
    dynamodb.put_item().table_name(arn).set_item(Some(item(&contact("acme", "c-1")))).send().await.unwrap();
    let sent = String::from_utf8(wire.bodies("PutItem").remove(0)).unwrap();
    assert!(sent.contains(arn) && sent.contains("_seal") && !sent.contains("example.org"), "{sent}");
}

#[tokio::test]
async fn a_scan_finds_the_tenants_own_items_whatever_its_filter_says() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    let acme = seal.tenant(&id("acme"));
    for tenant in ["acme", "globex"] {
        for at in 0..5 {
            put(&seal.tenant(&id(tenant)), &contact(tenant, &format!("c-{at}"))).await;
        }
    }
    let filtered = |filter: &'static str| {
        let scan = acme.dynamodb().scan().table_name("crm").filter_expression(filter);
        scan.expression_attribute_values(":x", s("Example Ltd")).expression_attribute_values(":y", s("nothing"))
    };
    for filter in ["company = :x OR company = :y", "NOT company = :y OR company = :x", "company IN (:x, :y)"] {
        let mut pages = filtered(filter).limit(2).into_paginator().items().send();
        let mut found = BTreeSet::new();
        while let Some(item) = pages.next().await {
            let item = item.unwrap();
            assert_eq!(item["tenant_id"], s("acme"));
            assert_eq!(item["email"], s(&format!("{}@example.org", item["contact_id"].as_s().unwrap())));
            found.insert(item["contact_id"].as_s().unwrap().clone());
        }
        assert_eq!(found.len(), 5, "{filter}");
    }
    for filter in ["company = :x) OR (company = :y", "company = :x OR company = :y)", "", "company = :x AND", ") OR ("]
    {
        let error = sealing_error(filtered(filter).send().await);
        assert!(matches!(error, Error::Refused(Refusal::Expression { .. })), "{filter}: {error}");
    }
}

#[tokio::test]
async fn a_scan_from_another_tenants_key_still_finds_its_own_items_alone() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    for tenant in ["acme", "globex"] {
        for at in 0..5 {
            put(&seal.tenant(&id(tenant)), &contact(tenant, &format!("c-{at}"))).await;
        }
    }
    let scan = seal.tenant(&id("acme")).dynamodb().scan().table_name("crm");
    let page = scan.set_exclusive_start_key(Some(key("globex", "c-1"))).send().await.unwrap();
    assert!(page.items().iter().all(|item| item["tenant_id"] == s("acme")));

    let query = seal.tenant(&id("acme")).dynamodb().query().table_name("crm");
    let query = query.key_condition_expression("tenant_id = :t").expression_attribute_values(":t", s("acme"));
    let query = query.set_exclusive_start_key(Some(key("globex", "c-1"))).send().await;
    assert!(is_foreign(&sealing_error(query)));
}

#[tokio::test]
async fn an_index_that_all_tenants_share_gives_each_its_own_items() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    for tenant in ["acme", "globex"] {
        put(&seal.tenant(&id(tenant)), &contact(tenant, "c-1")).await;
    }
    let acme = seal.tenant(&id("acme")).dynamodb();
    let query = |index: &str, condition: &str| {
        let query = acme.query().table_name("crm").index_name(index).key_condition_expression(condition);
        query.expression_attribute_values(":c", s("Example Ltd"))
    };
    let all = query("by-company", "company = :c").send().await.unwrap();
    assert_eq!(all.items().len(), 1);
    assert_eq!(all.items()[0]["email"], s("c-1@example.org"));
    let filtered = query("by-company", "company = :c").filter_expression("attribute_exists(email) OR tenant_id = :g");
    let filtered = filtered.expression_attribute_values(":g", s("globex")).send().await.unwrap();
    assert_eq!(filtered.items(), all.items());
    let own = query("by-company-and-tenant", "company = :c AND tenant_id = :t");
    let own = own.expression_attribute_values(":t", s("acme")).send().await.unwrap();
    assert_eq!(own.items(), all.items());
    for condition in ["tenant_id = :t", "begins_with(tenant_id, :t)", "tenant_id > :t", "tenant_id BETWEEN :t AND :t"] {
        let foreign = query("by-company-and-tenant", &format!("company = :c AND {condition}"));
        let foreign = foreign.expression_attribute_values(":t", s("g")).send().await;
        assert!(is_foreign(&sealing_error(foreign)), "{condition}");
    }
}

#[tokio::test]
async fn an_index_with_the_tenant_as_sort_key_is_queried_with_the_tenant() {
    let world = World::start(&["acme", "globex"]).await;
    let seal = world.seal();
    for tenant in ["acme", "globex"] {
        put(&seal.tenant(&id(tenant)), &contact(tenant, "c-1")).await;
    }
    let acme = seal.tenant(&id("acme")).dynamodb();
    let query = acme.query().table_name("crm").index_name("by-company-and-tenant");
    let query = query.key_condition_expression("company = :c").expression_attribute_values(":c", s("Example Ltd"));
    let error = sealing_error(query.clone().send().await);
    assert!(matches!(&error, Error::TenantInIndex { attribute } if attribute == "tenant_id"), "{error}");
    let query = query.key_condition_expression("company = :c AND tenant_id = :t");
    let page = query.expression_attribute_values(":t", s("acme")).send().await.unwrap();
    assert_eq!(page.items(), [item(&contact("acme", "c-1"))]);
}

#[tokio::test]
async fn a_query_that_does_not_name_one_partition_is_refused() {
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let dynamodb = world.builder().build(&app).unwrap().tenant(&id("acme")).dynamodb();
    for condition in [
        "begins_with(tenant_id, :t)",
        "tenant_id BETWEEN :t AND :t",
        "tenant_id >= :t",
        "contact_id = :t",
        "tenant_id = :t OR tenant_id = :t",
        "tenant_id = :t AND tenant_id = :t",
        "NOT tenant_id = :t",
        "tenant_id IN (:t)",
        "tenant_id = :t AND email = :t",
    ] {
        let query = dynamodb.query().table_name("crm").key_condition_expression(condition);
        let error = sealing_error(query.expression_attribute_values(":t", s("acme")).send().await);
        assert!(matches!(error, Error::Refused(_)), "{condition}: {error}");
    }
    assert_eq!((taps.dynamodb.requests(), world.key_calls()), (0, 0));
}

#[tokio::test]
async fn a_tenants_session_cannot_use_another_tenants_key_at_aws_either() {
    let world = World::start(&["acme", "globex"]).await;
    let sts = aws_sdk_sts::Client::new(&world.app);
    let policy = world.tenancy.session_policy(&id("acme"), world.stack.region()).unwrap();
    let tag = aws_sdk_sts::types::Tag::builder().key("TenantId").value("acme").build().unwrap();
    let session = sts.assume_role().role_arn(crate::common::ROLE).role_session_name("tenant-acme");
    let session = session.policy(policy.to_string()).tags(tag).send().await.unwrap().credentials.unwrap();
    let credentials = aws_sdk_kms::config::Credentials::new(
        session.access_key_id,
        session.secret_access_key,
        Some(session.session_token),
        None,
        "test",
    );
    let kms = aws_sdk_kms::Client::new(&world.stack.sdk_config(credentials));
    for (alias, tenant, allowed) in [
        ("alias/customer-acme", "acme", true),
        ("alias/customer-globex", "globex", false),
        ("alias/customer-globex", "acme", false),
        ("alias/customer-acme", "globex", false),
    ] {
        let generate = kms.generate_data_key().key_id(alias).encryption_context("tenant", tenant);
        let answer = generate.key_spec(aws_sdk_kms::types::DataKeySpec::Aes256).send().await;
        assert_eq!(answer.is_ok(), allowed, "{alias} {tenant}");
    }
}

#[tokio::test]
async fn every_call_to_kms_is_made_in_the_session_of_its_keys_tenant() {
    let tenants = ["acme", "globex", "initech", "a", "aa"];
    let world = World::start(&tenants).await;
    let (writer, reader) = (world.seal(), world.seal());
    for tenant in tenants {
        put(&writer.tenant(&id(tenant)), &contact(tenant, "c-1")).await;
        let found = reader.tenant(&id(tenant)).records::<Contact>().get("c-1").await.unwrap();
        assert_eq!(found, Some(contact(tenant, "c-1")));
    }
    let records = world.stack.calls().records();
    let used: Vec<_> =
        records.iter().filter(|record| ["GenerateDataKey", "Decrypt"].contains(&&*record.call.operation)).collect();
    assert_eq!(used.len(), 2 * tenants.len());
    for record in used {
        let tenant = &record.call.encryption_context["tenant"];
        assert_eq!(record.call.key_id, Some(format!("alias/customer-{tenant}")));
        assert_eq!(record.call.session_name, Some(format!("tenant-{tenant}")));
    }
}

#[tokio::test]
async fn a_number_that_is_a_sort_key_is_the_same_key_however_it_is_written() {
    let world = World::start(&["acme"]).await;
    world.create_table_with("numbered", ScalarAttributeType::N).await;
    let schema = TableSchema::builder("numbered").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let seal = world.builder().table(schema.encrypt("email").build().unwrap()).build(&world.app).unwrap();
    let dynamodb = seal.tenant(&id("acme")).dynamodb();
    let number = |text: &str| AttributeValue::N(text.to_owned());
    for (written, asked) in [("1.0", "1"), ("1e2", "100.00"), ("-0", "0"), ("0.00120", "12e-4"), ("-7", "-7.0")] {
        let put = dynamodb.put_item().table_name("numbered").item("tenant_id", s("acme"));
        put.item("contact_id", number(written)).item("email", s(written)).send().await.unwrap();
        let get = dynamodb.get_item().table_name("numbered").key("tenant_id", s("acme"));
        let found = get.key("contact_id", number(asked)).send().await.unwrap().item.unwrap();
        assert_eq!(found["email"], s(written), "{written} {asked}");
    }
}

#[tokio::test]
async fn a_table_restored_under_another_name_opens_only_when_configured() {
    let world = World::start(&["acme"]).await;
    put(&world.tenant("acme"), &contact("acme", "c-1")).await;
    for name in ["restored", "other"] {
        world.create_table(name).await;
        let stored = world.stored("acme", "c-1").await;
        world.plain.put_item().table_name(name).set_item(Some(stored)).send().await.unwrap();
    }
    let restored = world.builder().table_name("crm", "restored").build(&world.app).unwrap().tenant(&id("acme"));
    assert_eq!(restored.records::<Contact>().get("c-1").await.unwrap(), Some(contact("acme", "c-1")));
    let old = restored.dynamodb().get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await;
    assert!(matches!(sealing_error(old), Error::Refused(Refusal::UnknownTable(_))));
    // The same bytes in a table of another logical name.
    let other = TableSchema::builder("other").partition_key("tenant_id", "{tenant}").sort_key("contact_id");
    let other = other.plain("company").encrypt("email").encrypt("notes").encrypt("api_keys").build().unwrap();
    let seal = world.builder().table(other).build(&world.app).unwrap();
    let moved = seal.tenant(&id("acme")).dynamodb().get_item().table_name("other");
    let moved = moved.set_key(Some(key("acme", "c-1"))).send().await;
    assert!(matches!(sealing_error(moved), Error::Open(_)));
}

#[tokio::test]
async fn a_tenant_of_another_alphabet_is_known_by_its_encoding_everywhere() {
    let [two, three] = ["org_1:ws_2", "org_1:ws_3"].map(|id| tenantseal::TenantId::encode(id).unwrap());
    let world = World::start(&[two.as_str(), three.as_str()]).await;
    let tenant = world.seal().tenant(&two);
    put(&tenant, &contact(two.as_str(), "c-1")).await;
    assert_eq!(tenant.records::<Contact>().get("c-1").await.unwrap(), Some(contact(two.as_str(), "c-1")));
    let stored = world.stored("_org__1_3Aws__2", "c-1").await;
    let other = world.seal().tenant(&three).open("crm", stored.clone()).await.unwrap_err();
    assert!(is_foreign(&other) || matches!(other.cause(), Error::Open(_)), "{other}");
    // What the item holds is the encoding, so the id itself is no tenant's key.
    put_is_foreign(&tenant, &contact("org_1:ws_2", "c-1")).await;
    let called = world.stack.calls().records().into_iter().find(|record| record.call.operation == "GenerateDataKey");
    assert_eq!(called.unwrap().call.key_id.as_deref(), Some("alias/customer-_org__1_3Aws__2"));
    assert_eq!(two.decode().as_deref(), Some("org_1:ws_2"));
}

async fn put_is_foreign(tenant: &Tenant, contact: &Contact) {
    let put = tenant.dynamodb().put_item().table_name("crm").set_item(Some(item(contact))).send().await;
    assert!(is_foreign(&sealing_error(put)));
}

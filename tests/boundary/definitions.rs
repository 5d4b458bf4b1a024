//! What a tenant's client says to DynamoDB about the table of all: nothing that contradicts the schema, and nothing at all on request.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, CreateGlobalSecondaryIndexAction, CreateVectorIndexAction, GlobalSecondaryIndex,
    GlobalSecondaryIndexUpdate, KeySchemaElement, KeyType, LocalSecondaryIndex, Projection, ProjectionType,
    ScalarAttributeType, TimeToLiveSpecification, VectorAttributeDefinition, VectorDistanceFunction, VectorIndex,
    VectorIndexUpdate,
};
use tenantseal::Error;
use tenantseal::error::Refusal;

use crate::common::{Contact, World, contact, id, sealing_error};

fn key(attribute: &str, kind: KeyType) -> KeySchemaElement {
    KeySchemaElement::builder().attribute_name(attribute).key_type(kind).build().unwrap()
}

fn definition(attribute: &str) -> AttributeDefinition {
    AttributeDefinition::builder().attribute_name(attribute).attribute_type(ScalarAttributeType::S).build().unwrap()
}

fn all() -> Projection {
    Projection::builder().projection_type(ProjectionType::All).build()
}

fn index_of(attribute: &str) -> GlobalSecondaryIndex {
    let index = GlobalSecondaryIndex::builder().index_name("by-it").projection(all());
    index.key_schema(key(attribute, KeyType::Hash)).build().unwrap()
}

fn new_index_of(attribute: &str) -> GlobalSecondaryIndexUpdate {
    let create = CreateGlobalSecondaryIndexAction::builder().index_name("by-it").projection(all());
    let create = create.key_schema(key(attribute, KeyType::Hash)).build().unwrap();
    GlobalSecondaryIndexUpdate::builder().create(create).build()
}

fn local_index_of(attribute: &str) -> LocalSecondaryIndex {
    let index = LocalSecondaryIndex::builder().index_name("by-it").projection(all());
    let index = index.key_schema(key("tenant_id", KeyType::Hash));
    index.key_schema(key(attribute, KeyType::Range)).build().unwrap()
}

fn vectors_of(attribute: &str) -> VectorIndex {
    let vector = VectorAttributeDefinition::builder().attribute_name(attribute).build().unwrap();
    VectorIndex::builder()
        .index_name("near")
        .vector_attribute(vector)
        .dimensions(2)
        .distance_function(VectorDistanceFunction::Cosine)
        .projection(all())
        .build()
        .unwrap()
}

fn new_vectors_of(attribute: &str) -> VectorIndexUpdate {
    let vector = VectorAttributeDefinition::builder().attribute_name(attribute).build().unwrap();
    let create = CreateVectorIndexAction::builder().index_name("near").vector_attribute(vector).dimensions(2);
    let create = create.distance_function(VectorDistanceFunction::Cosine).projection(all()).build().unwrap();
    VectorIndexUpdate::builder().create(create).build()
}

#[tokio::test]
async fn an_encrypted_attribute_does_not_become_the_time_to_live() {
    let world = World::start(&["acme"]).await;
    let dynamodb = world.tenant("acme").dynamodb();
    let expire = |table: &str, attribute: &str, enabled| {
        let specification = TimeToLiveSpecification::builder().attribute_name(attribute).enabled(enabled);
        let update = dynamodb.update_time_to_live().table_name(table);
        update.time_to_live_specification(specification.build().unwrap()).send()
    };
    for table in ["crm", "arn:aws:dynamodb:us-east-1:000000000000:table/crm"] {
        for attribute in ["email", "notes", "_seal"] {
            let error = sealing_error(expire(table, attribute, true).await);
            assert!(matches!(error, Error::Refused(_)), "{error}");
            assert!(error.to_string().contains("no item would ever expire"), "{error}");
        }
    }
    // Of a table that is none of ours nothing is known.
    assert!(Error::find_in(&expire("elsewhere", "email", true).await.unwrap_err()).is_none());
    // What is wrong already can be switched off.
    assert!(expire("crm", "email", false).await.err().is_none_or(|error| Error::find_in(&error).is_none()));
    expire("crm", "company", true).await.unwrap();
}

#[tokio::test]
async fn an_encrypted_attribute_does_not_become_the_key_of_an_index() {
    let world = World::start(&["acme"]).await;
    let acme = world.tenant("acme");
    let dynamodb = acme.dynamodb();
    let update = || dynamodb.update_table().table_name("crm");
    let create = |table: &str| {
        let create = dynamodb.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        let create = create.key_schema(key("tenant_id", KeyType::Hash)).key_schema(key("contact_id", KeyType::Range));
        create.attribute_definitions(definition("tenant_id")).attribute_definitions(definition("contact_id"))
    };
    for attribute in ["email", "notes", "_seal"] {
        for error in [
            sealing_error(update().global_secondary_index_updates(new_index_of(attribute)).send().await),
            sealing_error(update().vector_index_updates(new_vectors_of(attribute)).send().await),
            sealing_error(update().attribute_definitions(definition(attribute)).send().await),
            sealing_error(create("crm").global_secondary_indexes(index_of(attribute)).send().await),
            sealing_error(create("crm").local_secondary_indexes(local_index_of(attribute)).send().await),
            sealing_error(create("crm").vector_indexes(vectors_of(attribute)).send().await),
            sealing_error(create("crm").attribute_definitions(definition(attribute)).send().await),
            sealing_error(
                dynamodb
                    .restore_table_from_backup()
                    .target_table_name("crm")
                    .backup_arn("arn:aws:dynamodb:us-east-1:000000000000:table/crm/backup/b")
                    .global_secondary_index_override(index_of(attribute))
                    .send()
                    .await,
            ),
            sealing_error(
                dynamodb
                    .restore_table_to_point_in_time()
                    .target_table_name("crm")
                    .local_secondary_index_override(local_index_of(attribute))
                    .send()
                    .await,
            ),
        ] {
            assert!(matches!(error, Error::Refused(_)), "{error}");
            assert!(error.to_string().contains(&format!("`{attribute}` cannot be a key or vector")), "{error}");
        }
    }
    // Of a table that is none of ours nothing is known.
    let elsewhere = create("elsewhere").attribute_definitions(definition("email"));
    elsewhere.global_secondary_indexes(index_of("email")).send().await.unwrap();
    // A plain attribute has as many indexes as it likes, and puts go on.
    let by_company = update().attribute_definitions(definition("company"));
    by_company.global_secondary_index_updates(new_index_of("company")).send().await.unwrap();
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
}

#[tokio::test]
async fn without_the_control_plane_a_tenants_client_touches_items_alone() {
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    let acme = world.builder().control_plane(false).build(&app).unwrap().tenant(&id("acme"));
    let dynamodb = acme.dynamodb();
    let table = "arn:aws:dynamodb:us-east-1:000000000000:table/crm";
    let specification = TimeToLiveSpecification::builder().attribute_name("company").enabled(true).build().unwrap();
    let refused = [
        ("DeleteTable", sealing_error(dynamodb.delete_table().table_name("crm").send().await)),
        ("DescribeTable", sealing_error(dynamodb.describe_table().table_name("crm").send().await)),
        ("ListTables", sealing_error(dynamodb.list_tables().send().await)),
        ("DeleteTable", sealing_error(dynamodb.delete_table().table_name("elsewhere").send().await)),
        (
            "UpdateTimeToLive",
            sealing_error(
                dynamodb.update_time_to_live().table_name("crm").time_to_live_specification(specification).send().await,
            ),
        ),
        (
            "ExportTableToPointInTime",
            sealing_error(dynamodb.export_table_to_point_in_time().table_arn(table).s3_bucket("theirs").send().await),
        ),
        (
            "PutResourcePolicy",
            sealing_error(dynamodb.put_resource_policy().resource_arn(table).policy("{}").send().await),
        ),
    ];
    for (name, error) in refused {
        assert!(matches!(error, Error::Refused(Refusal::ControlPlane { operation }) if operation == name), "{error}");
        assert!(error.to_string().contains("control_plane(false)"), "{error}");
    }
    assert_eq!(taps.dynamodb.requests(), 0);
    acme.records::<Contact>().put(&contact("acme", "c-1")).await.unwrap();
    assert!(acme.records::<Contact>().get("c-1").await.unwrap().is_some());
    // Where it is not switched off it passes.
    world.tenant("acme").dynamodb().describe_table().table_name("crm").send().await.unwrap();
}

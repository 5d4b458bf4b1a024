//! What a client per request costs in connections, in file descriptors and in bytes on the wire.

use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
use futures_util::future::join_all;
use tenantseal::{Tenant, TenantSeal};

use crate::common::wire::Wire;
use crate::common::{Taps, World, contact, id, item, key, s};

const TENANTS: usize = 16;

async fn world() -> (World, Vec<String>) {
    let tenants: Vec<_> = (0..TENANTS).map(|at| format!("tenant-{at}")).collect();
    let world = World::start(&tenants.iter().map(String::as_str).collect::<Vec<_>>()).await;
    (world, tenants)
}

/// One request of a tenant, by a handle and a client that live no longer.
async fn request(seal: &TenantSeal, tenant: &str, contact_id: &str) {
    let client = seal.tenant(&id(tenant)).dynamodb();
    client.put_item().table_name("crm").set_item(Some(item(&contact(tenant, contact_id)))).send().await.unwrap();
    client.get_item().table_name("crm").set_key(Some(key(tenant, contact_id))).send().await.unwrap();
}

fn opened(taps: &Taps) -> [usize; 3] {
    [taps.dynamodb.connections(), taps.kms.connections(), taps.sts.connections()]
}

/// The open files of this process, sockets among them.
fn descriptors() -> Option<usize> {
    std::fs::read_dir("/proc/self/fd").ok().map(Iterator::count)
}

#[tokio::test]
async fn clients_of_all_tenants_share_the_connections_of_their_seal() {
    let (world, tenants) = world().await;
    let (taps, app) = world.tapped().await;
    let seal = world.builder().build(&app).unwrap();
    for at in 0..3 {
        for tenant in &tenants {
            request(&seal, tenant, &format!("c-{at}")).await;
        }
    }
    let requests = TENANTS * 3 * 2;
    assert_eq!(taps.dynamodb.requests(), requests);
    assert_eq!(opened(&taps), [1, 1, 1], "of {requests} requests one after the other");

    // At the same time as many as there are requests in flight, whoever's they are.
    join_all(tenants.iter().map(|tenant| request(&seal, tenant, "c-4"))).await;
    let [dynamodb, kms, sts] = opened(&taps);
    assert!(dynamodb <= 1 + TENANTS && kms + sts == 2, "{dynamodb} {kms} {sts}");
    join_all(tenants.iter().map(|tenant| request(&seal, tenant, "c-5"))).await;
    assert!(taps.dynamodb.connections() <= 2 * TENANTS);
}

/// The SDK gives each client of a configuration without an HTTP client one of its own. `aws_config` sets none.
#[tokio::test]
async fn each_plain_client_and_each_seal_has_connections_of_its_own() {
    let world = World::start(&["acme"]).await;
    let (taps, app) = world.tapped().await;
    for _ in 0..5 {
        Client::new(&app).get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await.unwrap();
    }
    assert_eq!(opened(&taps), [5, 0, 0]);
    for at in 0..3 {
        request(&world.builder().build(&app).unwrap(), "acme", &format!("c-{at}")).await;
    }
    assert_eq!(opened(&taps), [5 + 3, 3, 3], "a seal is built once in a process");

    // Clients over one HTTP client share its connections, whatever is built on them.
    let shared = app.into_builder().http_client(Wire::open()).build();
    for at in 0..3 {
        Client::new(&shared).get_item().table_name("crm").set_key(Some(key("acme", "c-1"))).send().await.unwrap();
        request(&world.builder().build(&shared).unwrap(), "acme", &format!("c-{at}")).await;
    }
    assert_eq!(opened(&taps), [8 + 1, 3 + 1, 3 + 1]);
}

#[tokio::test]
async fn handles_and_clients_hold_no_file_descriptors() {
    let (world, tenants) = world().await;
    let seal = world.seal();
    for tenant in &tenants {
        request(&seal, tenant, "c-1").await;
    }
    let Some(before) = descriptors() else { return };
    let handle = |at: usize| -> (Tenant, Client) {
        let tenant = seal.tenant(&id(&tenants[at % TENANTS]));
        let client = tenant.dynamodb();
        (tenant, client)
    };
    let kept: Vec<_> = (0..2_000).map(handle).collect();
    for (tenant, client) in kept.iter().step_by(50) {
        let get = client.get_item().table_name("crm").set_key(Some(key(tenant.id().as_str(), "c-1")));
        get.send().await.unwrap();
    }
    // The other tests of this process open and close theirs meanwhile; 2,000 of these would be seen.
    assert!(descriptors().unwrap() < before + 500, "{before} {:?}", descriptors());
}

/// The bytes of the bodies, plain and sealed, request and stored item.
#[tokio::test]
async fn what_is_sealed_is_longer_by_the_header_and_29_bytes_an_attribute() {
    let world = World::start(&["acme"]).await;
    let bodies = async |config: SdkConfig, sealed: bool| {
        let wire = Wire::open();
        let config = config.into_builder().http_client(wire.clone()).build();
        let client = match sealed {
            true => world.builder().build(&config).unwrap().tenant(&id("acme")).dynamodb(),
            false => Client::new(&config),
        };
        let contact = item(&contact("acme", "c-1"));
        client.put_item().table_name("crm").set_item(Some(contact)).send().await.unwrap();
        let get = client.get_item().table_name("crm").set_key(Some(key("acme", "c-1")));
        get.send().await.unwrap();
        let update = client.update_item().table_name("crm").set_key(Some(key("acme", "c-1")));
        let update = update.update_expression("SET email = :v").expression_attribute_values(":v", s("a@example.org"));
        update.send().await.unwrap();
        ["PutItem", "GetItem", "UpdateItem"].map(|operation| wire.bodies(operation)[0].len())
    };
    let [put, get, update] = bodies(world.app.clone(), false).await;
    let [sealed_put, sealed_get, sealed_update] = bodies(world.app.clone(), true).await;
    println!("put {put} to {sealed_put}, get {get} to {sealed_get}, update {update} to {sealed_update} bytes");
    assert_eq!(get, sealed_get, "nothing is added to what is read");
    // The header of some 270 bytes, once; 29 bytes an attribute; all of it in Base64, which is a third more.
    assert!(sealed_put < put * 4 / 3 + (274 + 3 * 29) * 4 / 3 + 60, "{put} {sealed_put}");
    // An update carries a record of its own.
    assert!(sealed_update < update + 400 * 4 / 3, "{update} {sealed_update}");
}

//! Users of several tenants, who say in a header which one they mean.

use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tenantseal_tower::{Issuer, Refused, Selector, Tenants};

use crate::scene::{TestKey, World, claims_with, headers};

async fn world(configure: impl Fn(Issuer) -> Issuer) -> World {
    World::build(TestKey::p256_a(), |builder, _| {
        let issuer = Issuer::new("https://issuer.test").audience("crm");
        builder.issuer(configure(issuer.member_of(["orgs"], Selector::Header("x-org"))))
    })
    .await
}

fn selecting(world: &World, orgs: Value, selected: &[&str]) -> HeaderMap {
    let mut headers = headers(&world.key.sign(&claims_with(&world.issuer, "orgs", orgs)));
    for selected in selected {
        headers.append("x-org", HeaderValue::from_str(selected).unwrap());
    }
    headers
}

#[tokio::test]
async fn a_header_selects_among_the_tenants_that_the_token_lists() {
    let world = world(|issuer| issuer).await;
    let orgs = || json!(["acme", "globex"]);
    for member in ["acme", "globex"] {
        let tenant = world.tenants.verify(&selecting(&world, orgs(), &[member])).await.unwrap();
        assert_eq!(tenant.id().as_str(), member);
    }
    for (selected, refused) in [
        (&["initech"][..], Refused::NotAMember),
        (&["Acme"], Refused::NotAMember),
        (&["acme,globex"], Refused::NotAMember),
        (&[""], Refused::NotAMember),
        (&[], Refused::NoSelection),
        (&["acme", "globex"], Refused::NoSelection),
        (&["acme", "acme"], Refused::NoSelection),
    ] {
        let headers = selecting(&world, orgs(), selected);
        assert_eq!(world.tenants.verify(&headers).await.unwrap_err(), refused, "{selected:?}");
    }
}

#[tokio::test]
async fn only_a_list_lists_members_and_only_texts_are_members() {
    let world = world(|issuer| issuer).await;
    for (orgs, selected, refused) in [
        (json!("acme"), "acme", Refused::NoTenant),
        (json!({ "acme": true }), "acme", Refused::NoTenant),
        (json!(null), "acme", Refused::NoTenant),
        (json!([]), "acme", Refused::NotAMember),
        (json!([["acme"], { "acme": 1 }]), "acme", Refused::NotAMember),
        (json!([7]), "7", Refused::NotAMember),
        (json!(["*"]), "*", Refused::NoTenant),
        (json!(["acme/../globex"]), "acme/../globex", Refused::NoTenant),
    ] {
        let headers = selecting(&world, orgs.clone(), &[selected]);
        assert_eq!(world.tenants.verify(&headers).await.unwrap_err(), refused, "{orgs}");
    }
}

#[tokio::test]
async fn what_is_selected_goes_through_the_map_and_the_issuers_tenants() {
    let map = |issuer: Issuer| issuer.map(|org| tenantseal::TenantId::parse(org.strip_prefix("org:")?).ok());
    let world = world(|issuer| map(issuer).tenants(Tenants::Prefix("eu-".to_owned()))).await;
    let orgs = || json!(["org:eu-1", "org:us-1", "eu-2"]);
    let verify = async |selected: &str| world.tenants.verify(&selecting(&world, orgs(), &[selected])).await;
    assert_eq!(verify("org:eu-1").await.unwrap().id().as_str(), "eu-1");
    assert_eq!(verify("org:us-1").await.unwrap_err(), Refused::ForeignTenant);
    assert_eq!(verify("eu-2").await.unwrap_err(), Refused::NoTenant);
}

//! What `check_tables` finds about the indexes of lookups.

use tenantseal::error::TableFaultKind as Kind;
use tenantseal::schema::{Form, Lookup, LookupBuilder};

use super::scene::{attributes, builder, schema, world};
use crate::common::World;

const EMAIL: LookupBuilder<'_> = Lookup::on("email", Form::EMAIL);

async fn fault(world: &World, lookup: LookupBuilder<'_>) -> Option<Kind> {
    let seal = builder(world, attributes().lookup(lookup).build().unwrap()).build(&world.app).unwrap();
    let found = seal.check_tables().await.err()?;
    assert_eq!(found.faults().len(), 1, "{found}");
    Some(found.faults()[0].kind().clone())
}

#[tokio::test]
async fn indexes_that_lookups_can_ask_are_no_fault() {
    let world = world(&["acme"]).await;
    builder(&world, schema()).build(&world.app).unwrap().check_tables().await.unwrap();
    // It is created while its lookup is built, and deleted while it is retired.
    assert_eq!(fault(&world, EMAIL.index("later").building()).await, None);
    assert_eq!(fault(&world, EMAIL.index("gone").retired()).await, None);
    assert_eq!(fault(&world, EMAIL).await, None);
}

/// Records would not be found, and nothing would say so.
#[tokio::test]
async fn an_index_that_a_lookup_cannot_ask_is_found() {
    let world = world(&["acme"]).await;
    let text = String::from;
    let (lookup, stored) = (text("email"), text("_seal_by_email"));
    let missing = Kind::NoLookupIndex { lookup: lookup.clone(), index: text("elsewhere"), stored: stored.clone() };
    assert_eq!(fault(&world, EMAIL.index("elsewhere")).await, Some(missing));
    for (declared, index) in [(EMAIL.index("by-phone"), "by-phone"), (EMAIL.tenant_index("by-email"), "by-email")] {
        let keys = Kind::LookupIndexKeys { lookup: lookup.clone(), index: text(index), stored: stored.clone() };
        assert_eq!(fault(&world, declared).await, Some(keys));
    }
    let (index, attribute) = (text("by-email-alone"), text("email"));
    let projection = Kind::LookupIndexProjection { lookup: lookup.clone(), index: index.clone(), attribute };
    assert_eq!(fault(&world, EMAIL.index("by-email-alone")).await, Some(projection));
    // Its record type is not projected, so a search for one type would find none.
    let schema = attributes().plain("kind").discriminator("kind", "person").lookup(EMAIL.index("by-email-alone"));
    let seal = builder(&world, schema.build().unwrap()).build(&world.app).unwrap();
    assert!(seal.check_tables().await.unwrap_err().to_string().contains("does not project `email`"));
}

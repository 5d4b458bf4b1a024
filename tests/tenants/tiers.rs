//! Small tenants on a shared key, and the way from there to a key of one's own and back.

use tenantseal_tenants::{Error, POOL_SIZE, State, Tier};

use crate::common::id;
use crate::tenants::office::Office;

fn shared() -> Tier {
    Tier::Shared { pool: id("small-1") }
}

#[tokio::test]
async fn tenants_of_a_pool_share_its_key_and_nothing_else() {
    let office = Office::open().await;
    let tenants = office.tenants();
    assert!(matches!(tenants.onboard(&id("a")).in_pool(&id("small-1")).await, Err(Error::NotAPool(_))));
    let pool = tenants.onboard(&id("small-1")).create_pool().await.unwrap();
    for tenant in ["a", "b"] {
        let entry = tenants.onboard(&id(tenant)).in_pool(&id("small-1")).await.unwrap();
        assert_eq!(entry.current().unwrap().key, pool.current().unwrap().key);
    }
    assert_eq!(office.stack.calls().count("CreateKey"), 1);
    let sealed = office.seal("a").await.unwrap();
    office.open_sealed("a", &sealed).await.unwrap();
    assert!(office.open_sealed("b", &sealed).await.is_err(), "the encryption context is A's");

    tenants.suspend(&id("a")).await.unwrap();
    assert_eq!(office.seal("a").await.unwrap_err(), "NotFoundException");
    office.seal("b").await.unwrap();
    tenants.resume(&id("a")).await.unwrap();
    office.open_sealed("a", &sealed).await.unwrap();

    assert!(matches!(tenants.offboard(&id("small-1")).await, Err(Error::PoolInUse { members: 2, .. })));
    assert!(matches!(tenants.rotate(&id("small-1")).new_key().await, Err(Error::PoolKeepsKek(_))));
    assert!(matches!(tenants.rotate(&id("a")).on_demand().await, Err(Error::RotatesWithPool { .. })));
    tenants.rotate(&id("small-1")).on_demand().await.unwrap();
    office.open_sealed("a", &sealed).await.unwrap();

    let report = tenants.offboard(&id("a")).await.unwrap();
    assert_eq!((report.keys.len(), report.shared.len(), report.cancellable_until), (0, 1, None));
    assert!(office.open_sealed("a", &sealed).await.is_err());
    office.seal("b").await.unwrap();
    tenants.cancel_offboard(&id("a")).await.unwrap();
    tenants.resume(&id("a")).await.unwrap();
    office.open_sealed("a", &sealed).await.unwrap();
}

#[tokio::test]
async fn a_tenant_moves_between_the_tiers_and_keeps_reading() {
    let office = Office::open().await;
    let tenants = office.tenants();
    tenants.onboard(&id("small-1")).create_pool().await.unwrap();
    tenants.onboard(&id("a")).in_pool(&id("small-1")).await.unwrap();
    let in_pool = office.seal("a").await.unwrap();

    let moved = tenants.move_to(&id("a"), Tier::Dedicated).await.unwrap();
    assert_eq!((moved.entry.tier, moved.cost.now), (Tier::Dedicated, 1));
    let alone = office.seal("a").await.unwrap();
    assert_ne!(in_pool.0, alone.0);
    for sealed in [&in_pool, &alone] {
        office.open_sealed("a", sealed).await.unwrap();
    }

    tenants.onboard(&id("small-2")).create_pool().await.unwrap();
    let back = tenants.move_to(&id("a"), shared()).await.unwrap();
    assert_eq!((back.entry.generations.len(), back.cost.now), (3, 0));
    for sealed in [&in_pool, &alone, &office.seal("a").await.unwrap()] {
        office.open_sealed("a", sealed).await.unwrap();
    }
    assert!(matches!(tenants.move_to(&id("a"), shared()).await, Err(Error::SameKek(_))));
    tenants.suspend(&id("a")).await.unwrap();
    for sealed in [&in_pool, &alone] {
        assert!(office.open_sealed("a", sealed).await.is_err());
    }
}

#[tokio::test]
async fn a_pool_that_takes_no_tenant_leaves_nothing_unfinished() {
    let (office, registry) = Office::with_table().await;
    let tenants = office.builder(registry).build(&office.admin).unwrap();
    tenants.onboard(&id("a")).await.unwrap();
    tenants.onboard(&id("alone")).await.unwrap();
    for pool in ["nobody", "alone"] {
        let to = Tier::Shared { pool: id(pool) };
        assert!(matches!(tenants.move_to(&id("a"), to).await, Err(Error::NotAPool(_))), "{pool}");
        assert!(matches!(tenants.onboard(&id("new")).in_pool(&id(pool)).await, Err(Error::NotAPool(_))), "{pool}");
    }
    assert!(matches!(tenants.show(&id("new")).await, Err(Error::UnknownTenant(_))));
    assert_eq!(tenants.show(&id("a")).await.unwrap().entry.pending, None);

    // The pool is suspended while a tenant is on its way: the move is given up, and another one can begin.
    tenants.onboard(&id("small-1")).create_pool().await.unwrap();
    office.stack.faults().on("CreateAlias").fail("KMSInternalException", 500);
    assert!(tenants.move_to(&id("a"), shared()).await.unwrap_err().is_retryable());
    office.stack.faults().clear();
    assert!(tenants.show(&id("a")).await.unwrap().entry.pending.is_some());
    tenants.suspend(&id("small-1")).await.unwrap();
    assert!(matches!(tenants.move_to(&id("a"), shared()).await, Err(Error::NotAPool(_))));
    assert_eq!(tenants.show(&id("a")).await.unwrap().entry.pending, None);
    tenants.onboard(&id("small-2")).create_pool().await.unwrap();
    let moved = tenants.move_to(&id("a"), Tier::Shared { pool: id("small-2") }).await.unwrap();
    assert_eq!(moved.entry.tier, Tier::Shared { pool: id("small-2") });
}

#[tokio::test]
async fn a_pool_takes_as_many_tenants_as_its_key_has_aliases_for() {
    let office = Office::open().await;
    let tenants = office.tenants();
    tenants.onboard(&id("small-1")).create_pool().await.unwrap();
    for tenant in 0..POOL_SIZE {
        tenants.onboard(&id(&format!("t{tenant}"))).in_pool(&id("small-1")).await.unwrap();
    }
    let refused = tenants.onboard(&id("late")).in_pool(&id("small-1")).await.unwrap_err();
    assert!(matches!(refused, Error::PoolFull(_)), "{refused}");
    let [key] = &office.keys("us-east-1").await[..] else { panic!() };
    assert_eq!(key.aliases.len(), 50);
    // The one that was refused can go elsewhere: to another pool, when there is room.
    tenants.offboard(&id("t0")).await.unwrap();
    assert_eq!(tenants.onboard(&id("late")).in_pool(&id("small-1")).await.unwrap().state, State::Active);
}

#[tokio::test]
async fn a_pool_is_no_tenant_and_a_tenant_no_pool() {
    let office = Office::open().await;
    let tenants = office.tenants();
    tenants.onboard(&id("small-1")).create_pool().await.unwrap();
    tenants.onboard(&id("a")).await.unwrap();
    assert!(matches!(tenants.onboard(&id("small-1")).await, Err(Error::NameTaken(_))));
    assert!(matches!(tenants.onboard(&id("small-1")).in_pool(&id("small-1")).await, Err(Error::NameTaken(_))));
    assert!(matches!(tenants.onboard(&id("a")).create_pool().await, Err(Error::NameTaken(_))));
    assert!(matches!(tenants.onboard(&id("a")).in_pool(&id("small-1")).await, Err(Error::TierMismatch { .. })));
    // As they are, they are left as they are.
    tenants.onboard(&id("small-1")).create_pool().await.unwrap();
    tenants.onboard(&id("a")).await.unwrap();
}

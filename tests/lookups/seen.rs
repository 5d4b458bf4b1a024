//! Metrics say which tokens reads have seen: an item whose token is wrong is not found, and nobody is told otherwise.

use std::sync::Arc;

use tenantseal::schema::{Form, Lookup};
use tenantseal::{Item, Tenant};

use super::scene::{TABLE, attributes, builder, contact, item, key, put, set, stored, world};
use super::sweep::{acme, old};
use crate::common::{World, id, s};
use crate::telemetry::metrics::{Seen, recorded};

const STATES: [&str; 4] = ["current", "stale", "other", "absent"];

async fn read(tenant: &Tenant, contact: &str) -> Item {
    let request = tenant.dynamodb().get_item().table_name(TABLE).set_key(Some(key("acme", contact)));
    request.send().await.unwrap().item.unwrap()
}

/// Stores the item with other attributes, as someone with access to the table alone would.
async fn forge<const N: usize>(
    world: &World,
    contact: &str,
    attributes: [(&str, tenantseal::aws_sdk_dynamodb::types::AttributeValue); N],
) {
    let mut stored = stored(world, "acme", contact).await;
    stored.extend(item(attributes));
    put(&world.plain, stored).await;
}

#[test]
fn tokens_of_read_items_are_counted_by_what_they_are() {
    recorded(|snapshotter| async move {
        let world = world(&["acme"]).await;
        let schema = attributes()
            .lookup(Lookup::on("email", Form::EMAIL).index("by-email"))
            .lookup(Lookup::on("tags", Form::EXACT).each().bits(12));
        let seal = builder(&world, schema.build().unwrap()).build(&world.app).unwrap();
        let tenant = acme(&seal);
        let seen = || {
            let seen = Seen::of(&snapshotter);
            STATES.map(|state| seen.get(&format!("lookup_tokens_seen_total{{state={state}}}")))
        };
        put(&tenant.dynamodb(), contact("acme", "c-1", [("email", s("ada@x.org")), ("tags", set(&["vip", "press"]))]))
            .await;
        put(&acme(&old(&world)).dynamodb(), contact("acme", "c-2", [("email", s("eve@x.org"))])).await;
        put(&tenant.dynamodb(), contact("acme", "c-3", [("email", s("bob@x.org"))])).await;
        assert_eq!(seen(), [0; 4], "writes read nothing");
        read(&tenant, "c-1").await;
        assert_eq!(seen(), [2, 0, 0, 0]);
        read(&tenant, "c-2").await;
        assert_eq!(seen(), [0, 0, 0, 1]);

        let ada = stored(&world, "acme", "c-1").await["_seal_by_email"].clone();
        forge(&world, "c-3", [("_seal_by_email", ada)]).await;
        read(&tenant, "c-3").await;
        assert_eq!(seen(), [0, 1, 0, 0], "the right mark, another value");
        forge(&world, "c-3", [("_seal_by_email", s("acme.AAAAAAAAAAAAAAAAAAAAAAAA"))]).await;
        read(&tenant, "c-3").await;
        assert_eq!(seen(), [0, 0, 1, 0]);

        let scan = tenant.dynamodb().scan().table_name(TABLE).consistent_read(true).send().await.unwrap();
        assert_eq!(scan.count(), 3);
        assert_eq!(seen(), [2, 0, 1, 1]);
        let part = tenant.dynamodb().get_item().table_name(TABLE).set_key(Some(key("acme", "c-2")));
        part.projection_expression("email").send().await.unwrap();
        assert_eq!(seen(), [0; 4], "a projection does not say what is missing");

        // A process that has not asked for the lookup key fetches none for a metric.
        let calls = world.key_calls();
        let reader = builder(&world, attributes().lookup(Lookup::on("email", Form::EMAIL)).build().unwrap());
        let reader = reader.build(&world.app).unwrap().tenant(&id("acme"));
        read(&reader, "c-2").await;
        assert_eq!((seen(), world.key_calls() - calls), ([0; 4], 2), "a session, and the item's data key");
    });
}

/// Making a token uses the lookup key, of which an audit would have to be told with each read.
#[test]
fn no_token_is_made_for_a_metric_while_an_audit_listens() {
    #[derive(Debug)]
    struct Sink;
    impl tenantseal::audit::AuditSink for Sink {
        fn record(&self, _: &tenantseal::audit::DataKeyUse<'_>) {}
    }
    recorded(|snapshotter| async move {
        let world = world(&["acme"]).await;
        let schema = attributes().lookup(Lookup::on("email", Form::EMAIL)).build().unwrap();
        let seal = builder(&world, schema).audit(Arc::new(Sink)).build(&world.app).unwrap();
        let tenant = acme(&seal);
        for (id, email) in [("c-1", "ada@x.org"), ("c-2", "eve@x.org")] {
            put(&tenant.dynamodb(), contact("acme", id, [("email", s(email))])).await;
        }
        let ada = stored(&world, "acme", "c-1").await["_seal_by_email"].clone();
        forge(&world, "c-2", [("_seal_by_email", ada)]).await;
        read(&tenant, "c-2").await;
        let seen = Seen::of(&snapshotter);
        assert_eq!(seen.get("lookup_tokens_seen_total{state=current}"), 1, "its mark is right");
        assert_eq!(seen.get("lookup_tokens_seen_total{state=stale}"), 0);
    });
}

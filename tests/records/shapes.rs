//! What is stored can be read: every value comes back as it was, or is refused before anything is sent, and nothing panics.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Debug;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use tenantseal::{Error, Record, Tenant, TenantSeal};

use crate::common::wire::Wire;
use crate::common::{ROLE, World, id};

/// What may stand in a record, and so what serde may do with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Variant {
    Unit,
    Newtype(i64),
    Tuple(u8, String),
    Struct { a: Option<u8>, b: Vec<u8> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Map { by_number: BTreeMap<u32, u8> },
    Text { text: String },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Map { by_truth: BTreeMap<bool, u8> },
    Number(u64),
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Newtype<T>(T);

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Point {
    x: u8,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct UnitStruct;

/// Tries one value in a plain field, in an encrypted one, and in both of a flattened record.
macro_rules! tried {
    ($acme:expr, $wire:expr, $ty:ty, $value:expr) => {{
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
        #[seal(table = "crm")]
        struct Straight {
            #[seal(partition_key, tenant)]
            tenant_id: String,
            #[seal(sort_key)]
            contact_id: String,
            plain: $ty,
            #[seal(encrypt)]
            sealed: $ty,
        }
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
        struct Inner {
            plain: $ty,
            #[seal(encrypt)]
            sealed: $ty,
        }
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
        #[seal(table = "crm")]
        struct Flattened {
            #[seal(partition_key, tenant)]
            tenant_id: String,
            #[seal(sort_key)]
            contact_id: String,
            #[serde(flatten)]
            inner: Inner,
        }
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
        #[seal(table = "crm")]
        struct Optional {
            #[seal(partition_key, tenant)]
            tenant_id: String,
            #[seal(sort_key)]
            contact_id: String,
            #[serde(flatten)]
            inner: Option<Inner>,
        }
        let value: $ty = $value;
        let (tenant_id, contact_id) = ("acme".to_owned(), "c-1".to_owned());
        let inner = Inner { plain: value.clone(), sealed: value.clone() };
        let keys = || (tenant_id.clone(), contact_id.clone());
        let case = stringify!($ty);
        let (tenant_id, contact_id) = keys();
        let straight = Straight { tenant_id, contact_id, plain: value.clone(), sealed: value };
        let (tenant_id, contact_id) = (straight.tenant_id.clone(), straight.contact_id.clone());
        let flattened = Flattened { tenant_id, contact_id, inner: inner.clone() };
        let (tenant_id, contact_id) = (straight.tenant_id.clone(), straight.contact_id.clone());
        let optional = Optional { tenant_id, contact_id, inner: Some(inner) };
        [
            comes_back_or_is_refused(case, $acme, $wire, straight).await,
            comes_back_or_is_refused(case, $acme, $wire, flattened).await,
            comes_back_or_is_refused(case, $acme, $wire, optional).await,
        ]
    }};
}

/// Whether it came back.
async fn comes_back_or_is_refused<T>(case: &str, acme: &Tenant, wire: &Wire, record: T) -> bool
where
    T: Debug + Clone + PartialEq + Record + Serialize + serde::de::DeserializeOwned + 'static,
{
    let records = acme.records::<T>();
    let before = wire.sent().len();
    match records.put(&record).await {
        Ok(()) => {
            let read = records.get("c-1").consistent().await.unwrap_or_else(|error| panic!("{case}: {error}"));
            assert_eq!(read, Some(record), "{case}");
            true
        }
        Err(error) => {
            let Error::Record { what, .. } = &error else { panic!("{case}: {error}") };
            assert!(what.contains("`plain`") || what.contains("`sealed`"), "{case}: {what}");
            assert_eq!(wire.sent().len(), before, "{case}");
            false
        }
    }
}

#[derive(Debug, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Registered {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    plain: u8,
    #[seal(encrypt)]
    sealed: u8,
}

async fn scene() -> (World, Wire, Tenant) {
    let world = World::start(&["acme"]).await;
    let wire = Wire::open();
    let seal = TenantSeal::builder().assume_role(ROLE).record::<Registered>().build(&world.over(wire.clone())).unwrap();
    let acme = seal.tenant(&id("acme"));
    (world, wire, acme)
}

#[tokio::test]
async fn every_shape_comes_back_or_is_refused_before_it_is_sent() {
    let (_world, wire, acme) = scene().await;
    let (acme, wire) = (&acme, &wire);
    // What comes back: straight, through a flattened record, and through an optional one.
    assert_eq!(tried!(acme, wire, HashMap<u32, u8>, [(5, 1)].into()), [true, false, false]);
    assert_eq!(tried!(acme, wire, BTreeMap<i64, u8>, [(-5, 1)].into()), [true, false, false]);
    assert_eq!(tried!(acme, wire, BTreeMap<bool, u8>, [(true, 1)].into()), [true, false, false]);
    assert_eq!(
        tried!(acme, wire, Vec<BTreeMap<Newtype<u8>, u8>>, vec![[(Newtype(1), 1)].into()]),
        [true, false, false]
    );
    assert_eq!(tried!(acme, wire, BTreeMap<u128, u8>, [(u128::MAX, 1)].into()), [true, false, false]);
    assert_eq!(tried!(acme, wire, BTreeMap<String, u8>, [("5".to_owned(), 1)].into()), [true; 3]);
    assert_eq!(tried!(acme, wire, BTreeMap<char, u8>, [('x', 1)].into()), [true; 3]);
    assert_eq!(tried!(acme, wire, BTreeMap<u32, u8>, [].into()), [true; 3]);
    assert_eq!(tried!(acme, wire, HashMap<Vec<u8>, u8>, [(vec![1], 1)].into()), [false; 3]);
    assert_eq!(tried!(acme, wire, HashMap<ByteBuf, u8>, [(ByteBuf::from([1]), 1)].into()), [false; 3]);
    assert_eq!(tried!(acme, wire, HashMap<(u8, u8), u8>, [((1, 2), 1)].into()), [false; 3]);
    assert_eq!(tried!(acme, wire, BTreeMap<Point, u8>, [(Point { x: 1 }, 1)].into()), [false; 3]);
    assert_eq!(tried!(acme, wire, BTreeMap<Option<u8>, u8>, [(Some(1), 1)].into()), [false; 3]);
    assert_eq!(tried!(acme, wire, BTreeMap<Option<u8>, u8>, [(None, 1)].into()), [false; 3]);
    assert_eq!(tried!(acme, wire, BTreeMap<(), u8>, [((), 1)].into()), [false; 3]);
    assert_eq!(tried!(acme, wire, BTreeMap<BTreeMap<u8, u8>, u8>, [([].into(), 1)].into()), [false; 3]);
    assert_eq!(tried!(acme, wire, ByteBuf, ByteBuf::from([1, 2])), [true; 3]);
    assert_eq!(tried!(acme, wire, i128, 1), [false; 3]);
    assert_eq!(tried!(acme, wire, u128, u128::MAX), [false; 3]);
    assert_eq!(tried!(acme, wire, u64, u64::MAX), [true; 3]);
    assert_eq!(tried!(acme, wire, i64, i64::MIN), [true; 3]);
    assert_eq!(tried!(acme, wire, f64, 0.1), [true; 3]);
    assert_eq!(tried!(acme, wire, f32, 16_777_216.0), [true; 3]);
    assert_eq!(tried!(acme, wire, f64, f64::NAN), [false; 3]);
    assert_eq!(tried!(acme, wire, f64, f64::INFINITY), [false; 3]);
    assert_eq!(tried!(acme, wire, f64, 1e300), [false; 3]);
    assert_eq!(tried!(acme, wire, f64, f64::MIN_POSITIVE), [false; 3]);
    assert_eq!(tried!(acme, wire, char, 'ß'), [true; 3]);
    assert_eq!(tried!(acme, wire, (), ()), [true; 3]);
    assert_eq!(tried!(acme, wire, UnitStruct, UnitStruct), [true; 3]);
    assert_eq!(tried!(acme, wire, Option<()>, Some(())), [false; 3]);
    assert_eq!(tried!(acme, wire, Option<Option<u8>>, Some(None)), [false; 3]);
    assert_eq!(tried!(acme, wire, Option<Newtype<Option<u8>>>, Some(Newtype(None))), [false; 3]);
    assert_eq!(tried!(acme, wire, Vec<Option<u8>>, vec![None, Some(1)]), [true; 3]);
    assert_eq!(tried!(acme, wire, BTreeMap<String, Option<u8>>, [("a".to_owned(), None)].into()), [true; 3]);
    assert_eq!(tried!(acme, wire, BTreeSet<Vec<u8>>, [vec![], vec![1]].into()), [true; 3]);
    assert_eq!(tried!(acme, wire, (u8, Newtype<String>), (1, Newtype(String::new()))), [true; 3]);
    assert_eq!(tried!(acme, wire, std::time::Duration, std::time::Duration::from_millis(1)), [true; 3]);
    assert_eq!(tried!(acme, wire, std::net::IpAddr, [127, 0, 0, 1].into()), [true; 3]);
    assert_eq!(tried!(acme, wire, Variant, Variant::Unit), [true; 3]);
    assert_eq!(tried!(acme, wire, Variant, Variant::Newtype(-1)), [true; 3]);
    assert_eq!(tried!(acme, wire, Variant, Variant::Tuple(1, "x".to_owned())), [true; 3]);
    assert_eq!(tried!(acme, wire, Variant, Variant::Struct { a: None, b: vec![1] }), [true; 3]);
    assert_eq!(tried!(acme, wire, Tagged, Tagged::Map { by_number: [(1, 1)].into() }), [false; 3]);
    assert_eq!(tried!(acme, wire, Tagged, Tagged::Text { text: "x".to_owned() }), [true; 3]);
    assert_eq!(tried!(acme, wire, Untagged, Untagged::Map { by_truth: [(true, 1)].into() }), [false; 3]);
    assert_eq!(tried!(acme, wire, Untagged, Untagged::Number(1)), [true; 3]);
}

/// A record that writes what it does not read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Lopsided {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    plain: Vec<u8>,
}

#[tokio::test]
async fn a_record_that_leaves_out_what_it_needs_is_not_stored() {
    let (_world, wire, acme) = scene().await;
    let records = acme.records::<Lopsided>();
    let lopsided = Lopsided { tenant_id: "acme".into(), contact_id: "c-1".into(), plain: Vec::new() };
    for error in [
        records.put(&lopsided).await.unwrap_err(),
        records.put_many([&lopsided]).await.unwrap_err(),
        records.seal(&lopsided).await.unwrap_err(),
        acme.transact_write().with(records.put(&lopsided)).await.unwrap_err(),
    ] {
        assert!(error.to_string().contains("could not be read back: attribute `plain` is missing"), "{error}");
    }
    assert!(wire.sent().is_empty());
    let whole = Lopsided { plain: vec![1], ..lopsided };
    records.put(&whole).await.unwrap();
    assert_eq!(records.get("c-1").await.unwrap(), Some(whole));
}

/// Everything at once, at random.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
#[seal(table = "crm")]
struct Zoo {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key)]
    contact_id: String,
    plain: BTreeMap<String, Vec<f64>>,
    #[serde(flatten)]
    cage: Cage,
}

type Animal = (Option<i64>, BTreeMap<char, u64>, f32, Option<Option<bool>>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Record)]
struct Cage {
    #[seal(encrypt)]
    sealed: Vec<Animal>,
    by_number: BTreeMap<i16, Option<String>>,
    wide: Option<u128>,
}

fn cages() -> impl Strategy<Value = Cage> {
    let animal = (
        any::<Option<i64>>(),
        prop::collection::btree_map(any::<char>(), any::<u64>(), 0..3),
        any::<f32>(),
        any::<Option<Option<bool>>>(),
    );
    let by_number = prop::collection::btree_map(any::<i16>(), any::<Option<String>>(), 0..2);
    let wide = prop_oneof![9 => Just(None), 1 => any::<Option<u128>>()];
    (prop::collection::vec(animal, 0..3), by_number, wide).prop_map(|(sealed, by_number, wide)| Cage {
        sealed,
        by_number,
        wide,
    })
}

#[test]
fn any_record_comes_back_or_is_refused_and_nothing_panics() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (_world, _, acme) = runtime.block_on(scene());
    let plain = prop::collection::btree_map(any::<String>(), prop::collection::vec(any::<f64>(), 0..3), 0..3);
    let zoo = TenantSeal::builder().assume_role(ROLE).record::<Zoo>().build(&_world.app).unwrap();
    let records = zoo.tenant(acme.id()).records::<Zoo>();
    let came_back = std::cell::Cell::new(0);
    proptest!(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() }, |(plain in plain, cage in cages())| {
        let record = Zoo { tenant_id: "acme".to_owned(), contact_id: "c-1".to_owned(), plain, cage };
        match runtime.block_on(records.seal(&record)) {
            Ok(item) => {
                let opened = runtime.block_on(records.open(item)).expect("what was sealed is read");
                // -0 is 0 to DynamoDB, and equals it.
                prop_assert_eq!(opened, record);
                came_back.set(came_back.get() + 1);
            }
            Err(error) => prop_assert!(matches!(error, Error::Record { .. } | Error::Seal(_)), "{}", error),
        }
    });
    assert!(came_back.get() > 20, "{}", came_back.get());
}

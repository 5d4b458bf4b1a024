//! With a lookup: what a put costs that stores its token, and an item that is found by it, beside the same with a beacon
//! of the peer.
//!
//! Item (a), found by one of its encrypted attributes, which 100 items share. Puts are measured without a network:
//! `Tenant::seal`, and the peer's transform of a PutItem. Of a page of 100 found items the peer's transforms are
//! measured, of the request and of the answer, and no work of the SDK. tenantseal has no such transforms: it is its
//! client less a plain one, both with answers from memory.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_db_esdk::dynamodb::types::{BeaconKeySource, BeaconVersion, SearchConfig, SingleKeyStore, StandardBeacon};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemInput;
use aws_sdk_dynamodb::operation::query::{QueryInput, QueryOutput};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;
use nix::time::{ClockId, clock_gettime};
use tenantseal::TenantSeal;
use tenantseal::keys::{InMemoryKeyService, InMemoryKeyTable};
use tenantseal::schema::{Form, Lookup};

use crate::contenders::ours;
use crate::contenders::peer::{self, Suite};
use crate::item::{Item, SHAPES, Shape};
use crate::network::{Cloud, PAGE, create_indexed};
use crate::report::Found;
use crate::{Outcome, median};

/// Item (a).
const SHAPE: Shape = SHAPES[0];
/// The encrypted attribute by which it is found.
const SOUGHT: &str = "secret0";
pub const INDEX: &str = "by-secret";
/// Puts of one turn.
const PUTS: usize = 50;
/// The most bits that a beacon can have.
const BITS: i32 = 63;

/// A library whose puts and found pages are timed.
struct Finder {
    setup: &'static str,
    put: Box<dyn Fn()>,
    page: Box<dyn Fn()>,
}

impl Cloud {
    /// Each takes turns in each round; the first round warms up.
    pub fn found(&self, rounds: usize) -> Outcome<Vec<Found>> {
        let finders =
            [self.plain_finder()?, self.our_finder()?, self.peer(Suite::Unsigned)?, self.peer(Suite::Signed)?];
        let mut measured = vec![(Vec::new(), Vec::new()); finders.len()];
        for round in 0..=rounds {
            for turn in 0..finders.len() {
                let at = (turn + round) % finders.len();
                let Finder { put, page, .. } = &finders[at];
                let put = timed(|| (0..PUTS).for_each(|_| put())) / PUTS as f64;
                let page = timed(page) / PAGE as f64;
                if round > 0 {
                    measured[at].0.push(put);
                    measured[at].1.push(page);
                }
            }
        }
        let [(_, plain), ours, peers @ ..] = &measured[..] else { return Err("nothing was measured".into()) };
        // Round by round, what a plain client takes as well is taken away.
        let of_ours: Vec<f64> = ours.1.iter().zip(plain).map(|(ours, plain)| ours - plain).collect();
        let found = |setup: &'static str, put: &[f64], found: &[f64]| Found {
            setup: setup.to_owned(),
            put_us: median(put.iter().copied()),
            put_of_ours: median(put.iter().zip(&ours.0).map(|(this, ours)| this / ours)),
            found_us: median(found.iter().copied()),
            found_of_ours: median(found.iter().zip(&of_ours).map(|(this, ours)| this / ours)),
        };
        let peers = finders[2..].iter().zip(peers).map(|(finder, (put, page))| found(finder.setup, put, page));
        Ok(std::iter::once(found(finders[1].setup, &ours.0, &of_ours)).chain(peers).collect())
    }

    fn plain_finder(&self) -> Outcome<Finder> {
        let table = "found-plain";
        self.runtime.block_on(create_indexed(&Client::new(&self.fresh()), table, SOUGHT))?;
        let client = Client::new(&self.fresh());
        self.runtime.block_on(put_all(&client, table))?;
        // A put without a library is nothing but the item.
        let put = Box::new(|| drop(std::hint::black_box(SHAPE.item(0))));
        Ok(Finder { setup: "no encryption", put, page: self.replayed(table, Client::new)? })
    }

    fn our_finder(&self) -> Outcome<Finder> {
        let table = "found-ours";
        let stored = format!("_seal_by_{SOUGHT}");
        self.runtime.block_on(create_indexed(&Client::new(&self.fresh()), table, &stored))?;
        let (service, keys) = (Arc::new(InMemoryKeyService::new()), Arc::new(InMemoryKeyTable::new()));
        let tenant = |config: &aws_types::SdkConfig| {
            let builder = TenantSeal::builder().key_service(Arc::clone(&service)).key_table(Arc::clone(&keys));
            ours::tenant_with(builder, SHAPE, table, config, Some(Lookup::on(SOUGHT, Form::EXACT).index(INDEX)))
        };
        let acme = tenant(&self.fresh());
        self.runtime.block_on(put_all(&acme.dynamodb(), table))?;
        let page = self.replayed(table, |config| tenant(config).dynamodb())?;
        let put = Box::new(move || {
            let sealed = futures_util::FutureExt::now_or_never(acme.seal(table, SHAPE.item(0)));
            let sealed = sealed.expect("the keys are cached").expect("the item is well-formed");
            assert!(sealed.contains_key("_seal_by_secret0"));
        });
        Ok(Finder { setup: "tenantseal", put, page })
    }

    /// The peer, with the beacon's key and a branch key from its key store, both in memory.
    fn peer(&self, suite: Suite) -> Outcome<Finder> {
        let table = match suite {
            Suite::Unsigned => "found-unsigned",
            Suite::Signed => "found-signed",
        };
        let plain = Client::new(&self.fresh());
        self.runtime.block_on(create_indexed(&plain, table, &format!("aws_dbe_b_{SOUGHT}")))?;
        let config = peer::tables(table, SHAPE, suite, self.hierarchical_keyring(&self.fresh())?, Some(self.search()?));
        let client = aws_db_esdk::Client::from_conf(config).map_err(|error| format!("{error:?}"))?;
        let runtime = self.runtime.handle().clone();
        let waiting = runtime.clone();
        let put = move |client: &aws_db_esdk::Client, id| {
            let input = PutItemInput::builder().table_name(table).set_item(Some(SHAPE.item(id))).build();
            let put = client.put_item_input_transform().sdk_input(input.expect("a complete input")).send();
            waiting.block_on(put).expect("it encrypts").transformed_input.expect("an input").item.expect("an item")
        };
        let stored: Vec<Item> = (0..PAGE).map(|id| put(&client, id)).collect();
        if !stored.iter().all(|item| item[&format!("aws_dbe_b_{SOUGHT}")].is_s()) {
            return Err("an item without its beacon".into());
        }
        let query = query(table)?;
        let count = i32::try_from(PAGE)?;
        let answer = QueryOutput::builder().set_items(Some(stored)).count(count).scanned_count(count).build();
        let other = client.clone();
        let page = move || {
            let sent = other.query_input_transform().sdk_input(query.clone()).send();
            runtime.block_on(sent).expect("a query by the beacon");
            let found = other.query_output_transform().original_input(query.clone()).sdk_output(answer.clone()).send();
            let found = runtime.block_on(found).expect("it decrypts");
            assert_eq!(found.transformed_output.expect("an output").items().len(), PAGE);
        };
        Ok(Finder { setup: peer::title(suite), put: Box::new(move || drop(put(&client, 0))), page: Box::new(page) })
    }

    /// One beacon, with a key of its own from the key store.
    fn search(&self) -> Outcome<SearchConfig> {
        let beacon = StandardBeacon::builder().name(SOUGHT).length(BITS).build()?;
        let key = SingleKeyStore::builder().key_id(&self.branch_key).cache_ttl(6_000).build()?;
        let version = BeaconVersion::builder()
            .standard_beacons(vec![beacon])
            .version(1)
            .key_store(self.key_store()?)
            .key_source(BeaconKeySource::Single(key))
            .build()?;
        Ok(SearchConfig::builder().write_version(1).versions(vec![version]).build()?)
    }

    /// Asks for the page with a client whose answers come from memory after the first one.
    fn replayed(
        &self,
        table: &'static str,
        client: impl FnOnce(&aws_types::SdkConfig) -> Client,
    ) -> Outcome<Box<dyn Fn()>> {
        let fresh = self.fresh();
        let http = fresh.http_client().ok_or("a configuration without an HTTP client")?;
        let replay = Replay { http, answer: Arc::default() };
        let client = client(&fresh.to_builder().http_client(replay).build());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let query = query(table)?;
        Ok(Box::new(move || {
            let request = client.query().table_name(table).index_name(INDEX);
            let request = request.set_key_condition_expression(query.key_condition_expression.clone());
            let request = request.set_expression_attribute_values(query.expression_attribute_values.clone());
            let page = runtime.block_on(request.send()).expect("the query succeeds");
            assert!(page.items().len() == PAGE && page.items().iter().all(|item| item[SOUGHT].is_s()));
        }))
    }
}

/// The question: the value that all items have.
fn query(table: &str) -> Outcome<QueryInput> {
    let query = QueryInput::builder().table_name(table).index_name(INDEX);
    let query = query.key_condition_expression(format!("{SOUGHT} = :v"));
    Ok(query.expression_attribute_values(":v", AttributeValue::S("x".repeat(SHAPE.length()))).build()?)
}

async fn put_all(client: &Client, table: &str) -> Outcome<()> {
    for id in 0..PAGE {
        client.put_item().table_name(table).set_item(Some(SHAPE.item(id))).send().await?;
    }
    Ok(())
}

/// CPU time of this thread, in microseconds.
fn timed(work: impl FnOnce()) -> f64 {
    let clock =
        || Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).expect("every thread has this clock"));
    let begun = clock();
    work();
    1e6 * (clock() - begun).as_secs_f64()
}

/// Answers every request as the first one was answered.
#[derive(Debug, Clone)]
struct Replay {
    http: SharedHttpClient,
    answer: Arc<Mutex<Option<Answer>>>,
}

/// Status, headers and body.
type Answer = (u16, HashMap<String, String>, Vec<u8>);

impl HttpClient for Replay {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        let connector = self.http.http_connector(settings, components);
        SharedHttpConnector::new(Replaying { connector, answer: Arc::clone(&self.answer) })
    }
}

#[derive(Debug)]
struct Replaying {
    connector: SharedHttpConnector,
    answer: Arc<Mutex<Option<Answer>>>,
}

impl HttpConnector for Replaying {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let known = self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(answer) = known {
            return HttpConnectorFuture::ready(Ok(respond(answer)));
        }
        let (asked, kept) = (self.connector.call(request), Arc::clone(&self.answer));
        HttpConnectorFuture::new(async move {
            let mut response = asked.await?;
            let body = ByteStream::new(std::mem::replace(response.body_mut(), SdkBody::empty())).collect().await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?.into_bytes().to_vec();
            let headers = response.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
            let answer = (response.status().as_u16(), headers.collect(), body);
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer.clone());
            Ok(respond(answer))
        })
    }
}

fn respond((status, headers, body): Answer) -> HttpResponse {
    let mut response = HttpResponse::new(status.try_into().expect("it was a status"), SdkBody::from(body));
    for (name, value) in headers {
        response.headers_mut().insert(name, value);
    }
    response
}

//! The cost of a month, with the assumptions printed beside the result.

use crate::contact::DataSet;
use crate::terminal::Terminal;
use crate::text::{grouped, left, right};

/// Millionths of a US dollar.
type Micros = u64;

/// A KMS key for a month: $1. The first two rotations add as much each (AWS KMS pricing).
const KEY: Micros = 1_000_000;
/// A KMS request: $0.03 for 10,000 (AWS KMS pricing). STS is free.
const REQUEST: Micros = 3;

// Assumptions: a product of this size.
const SERVICES: u64 = 5;
const PROCESSES: u64 = 10;
const ITEM_OPERATIONS: u64 = 1_000_000;
const DATA_KEYS: u64 = 5;
/// A process revalidates a tenant at 4/5 of the library's default `data_key_revalidation`. One answer serves all of the
/// tenant's data keys.
const RENEWED_AFTER_MINUTES: u64 = 12;
const DAYS: u64 = 30;
const MINUTES: u64 = DAYS * 24 * 60;

/// The keys and the requests of one month.
struct Bill {
    keys: u64,
    requests: u64,
}

impl Bill {
    /// One key per tenant for all services, and data keys that are cached.
    fn of_this_design(tenants: u64) -> Self {
        Self { keys: tenants, requests: tenants * PROCESSES * (MINUTES / RENEWED_AFTER_MINUTES + DATA_KEYS * DAYS) }
    }

    /// A key per tenant and service, and a request for every item.
    fn of_a_key_per_service(tenants: u64) -> Self {
        Self { keys: tenants * SERVICES, requests: tenants * ITEM_OPERATIONS }
    }

    fn for_keys(&self) -> Micros {
        self.keys * KEY
    }

    fn for_requests(&self) -> Micros {
        self.requests * REQUEST
    }

    fn total(&self) -> Micros {
        self.for_keys() + self.for_requests()
    }
}

/// Compares one key per tenant with cached data keys, and one key per tenant and service without a cache.
pub(crate) fn compare(terminal: Terminal, data: &DataSet) {
    let tenants = data.by_tenant().len() as u64;
    let (ours, theirs) = (Bill::of_this_design(tenants), Bill::of_a_key_per_service(tenants));

    terminal.heading("What it would cost per month");
    terminal.columns(&row("", ["one key per tenant,", "a key per tenant and"]));
    terminal.columns(&row("", ["data keys cached", "service, no cache"]));
    terminal.rule();
    let counted = |label: &str, count: fn(&Bill) -> u64, price: fn(&Bill) -> Micros| {
        let cell = |bill: &Bill| format!("{}{}", grouped(count(bill)), right(&dollars(price(bill)), 12));
        terminal.line(&row(label, [&cell(&ours), &cell(&theirs)]));
    };
    counted("KMS keys", |bill| bill.keys, Bill::for_keys);
    counted("KMS requests", |bill| bill.requests, Bill::for_requests);
    terminal.rule();
    for tenants in [tenants, 1_000] {
        let bills = [Bill::of_this_design(tenants), Bill::of_a_key_per_service(tenants)];
        let [ours, theirs] = bills.map(|bill| dollars(bill.total()));
        terminal.line(&row(&format!("{} tenants", grouped(tenants)), [&ours, &theirs]));
    }
    terminal.remark(&format!(
        "Assumed, not measured: $1 per key (before rotations), $0.03 per 10,000 requests, no free tier, STS free. \
         Each tenant is served by {SERVICES} services in {PROCESSES} processes, with {} item operations a month. \
         With the cache each process asks for every tenant's key again every {RENEWED_AFTER_MINUTES} minutes, day and night, and for \
         {DATA_KEYS} data keys a day; without it there is a request for each operation.",
        grouped(ITEM_OPERATIONS),
    ));
}

fn row(label: &str, cells: [&str; 2]) -> String {
    format!("  {}{}", left(label, 22), cells.map(|cell| right(cell, 28)).concat())
}

/// `$1,234.56`.
fn dollars(micros: Micros) -> String {
    let cents = (micros + 5_000) / 10_000;
    format!("${}.{:02}", grouped(cents / 100), cents % 100)
}

//! `cost`: the cost of a month, compared with a key per tenant and service and with no caching.

mod chart;
mod model;

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use self::model::{Design, Estimate, Prices, Traffic};
use crate::errors::{Exit, Result};
use crate::output::{DIM, Output, count, table};
use crate::svg;

/// KMS's quota of keys in a Region of an account, unless it is raised.
const KEYS_QUOTA: f64 = 100_000.0;
/// KMS's quota of symmetric requests a second in the smallest Regions.
const REQUESTS_QUOTA: f64 = 10_000.0;

/// Estimate the cost of a month (30 days): this design, a key per tenant and service, and a key per tenant without
/// caching.
#[derive(Debug, Args)]
pub(crate) struct Cost {
    /// Tenants
    #[arg(long, default_value_t = 1_000)]
    tenants: u32,
    /// Services that use the tenants' keys
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    services: u32,
    /// Processes of each service
    #[arg(long, default_value_t = 4)]
    processes: u32,
    /// Share of the tenants that a process serves at a time, 0 to 1
    #[arg(long, default_value_t = 0.05, value_parser = share)]
    active: f64,
    /// Data keys of an active tenant that a process starts to use per rotation: one for each process and period that
    /// sealed what it reads
    #[arg(long, default_value_t = 4)]
    data_keys: u32,
    /// Item operations a second, of all services together; without caching, each is a request to KMS
    #[arg(long, default_value_t = 200.0, value_parser = positive)]
    operations: f64,
    /// Minutes between revalidations of a data key at KMS (`data_key_revalidation`)
    #[arg(long, default_value_t = 15.0, value_parser = positive, value_name = "MINUTES")]
    revalidation: f64,
    /// Hours for which a data key seals new items (`data_key_rotation`)
    #[arg(long, default_value_t = 24.0, value_parser = positive, value_name = "HOURS")]
    rotation: f64,
    /// Billed rotations of each key: none in its first year, 2 at most
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=2))]
    rotations: u32,
    /// Regions: every replica of a multi-Region key is billed as a key
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    regions: u32,
    /// Price of a key and month, and of each billed rotation, in $
    #[arg(long, default_value_t = 1.0, value_parser = positive, value_name = "PRICE")]
    key_price: f64,
    /// Price of 10,000 requests to KMS, in $
    #[arg(long, default_value_t = 0.03, value_parser = positive, value_name = "PRICE")]
    request_price: f64,
    /// Draw a chart into this file, or to stdout with `-`
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

impl Cost {
    pub(crate) fn run(self, output: &Output) -> Result<Exit> {
        let traffic = self.traffic();
        let prices = Prices { key: self.key_price, ten_thousand_requests: self.request_price };
        let estimates = Design::ALL.map(|design| (design, traffic.estimate(design, prices)));
        if let Some(path) = &self.svg {
            let chart = chart::draw(&estimates, &self.subtitle());
            if let Some(exit) = svg::deliver(output, path, &chart)? {
                return Ok(exit);
            }
        }
        let mut text = table(&rows(&estimates));
        text.push_str(&format!("{DIM}{}{DIM:#}\n", self.subtitle()));
        for (design, Estimate { keys, requests_per_second, .. }) in &estimates {
            if *keys / f64::from(self.regions) > KEYS_QUOTA {
                text.push_str(&format!("{}: more keys than the 100,000 that KMS allows in a Region\n", design.name()));
            }
            if *requests_per_second > REQUESTS_QUOTA {
                text.push_str(&format!(
                    "{}: more than the 10,000 requests a second of a small Region\n",
                    design.name()
                ));
            }
        }
        let designs: Vec<_> = estimates.iter().map(|(design, estimate)| estimate.data(*design)).collect();
        let data =
            json!({ "currency": "USD", "days": model::DAYS, "prices": prices, "traffic": traffic, "designs": designs });
        output.answer(text, &data)?;
        Ok(Exit::Done)
    }

    fn traffic(&self) -> Traffic {
        Traffic {
            tenants: self.tenants.into(),
            services: self.services.into(),
            processes: self.processes.into(),
            active_share: self.active,
            data_keys: self.data_keys.into(),
            operations_per_second: self.operations,
            revalidation_seconds: self.revalidation * 60.0,
            rotation_seconds: self.rotation * 3_600.0,
            billed_rotations: self.rotations.into(),
            regions: self.regions.into(),
        }
    }

    fn subtitle(&self) -> String {
        format!(
            "{} tenants, {} services of {} processes, {}% of the tenants active, {} data keys each, {} operations a second",
            count(self.tenants.into()),
            self.services,
            self.processes,
            self.active * 100.0,
            self.data_keys,
            self.operations,
        )
    }
}

fn rows(estimates: &[(Design, Estimate)]) -> Vec<Vec<String>> {
    let heading = ["a month of", "keys", "requests", "a second", "keys cost", "requests cost", "total"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(estimates.iter().map(|(design, estimate)| {
        let Estimate { keys, requests, requests_per_second, key_cost, request_cost } = *estimate;
        vec![
            design.name().to_owned(),
            count(keys),
            count(requests),
            format!("{requests_per_second:.1}"),
            money(key_cost),
            money(request_cost),
            money(estimate.total()),
        ]
    }));
    rows
}

fn money(dollars: f64) -> String {
    let cents = format!("{dollars:.2}");
    let (whole, cents) = cents.split_once('.').unwrap_or((&cents, "00"));
    format!("${}.{cents}", count(whole.parse().unwrap_or(dollars)))
}

fn share(text: &str) -> Result<f64, String> {
    text.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(|| "a share is between 0 and 1".to_owned())
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "it must be a number above 0".to_owned())
}

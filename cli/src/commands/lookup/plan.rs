//! `lookup plan`: what a lookup shows and reads, by its `bits`. Nothing leaves the machine.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use super::attack::{self, EXACT};
use super::distribution::Distribution;
use super::model::{Advice, BITS, Planned, Row, rounded};
use super::{chart, counts};
use crate::errors::{Exit, Failure, Result};
use crate::output::{BOLD, DIM, Output, count, table};
use crate::svg;

/// The most items of a plan: all counts are exact in floating point.
const MOST_ITEMS: u64 = 1_000_000_000_000;
/// The most values of `--zipf`, each of which is computed.
const MOST_VALUES: i64 = 10_000_000;

/// Estimate what a lookup shows to readers of the table, and how many items it reads, by its `bits`.
///
/// It calls nobody: a file of counts stays on this machine, and its values are neither kept nor printed.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Items of one tenant that have the attribute [default: the sum of the counts]
    #[arg(long, required_unless_present = "counts", value_parser = clap::value_parser!(u64).range(1..=MOST_ITEMS))]
    items: Option<u64>,
    #[command(flatten)]
    source: Source,
    /// Values of `--zipf`, up to 10,000,000
    #[arg(long, requires = "zipf", value_name = "V", value_parser = clap::value_parser!(u32).range(1..=MOST_VALUES))]
    values: Option<u32>,
    /// Draw a chart into this file, or to stdout with `-`
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

/// How often values occur.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Source {
    /// How often each value occurs: a line `value,count` or a count for each; `-` for stdin
    #[arg(long, value_name = "FILE")]
    counts: Option<PathBuf>,
    /// Zipf's law: the value of rank r occurs in proportion to 1/r^S
    #[arg(long, value_name = "S", requires = "values", value_parser = exponent)]
    zipf: Option<f64>,
    /// So many values, each of which occurs equally often
    #[arg(long, value_name = "V", value_parser = clap::value_parser!(u64).range(1..=MOST_ITEMS))]
    uniform: Option<u64>,
}

impl Plan {
    pub(crate) async fn run(self, output: &Output) -> Result<Exit> {
        let Self { items, source, values, svg } = self;
        let progress = output.progress("simulating readers of the table");
        // On a thread of its own, so that Ctrl-C ends it.
        let planning = tokio::task::spawn_blocking(move || Answer::plan(items, source, values));
        let answer = planning.await.map_err(|error| Failure::new(Exit::Findings, error.to_string()))??;
        drop(progress);
        if let Some(file) = svg {
            let chart = chart::draw(&answer.rows, answer.most_bits, &answer.subtitle());
            if let Some(exit) = svg::deliver(output, &file, &chart)? {
                return Ok(exit);
            }
        }
        output.answer(answer.text(), &answer.data())?;
        Ok(Exit::Done)
    }
}

/// A plan, ready to print.
struct Answer {
    items: f64,
    distribution: Distribution,
    rows: Vec<Row>,
    most_bits: Option<u32>,
    advice: Advice,
}

impl Answer {
    fn plan(items: Option<u64>, source: Source, values: Option<u32>) -> Result<Self> {
        let Source { counts: file, zipf, uniform } = source;
        let (distribution, sum) = match (file, zipf, uniform) {
            (Some(file), ..) => {
                let tally = counts::read(&file)?;
                let sum = tally.total();
                (tally.counts(), sum)
            }
            (_, Some(exponent), _) => (Distribution::zipf(exponent, values.unwrap_or(1)), 1.0),
            (.., uniform) => (Distribution::uniform(uniform.unwrap_or(1)), 1.0),
        };
        let items = items.map_or(sum, |items| items as f64);
        let planned = Planned { items, distribution: &distribution };
        let guessed = attack::guess(&distribution, items, &BITS);
        let rows = BITS.into_iter().zip(guessed).map(|(bits, guessed)| planned.row(bits, guessed)).collect();
        let (most_bits, advice) = (planned.most_bits(), planned.advice());
        Ok(Self { items, distribution, rows, most_bits, advice })
    }

    fn subtitle(&self) -> String {
        let Distribution { values, peak, .. } = self.distribution;
        let values = if values == 1.0 { "1 value".to_owned() } else { format!("{} values", count(values)) };
        format!("{} items, {values}, the commonest in {} of the items", count(self.items), percent(peak))
    }

    fn text(&self) -> String {
        let hides = match self.most_bits {
            Some(EXACT) => "no value stands out with any number of bits".to_owned(),
            Some(bits) => format!("up to {bits} bits the commonest value is at most half of its token's items"),
            None => "even with 3 bits the commonest value is more than half of its token's items".to_owned(),
        };
        let legend = [
            "read: items that a look-up reads on average; of a rare value: for a value that one item has".to_owned(),
            "peak: items of the commonest value's token, divided by those of the mean token".to_owned(),
            "equal: of two items with equal tokens, how probably their values are equal".to_owned(),
            format!(
                "guessed: items whose values a reader of the table names who knows how often each occurs; without \
                 tokens {}",
                percent(self.distribution.peak)
            ),
        ];
        format!(
            "{}{DIM}{}{DIM:#}\n\n{}\nmin-entropy {:.2} bits: {hides}\n{BOLD}{}{BOLD:#}\n",
            table(&self.table()),
            legend.join("\n"),
            self.subtitle(),
            self.distribution.min_entropy(),
            self.recommendation(),
        )
    }

    fn table(&self) -> Vec<Vec<String>> {
        let heading = ["bits", "read", "of a rare value", "peak", "equal", "guessed", "of the 20 commonest"];
        let mut rows = vec![heading.map(str::to_owned).to_vec()];
        rows.extend(self.rows.iter().map(|row| {
            vec![
                row.bits.to_string(),
                short(row.read),
                short(row.read_rare),
                short(row.peak),
                row.equal.map_or_else(|| "-".to_owned(), percent),
                percent(row.guessed.guessed),
                row.guessed.guessed_of_commonest.map_or_else(|| "-".to_owned(), percent),
            ]
        }));
        rows
    }

    /// What to declare, in words.
    fn recommendation(&self) -> String {
        let instead =
            "no single lookup hides that; make the attribute a part of a compound lookup, or filter after reading";
        match self.advice {
            Advice::FewValues => {
                format!("{} values are few, whatever the bits: {instead}", count(self.distribution.values))
            }
            Advice::TooCommon => format!("{} of the items have one value: {instead}", percent(self.distribution.peak)),
            Advice::Unique => "no value occurs more than a few times: an exact lookup, without `bits`, shows next to \
                               nothing"
                .to_owned(),
            Advice::Even => {
                "values repeat, and none stands out: an exact lookup, without `bits`, shows which items have equal \
                             values, and not which values"
                    .to_owned()
            }
            Advice::Bits(bits) => {
                let read = self.read(bits);
                format!(
                    "`bits = {bits}`: a look-up then reads {} items on average, {} of all; more bits read less and show more",
                    short(read),
                    percent(read / self.items)
                )
            }
        }
    }

    fn read(&self, bits: u32) -> f64 {
        let planned = Planned { items: self.items, distribution: &self.distribution };
        planned.row(bits, attack::Guessed::default()).read
    }

    fn data(&self) -> Value {
        json!({
            "items": self.items,
            "values": self.distribution.values,
            "commonest": rounded(self.distribution.peak),
            "min_entropy": rounded(self.distribution.min_entropy()),
            "most_bits": self.most_bits,
            "advice": self.advice,
            "recommendation": self.recommendation(),
            "simulated": { "tables": attack::RUNS, "values": self.distribution.values.min(attack::VALUES as f64) },
            "rows": self.rows.iter().copied().map(Row::rounded).collect::<Vec<_>>(),
        })
    }
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}

/// Whole numbers, and small ones with a digit after the point.
fn short(number: f64) -> String {
    if number < 9.95 { format!("{number:.1}") } else { count(number) }
}

fn exponent(text: &str) -> Result<f64, String> {
    let exponent = text.parse().ok().filter(|exponent| (0.0..=10.0).contains(exponent));
    exponent.ok_or_else(|| "an exponent is between 0 and 10".to_owned())
}

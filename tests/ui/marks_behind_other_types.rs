use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tenantseal::Record;

#[derive(Serialize, Deserialize, Record)]
struct Card {
    holder: String,
    #[seal(encrypt)]
    number: String,
}

type Cards = Vec<Card>;
type ByHolder = HashMap<String, Option<Box<Cards>>>;

#[derive(Serialize, Deserialize, Record)]
struct BehindAnAlias {
    cards: Cards,
}

#[derive(Serialize, Deserialize, Record)]
struct BehindTwo {
    by_holder: Option<ByHolder>,
}

trait Shop {
    type Sold;
}

struct Cashier;

impl Shop for Cashier {
    type Sold = [Card; 2];
}

#[derive(Serialize, Deserialize, Record)]
struct BehindAnAssociatedType {
    sold: <Cashier as Shop>::Sold,
}

macro_rules! cards {
    () => { Vec<Card> };
}

#[derive(Serialize, Deserialize, Record)]
struct BehindAMacro {
    cards: cards!(),
}

#[derive(Serialize, Deserialize, Record)]
#[serde(bound = "")]
struct Page<T: Record + Serialize + serde::de::DeserializeOwned> {
    first: T,
}

const _: () = <Page<Card> as Record>::HEEDED;

fn main() {}

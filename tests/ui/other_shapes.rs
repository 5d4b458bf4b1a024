use tenantseal::Record;

#[derive(Record)]
enum Enum {
    #[seal(encrypt)]
    A,
}

#[derive(Record)]
struct Tuple(#[seal(encrypt)] String);

#[derive(Record)]
struct Unit;

#[derive(Record)]
union Union {
    a: u8,
}

fn main() {}

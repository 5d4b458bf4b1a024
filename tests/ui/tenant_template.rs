use tenantseal::Record;

#[derive(Record)]
struct NoPlaceholder {
    #[seal(partition_key, tenant = "TENANT#{tennant}#")]
    pk: String,
}

#[derive(Record)]
struct TwoPlaceholders {
    #[seal(partition_key, tenant = "{tenant}#{tenant}")]
    pk: String,
}

#[derive(Record)]
struct OtherPlaceholder {
    #[seal(partition_key, tenant = "{tenant}#{order}")]
    pk: String,
}

#[derive(Record)]
struct Letter {
    #[seal(partition_key, tenant = "{tenant}x")]
    pk: String,
}

#[derive(Record)]
struct Digit {
    #[seal(partition_key, tenant = "T#{tenant}0")]
    pk: String,
}

#[derive(Record)]
struct Underscore {
    #[seal(partition_key, tenant = "{tenant}_orders")]
    pk: String,
}

#[derive(Record)]
struct Hyphen {
    #[seal(partition_key, tenant = "{tenant}-orders")]
    pk: String,
}

fn main() {}

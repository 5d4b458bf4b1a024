use tenantseal::Record;

#[derive(Record)]
#[seal(table = "crm")]
struct NoKey {
    id: String,
}

#[derive(Record)]
struct SortKeyOnly {
    #[seal(sort_key)]
    id: String,
}

fn main() {}

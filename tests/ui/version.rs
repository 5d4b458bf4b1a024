use serde::Serialize;
use tenantseal::Record;

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Wrong {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(sort_key, version)]
    contact_id: u64,
    #[seal(encrypt, version)]
    encrypted: u64,
    #[seal(version)]
    #[serde(skip_serializing_if = "is_zero", alias = "v")]
    skipped: u64,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct OfAnotherType {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(version)]
    version: char,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct Signed {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(version)]
    version: Option<i64>,
}

#[derive(Serialize, Record)]
struct Inner {
    #[seal(version)]
    version: u64,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct TwiceThroughFlatten {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(version)]
    revision: u64,
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct RunsOver {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(version)]
    version: u8,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct RunsOverLater {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(version)]
    version: u32,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct AsText {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(version)]
    #[serde(serialize_with = "text")]
    version: u64,
}

fn text<S: serde::Serializer>(number: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(number)
}

fn main() {}

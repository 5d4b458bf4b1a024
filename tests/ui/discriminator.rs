use serde::Serialize;
use tenantseal::Record;

#[derive(Serialize, Record)]
#[seal(table = "crm", discriminator = "kind")]
struct WithoutAValue {
    #[seal(partition_key, tenant)]
    tenant_id: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm", value = "contact")]
struct WithoutAName {
    #[seal(partition_key, tenant)]
    tenant_id: String,
}

#[derive(Serialize, Record)]
#[seal(discriminator = "kind", value = "contact")]
struct WithoutATable {
    name: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm", discriminator = "kind", value = "")]
struct WithAnEmptyValue {
    #[seal(partition_key, tenant)]
    tenant_id: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm", discriminator = "kind", value = "contact")]
struct OfAnEncryptedField {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(encrypt)]
    kind: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm", discriminator = "tenant_id", value = "contact")]
struct OfThePartitionKey {
    #[seal(partition_key, tenant)]
    tenant_id: String,
}

#[derive(Serialize, Record)]
struct Inner {
    #[seal(encrypt)]
    kind: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm", discriminator = "kind", value = "contact")]
struct OfAFlattenedEncryptedField {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[serde(flatten)]
    inner: Inner,
}

#[derive(Serialize, Record)]
#[seal(table = "crm", discriminater = "kind", value = "contact")]
struct Misspelt {
    #[seal(partition_key, tenant)]
    tenant_id: String,
}

#[derive(Serialize, Record)]
#[seal(table = "crm")]
struct OnAField {
    #[seal(partition_key, tenant)]
    tenant_id: String,
    #[seal(discriminator = "kind")]
    kind: String,
}

fn main() {}

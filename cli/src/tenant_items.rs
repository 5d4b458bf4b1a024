//! A tenant's items, page by page, with a plain client.

use std::collections::BTreeMap;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::types::{AttributeValue, KeySchemaElement, KeyType};
use tenantseal::schema::TenantTemplate;
use tenantseal::{Item, TenantId};

use crate::errors::{Exit, Failure, Result};

/// Where a table's items are read, of any tenant.
#[derive(Debug)]
pub(crate) struct TenantItems {
    client: aws_sdk_dynamodb::Client,
    table: String,
    template: TenantTemplate,
    keys: Vec<KeySchemaElement>,
    partition: String,
}

impl TenantItems {
    /// Asks DynamoDB for the table's keys.
    pub(crate) async fn of(config: &SdkConfig, table: &str, template: TenantTemplate) -> Result<Self> {
        let client = aws_sdk_dynamodb::Client::new(config);
        let described = client.describe_table().table_name(table).send().await;
        let described = described.map_err(|error| Failure::aws("DescribeTable", &error))?.table;
        let keys = described.and_then(|table| table.key_schema).unwrap_or_default();
        let partition = keys.iter().find(|key| key.key_type == KeyType::Hash).map(|key| key.attribute_name.clone());
        let partition =
            partition.ok_or_else(|| Failure::new(Exit::Aws, format!("DescribeTable: `{table}` has no keys")))?;
        Ok(Self { client, table: table.to_owned(), template, keys, partition })
    }

    /// One page of the tenant's items after `start`, and where the next one begins.
    pub(crate) async fn page(&self, tenant: &TenantId, start: Option<Item>) -> Result<(Vec<Item>, Option<Item>)> {
        let value = AttributeValue::S(self.template.render(tenant));
        // Only with a prefix do the tenant's items have several partitions, which requires a search.
        let (items, next) = if self.template.is_prefix() {
            let scan = self.client.scan().table_name(&self.table).filter_expression("begins_with(#p, :p)");
            let scan = scan.expression_attribute_names("#p", &self.partition);
            let scan = scan.expression_attribute_values(":p", value).set_exclusive_start_key(start);
            let page = scan.send().await.map_err(|error| Failure::aws("Scan", &error))?;
            (page.items, page.last_evaluated_key)
        } else {
            let query = self.client.query().table_name(&self.table).key_condition_expression("#p = :p");
            let query = query.expression_attribute_names("#p", &self.partition);
            let query = query.expression_attribute_values(":p", value).set_exclusive_start_key(start);
            let page = query.send().await.map_err(|error| Failure::aws("Query", &error))?;
            (page.items, page.last_evaluated_key)
        };
        Ok((items.unwrap_or_default(), next.filter(|key| !key.is_empty())))
    }

    /// Whether a tenant's items are found by reading the whole table alone.
    pub(crate) fn needs_a_scan(&self) -> bool {
        self.template.is_prefix()
    }

    /// One page of the whole table after `start`: each item with the tenant whose it is, and where the next one begins.
    pub(crate) async fn any_page(&self, start: Option<Item>) -> Result<(Vec<(Option<TenantId>, Item)>, Option<Item>)> {
        let scan = self.client.scan().table_name(&self.table).set_exclusive_start_key(start);
        let page = scan.send().await.map_err(|error| Failure::aws("Scan", &error))?;
        let tenant = |item: &Item| self.template.tenant_of(item.get(&self.partition)?.as_s().ok()?);
        let items = page.items.unwrap_or_default().into_iter().map(|item| (tenant(&item), item)).collect();
        Ok((items, page.last_evaluated_key.filter(|key| !key.is_empty())))
    }

    /// An item's primary key.
    pub(crate) fn key(&self, item: &Item) -> BTreeMap<String, serde_dynamo::AttributeValue> {
        let key = self.keys.iter().filter_map(|key| item.get_key_value(&key.attribute_name));
        key.map(|(name, value)| (name.clone(), value.clone().into())).collect()
    }
}

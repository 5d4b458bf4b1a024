//! Operations that touch no items. They pass unchanged, unless a definition contradicts the schema or the builder
//! refuses them all.
//!
//! An operation that is neither listed here nor handled elsewhere is refused. ImportTable is missing on purpose: it
//! fills a table from files that nobody has sealed.

use std::sync::LazyLock;

use aws_sdk_dynamodb::operation as sdk;
use aws_sdk_dynamodb::operation::create_table::CreateTableInput;
use aws_sdk_dynamodb::operation::restore_table_from_backup::RestoreTableFromBackupInput;
use aws_sdk_dynamodb::operation::restore_table_to_point_in_time::RestoreTableToPointInTimeInput;
use aws_sdk_dynamodb::operation::update_table::UpdateTableInput;
use aws_sdk_dynamodb::operation::update_time_to_live::UpdateTimeToLiveInput;
use aws_sdk_dynamodb::types::{AttributeDefinition, GlobalSecondaryIndex, KeySchemaElement, LocalSecondaryIndex};
use aws_sdk_dynamodb::types::{SearchSchemaElement, VectorAttributeDefinition, VectorIndex};
use aws_smithy_runtime_api::client::interceptors::context::Input;
use aws_smithy_runtime_api::client::runtime_plugin::RuntimePlugin;
use aws_smithy_types::config_bag::FrozenLayer;
use tenantseal_core::format::HEADER;

use super::known::{Checked, Known, operations};
use super::operation::NOT_CHECKED;
use super::{Binding, table_name};
use crate::error::Refusal;
use crate::schema::TableSchema;

/// An operation that passes, either always or by a rule of its own.
macro_rules! passes {
    () => {
        |_, _| Ok(None)
    };
    ($rule:ident) => {
        |input, binding| {
            $rule(input, binding)?;
            Ok(None)
        }
    };
}

/// The operations that pass.
pub(super) static PASSING: &[Known] = operations! {
    create_backup::{CreateBackup, CreateBackupInput} => passes!();
    create_global_table::{CreateGlobalTable, CreateGlobalTableInput} => passes!();
    create_table::{CreateTable, CreateTableInput} => passes!(check_create);
    delete_backup::{DeleteBackup, DeleteBackupInput} => passes!();
    delete_resource_policy::{DeleteResourcePolicy, DeleteResourcePolicyInput} => passes!();
    delete_table::{DeleteTable, DeleteTableInput} => passes!();
    describe_backup::{DescribeBackup, DescribeBackupInput} => passes!();
    describe_continuous_backups::{DescribeContinuousBackups, DescribeContinuousBackupsInput} => passes!();
    describe_contributor_insights::{DescribeContributorInsights, DescribeContributorInsightsInput} => passes!();
    describe_endpoints::{DescribeEndpoints, DescribeEndpointsInput} => passes!();
    describe_export::{DescribeExport, DescribeExportInput} => passes!();
    describe_global_table::{DescribeGlobalTable, DescribeGlobalTableInput} => passes!();
    describe_global_table_settings::{DescribeGlobalTableSettings, DescribeGlobalTableSettingsInput} => passes!();
    describe_import::{DescribeImport, DescribeImportInput} => passes!();
    describe_kinesis_streaming_destination::{DescribeKinesisStreamingDestination, DescribeKinesisStreamingDestinationInput} => passes!();
    describe_limits::{DescribeLimits, DescribeLimitsInput} => passes!();
    describe_table::{DescribeTable, DescribeTableInput} => passes!();
    describe_table_replica_auto_scaling::{DescribeTableReplicaAutoScaling, DescribeTableReplicaAutoScalingInput} => passes!();
    describe_time_to_live::{DescribeTimeToLive, DescribeTimeToLiveInput} => passes!();
    disable_kinesis_streaming_destination::{DisableKinesisStreamingDestination, DisableKinesisStreamingDestinationInput} => passes!();
    enable_kinesis_streaming_destination::{EnableKinesisStreamingDestination, EnableKinesisStreamingDestinationInput} => passes!();
    export_table_to_point_in_time::{ExportTableToPointInTime, ExportTableToPointInTimeInput} => passes!();
    get_resource_policy::{GetResourcePolicy, GetResourcePolicyInput} => passes!();
    list_backups::{ListBackups, ListBackupsInput} => passes!();
    list_contributor_insights::{ListContributorInsights, ListContributorInsightsInput} => passes!();
    list_exports::{ListExports, ListExportsInput} => passes!();
    list_global_tables::{ListGlobalTables, ListGlobalTablesInput} => passes!();
    list_imports::{ListImports, ListImportsInput} => passes!();
    list_tables::{ListTables, ListTablesInput} => passes!();
    list_tags_of_resource::{ListTagsOfResource, ListTagsOfResourceInput} => passes!();
    put_resource_policy::{PutResourcePolicy, PutResourcePolicyInput} => passes!();
    restore_table_from_backup::{RestoreTableFromBackup, RestoreTableFromBackupInput} => passes!(restored_from_backup);
    restore_table_to_point_in_time::{RestoreTableToPointInTime, RestoreTableToPointInTimeInput} => passes!(restored_to_point_in_time);
    tag_resource::{TagResource, TagResourceInput} => passes!();
    untag_resource::{UntagResource, UntagResourceInput} => passes!();
    update_continuous_backups::{UpdateContinuousBackups, UpdateContinuousBackupsInput} => passes!();
    update_contributor_insights::{UpdateContributorInsights, UpdateContributorInsightsInput} => passes!();
    update_global_table::{UpdateGlobalTable, UpdateGlobalTableInput} => passes!();
    update_global_table_settings::{UpdateGlobalTableSettings, UpdateGlobalTableSettingsInput} => passes!();
    update_kinesis_streaming_destination::{UpdateKinesisStreamingDestination, UpdateKinesisStreamingDestinationInput} => passes!();
    update_table::{UpdateTable, UpdateTableInput} => passes!(check_update);
    update_table_replica_auto_scaling::{UpdateTableReplicaAutoScaling, UpdateTableReplicaAutoScalingInput} => passes!();
    update_time_to_live::{UpdateTimeToLive, UpdateTimeToLiveInput} => passes!(time_to_live);
};

/// The schema of a table with sealed items; `None` for any other table. A table configured by its ARN also matches by
/// its name.
fn sealed_table<'b>(binding: &'b Binding, table: Option<&str>) -> Option<&'b TableSchema> {
    let named = |name| binding.tables.iter().find(move |(table, _)| table_name(table) == table_name(name));
    let found = binding.table(table).ok().or_else(|| named(table?).map(|(_, schema)| schema));
    found.map(|schema| &**schema)
}

/// Whether the attribute is stored as sealed binary, whatever its original type.
fn is_stored_sealed(table: &TableSchema, attribute: &str) -> bool {
    attribute == HEADER || table.may_encrypt(attribute)
}

/// DynamoDB accepts any attribute. An encrypted one is stored as binary, so no item would ever expire by it.
fn time_to_live(input: &UpdateTimeToLiveInput, binding: &Binding) -> Result<(), Refusal> {
    let (Some(table), Some(specification)) =
        (sealed_table(binding, input.table_name()), input.time_to_live_specification())
    else {
        return Ok(());
    };
    match specification.attribute_name() {
        // A setting that already exists may be switched off.
        attribute if specification.enabled() && is_stored_sealed(table, attribute) => {
            Err(Refusal::EncryptedTimeToLive { attribute: attribute.to_owned() })
        }
        _ => Ok(()),
    }
}

/// DynamoDB accepts any index key. Under an encrypted one, every later put of the attribute fails, or queries find
/// nothing.
fn index_keys<'i>(
    binding: &Binding,
    table: Option<&str>,
    mut attributes: impl Iterator<Item = &'i str>,
) -> Result<(), Refusal> {
    let Some(table) = sealed_table(binding, table) else { return Ok(()) };
    match attributes.find(|attribute| is_stored_sealed(table, attribute)) {
        Some(attribute) => Err(Refusal::EncryptedIndexKey { attribute: attribute.to_owned() }),
        None => Ok(()),
    }
}

fn check_create(input: &CreateTableInput, binding: &Binding) -> Result<(), Refusal> {
    let attributes = attribute_names(input.attribute_definitions())
        .chain(keys(input.key_schema()))
        .chain(globals(input.global_secondary_indexes()))
        .chain(locals(input.local_secondary_indexes()))
        .chain(vectors(input.vector_indexes()));
    index_keys(binding, input.table_name(), attributes)
}

fn check_update(input: &UpdateTableInput, binding: &Binding) -> Result<(), Refusal> {
    let globals = input.global_secondary_index_updates().iter().filter_map(|update| update.create());
    let vectors = input.vector_index_updates().iter().filter_map(|update| update.create());
    let attributes = attribute_names(input.attribute_definitions())
        .chain(globals.flat_map(|create| keys(create.key_schema())))
        .chain(vectors.flat_map(|create| searched_names(create.vector_attribute(), create.search_schema())));
    index_keys(binding, input.table_name(), attributes)
}

fn restored_from_backup(input: &RestoreTableFromBackupInput, binding: &Binding) -> Result<(), Refusal> {
    let attributes = globals(input.global_secondary_index_override())
        .chain(locals(input.local_secondary_index_override()))
        .chain(vectors(input.vector_index_override()));
    index_keys(binding, input.target_table_name(), attributes)
}

fn restored_to_point_in_time(input: &RestoreTableToPointInTimeInput, binding: &Binding) -> Result<(), Refusal> {
    let attributes = globals(input.global_secondary_index_override())
        .chain(locals(input.local_secondary_index_override()))
        .chain(vectors(input.vector_index_override()));
    index_keys(binding, input.target_table_name(), attributes)
}

fn attribute_names(definitions: &[AttributeDefinition]) -> impl Iterator<Item = &str> {
    definitions.iter().map(AttributeDefinition::attribute_name)
}

fn keys(schema: &[KeySchemaElement]) -> impl Iterator<Item = &str> {
    schema.iter().map(KeySchemaElement::attribute_name)
}

fn globals(indexes: &[GlobalSecondaryIndex]) -> impl Iterator<Item = &str> {
    indexes.iter().flat_map(|index| keys(index.key_schema()))
}

fn locals(indexes: &[LocalSecondaryIndex]) -> impl Iterator<Item = &str> {
    indexes.iter().flat_map(|index| keys(index.key_schema()))
}

fn vectors(indexes: &[VectorIndex]) -> impl Iterator<Item = &str> {
    indexes.iter().flat_map(|index| searched_names(index.vector_attribute(), index.search_schema()))
}

fn searched_names<'i>(
    vector: Option<&'i VectorAttributeDefinition>,
    schema: &'i [SearchSchemaElement],
) -> impl Iterator<Item = &'i str> {
    vector
        .map(VectorAttributeDefinition::attribute_name)
        .into_iter()
        .chain(schema.iter().map(SearchSchemaElement::attribute_name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_operation_that_passes_is_known_by_its_own_input() {
        let names: BTreeSet<_> = PASSING.iter().map(|known| known.name).collect();
        assert_eq!(names.len(), PASSING.len());
        for known in PASSING {
            // The SDK builds no input of some operations without their parts.
            if let Ok(input) = known.empty() {
                let found: Vec<_> =
                    PASSING.iter().filter(|known| (known.has)(&input)).map(|known| known.name).collect();
                assert_eq!(found, [known.name]);
            }
            assert!(known.deserializer().is_ok(), "{}", known.name);
        }
        assert!(!names.contains("ImportTable"));
    }
}

//! Operations that touch no items and pass as they are. Everything that is neither here nor handled is refused.
//!
//! They are known by the type of their input: a name can be changed by anybody's hook, a type cannot. ImportTable is missing on
//! purpose: it fills a table from files that nobody has sealed.

use aws_sdk_dynamodb::operation::*;
use aws_smithy_runtime_api::client::interceptors::context::Input;

/// Whether this is the input of such an operation.
pub(super) fn passes(input: &Input) -> bool {
    macro_rules! is_one_of {
        ($($module:ident::$input:ident,)*) => {
            $(input.downcast_ref::<$module::$input>().is_some())||*
        };
    }
    is_one_of![
        create_backup::CreateBackupInput,
        create_global_table::CreateGlobalTableInput,
        create_table::CreateTableInput,
        delete_backup::DeleteBackupInput,
        delete_resource_policy::DeleteResourcePolicyInput,
        delete_table::DeleteTableInput,
        describe_backup::DescribeBackupInput,
        describe_continuous_backups::DescribeContinuousBackupsInput,
        describe_contributor_insights::DescribeContributorInsightsInput,
        describe_endpoints::DescribeEndpointsInput,
        describe_export::DescribeExportInput,
        describe_global_table::DescribeGlobalTableInput,
        describe_global_table_settings::DescribeGlobalTableSettingsInput,
        describe_import::DescribeImportInput,
        describe_kinesis_streaming_destination::DescribeKinesisStreamingDestinationInput,
        describe_limits::DescribeLimitsInput,
        describe_table::DescribeTableInput,
        describe_table_replica_auto_scaling::DescribeTableReplicaAutoScalingInput,
        describe_time_to_live::DescribeTimeToLiveInput,
        disable_kinesis_streaming_destination::DisableKinesisStreamingDestinationInput,
        enable_kinesis_streaming_destination::EnableKinesisStreamingDestinationInput,
        export_table_to_point_in_time::ExportTableToPointInTimeInput,
        get_resource_policy::GetResourcePolicyInput,
        list_backups::ListBackupsInput,
        list_contributor_insights::ListContributorInsightsInput,
        list_exports::ListExportsInput,
        list_global_tables::ListGlobalTablesInput,
        list_imports::ListImportsInput,
        list_tables::ListTablesInput,
        list_tags_of_resource::ListTagsOfResourceInput,
        put_resource_policy::PutResourcePolicyInput,
        restore_table_from_backup::RestoreTableFromBackupInput,
        restore_table_to_point_in_time::RestoreTableToPointInTimeInput,
        tag_resource::TagResourceInput,
        untag_resource::UntagResourceInput,
        update_continuous_backups::UpdateContinuousBackupsInput,
        update_contributor_insights::UpdateContributorInsightsInput,
        update_global_table::UpdateGlobalTableInput,
        update_global_table_settings::UpdateGlobalTableSettingsInput,
        update_kinesis_streaming_destination::UpdateKinesisStreamingDestinationInput,
        update_table::UpdateTableInput,
        update_table_replica_auto_scaling::UpdateTableReplicaAutoScalingInput,
        update_time_to_live::UpdateTimeToLiveInput,
    ]
}

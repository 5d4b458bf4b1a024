//! The AWS partition of a Region: every ARN names it.

/// The partitions other than `aws`, by the prefix of their Regions' names (the SDKs' partitions.json).
const BESIDE_AWS: [(&str, &str); 7] = [
    ("cn-", "aws-cn"),
    ("eusc-", "aws-eusc"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("us-isof-", "aws-iso-f"),
    ("eu-isoe-", "aws-iso-e"),
];

/// The partition of a Region. An unknown Region is in `aws`, as for the SDK.
pub(crate) fn for_region(region: &str) -> &'static str {
    let known = BESIDE_AWS.iter().find(|(begins, _)| region.starts_with(begins));
    known.map_or("aws", |(_, partition)| partition)
}

/// Whether a text is the name of a partition: `aws`, or begins with `aws-`.
pub fn is_partition(text: &str) -> bool {
    let further = |rest: &str| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    text == "aws" || text.strip_prefix("aws-").is_some_and(further)
}

#[cfg(test)]
mod tests {
    use aws_sdk_kms::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};

    use super::*;

    /// The SDK's own rules know the same partitions: each has its own host names, except `aws-us-gov`.
    #[tokio::test]
    async fn the_sdk_has_each_region_in_the_same_partition() {
        for (region, partition, suffix) in [
            ("us-east-1", "aws", "amazonaws.com"),
            ("mx-central-1", "aws", "amazonaws.com"),
            ("xx-new-1", "aws", "amazonaws.com"),
            ("us-gov-west-1", "aws-us-gov", "amazonaws.com"),
            ("cn-northwest-1", "aws-cn", "amazonaws.com.cn"),
            ("eusc-de-east-1", "aws-eusc", "amazonaws.eu"),
            ("us-iso-east-1", "aws-iso", "c2s.ic.gov"),
            ("us-isob-east-1", "aws-iso-b", "sc2s.sgov.gov"),
            ("us-isof-south-1", "aws-iso-f", "csp.hci.ic.gov"),
            ("eu-isoe-west-1", "aws-iso-e", "cloud.adc-e.uk"),
        ] {
            assert_eq!(for_region(region), partition, "{region}");
            let params = Params::builder().region(region).build().unwrap();
            let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
            assert_eq!(endpoint.url(), format!("https://kms.{region}.{suffix}"));
        }
        assert!(BESIDE_AWS.iter().all(|(_, partition)| is_partition(partition)));
        assert!(["", "x", "aws-", "aws-*", "awsx", "aws-Cn"].iter().all(|text| !is_partition(text)));
    }
}

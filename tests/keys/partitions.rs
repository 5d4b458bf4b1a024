//! Without sessions a call names its key by an ARN, and each ARN stands in the partition of its Region.

use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_types::base64;
use aws_types::SdkConfig;
use aws_types::region::Region;
use tenantseal::error::ConfigError;
use tenantseal::{TenantSeal, TenantSealBuilder};

use crate::common::wire::{Reaction, Wire};
use crate::common::{Contact, ROLE, contact, id, item};

const ACCOUNT: &str = "111111111111";

/// KMS of one Region, in which every data key is made under this KMS key.
fn kms_of(key_arn: String) -> Wire {
    Wire::scripted(move |_, _| {
        let (plain, wrapped) = (base64::encode([7; 32]), base64::encode([9; 184]));
        let answer = format!(r#"{{"KeyId": "{key_arn}", "Plaintext": "{plain}", "CiphertextBlob": "{wrapped}"}}"#);
        Reaction::Answer(200, answer)
    })
}

/// Seals and opens in two processes of a Region; what is in `arns` is how the keys there are named.
async fn is_named(region: &str, arns: &str, configured: impl Fn(TenantSealBuilder) -> TenantSealBuilder) {
    let wire = kms_of(format!("{arns}key/1234abcd-12ab-34cd-56ef-1234567890ab"));
    let credentials = Credentials::new("AKIDEXAMPLE", "secret", None, None, "test");
    let config = SdkConfig::builder()
        .behavior_version(aws_config::BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .http_client(wire.clone())
        .build();
    let process = || {
        let builder = configured(TenantSeal::builder().ambient_credentials(ACCOUNT).record::<Contact>());
        builder.build(&config).unwrap().tenant(&id("acme"))
    };
    let stored = process().seal("crm", item(&contact("acme", "c-1"))).await.unwrap();
    assert_eq!(process().open("crm", stored).await.unwrap(), item(&contact("acme", "c-1")));
    for operation in ["GenerateDataKey", "Decrypt"] {
        let body = String::from_utf8(wire.bodies(operation).remove(0)).unwrap();
        assert!(body.contains(&format!("\"{arns}alias/customer-acme\"")), "{region}: {body}");
    }
}

#[tokio::test]
async fn without_sessions_keys_are_named_in_the_regions_own_partition() {
    for (region, partition) in [
        ("eu-central-1", "aws"),
        ("us-gov-west-1", "aws-us-gov"),
        ("cn-north-1", "aws-cn"),
        ("eusc-de-east-1", "aws-eusc"),
        ("us-iso-east-1", "aws-iso"),
        ("us-isob-east-1", "aws-iso-b"),
        ("eu-isoe-west-1", "aws-iso-e"),
        ("us-isof-south-1", "aws-iso-f"),
    ] {
        is_named(region, &format!("arn:{partition}:kms:{region}:{ACCOUNT}:"), |builder| builder).await;
    }
}

#[tokio::test]
async fn a_partition_that_is_configured_wins_over_that_of_the_region() {
    let arns = format!("arn:aws-new:kms:xx-new-1:{ACCOUNT}:");
    is_named("xx-new-1", &arns, |builder| builder.partition("aws-new")).await;
    let config = SdkConfig::builder().region(Region::new("xx-new-1")).build();
    let builder = || TenantSeal::builder().record::<Contact>();
    let wrong = builder().ambient_credentials(ACCOUNT).partition("arn:aws").build(&config);
    assert!(matches!(wrong, Err(ConfigError::Partition(wrong)) if wrong == "arn:aws"));
    let of_a_role = builder().assume_role(ROLE).partition("aws-cn").build(&config);
    assert!(matches!(of_a_role, Err(ConfigError::PartitionOfARole)));
}

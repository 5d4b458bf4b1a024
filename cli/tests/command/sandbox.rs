//! The stack of `tenantseal local`, as an application uses it.

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::config::Credentials;
use tenantseal::blobs::Bucket;
use tenantseal::{TenantId, TenantSeal};

use crate::transcript::Local;

#[tokio::test(flavor = "multi_thread")]
async fn the_local_stack_has_s3_behind_its_one_address() {
    let local = tokio::task::spawn_blocking(Local::start).await.unwrap();
    let said = |name: &str| local.environment.iter().find(|(said, _)| said == name).unwrap().1.clone();
    let credentials =
        Credentials::new(said("AWS_ACCESS_KEY_ID"), said("AWS_SECRET_ACCESS_KEY"), None, None, "tenantseal local");
    let config = aws_config::SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(aws_config::Region::new(said("AWS_REGION")))
        .endpoint_url(said("AWS_ENDPOINT_URL"))
        .credentials_provider(aws_sdk_dynamodb::config::SharedCredentialsProvider::new(credentials))
        .build();
    tenantseal::blobs::aws_sdk_s3::Client::new(&config).create_bucket().bucket("documents").send().await.unwrap();
    let seal = TenantSeal::builder().assume_role(said("TENANTSEAL_ROLE")).bucket(Bucket::new("documents"));
    let acme = seal.build(&config).unwrap().tenant(&TenantId::parse("acme").unwrap()).blobs("documents");
    acme.put("a", b"hello".to_vec()).await.unwrap();
    assert_eq!(acme.get("a").bytes(5).await.unwrap(), "hello".as_bytes());
}

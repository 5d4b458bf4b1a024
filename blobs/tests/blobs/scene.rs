//! A key account with tenants, a bucket and a sealing library on the local stack.

use aws_smithy_runtime_api::client::http::HttpClient;
use aws_types::SdkConfig;
use bytes::Bytes;
use http_body_util::StreamBody;
use tenantseal::blobs::aws_sdk_s3::config::Credentials;
use tenantseal::blobs::aws_sdk_s3::primitives::{ByteStream, SdkBody};
use tenantseal::blobs::{BlobFault, Blobs, Bucket, Error, aws_sdk_s3};
use tenantseal::keys::{AliasTemplate, RoleArn, Tenancy};
use tenantseal::{TenantId, TenantSeal, TenantSealBuilder};
use tenantseal_local::Stack;

pub(crate) const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";
pub(crate) const CHUNK: usize = 65_536;
pub(crate) const PART: usize = 8 << 20;

/// The local stack with a key account, an application account, the bucket `prod-documents` and tenants.
pub(crate) struct Scene {
    pub(crate) stack: Stack,
    pub(crate) admin: aws_sdk_kms::Client,
    pub(crate) app: SdkConfig,
    /// The application's own credentials.
    pub(crate) credentials: Credentials,
    /// A client that knows nothing of sealing.
    pub(crate) plain: aws_sdk_s3::Client,
    tenancy: Tenancy,
}

impl Scene {
    pub(crate) async fn start(tenants: &[&str]) -> Self {
        let everything = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
        let stack = Stack::start().await.unwrap();
        let tenancy = Tenancy::new(RoleArn::parse(ROLE).unwrap(), AliasTemplate::default());
        let keys = stack.account("111111111111").unwrap();
        let admin = keys.user("admin").permission(everything).create().unwrap();
        let app = stack.account("222222222222").unwrap().user("service").permission(everything).create().unwrap();
        let role = keys.role("TenantKeys").trust(tenancy.trust_policy(&[app.user_arn()]));
        role.permission(tenancy.role_policy(stack.region())).create().unwrap();
        let admin = aws_sdk_kms::Client::new(&stack.sdk_config(&admin));
        let credentials = Credentials::from(&app);
        let app = stack.sdk_config(&app);
        let plain = aws_sdk_s3::Client::new(&app);
        plain.create_bucket().bucket("prod-documents").send().await.unwrap();
        let scene = Self { stack, admin, app, credentials, plain, tenancy };
        for tenant in tenants {
            let policy = scene.tenancy.key_policy(&id(tenant)).unwrap().to_string();
            let key = scene.admin.create_key().policy(policy).send().await.unwrap().key_metadata.unwrap().key_id;
            let alias = scene.tenancy.alias(&id(tenant));
            scene.admin.create_alias().alias_name(alias.as_str()).target_key_id(key).send().await.unwrap();
        }
        scene
    }

    pub(crate) fn tenancy(&self) -> &Tenancy {
        &self.tenancy
    }

    pub(crate) fn builder(&self) -> TenantSealBuilder {
        TenantSeal::builder().assume_role(ROLE).bucket(Bucket::new("documents").physical("prod-documents"))
    }

    pub(crate) fn seal(&self) -> TenantSeal {
        self.builder().build(&self.app).unwrap()
    }

    /// The tenant's objects, in a library of their own.
    pub(crate) fn blobs(&self, tenant: &str) -> Blobs {
        self.seal().tenant(&id(tenant)).blobs("documents")
    }

    /// The same, with all calls of every service over an HTTP client of the test's.
    pub(crate) fn blobs_over(&self, tenant: &str, http: impl HttpClient + 'static) -> Blobs {
        let config = self.app.clone().into_builder().http_client(http).build();
        self.builder().build(&config).unwrap().tenant(&id(tenant)).blobs("documents")
    }

    /// The stored bytes of an object, by its whole key.
    pub(crate) async fn stored(&self, key: &str) -> Bytes {
        let answer = self.plain.get_object().bucket("prod-documents").key(key).send().await.unwrap();
        answer.body.collect().await.unwrap().into_bytes()
    }

    /// Stores bytes as someone with access to the bucket would.
    pub(crate) async fn plant(&self, key: &str, bytes: impl Into<Bytes>) {
        let body = ByteStream::from(bytes.into());
        self.plain.put_object().bucket("prod-documents").key(key).body(body).send().await.unwrap();
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        let listed = self.plain.list_objects_v2().bucket("prod-documents").send().await.unwrap();
        listed.contents().iter().map(|object| object.key().unwrap().to_owned()).collect()
    }

    /// How many multipart uploads have begun, and neither ended nor been aborted.
    pub(crate) async fn uploads(&self) -> usize {
        let listed = self.plain.list_multipart_uploads().bucket("prod-documents").send().await.unwrap();
        listed.uploads().len()
    }

    /// The same, when what was spawned had time to abort them.
    pub(crate) async fn uploads_settled(&self) -> usize {
        for _ in 0..100 {
            if self.uploads().await == 0 {
                return 0;
            }
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        self.uploads().await
    }

    pub(crate) fn count(&self, operation: &str) -> u64 {
        self.stack.calls().count(operation)
    }

    pub(crate) fn key_calls(&self) -> u64 {
        ["AssumeRole", "GenerateDataKey", "Decrypt"].map(|operation| self.count(operation)).iter().sum()
    }

    /// Disables the keys of a tenant.
    pub(crate) async fn revoke(&self, tenant: &str) {
        let alias = self.tenancy.alias(&id(tenant));
        let key = self.admin.describe_key().key_id(alias.as_str()).send().await.unwrap().key_metadata.unwrap();
        self.admin.disable_key().key_id(key.key_id).send().await.unwrap();
    }
}

pub(crate) fn id(tenant: &str) -> TenantId {
    TenantId::parse(tenant).unwrap()
}

/// Bytes of which no two chunks are alike.
pub(crate) fn plaintext(len: usize) -> Bytes {
    (0..len).map(|at| (at % 251 + at / CHUNK).to_le_bytes()[0]).collect()
}

/// A body that can be read once only, does not say how long it is, and comes in pieces of `step` bytes.
pub(crate) fn unknown(bytes: &Bytes, step: usize) -> ByteStream {
    let pieces: Vec<_> = bytes
        .chunks(step)
        .map(|piece| Ok::<_, std::io::Error>(http_body::Frame::data(bytes.slice_ref(piece))))
        .collect();
    ByteStream::new(SdkBody::from_body_1_x(StreamBody::new(futures_util::stream::iter(pieces))))
}

/// What is wrong with an object.
pub(crate) fn fault<T: std::fmt::Debug>(result: Result<T, Error>) -> BlobFault {
    match result {
        Err(Error::Blob { bucket, fault }) if bucket == "documents" => fault,
        other => panic!("{other:?}"),
    }
}

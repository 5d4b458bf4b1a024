//! Keys, tokens, a clock that tests move, and a library that verifies.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};

use aws_smithy_async::time::TimeSource;
use aws_smithy_runtime_api::client::behavior_version::BehaviorVersion;
use aws_types::SdkConfig;
use aws_types::region::Region;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, header};
use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, rust_crypto};
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use serde_json::{Value, json};
use tenantseal::TenantSeal;
use tenantseal::keys::InMemoryKeyService;
use tenantseal::schema::TableSchema;
use tenantseal_tower::{Builder, Issuer, Refused, TenantFromJwt, VerifiedTenant};

use crate::local_issuer::{LocalIssuer, Names};

/// The time at which every test begins, in seconds since 1970.
pub const NOW: u64 = 1_800_000_000;
pub const AUDIENCE: &str = "crm";

/// A clock that stands still until it is moved.
#[derive(Debug, Clone)]
pub struct Clock(Arc<Mutex<SystemTime>>);

impl Clock {
    pub fn advance(&self, by: Duration) {
        *self.0.lock().unwrap() += by;
    }

    pub fn set_back(&self, by: Duration) {
        *self.0.lock().unwrap() -= by;
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))))
    }
}

impl TimeSource for Clock {
    fn now(&self) -> SystemTime {
        *self.0.lock().unwrap()
    }
}

/// A private key, and the public one as a set has it.
pub struct TestKey {
    pub kid: &'static str,
    pub algorithm: Algorithm,
    private: EncodingKey,
}

impl TestKey {
    pub fn rsa_a() -> Self {
        Self::new("rsa-a", Algorithm::RS256, EncodingKey::from_rsa_der(include_bytes!("keys/rsa-a.der")))
    }

    pub fn rsa_b() -> Self {
        Self::new("rsa-b", Algorithm::RS256, EncodingKey::from_rsa_der(include_bytes!("keys/rsa-b.der")))
    }

    pub fn rsa_1024() -> Self {
        Self::new("rsa-1024", Algorithm::RS256, EncodingKey::from_rsa_der(include_bytes!("keys/rsa-1024.der")))
    }

    pub fn p256_a() -> Self {
        Self::new("p256-a", Algorithm::ES256, EncodingKey::from_ec_der(include_bytes!("keys/p256-a.der")))
    }

    pub fn p256_b() -> Self {
        Self::new("p256-b", Algorithm::ES256, EncodingKey::from_ec_der(include_bytes!("keys/p256-b.der")))
    }

    pub fn p384() -> Self {
        Self::new("p384", Algorithm::ES384, EncodingKey::from_ec_der(include_bytes!("keys/p384.der")))
    }

    pub fn ed25519() -> Self {
        Self::new("ed25519", Algorithm::EdDSA, EncodingKey::from_ed_der(include_bytes!("keys/ed25519.der")))
    }

    fn new(kid: &'static str, algorithm: Algorithm, private: EncodingKey) -> Self {
        install_a_provider_that_accepts_everything();
        Self { kid, algorithm, private }
    }

    /// The same key, for tokens of another algorithm.
    pub fn with(self, algorithm: Algorithm) -> Self {
        Self { algorithm, ..self }
    }

    /// As the issuer publishes it.
    pub fn jwk(&self) -> Value {
        let mut jwk = serde_json::to_value(Jwk::from_encoding_key(&self.private, self.algorithm).unwrap()).unwrap();
        jwk["kid"] = self.kid.into();
        jwk["use"] = "sig".into();
        jwk
    }

    pub fn header(&self) -> Value {
        json!({ "alg": self.algorithm, "kid": self.kid, "typ": "JWT" })
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    pub fn sign_with(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// For JSON that no library writes.
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", base64url(header), base64url(claims));
        self.sign_message(&message)
    }

    pub fn sign_message(&self, message: &str) -> String {
        let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &self.private, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }
}

pub fn base64url(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The default of the process is anybody's to install: the library must not use it.
fn install_a_provider_that_accepts_everything() {
    struct Anything(Algorithm);
    impl jsonwebtoken::signature::Verifier<Vec<u8>> for Anything {
        fn verify(&self, _: &[u8], _: &Vec<u8>) -> Result<(), jsonwebtoken::signature::Error> {
            Ok(())
        }
    }
    impl JwtVerifier for Anything {
        fn algorithm(&self) -> Algorithm {
            self.0
        }
    }
    fn anything(algorithm: &Algorithm, _: &DecodingKey) -> jsonwebtoken::errors::Result<Box<dyn JwtVerifier>> {
        Ok(Box::new(Anything(*algorithm)))
    }
    static PROVIDER: LazyLock<CryptoProvider> =
        LazyLock::new(|| CryptoProvider { verifier_factory: anything, ..rust_crypto::DEFAULT_PROVIDER.clone() });
    // It is installed once; every other attempt is refused.
    let _ = PROVIDER.install_default();
}

/// Claims of a good token for `acme`.
pub fn claims(issuer: &LocalIssuer) -> Value {
    json!({
        "iss": issuer.url(),
        "aud": AUDIENCE,
        "sub": "user-1",
        "exp": NOW + 300,
        "iat": NOW,
        "tenant_id": "acme",
    })
}

/// The same with one claim changed.
pub fn claims_with(issuer: &LocalIssuer, name: &str, value: Value) -> Value {
    let mut claims = claims(issuer);
    claims[name] = value;
    claims
}

pub fn claims_without(issuer: &LocalIssuer, name: &str) -> Value {
    let mut claims = claims(issuer);
    claims.as_object_mut().unwrap().remove(name);
    claims
}

pub fn headers(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
    headers
}

pub fn seal(aws: &SdkConfig) -> TenantSeal {
    let schema = TableSchema::builder("crm").partition_key("tenant_id", "{tenant}").encrypt("email").build().unwrap();
    TenantSeal::builder().key_service(InMemoryKeyService::new()).table(schema).build(aws).unwrap()
}

/// A configuration whose HTTP client finds these issuers.
pub fn aws(clock: &Clock, issuers: &[&LocalIssuer]) -> SdkConfig {
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .http_client(Names::of(issuers))
        .time_source(clock.clone())
        .build()
}

/// One issuer, and a library that believes it.
pub struct World {
    pub clock: Clock,
    pub issuer: LocalIssuer,
    pub key: TestKey,
    pub tenants: TenantFromJwt,
}

impl World {
    pub async fn start() -> Self {
        Self::start_with(TestKey::p256_a(), |issuer| issuer).await
    }

    pub async fn start_with(key: TestKey, configure: impl FnOnce(Issuer) -> Issuer) -> Self {
        Self::build(key, |builder, issuer| builder.issuer(configure(issuer))).await
    }

    pub async fn build(key: TestKey, configure: impl FnOnce(Builder, Issuer) -> Builder) -> Self {
        let clock = Clock::default();
        let issuer = LocalIssuer::start("issuer", &[key.jwk()]).await;
        let aws = aws(&clock, &[&issuer]);
        let builder = configure(TenantFromJwt::new(seal(&aws)), trusted(&issuer));
        let tenants = builder.build(&aws).await.unwrap();
        Self { clock, issuer, key, tenants }
    }

    pub fn token(&self) -> String {
        self.key.sign(&claims(&self.issuer))
    }

    pub async fn verify(&self, token: &str) -> Result<VerifiedTenant, Refused> {
        self.tenants.verify(&headers(token)).await
    }

    /// Why a token is refused.
    pub async fn refuses(&self, token: &str) -> Refused {
        self.verify(token).await.expect_err("it is refused")
    }

    pub async fn accepts(&self, token: &str) -> bool {
        self.verify(token).await.is_ok()
    }
}

/// An issuer whose tokens are for [`AUDIENCE`] and name the tenant in `tenant_id`.
pub fn trusted(issuer: &LocalIssuer) -> Issuer {
    Issuer::new(issuer.url()).audience(AUDIENCE).tenant_claim(["tenant_id"])
}

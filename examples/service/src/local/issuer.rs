//! An issuer of tokens with a key pair of its own. Its key set is answered by an HTTP client, without a server: the
//! service fetches it by https, as from any issuer.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use p256::SecretKey;
use p256::elliptic_curve::Generate;
use p256::pkcs8::EncodePrivateKey;
use serde_json::json;
use tenantseal_tower::Issuer;

use super::Outcome;

const ISSUER: &str = "https://issuer.local.test";
const KEYS: &str = "https://issuer.local.test/keys";
const AUDIENCE: &str = "contacts";
const KID: &str = "local";

/// The issuer, and the HTTP client that reaches it and nothing else.
#[derive(Clone)]
pub(super) struct LocalIssuer {
    key: Arc<EncodingKey>,
    key_set: Arc<str>,
}

impl LocalIssuer {
    /// With a new key pair.
    pub(super) fn new() -> Outcome<Self> {
        let key = SecretKey::try_generate()?.to_pkcs8_der()?;
        let key = EncodingKey::from_ec_der(key.as_bytes());
        let mut public = Jwk::from_encoding_key(&key, Algorithm::ES256)?;
        public.common.key_id = Some(KID.to_owned());
        let key_set = json!({ "keys": [public] }).to_string();
        Ok(Self { key: Arc::new(key), key_set: key_set.into() })
    }

    /// The issuer as the service knows it.
    pub(super) fn as_configured(&self) -> Issuer {
        Issuer::new(ISSUER).jwks_uri(KEYS).audience(AUDIENCE).tenant_claim(["tenant_id"])
    }

    /// A token for any tenant.
    pub(super) fn token(&self, tenant: &str, expires: SystemTime) -> Outcome<String> {
        let exp = expires.duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({ "iss": ISSUER, "aud": AUDIENCE, "sub": "somebody", "exp": exp, "tenant_id": tenant });
        let header = Header { kid: Some(KID.to_owned()), ..Header::new(Algorithm::ES256) };
        Ok(encode(&header, &claims, &self.key)?)
    }
}

impl HttpClient for LocalIssuer {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for LocalIssuer {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::ready(match request.uri() {
            KEYS => Ok(HttpResponse::new(200_u16.try_into().expect("a status"), SdkBody::from(&*self.key_set))),
            _ => Err(ConnectorError::io("this client reaches the local issuer alone".into())),
        })
    }
}

/// Shows no key.
impl fmt::Debug for LocalIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalIssuer(..)")
    }
}

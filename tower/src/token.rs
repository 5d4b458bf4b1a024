//! A token as it arrives: hostile text in, a token that nobody has verified yet, or a reason.

use http::{HeaderMap, header};
use serde_json::{Map, Value};

use crate::algorithm::Algorithm;
use crate::key_set::{Key, MAX_KID};
use crate::refused::Refused;
use crate::{base64url, json};

/// The most bytes of the `Authorization` header.
const MAX_HEADER: usize = 8_192;

/// The token of a request: the one `Authorization` header, without `Bearer `.
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Refused::NoToken)?;
    if values.next().is_some() {
        return Err(Refused::SeveralTokens);
    }
    if value.len() > MAX_HEADER {
        return Err(Refused::TooLong);
    }
    let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Refused::NotBearer)?;
    // RFC 9110, section 11.1: a scheme's name has no case.
    scheme.eq_ignore_ascii_case("bearer").then_some(token).ok_or(Refused::NotBearer)
}

/// A token of the right form. Nothing of it is verified.
#[derive(Debug)]
pub(crate) struct UnverifiedToken<'t> {
    message: &'t [u8],
    signature: Vec<u8>,
    algorithm: Algorithm,
    kid: String,
    token_type: Option<String>,
    claims: Map<String, Value>,
}

impl<'t> UnverifiedToken<'t> {
    /// Parses a JWS in its compact form (RFC 7515, section 7.1). Keys inside the header are not even read.
    pub(crate) fn parse(token: &'t str, allowed: &[Algorithm]) -> Result<Self, Refused> {
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Refused::Malformed);
        };
        let message = &token.as_bytes()[..header.len() + 1 + payload.len()];
        let object = |part| json::parse_object(&base64url::decode(part)?);
        let header = object(header).ok_or(Refused::Malformed)?;

        let text = |name| header.get(name).and_then(Value::as_str);
        let algorithm = text("alg").and_then(Algorithm::parse).filter(|algorithm| allowed.contains(algorithm));
        let algorithm = algorithm.ok_or(Refused::Algorithm)?;
        if header.contains_key("crit") {
            return Err(Refused::Critical);
        }
        let kid = text("kid").filter(|kid| !kid.is_empty() && kid.len() <= MAX_KID).ok_or(Refused::KeyId)?;
        Ok(Self {
            message,
            signature: base64url::decode(signature).ok_or(Refused::Malformed)?,
            algorithm,
            kid: kid.to_owned(),
            token_type: text("typ").map(str::to_owned),
            claims: object(payload).ok_or(Refused::Malformed)?,
        })
    }

    /// The issuer that the token claims: it says where to look for the key, and no more.
    pub(crate) fn claimed_issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    pub(crate) fn kid(&self) -> &str {
        &self.kid
    }

    /// Whether the token is of this type (RFC 7515, section 4.1.9): without case, `application/` may be left out.
    pub(crate) fn is_of_type(&self, required: &str) -> bool {
        let short = |name: &str| {
            let name = name.to_ascii_lowercase();
            name.strip_prefix("application/").filter(|rest| !rest.contains('/')).map_or(name.clone(), str::to_owned)
        };
        self.token_type.as_deref().is_some_and(|own| short(own) == short(required))
    }

    /// The claims, when the key has signed them.
    pub(crate) fn verify(self, key: &Key) -> Result<Map<String, Value>, Refused> {
        if !key.fits(self.algorithm) {
            return Err(Refused::KeyDoesNotFit);
        }
        let is_signed = key.verifies(self.algorithm, self.message, &self.signature);
        is_signed.then_some(self.claims).ok_or(Refused::Signature)
    }
}

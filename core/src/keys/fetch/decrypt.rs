//! Has KMS unwrap a data key, by the alias that should point to its KEK.

use crate::context::EncryptionContext;
use crate::envelope::{OpenFault, VerifiedDataKey};
use crate::format::KeyRecord;
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::{CallStart, TenantKeys};
use crate::keys::fetch::call::KeyRequest;
use crate::keys::fetch::engine::Engine;
use crate::keys::outcome::UnwrapError;
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind, UnwrappedDataKey};
use crate::telemetry;

pub(crate) const DECRYPT: &str = "Decrypt";

impl Engine {
    /// Unwraps a key record's data key by the alias that should point to its KEK, then by the other alias. `context` is
    /// the one that the record was compared with.
    pub(crate) async fn decrypt(
        &self,
        keys: &TenantKeys,
        context: &EncryptionContext,
        record: &KeyRecord,
        verified: bool,
    ) -> Result<Answer, UnwrapError> {
        let first = {
            let state = keys.read();
            if state.health.current().is_some_and(|current| current.account() != record.kek.account()) {
                return Err(UnwrapError::Rejected(OpenFault::OtherKek));
            }
            state.health.route(&record.kek)
        };
        let error = match self.request_unwrap(keys, context, record, first, verified).await {
            Ok(answered) => return Answer::verify(record, answered, first),
            Err(error) => error,
        };
        let gives_way = match (first, error.kind()) {
            (Route::TenantAlias, Kind::IncorrectKey | Kind::NotFound) | (Route::KeyAlias, Kind::MissingAlias) => true,
            (Route::TenantAlias, Kind::Denied) => !verified && error.is_refusal(),
            _ => false,
        };
        if !gives_way {
            return Err(unwrap_error(first, error));
        }
        let second = first.other();
        match self.request_unwrap(keys, context, record, second, verified).await {
            Ok(answered) => {
                let answer = Answer::verify(record, answered, second)?;
                if second == Route::KeyAlias && error.kind() != Kind::Denied {
                    let is_new = keys.write().health.add_former(&record.kek);
                    if is_new {
                        telemetry::record_former_kek(&keys.tenant, &record.kek);
                    }
                }
                Ok(answer)
            }
            Err(other) => {
                let (configured, of_key) = match second {
                    Route::KeyAlias => (error, other),
                    Route::TenantAlias => (other, error),
                };
                Err(match configured.kind() {
                    Kind::IncorrectKey => unwrap_error(Route::KeyAlias, of_key),
                    _ => unwrap_error(Route::TenantAlias, configured),
                })
            }
        }
    }

    pub(crate) async fn request_unwrap(
        &self,
        keys: &TenantKeys,
        context: &EncryptionContext,
        record: &KeyRecord,
        route: Route,
        verified: bool,
    ) -> Result<(UnwrappedDataKey, CallStart), KeyServiceError> {
        let KeyRecord { kek, wrapped, .. } = record;
        let request = KeyRequest { operation: DECRYPT, route, verified };
        let unwrap = || match route {
            Route::TenantAlias => self.service.unwrap_data_key(&keys.tenant, context, kek, wrapped),
            Route::KeyAlias => self.service.unwrap_former_data_key(&keys.tenant, context, kek, wrapped),
        };
        self.call(keys, request, unwrap).await
    }
}

/// An unwrapped data key that matches its key record.
pub(crate) struct Answer {
    pub(crate) key: VerifiedDataKey,
    pub(crate) start: CallStart,
    pub(crate) route: Route,
    pub(crate) request_id: Option<String>,
}

impl Answer {
    fn verify(
        record: &KeyRecord,
        (answer, start): (UnwrappedDataKey, CallStart),
        route: Route,
    ) -> Result<Self, UnwrapError> {
        let key = verify_answer(record, &answer);
        let request_id = answer.request_id;
        key.map(|key| Self { key, start, route, request_id }).ok_or(UnwrapError::Rejected(OpenFault::ForgedRecord))
    }
}

/// The unwrapped data key, if it and the KEK that answered are those of the key record.
pub(crate) fn verify_answer(record: &KeyRecord, answer: &UnwrappedDataKey) -> Option<VerifiedDataKey> {
    let is_of_kek = answer.kek.is_same_key(&record.kek);
    is_of_kek.then(|| VerifiedDataKey::verify(record.clone(), &answer.data_key)).flatten()
}

/// What an error by this alias says about a key record.
fn unwrap_error(route: Route, error: KeyServiceError) -> UnwrapError {
    match (route, error.kind()) {
        (_, Kind::IncorrectKey) => UnwrapError::Rejected(OpenFault::OtherKek),
        (_, Kind::InvalidCiphertext) => UnwrapError::Rejected(OpenFault::WrappedDataKey),
        (Route::TenantAlias, _) => UnwrapError::Service(error),
        (Route::KeyAlias, _) => UnwrapError::Service(error.for_former_key()),
    }
}

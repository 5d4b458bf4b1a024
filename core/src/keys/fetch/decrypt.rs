//! Having KMS unwrap a key, by the alias under which it should be.

use crate::envelope::{OpenFault, VerifiedDataKey};
use crate::format::KeyRecord;
use crate::keys::cache::key_health::Route;
use crate::keys::cache::tenant_state::{Begun, TenantKeys};
use crate::keys::fetch::call::KeyRequest;
use crate::keys::fetch::engine::Engine;
use crate::keys::outcome::Unwrapping;
use crate::keys::{KeyServiceError, KeyServiceErrorKind as Kind, UnwrappedDataKey};
use crate::telemetry;

pub(crate) const DECRYPT: &str = "Decrypt";

impl Engine {
    /// Asks for a record's key by the alias under which it should be, then by the other.
    pub(crate) async fn decrypt(
        &self,
        keys: &TenantKeys,
        context: usize,
        record: &KeyRecord,
        verified: bool,
    ) -> Result<Answer, Unwrapping> {
        let first = {
            let state = keys.read();
            if state.health.current().is_some_and(|current| current.account() != record.kek.account()) {
                return Err(Unwrapping::Refused(OpenFault::OtherKek));
            }
            state.health.route(&record.kek)
        };
        let error = match self.ask(keys, context, record, first, verified).await {
            Ok(answered) => return Answer::checked(record, answered, first),
            Err(error) => error,
        };
        let gives_way = match (first, error.kind()) {
            (Route::Configured, Kind::IncorrectKey | Kind::NotFound) | (Route::OfKey, Kind::MissingAlias) => true,
            (Route::Configured, Kind::Denied) => !verified && error.is_refusal(),
            _ => false,
        };
        if !gives_way {
            return Err(failed(first, error));
        }
        let second = first.other();
        match self.ask(keys, context, record, second, verified).await {
            Ok(answered) => {
                let answer = Answer::checked(record, answered, second)?;
                if second == Route::OfKey && error.kind() != Kind::Denied {
                    let is_new = keys.write().health.is_former(&record.kek);
                    if is_new {
                        telemetry::former(&keys.tenant, &record.kek);
                    }
                }
                Ok(answer)
            }
            Err(other) => {
                let (configured, of_key) = match second {
                    Route::OfKey => (error, other),
                    Route::Configured => (other, error),
                };
                Err(match configured.kind() {
                    Kind::IncorrectKey => failed(Route::OfKey, of_key),
                    _ => failed(Route::Configured, configured),
                })
            }
        }
    }

    pub(crate) async fn ask(
        &self,
        keys: &TenantKeys,
        context: usize,
        record: &KeyRecord,
        route: Route,
        verified: bool,
    ) -> Result<(UnwrappedDataKey, Begun), KeyServiceError> {
        let context = self.context_of(keys, context, record);
        let KeyRecord { kek, wrapped, .. } = record;
        let request = KeyRequest { operation: DECRYPT, route, verified };
        let unwrap = || match route {
            Route::Configured => self.service.unwrap_data_key(&keys.tenant, &context, kek, wrapped),
            Route::OfKey => self.service.unwrap_former_data_key(&keys.tenant, &context, kek, wrapped),
        };
        self.call(keys, request, unwrap).await
    }
}

/// What KMS answered to a record, which is the answered key's own.
pub(crate) struct Answer {
    pub(crate) key: VerifiedDataKey,
    pub(crate) begun: Begun,
    pub(crate) route: Route,
    pub(crate) request_id: Option<String>,
}

impl Answer {
    fn checked(
        record: &KeyRecord,
        (answer, begun): (UnwrappedDataKey, Begun),
        route: Route,
    ) -> Result<Self, Unwrapping> {
        let genuine = answer.kek.is_same_key(&record.kek);
        let key = genuine.then(|| VerifiedDataKey::verify(record.clone(), &answer.data_key)).flatten();
        let request_id = answer.request_id;
        key.map(|key| Self { key, begun, route, request_id }).ok_or(Unwrapping::Refused(OpenFault::ForgedRecord))
    }
}

/// What an error by this alias says of a record.
fn failed(route: Route, error: KeyServiceError) -> Unwrapping {
    match (route, error.kind()) {
        (_, Kind::IncorrectKey) => Unwrapping::Refused(OpenFault::OtherKek),
        (_, Kind::InvalidCiphertext) => Unwrapping::Refused(OpenFault::WrappedDataKey),
        (Route::Configured, _) => Unwrapping::Failed(error),
        (Route::OfKey, _) => Unwrapping::Failed(error.of_former_key()),
    }
}

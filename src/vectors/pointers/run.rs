//! The library as the writer of a vector, and the vector as JSON.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_smithy_async::time::{SharedTimeSource, TimeSource};
use aws_types::SdkConfig;
use aws_types::region::Region;
use serde_json::{Value, json};

use super::{Expected, Vector};
use crate::keys::{
    GeneratedDataKey, InMemoryKeyTable, KeyService, KeyServiceError, KeyServiceErrorKind, KeyTable, KeyTableError,
    KeyTableErrorKind, Swap, UnwrappedDataKey,
};
use crate::vectors::hex::hex;
use crate::vectors::json::{configured, known, sorted};
use crate::vectors::scene::{Kms, Unwrapping, entry};
use crate::{Error, TenantSeal};
use tenantseal_core::context::EncryptionContext;
use tenantseal_core::crypto::{DataKey, WrappedDataKey};
use tenantseal_core::format::{HEADER, KekId};
use tenantseal_core::tenant::TenantId;

/// What a writer stores: in which entry, which record, in place of which.
#[derive(Debug, Clone, PartialEq)]
struct Write {
    entry: String,
    record: Vec<u8>,
    replaces: Option<Vec<u8>>,
}

/// A key table that remembers what was read and written.
#[derive(Debug, Default)]
struct Watched {
    entries: InMemoryKeyTable,
    read: Mutex<Vec<String>>,
    written: Mutex<Vec<Write>>,
}

#[async_trait]
impl KeyTable for Watched {
    fn name(&self) -> &str {
        "watched"
    }

    async fn get(&self, partition: &str, entry: &str) -> Result<Option<Vec<u8>>, KeyTableError> {
        self.read.lock().unwrap().push(entry.to_owned());
        self.entries.get(partition, entry).await
    }

    async fn compare_and_swap(
        &self,
        partition: &str,
        entry: &str,
        expected: Option<&[u8]>,
        record: &[u8],
    ) -> Result<Swap, KeyTableError> {
        let replaces = expected.map(<[u8]>::to_vec);
        self.written.lock().unwrap().push(Write { entry: entry.to_owned(), record: record.to_vec(), replaces });
        self.entries.compare_and_swap(partition, entry, expected, record).await
    }

    async fn check(&self) -> Result<(), KeyTableError> {
        Ok(())
    }
}

/// A KMS that makes the data key at this place, if any.
#[derive(Debug)]
struct Making(Kms, Option<usize>);

#[async_trait]
impl KeyService for Making {
    async fn generate_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
    ) -> Result<GeneratedDataKey, KeyServiceError> {
        let Some(at) = self.1 else {
            return Err(KeyServiceError::new(tenant, "GenerateDataKey", KeyServiceErrorKind::Denied));
        };
        let made = &self.0.0[at];
        assert_eq!(*context, made.context(tenant), "a data key for another context");
        let data_key = DataKey::take(made.data_key.clone()).unwrap();
        let wrapped = WrappedDataKey::new(made.wrapped.clone()).unwrap();
        Ok(GeneratedDataKey::new(data_key, wrapped, KekId::parse(&made.kek).unwrap()))
    }

    async fn unwrap_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        self.0.unwrap_data_key(tenant, context, kek, wrapped).await
    }

    async fn unwrap_former_data_key(
        &self,
        tenant: &TenantId,
        context: &EncryptionContext,
        kek: &KekId,
        wrapped: &WrappedDataKey,
    ) -> Result<UnwrappedDataKey, KeyServiceError> {
        self.0.unwrap_former_data_key(tenant, context, kek, wrapped).await
    }
}

/// A clock that stands.
#[derive(Debug)]
struct At(u32);

impl TimeSource for At {
    fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(self.0.into())
    }
}

impl Vector {
    /// The key id of what the writer seals with.
    fn seals_with(&self) -> Option<[u8; 16]> {
        let at = match self.expected {
            Expected::Sealed => 0,
            Expected::Made(at) => at,
            Expected::Refused => return None,
        };
        Some(*self.scene.unwrapped(at, self.time).record().key_id.as_bytes())
    }

    /// What the writer stores, in this order.
    fn writes(&self) -> Vec<Write> {
        let Expected::Made(at) = self.expected else { return Vec::new() };
        let record = self.scene.unwrapped(at, self.time).stored_record().to_vec();
        vec![
            Write { entry: entry(&record), record: record.clone(), replaces: None },
            Write { entry: self.entry(), record, replaces: self.pointer.clone() },
        ]
    }

    /// Lets the library seal an item compactly in the writer's place.
    pub(in crate::vectors) async fn run(&self) {
        let Self { name, scene, region, time, rotation, pointer, expected, .. } = self;
        let table = Arc::new(Watched::default());
        if let Some(pointer) = pointer {
            table.entries.compare_and_swap(scene.tenant.as_str(), &self.entry(), None, pointer).await.unwrap();
        }
        let making = if let Expected::Made(at) = expected { Some(*at) } else { None };
        let config = SdkConfig::builder().region(Region::new(*region)).time_source(SharedTimeSource::new(At(*time)));
        let mut builder = TenantSeal::builder()
            .key_service(Making(scene.kms.clone(), making))
            .table(scene.table_schema())
            .key_table(Arc::clone(&table))
            .compact(&scene.table)
            .data_key_rotation(Duration::from_secs((*rotation).into()));
        let (current, former) = scene.contexts.split_first().unwrap();
        for (pair, value) in current {
            builder = builder.context(pair, value);
        }
        for pairs in former {
            builder = builder.former_context(pairs.clone());
        }
        let tenant = builder.build(&config.build()).unwrap().tenant(&scene.tenant);
        let sealed = tenant.seal(&scene.table, scene.key()).await;
        match (sealed, self.seals_with()) {
            (Ok(item), Some(key_id)) => {
                assert_eq!(item[HEADER].as_b().unwrap().as_ref(), [&[0x02], &key_id[..]].concat(), "{name}");
            }
            (Err(error), None) => {
                let Error::KeyTable(error) = error.cause() else { panic!("{name}: {error}") };
                assert!(matches!(error.kind(), KeyTableErrorKind::ForgedPointer { .. }), "{name}: {error}");
            }
            (Ok(_), None) => panic!("{name} seals"),
            (Err(error), _) => panic!("{name}: {error}"),
        }
        assert_eq!(*table.read.lock().unwrap(), [self.entry()], "{name}");
        assert_eq!(*table.written.lock().unwrap(), self.writes(), "{name}");
    }

    pub(in crate::vectors) fn to_json(&self) -> Value {
        let Self { name: _, scene, wrapped_for, region, time, rotation, period: _, pointer, expected } = self;
        let making = if let Expected::Made(at) = expected { Some(*at) } else { None };
        let known = |at: usize| known(&scene.kms.0[at], wrapped_for);
        let decrypts = (0..scene.kms.0.len()).filter(|at| Some(*at) != making).map(known);
        let mut vector = json!({
            "rule": "13.3: which data key a writer seals with",
            "tenant": scene.tenant.as_str(),
            "contexts": configured(scene),
            "region": region,
            "time": time,
            "rotation": rotation,
            "kms": decrypts.collect::<Vec<_>>(),
            "entry": self.entry(),
            "pointer": pointer.as_deref().map(hex),
        });
        if let Some(key_id) = self.seals_with() {
            vector["seals_with"] = json!(hex(&key_id));
        }
        if let Some(at) = making {
            let Unwrapping { wrapped, data_key, kek, .. } = &scene.kms.0[at];
            vector["made"] = json!({ "wrapped": hex(wrapped), "data_key": hex(data_key), "key": kek });
            let writes = self.writes().into_iter().map(|Write { entry, record, replaces }| {
                json!({ "entry": entry, "record": hex(&record), "replaces": replaces.as_deref().map(hex) })
            });
            vector["writes"] = writes.collect::<Vec<_>>().into();
        }
        sorted(vector)
    }
}

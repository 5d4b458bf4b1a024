//! AWS's Database Encryption SDK for DynamoDB, configured as its examples do.
//!
//! Keys and plain attributes are `SIGN_ONLY`, encrypted ones `ENCRYPT_AND_SIGN`; unsigned attributes have the prefix
//! `:`, of which these items have none. With a raw AES keyring nothing waits for a network. It makes a fresh data key
//! for each item: a raw keyring has nothing to cache.

use std::collections::HashMap;

use aws_db_esdk::CryptoAction;
use aws_db_esdk::DynamoDbTablesEncryptionConfig;
use aws_db_esdk::dynamodb::types::{DynamoDbTableEncryptionConfig, SearchConfig};
use aws_db_esdk::intercept::DbEsdkInterceptor;
use aws_db_esdk::item_encryptor::client::Client as ItemEncryptor;
use aws_db_esdk::item_encryptor::types::dynamo_db_item_encryptor_config::DynamoDbItemEncryptorConfig;
use aws_db_esdk::material_providers::client::Client as MaterialProviders;
use aws_db_esdk::material_providers::types::keyring::KeyringRef;
use aws_db_esdk::material_providers::types::material_providers_config::MaterialProvidersConfig;
use aws_db_esdk::material_providers::types::{AesWrappingAlg, DbeAlgorithmSuiteId};
use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;

use super::{Sealer, now};
use crate::item::{Item, PARTITION_KEY, SORT_KEY, Shape};

const TABLE: &str = "items";
const UNSIGNED_PREFIX: &str = ":";

/// The peer's two algorithm suites. Both commit to the key and carry an HMAC over the whole item.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Suite {
    /// `ALG_AES_256_GCM_HKDF_SHA512_COMMIT_KEY_SYMSIG_HMAC_SHA384`.
    Unsigned,
    /// The default: the same with an ECDSA P-384 signature by a key pair made for each item.
    Signed,
}

impl Suite {
    pub const ALL: [Self; 2] = [Self::Unsigned, Self::Signed];

    fn id(self) -> DbeAlgorithmSuiteId {
        match self {
            Self::Unsigned => DbeAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKeySymsigHmacSha384,
            Self::Signed => DbeAlgorithmSuiteId::AlgAes256GcmHkdfSha512CommitKeyEcdsaP384SymsigHmacSha384,
        }
    }
}

/// The peer's item encryptor with a raw AES keyring.
pub struct Peer(ItemEncryptor);

impl Peer {
    /// For items of this shape.
    pub fn new(shape: Shape, suite: Suite) -> Self {
        let config = DynamoDbItemEncryptorConfig::builder()
            .logical_table_name(TABLE)
            .partition_key_name(PARTITION_KEY)
            .sort_key_name(SORT_KEY)
            .attribute_actions_on_encrypt(actions(shape))
            .keyring(raw_aes_keyring())
            .allowed_unsigned_attribute_prefix(UNSIGNED_PREFIX)
            .algorithm_suite_id(suite.id())
            .build()
            .expect("a complete configuration");
        Self(ItemEncryptor::from_conf(config).expect("a valid configuration"))
    }
}

impl Sealer for Peer {
    fn seal(&self, item: Item) -> Item {
        now(self.0.encrypt_item().plaintext_item(item).send()).encrypted_item.expect("an encrypted item")
    }

    fn open(&self, item: Item) -> Item {
        now(self.0.decrypt_item().encrypted_item(item).send()).plaintext_item.expect("a decrypted item")
    }
}

/// An SDK client with the peer's interceptor.
pub fn client(config: &SdkConfig, table: &str, shape: Shape, suite: Suite, keyring: KeyringRef) -> Client {
    let interceptor =
        DbEsdkInterceptor::new(tables(table, shape, suite, keyring, None)).expect("a valid configuration");
    Client::from_conf(aws_sdk_dynamodb::config::Builder::from(config).interceptor(interceptor).build())
}

/// The peer's configuration of one table, with beacons or without.
pub fn tables(
    table: &str,
    shape: Shape,
    suite: Suite,
    keyring: KeyringRef,
    search: Option<SearchConfig>,
) -> DynamoDbTablesEncryptionConfig {
    let encrypted = DynamoDbTableEncryptionConfig::builder()
        .logical_table_name(table)
        .partition_key_name(PARTITION_KEY)
        .sort_key_name(SORT_KEY)
        .attribute_actions_on_encrypt(actions(shape))
        .keyring(keyring)
        .allowed_unsigned_attribute_prefix(UNSIGNED_PREFIX)
        .algorithm_suite_id(suite.id())
        .set_search(search)
        .build()
        .expect("a complete configuration");
    DynamoDbTablesEncryptionConfig::builder()
        .table_encryption_configs(HashMap::from([(table.to_owned(), encrypted)]))
        .build()
        .expect("a complete configuration")
}

/// As tables call it.
pub fn title(suite: Suite) -> &'static str {
    match suite {
        Suite::Unsigned => "DB-ESDK, no signatures",
        Suite::Signed => "DB-ESDK, default",
    }
}

/// The keyring that needs no KMS.
pub fn raw_aes_keyring() -> KeyringRef {
    let keyring = material_providers()
        .create_raw_aes_keyring()
        .key_name("key")
        .key_namespace("bench")
        .wrapping_key(vec![7; 32])
        .wrapping_alg(AesWrappingAlg::AlgAes256GcmIv12Tag16);
    now(keyring.send())
}

/// Where keyrings come from.
pub fn material_providers() -> MaterialProviders {
    let config = MaterialProvidersConfig::builder().build().expect("nothing to configure");
    MaterialProviders::from_conf(config).expect("nothing to configure")
}

fn actions(shape: Shape) -> HashMap<String, CryptoAction> {
    let keys = [PARTITION_KEY, SORT_KEY].map(str::to_owned);
    let signed = keys.into_iter().chain(shape.plain()).map(|name| (name, CryptoAction::SignOnly));
    signed.chain(shape.encrypted().map(|name| (name, CryptoAction::EncryptAndSign))).collect()
}

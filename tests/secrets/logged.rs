//! What the SDK may log: with one variable of the environment it prints KMS's answers.

use std::env;
use std::process::Command;

use aws_types::SdkConfig;
use aws_types::region::Region;
use tenantseal::TenantSeal;
use tenantseal::error::ConfigError;
use tenantseal::keys::{AliasTemplate, InvalidKmsConfig, KmsKeyService, RoleArn, Tenancy};

use crate::common::Contact;

const ROLE: &str = "arn:aws:iam::111111111111:role/TenantKeys";
const VARIABLE: &str = "LOG_SENSITIVE_BODIES";

/// The variable is the whole process's, so the test runs itself once more with it.
#[test]
fn no_key_service_is_made_where_the_sdk_would_log_data_keys() {
    let config = SdkConfig::builder().region(Region::new("eu-central-1")).build();
    let tenancy = Tenancy::new(RoleArn::parse(ROLE).unwrap(), AliasTemplate::default());
    let assumed = KmsKeyService::assume_role(&config, tenancy);
    let ambient = KmsKeyService::ambient_credentials(&config, AliasTemplate::default(), "111111111111", None);
    if env::var_os(VARIABLE).is_some() {
        assert_eq!(assumed.unwrap_err(), InvalidKmsConfig::SensitiveBodiesLogged);
        assert_eq!(ambient.unwrap_err(), InvalidKmsConfig::SensitiveBodiesLogged);
        let built = TenantSeal::builder().assume_role(ROLE).record::<Contact>().build(&config);
        assert!(matches!(built, Err(ConfigError::SensitiveBodiesLogged)), "{built:?}");
        return;
    }
    assert!(assumed.is_ok() && ambient.is_ok());
    let itself = "logged::no_key_service_is_made_where_the_sdk_would_log_data_keys";
    let mut again = Command::new(env::current_exe().unwrap());
    let again = again.args(["--exact", itself]).env(VARIABLE, "True").output().unwrap();
    let printed = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && printed.contains("1 passed"), "{printed}");
}

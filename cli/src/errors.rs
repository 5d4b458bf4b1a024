//! Failures: one line that says what to do, and the exit code for scripts.

use std::error::Error as StdError;
use std::process::ExitCode;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use tenantseal::keys::{KeyTableError, KeyTableErrorKind};
use tenantseal_kms::errors::AwsErrorClass;
use tenantseal_tenants::{self, AwsError, RegistryError};

use crate::visible::Visible;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Exit codes, as `--help` and docs/COMMAND.md document them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Findings = 1,
    Usage = 2,
    Refused = 3,
    Aws = 4,
    Unreachable = 5,
    NotFound = 6,
    Interrupted = 130,
}

impl Exit {
    pub(crate) fn code(self) -> i32 {
        self as i32
    }

    /// Its name in JSON.
    pub(crate) fn kind(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Findings => "findings",
            Self::Usage => "usage",
            Self::Refused => "refused",
            Self::Aws => "aws",
            Self::Unreachable => "unreachable",
            Self::NotFound => "not_found",
            Self::Interrupted => "interrupted",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command ended early.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    help: Option<String>,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: one_line(&message.into()), help: None }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    pub(crate) fn interrupted() -> Self {
        Self::new(Exit::Interrupted, "interrupted").help("run the same command again to continue where it stopped")
    }

    /// Adds the next step.
    #[must_use]
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(one_line(&help.into()));
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// What an error of KMS, STS or DynamoDB means to the operator. `doing` is, for example, `CreateKey`.
    pub(crate) fn aws<E>(doing: &str, error: &SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + 'static,
    {
        let cause = || chain(error).last().map(ToString::to_string).unwrap_or_default();
        if chain(error).any(|error| error.is::<CredentialsError>()) {
            return Self::without_credentials(doing, &cause());
        }
        match (error, error.code()) {
            (SdkError::ServiceError(_), Some(code)) => Self::service(doing, code, error.message().unwrap_or_default()),
            (SdkError::ServiceError(service), None) if !service.raw().status().is_server_error() => {
                let status = service.raw().status();
                Self::new(Exit::Aws, format!("{doing}: the endpoint answered HTTP {status}, unlike AWS"))
                    .help("check --endpoint-url and AWS_ENDPOINT_URL")
            }
            (SdkError::ConstructionFailure(_), _) => Self::usage(format!("{doing}: {}", cause())),
            _ => Self::unreachable(doing, &cause()),
        }
    }

    /// What an error code of AWS means to the operator.
    fn service(doing: &str, code: &str, said: &str) -> Self {
        use AwsErrorClass as Class;
        let message = format!("{doing}: {code}: {said}");
        let (exit, help) = match AwsErrorClass::from_code(code) {
            Class::ExpiredCredentials | Class::ExpiredRequest => (
                Exit::Aws,
                "the credentials have expired: get new ones (`aws sso login`, or a new session) and run it again",
            ),
            Class::UnknownCredentials | Class::IncompleteSignature => {
                (Exit::Aws, "AWS does not know these credentials: check --profile and the AWS_… environment variables")
            }
            Class::AccessDenied => {
                (Exit::Aws, "these credentials lack that permission: use a --profile that has it, or grant it")
            }
            Class::Throttled => (Exit::Unreachable, "AWS is throttling: try again later"),
            Class::ServiceFault => (Exit::Unreachable, "AWS has an internal fault: try again"),
            Class::KeyStoreFault => {
                (Exit::Unreachable, "the custom key store does not answer: check it, then try again")
            }
            Class::NotFound => (Exit::NotFound, "check the tenant's id, --region and --alias, or onboard the tenant"),
            Class::TableNotFound => (Exit::NotFound, "check the table's name, --registry and --region"),
            Class::QuotaExceeded => (Exit::Aws, "an account quota is used up: request an increase (Service Quotas)"),
            Class::Disabled | Class::InvalidKeyState => {
                (Exit::Refused, "the key is disabled, pending deletion or refused by its holder: see `tenantseal show`")
            }
            Class::InvalidRequest => (Exit::Usage, "check the arguments"),
            _ => (Exit::Aws, "AWS rejected the request"),
        };
        Self::new(exit, message).help(help)
    }
}

impl From<tenantseal_tenants::Error> for Failure {
    fn from(error: tenantseal_tenants::Error) -> Self {
        use tenantseal_tenants::Error;
        match &error {
            Error::Aws(aws) => Self::administration(aws),
            Error::Registry(error) => Self::registry(error),
            Error::UnknownTenant(_) | Error::KekDeleted(_) | Error::KekMissing { .. } => {
                Self::new(Exit::NotFound, error.to_string())
            }
            Error::WrongAccount { .. } => {
                Self::new(Exit::Aws, error.to_string()).help("choose another --profile, or correct --role")
            }
            Error::NotEffective { last, .. } => Self::new(Exit::Unreachable, format!("{error} ({last})"))
                .help("run `tenantseal doctor` to find out why"),
            Error::Contended(_) | Error::SlowRegistry | Error::NoRandomness => {
                Self::new(Exit::Unreachable, error.to_string())
            }
            Error::Incomplete { .. } if error.is_retryable() => Self::new(Exit::Unreachable, error.to_string())
                .help("the operation stays unfinished: run it again when the Region answers"),
            Error::RegionMismatch { tenant, .. } | Error::UnlistedKeks { tenant, .. } => {
                Self::new(Exit::Refused, error.to_string()).help(format!("tenantseal show {tenant} --history"))
            }
            Error::ForeignKek { tenant, key } => {
                let mark = format!(
                    "aws kms update-key-description --region {} --key-id {} --description \"tenantseal: tenant \
                     {tenant}\"",
                    key.region(),
                    key.key_id()
                );
                Self::new(Exit::Refused, error.to_string())
                    .help(format!("tenantseal show {tenant} --history; if the key is the tenant's after all: {mark}"))
            }
            Error::NotARegion(_) => Self::usage(error.to_string()),
            Error::Overtaken(tenant) => {
                Self::new(Exit::Refused, error.to_string()).help(format!("tenantseal show {tenant} --history"))
            }
            Error::DeletionWindow(_) | Error::RotationPeriod(_) | Error::Policy(_) => Self::usage(error.to_string()),
            _ => Self::new(Exit::Refused, error.to_string()),
        }
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::registry(&error)
    }
}

impl From<KeyTableError> for Failure {
    fn from(error: KeyTableError) -> Self {
        use KeyTableErrorKind as Kind;
        let cause = chain(&error).skip(1).last().map(|cause| format!(" ({cause})")).unwrap_or_default();
        let (exit, help) = match error.kind() {
            Kind::Unavailable => (Exit::Unreachable, "check --endpoint-url, --region and the network, then try again"),
            Kind::NotFound => (Exit::NotFound, "`tenantseal init` creates it; or check --key-table and --region"),
            Kind::NotAKeyTable => (Exit::Usage, "name another --key-table"),
            _ => (Exit::Aws, "check --profile and --key-table"),
        };
        Self::new(exit, format!("{error}{cause}")).help(help)
    }
}

impl Failure {
    fn registry(error: &RegistryError) -> Self {
        match error {
            RegistryError::Aws(aws) => Self::administration(aws),
            RegistryError::TableNotFound(table) => {
                Self::new(Exit::NotFound, format!("the registry's table `{table}` does not exist"))
                    .help("`tenantseal init` creates it; or check --registry, --profile and --region")
            }
            RegistryError::Conflict(_) | RegistryError::NotReady { .. } => {
                Self::new(Exit::Unreachable, error.to_string())
            }
            _ => Self::new(Exit::Findings, error.to_string()),
        }
    }

    /// AWS's error in a call of the key team's, with its cause. The library's message says what to do.
    fn administration(error: &AwsError) -> Self {
        let doing = &error
            .region()
            .map_or_else(|| error.action().to_owned(), |region| format!("{} in {region}", error.action()));
        let cause = chain(error).last().map(ToString::to_string).unwrap_or_default();
        if let Some(code) = error.code() {
            return Self::service(
                doing,
                code,
                cause.strip_prefix(code).unwrap_or(&cause).trim_start_matches([':', ' ']),
            );
        }
        let root = cause.rsplit(": ").next().unwrap_or(&cause);
        match error {
            // The root cause is the one that an operator can fix.
            error if error.lacks_credentials() => Self::without_credentials(doing, root),
            error if error.is_retryable() => Self::unreachable(doing, root),
            _ => Self::new(Exit::Aws, format!("{error}: {cause}")).help("check --endpoint-url and AWS_ENDPOINT_URL"),
        }
    }

    fn without_credentials(doing: &str, cause: &str) -> Self {
        Self::new(Exit::Aws, format!("{doing}: there are no AWS credentials ({cause})")).help(
            "choose a --profile that exists, run `aws sso login`, or export AWS_ACCESS_KEY_ID and \
             AWS_SECRET_ACCESS_KEY",
        )
    }

    fn unreachable(doing: &str, cause: &str) -> Self {
        Self::new(Exit::Unreachable, format!("{doing}: the endpoint does not answer ({cause})"))
            .help("check --endpoint-url, --region and the network, then try again")
    }
}

/// An error and its causes.
pub(crate) fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |error: &&(dyn StdError + 'static)| (*error).source())
}

/// Untrusted text may contain line breaks and control characters; a failure is one line.
fn one_line(text: &str) -> String {
    Visible(text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")).to_string()
}

//! Clients of one service in several Regions, asked in turn.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_types::SdkConfig;
use aws_types::region::Region;
use tenantseal_core::keys::{Clock, KeyServiceError, KeyServiceErrorKind};
use tenantseal_core::tenant::TenantId;
use tokio::time::Instant;

use crate::failover::{Failover, Left, Verdict, Word};
use crate::{config, errors, partition};

/// The most Regions that are asked in turn.
pub(crate) const MOST: usize = 8;
/// How long a Region that is not the last may take to answer.
const FAILOVER_AFTER: Duration = Duration::from_secs(1);

/// A list of Regions, the near one first. They are in one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RegionList(Vec<String>);

/// Why a list of Regions does not do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRegions {
    /// There are none, or more than 8.
    #[error("{0} Regions are listed: list 1 to 8, the near one first")]
    Count(usize),
    /// A name has characters that no Region has.
    #[error("`{0}` is no name of a Region, such as `eu-central-1`")]
    Name(String),
    /// A Region is listed twice.
    #[error("Region `{0}` is listed twice")]
    Twice(String),
    /// A Region is in another partition than the first: no session and no key reaches both.
    #[error("Region `{region}` is in another partition than `{near}`: list Regions of one partition")]
    Partition {
        /// The Region.
        region: String,
        /// The first of the list.
        near: String,
    },
    /// The first is not the Region of the SDK's configuration.
    #[error(
        "the first Region is `{first}`, but the SDK configuration is for `{own}`: list the process's own Region first"
    )]
    Near {
        /// The first of the list.
        first: String,
        /// The SDK configuration's.
        own: String,
    },
}

impl RegionList {
    /// The SDK configuration's own Region alone.
    pub(crate) fn own(region: &str) -> Self {
        Self(vec![region.to_owned()])
    }

    pub(crate) fn parse(own: &str, regions: Vec<String>) -> Result<Self, InvalidRegions> {
        if !(1..=MOST).contains(&regions.len()) {
            return Err(InvalidRegions::Count(regions.len()));
        }
        let near = regions[0].clone();
        for (at, region) in regions.iter().enumerate() {
            let is_name = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
            if region.is_empty() || region.len() > 32 || !region.bytes().all(is_name) {
                return Err(InvalidRegions::Name(region.clone()));
            }
            if regions[..at].contains(region) {
                return Err(InvalidRegions::Twice(region.clone()));
            }
            if partition::for_region(region) != partition::for_region(&near) {
                return Err(InvalidRegions::Partition { region: region.clone(), near });
            }
        }
        if near != own {
            return Err(InvalidRegions::Near { first: near, own: own.to_owned() });
        }
        Ok(Self(regions))
    }

    pub(crate) fn near(&self) -> &str {
        &self.0[0]
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// A client for each Region.
#[derive(Debug)]
pub(crate) struct Regions<C> {
    /// With the name of the Region.
    clients: Vec<(String, C)>,
    /// `None` for one Region: nobody else can be asked.
    failover: Option<Failover>,
    /// For all Regions together.
    whole: Duration,
}

/// Why a call in one Region failed.
pub(crate) enum Failed {
    /// Before it was sent: there are no credentials.
    Unsent(KeyServiceError),
    /// By the Region's word.
    Word(Word, KeyServiceError),
}

impl Failed {
    /// Classifies an error of KMS or STS.
    pub(crate) fn of<E>(tenant: &TenantId, operation: &'static str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
    {
        use KeyServiceErrorKind::{Denied, NotFound, Revoked, Unavailable};
        let is_out = errors::is_out(&error);
        let error = errors::classify(tenant, operation, error);
        let word = match error.kind() {
            Unavailable if is_out => Word::Out,
            Unavailable => Word::Throttled,
            Revoked => Word::Revoked,
            Denied | NotFound => Word::Refused,
            _ => Word::Other,
        };
        Self::Word(word, error)
    }

    pub(crate) fn error(&self) -> &KeyServiceError {
        let (Self::Unsent(error) | Self::Word(_, error)) = self;
        error
    }

    pub(crate) fn into_error(self) -> KeyServiceError {
        let (Self::Unsent(error) | Self::Word(_, error)) = self;
        error
    }
}

impl<C> Regions<C> {
    /// A client for each Region, each with the configuration for it.
    pub(crate) fn new(config: &SdkConfig, regions: &RegionList, client: impl Fn(&SdkConfig, &str) -> C) -> Self {
        let quiet = config::single_attempts(config);
        let in_region = |region: &str| quiet.to_builder().region(Region::new(region.to_owned())).build();
        let client = |region: &str| (region.to_owned(), client(&in_region(region), region));
        let clients: Vec<_> = regions.iter().map(client).collect();
        let clock = Clock::new(config::time(config));
        let failover = (clients.len() > 1).then(|| Failover::new(regions.iter().map(str::to_owned).collect(), clock));
        // The core gives up on an attempt after its whole timeout.
        Self { clients, failover, whole: config::attempt(config) * 9 / 10 }
    }

    /// Asks the near Region, and the next one only where one is out.
    ///
    /// `of_tenant` is whether a refusal says something of the tenant: one of a former key or of a session does not.
    pub(crate) async fn ask<'c, T, F>(
        &'c self,
        tenant: &TenantId,
        operation: &'static str,
        of_tenant: bool,
        call: impl Fn(&'c C, Option<TimeoutConfig>) -> F,
    ) -> Result<T, KeyServiceError>
    where
        F: Future<Output = Result<T, Failed>>,
    {
        let ask = |at: usize, time| {
            let (region, client) = &self.clients[at];
            tracing::Span::current().record("region", region.as_str());
            call(client, time)
        };
        let Some(failover) = &self.failover else { return ask(0, None).await.map_err(Failed::into_error) };
        let begun = Instant::now();
        let mut walk = failover.walk(tenant, of_tenant);
        while let Some(turn) = walk.next() {
            let left = self.whole.saturating_sub(begun.elapsed());
            let time = if turn.is_last { left } else { FAILOVER_AFTER.min(left / 2) };
            let time = TimeoutConfig::builder().operation_timeout(time).build();
            let (word, error) = match ask(turn.region, Some(time)).await {
                Ok(answer) => {
                    walk.hear(Word::Done, String::new);
                    return Ok(answer);
                }
                Err(Failed::Unsent(error)) => return Err(error),
                Err(Failed::Word(word, error)) => (word, error),
            };
            let said = || error.source().map_or_else(|| error.kind().to_string(), ToString::to_string);
            if walk.hear(word, said) == Verdict::Final {
                return Err(error);
            }
        }
        let left = walk.left().map(|(region, why)| (region.to_owned(), why.clone())).collect();
        Err(KeyServiceError::new(tenant, operation, KeyServiceErrorKind::Unavailable).with_source(NoRegion(left)))
    }

    /// Drops what Regions have said of a tenant.
    pub(crate) fn forget(&self, tenant: &TenantId) {
        if let Some(failover) = &self.failover {
            failover.forget(tenant);
        }
    }
}

/// No Region could answer: why each was left.
#[derive(Debug)]
struct NoRegion(Vec<(String, Left)>);

impl fmt::Display for NoRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (region, why)) in self.0.iter().enumerate() {
            write!(f, "{}{region}: {why}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl StdError for NoRegion {}

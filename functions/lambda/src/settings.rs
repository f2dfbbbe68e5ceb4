//! The settings that a function reads from its environment at its start.
//!
//! - `REDRIVE_MODE`: `observe` (the default), `act` or `off`.
//! - `REDRIVE_LEDGER`: the DynamoDB table, or `memory` to try a function without an account. Such a function reports
//!   its decisions and calls nothing.
//! - `REDRIVE_QUEUE_URL`: the SQS queue of delayed retries.
//! - `REDRIVE_POLICY`: the policy's file. The default is `/opt/policy.yaml`, where the layer puts the policy.
//! - `REDRIVE_POLICY_VERSION`: the ARN of the layer's version, whose number orders the policies of an update. By default
//!   they have no order, and verdicts name no version.
//! - `REDRIVE_ACCOUNT`: the account whose events are handled. Events of other accounts are ignored.
//! - `REDRIVE_SINCE`, of `sweep`: the time from which the search reads failures, for example `2026-11-20T00:00:00Z`.
//!   The default is the time of the first tick.
//! - `REDRIVE_STATE_MACHINES`, of `sweep`: the names of the state machines that its role may list. `*` in a name
//!   stands for any text. The default is `*`.
//! - `REDRIVE_PIPELINES`, of `sweep`: the names of the pipelines that its role may list, in the same form.
//! - `REDRIVE_EXECUTION_QUOTA`: AWS's quota of RedriveExecution, as the bucket's size and its refill a second. The
//!   default is `800/150`. `0` turns pacing off.
//! - `REDRIVE_STAGE_QUOTA`: the quota of RetryStageExecution, in the same form. AWS publishes none, so the default is
//!   no pacing.
//! - `REDRIVE_STACK`: the dimension that separates the metrics of this deployment from those of another. The default
//!   is `redrive`.
//! - `REDRIVE_BUS`: the event bus for decisions. By default there is none.
//! - `AWS_REGION`: the region whose events are handled. Lambda sets the variable.
//!
//! [`Settings::from_env`] reports all mistakes at once.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use redrive_aws::environment::{Misconfigured, variable};
use redrive_core::controller::RunMode;
use redrive_core::discovery::Search;
use redrive_core::event::AllowedSources;
use redrive_core::policy::{Document, Glob, PolicyVersion};
use redrive_core::rate_limiter::{ParseQuotaError, Quota, Quotas};
use redrive_core::services::{self, Service};
use redrive_core::time::Time;

/// The path at which the layer puts the policy.
pub const POLICY: &str = "/opt/policy.yaml";

/// The variables of each service: the quota of its call, and the names of its targets.
const VARIABLES: [(Service, &str, &str); 2] = [
    (
        Service::StepFunctions,
        "REDRIVE_EXECUTION_QUOTA",
        "REDRIVE_STATE_MACHINES",
    ),
    (
        Service::CodePipeline,
        "REDRIVE_STAGE_QUOTA",
        "REDRIVE_PIPELINES",
    ),
];

/// The settings of a function.
#[derive(Debug)]
pub struct Settings {
    /// The policy in force.
    pub document: Document,
    /// The settings in an account. None: the function runs without an account.
    pub account: Option<InAccount>,
}

/// The settings of a function in an account.
#[derive(Debug)]
pub struct InAccount {
    /// The mode in force.
    pub mode: RunMode,
    /// The ledger's table.
    pub table: String,
    /// The URL of the queue of delayed retries.
    pub queue_url: String,
    /// The accounts and regions whose events are handled.
    pub sources: AllowedSources,
    /// The account and region whose targets are listed.
    pub place: Place,
    /// AWS's quotas of the calls that retry.
    pub quotas: Quotas,
    /// The scope and the limits of the search for unannounced failures.
    pub search: Search,
    /// The dimension of the metrics.
    pub stack: String,
    /// The event bus for decisions.
    pub bus: Option<String>,
}

/// An account and region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The account's ID, twelve digits.
    pub account: String,
    /// The region's name, for example `eu-west-1`.
    pub region: String,
}

impl Settings {
    /// Reads the environment of the process and the policy's file.
    ///
    /// # Errors
    /// All settings that are missing or cannot be used.
    pub fn from_env() -> Result<Self, Misconfigured> {
        Self::read(variable, |path| std::fs::read_to_string(path))
    }

    fn read(
        variable: impl Fn(&str) -> Option<String>,
        file: impl FnOnce(&Path) -> io::Result<String>,
    ) -> Result<Self, Misconfigured> {
        let mut wrong = Vec::new();
        let mut required = |name: &str, what: &str| {
            variable(name).unwrap_or_else(|| {
                wrong.push(format!("{name} is not set: {what}"));
                String::new()
            })
        };
        let table = required(
            "REDRIVE_LEDGER",
            "name the ledger's DynamoDB table, or set memory to try the function without an account",
        );
        let account = (table != "memory").then(|| InAccount {
            mode: RunMode::default(),
            table,
            queue_url: required(
                "REDRIVE_QUEUE_URL",
                "set the URL of the SQS queue of delayed retries",
            ),
            sources: AllowedSources::default(),
            place: Place {
                account: required(
                    "REDRIVE_ACCOUNT",
                    "set the account whose events are handled",
                ),
                region: required("AWS_REGION", "set the region whose events are handled"),
            },
            quotas: Quotas::default(),
            search: Search::default(),
            stack: variable("REDRIVE_STACK").unwrap_or_else(|| "redrive".to_owned()),
            bus: variable("REDRIVE_BUS"),
        });
        let mode = mode(variable("REDRIVE_MODE").as_deref()).map_err(|problem| wrong.push(problem));
        if account.is_none() && mode == Ok(RunMode::Act) {
            wrong.push(
                "REDRIVE_MODE is act, but REDRIVE_LEDGER is memory: a retry needs a table; name one, or \
                 leave the mode at observe"
                    .to_owned(),
            );
        }
        let since = variable("REDRIVE_SINCE")
            .map(|text| since(&text))
            .transpose()
            .map_err(|problem| wrong.push(problem));
        let (mut quotas, mut search) = (BTreeMap::new(), Search::default());
        for (service, of_quota, of_targets) in VARIABLES {
            let default = services::row(service).quota;
            match quota(of_quota, variable(of_quota).as_deref(), default) {
                Ok(quota) => quotas.extend(quota.map(|quota| (service, quota))),
                Err(problem) => wrong.push(problem),
            }
            let targets = variable(of_targets).unwrap_or_else(|| "*".to_owned());
            search = search.with_targets(service, Glob::new(&targets, false));
        }
        let path = variable("REDRIVE_POLICY").unwrap_or_else(|| POLICY.to_owned());
        let version = variable("REDRIVE_POLICY_VERSION");
        let document =
            policy(&path, version.as_deref(), file).map_err(|problem| wrong.push(problem));
        match (mode, since, document) {
            (Ok(mode), Ok(since), Ok(document)) if wrong.is_empty() => Ok(Self {
                document,
                account: account.map(|account| InAccount {
                    mode,
                    sources: AllowedSources {
                        accounts: vec![account.place.account.clone()],
                        regions: vec![account.place.region.clone()],
                    },
                    quotas: Quotas(quotas),
                    search: Search { since, ..search },
                    ..account
                }),
            }),
            _ => Err(Misconfigured(wrong)),
        }
    }
}

fn mode(word: Option<&str>) -> Result<RunMode, String> {
    match word {
        None => Ok(RunMode::default()),
        Some("observe") => Ok(RunMode::Observe),
        Some("act") => Ok(RunMode::Act),
        Some("off") => Ok(RunMode::Off),
        Some(other) => Err(format!(
            "REDRIVE_MODE is {other:?}: expected observe, act or off"
        )),
    }
}

fn quota(name: &str, text: Option<&str>, default: Option<Quota>) -> Result<Option<Quota>, String> {
    match text {
        None => Ok(default),
        Some("0") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|ParseQuotaError| {
            format!(
                "{name} is {text:?}: expected a bucket's size and its refill a second, as in 800/150, or 0 for no \
                 pacing"
            )
        }),
    }
}

fn since(text: &str) -> Result<Time, String> {
    Time::parse(text).ok_or_else(|| {
        format!(
            "REDRIVE_SINCE is {text:?}: expected a time with its offset, as in 2026-11-20T00:00:00Z, or nothing for \
             the time of the first sweep"
        )
    })
}

fn policy(
    path: &str,
    version: Option<&str>,
    file: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Document, String> {
    let text = file(Path::new(path)).map_err(|error| {
        format!(
            "the policy {path} cannot be read: {error}. The layer has it at {POLICY}; \
             REDRIVE_POLICY names another file"
        )
    })?;
    let document = Document::parse(&text).map_err(|problems| {
        format!("the policy {path} cannot be used; try it with `redrive replay` first:\n{problems}")
    })?;
    Ok(match version {
        Some(_) => document.with_version(PolicyVersion::new(&text, version)),
        None => document,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "{ version: 1, retry: { automatic: [{ error: E, limit: 1 }] } }";

    fn read(set: &[(&str, &str)], policy: Option<&str>) -> Result<Settings, String> {
        let variable = |name: &str| {
            set.iter()
                .find(|(one, _)| *one == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Settings::read(variable, |path| match policy {
            Some(text) => Ok(text.to_owned()),
            None => Err(io::Error::other(format!("no {}", path.display()))),
        })
        .map_err(|wrong| wrong.to_string())
    }

    const ACCOUNT: [(&str, &str); 4] = [
        ("REDRIVE_LEDGER", "redrive"),
        ("REDRIVE_QUEUE_URL", "https://queue"),
        ("REDRIVE_ACCOUNT", "111122223333"),
        ("AWS_REGION", "eu-west-1"),
    ];

    #[test]
    fn default_mode_is_observe() {
        for (word, mode) in [
            (None, RunMode::Observe),
            (Some("observe"), RunMode::Observe),
            (Some("act"), RunMode::Act),
            (Some("off"), RunMode::Off),
        ] {
            let mut set = ACCOUNT.to_vec();
            set.extend(word.map(|word| ("REDRIVE_MODE", word)));
            let account = read(&set, Some(GOOD)).unwrap().account.unwrap();
            assert_eq!(account.mode, mode);
            assert_eq!(account.table, "redrive");
            assert_eq!(account.sources.accounts, ["111122223333"]);
            assert_eq!(account.sources.regions, ["eu-west-1"]);
        }
    }

    #[test]
    fn search_has_its_start_and_its_patterns() {
        let search = |more: &[(&str, &str)]| {
            let set = [&ACCOUNT[..], more].concat();
            read(&set, Some(GOOD)).map(|settings| settings.account.unwrap().search)
        };
        assert_eq!(search(&[]), Ok(Search::default()));
        let settings = search(&[
            ("REDRIVE_SINCE", "2026-11-20T01:00:00+01:00"),
            ("REDRIVE_STATE_MACHINES", "etl-*"),
            ("REDRIVE_PIPELINES", "web"),
        ])
        .unwrap();
        assert_eq!(settings.since, Time::parse("2026-11-20T00:00:00Z"));
        let machines = ["etl-orders", "billing"].map(|name| {
            settings.services[&Service::StepFunctions]
                .targets
                .matches(name)
        });
        let pipelines = ["web", "web-2"].map(|name| {
            settings.services[&Service::CodePipeline]
                .targets
                .matches(name)
        });
        assert_eq!((machines, pipelines), ([true, false], [true, false]));
        for wrong in [
            "yesterday",
            "2026-11-20",
            "2026-11-20T00:00:00",
            "1763596800",
        ] {
            let said = search(&[("REDRIVE_SINCE", wrong)]).unwrap_err();
            let begins = format!("REDRIVE_SINCE is {wrong:?}: expected a time with its offset");
            assert!(said.starts_with(&begins), "{said}");
        }
    }

    #[test]
    fn the_lower_quota_is_kept_to_unless_another_is_named() {
        let quotas = |more: &[(&str, &str)]| {
            let set = [&ACCOUNT[..], more].concat();
            read(&set, Some(GOOD)).map(|settings| settings.account.unwrap().quotas)
        };
        assert_eq!(quotas(&[]), Ok(Quotas::default()));
        let large = [
            ("REDRIVE_EXECUTION_QUOTA", "1300/300"),
            ("REDRIVE_STAGE_QUOTA", "20/5"),
        ];
        let quota = |burst, per_second| Quota { burst, per_second };
        let expected = Quotas(BTreeMap::from([
            (Service::StepFunctions, quota(1_300, 300)),
            (Service::CodePipeline, quota(20, 5)),
        ]));
        assert_eq!(quotas(&large), Ok(expected));
        let none = [
            ("REDRIVE_EXECUTION_QUOTA", "0"),
            ("REDRIVE_STAGE_QUOTA", "0"),
        ];
        assert_eq!(quotas(&none), Ok(Quotas::NONE));
        let said = quotas(&[("REDRIVE_EXECUTION_QUOTA", "fast")]).unwrap_err();
        let begins = "REDRIVE_EXECUTION_QUOTA is \"fast\": expected a bucket's size and its refill";
        assert!(said.starts_with(begins), "{said}");
    }

    #[test]
    fn no_bus_is_used_unless_named() {
        let named = |more: &[(&str, &str)]| {
            let account = read(&[&ACCOUNT[..], more].concat(), Some(GOOD))
                .unwrap()
                .account;
            account.map(|account| (account.stack, account.bus)).unwrap()
        };
        assert_eq!(named(&[]), ("redrive".to_owned(), None));
        let set = [("REDRIVE_STACK", "nightly"), ("REDRIVE_BUS", "decisions")];
        let expected = ("nightly".to_owned(), Some("decisions".to_owned()));
        assert_eq!(named(&set), expected);
    }

    #[test]
    fn without_an_account_nothing_is_asked_for_but_the_policy() {
        assert!(
            read(&[("REDRIVE_LEDGER", "memory")], Some(GOOD))
                .unwrap()
                .account
                .is_none()
        );
        let acting = [("REDRIVE_LEDGER", "memory"), ("REDRIVE_MODE", "act")];
        let wrong = read(&acting, Some(GOOD)).unwrap_err();
        assert!(wrong.starts_with("REDRIVE_MODE is act, but"), "{wrong}");
    }

    #[test]
    fn all_mistakes_are_reported_at_once_with_allowed_values() {
        let wrong = read(&[("REDRIVE_MODE", "dry-run")], None).unwrap_err();
        let said: Vec<&str> = wrong.lines().collect();
        assert_eq!(said.len(), 6, "{wrong}");
        for (line, begins) in said.iter().zip([
            "REDRIVE_LEDGER is not set: name the ledger's",
            "REDRIVE_QUEUE_URL is not set: ",
            "REDRIVE_ACCOUNT is not set: ",
            "AWS_REGION is not set: ",
            "REDRIVE_MODE is \"dry-run\": expected observe, act or off",
            "the policy /opt/policy.yaml cannot be read: no /opt/policy.yaml",
        ]) {
            assert!(line.starts_with(begins), "{line}");
        }
    }

    #[test]
    fn policy_has_the_number_of_its_layers_version() {
        for (version, number) in [
            (None, None),
            (
                Some("arn:aws:lambda:eu-west-1:111122223333:layer:redrive-policy:7"),
                Some(Some(7)),
            ),
            (Some("PolicyLayer"), Some(None)),
        ] {
            let set = version.map(|version| ("REDRIVE_POLICY_VERSION", version));
            let set: Vec<_> = ACCOUNT.into_iter().chain(set).collect();
            let deployed = read(&set, Some(GOOD)).unwrap().document.deployed;
            assert_eq!(
                deployed.map(|deployed| deployed.number),
                number,
                "{version:?}"
            );
        }
    }

    #[test]
    fn invalid_policy_stops_the_function_with_all_problems() {
        let wrong = read(
            &ACCOUNT,
            Some("version: 1\nretry: { automatic: maybe }\nretri: 1\n"),
        );
        let wrong = wrong.unwrap_err();
        assert!(wrong.contains("the policy /opt/policy.yaml cannot be used"));
        assert!(wrong.contains("2:") && wrong.contains("3:1"), "{wrong}");
    }
}

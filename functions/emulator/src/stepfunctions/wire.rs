//! The wire format: parameters, errors, ARNs and dates.

use serde_json::{Map, Value};

use crate::api::{ApiError, Place};

type Answer<T> = Result<T, ApiError>;

/// The namespace of Step Functions' own errors (observed).
const SERVICE: &str = "com.amazonaws.swf.service.v2.model";
/// The namespace of violations of the model's constraints (observed).
const CONSTRAINTS: &str = "com.amazon.coral.validate";

/// Returns an error of Step Functions itself.
pub(super) fn error(code: &str, message: impl Into<String>) -> ApiError {
    ApiError::new(format!("{SERVICE}#{code}"), message)
}

/// Returns a `ValidationException` of the model's constraints: missing, too long, not in the enumeration.
pub(super) fn constraint(message: impl std::fmt::Display) -> ApiError {
    ApiError::new(
        format!("{CONSTRAINTS}#ValidationException"),
        format!("1 validation error detected: {message}"),
    )
}

/// Returns a `ValidationException` of Step Functions itself, with the modelled `reason` if there is one.
pub(super) fn invalid(message: impl Into<String>, reason: Option<&str>) -> ApiError {
    let mut error = error("ValidationException", message);
    if let Some(reason) = reason {
        error.members.insert("reason".into(), reason.into());
    }
    error
}

pub(super) fn invalid_arn(what: impl std::fmt::Display) -> ApiError {
    error("InvalidArn", format!("Invalid Arn: '{what}'"))
}

pub(super) fn invalid_token() -> ApiError {
    error("InvalidToken", "Invalid Token: 'Invalid token'")
}

pub(super) fn no_execution(arn: &str) -> ApiError {
    error(
        "ExecutionDoesNotExist",
        format!("Execution Does Not Exist: '{arn}'"),
    )
}

pub(super) fn no_machine(arn: &str) -> ApiError {
    error(
        "StateMachineDoesNotExist",
        format!("State Machine Does Not Exist: '{arn}'"),
    )
}

pub(super) fn no_resource(arn: &str) -> ApiError {
    error("ResourceNotFound", format!("Resource not found: '{arn}'"))
}

pub(super) fn deleting(arn: &str) -> ApiError {
    error(
        "StateMachineDeleting",
        format!("State Machine is being deleted: '{arn}'"),
    )
}

pub(super) fn limit_exceeded() -> ApiError {
    error(
        "ExecutionLimitExceeded",
        "The maximum number of open executions has been reached",
    )
}

/// A request body, whose members the methods read.
#[derive(Clone, Copy)]
pub(super) struct Request<'a>(pub(super) &'a Value);

impl<'a> Request<'a> {
    fn member(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Reads an optional string of `min..=max` characters.
    pub(super) fn text(self, name: &str, min: usize, max: usize) -> Answer<Option<&'a str>> {
        let Some(value) = self.member(name) else {
            return Ok(None);
        };
        let text = value.as_str().ok_or_else(|| wrong_type(name, "a string"))?;
        let length = text.chars().count();
        if length < min || length > max {
            let (bound, side) = if length < min {
                (min, "greater")
            } else {
                (max, "less")
            };
            let shown: String = text.chars().take(64).collect();
            return Err(constraint(format_args!(
                "Value '{shown}' at '{name}' failed to satisfy constraint: \
                 Member must have length {side} than or equal to {bound}"
            )));
        }
        Ok(Some(text))
    }

    /// Reads a required string of 1 to `max` characters.
    pub(super) fn required(self, name: &str, max: usize) -> Answer<&'a str> {
        self.text(name, 1, max)?.ok_or_else(|| {
            constraint(format_args!(
                "Value null at '{name}' failed to satisfy constraint: Member must not be null"
            ))
        })
    }

    pub(super) fn flag(self, name: &str, default: bool) -> Answer<bool> {
        match self.member(name) {
            None => Ok(default),
            Some(value) => value.as_bool().ok_or_else(|| wrong_type(name, "a boolean")),
        }
    }

    /// Reads a value of an enumeration.
    pub(super) fn one_of(self, name: &str, allowed: &[&str]) -> Answer<Option<&'a str>> {
        let Some(text) = self.text(name, 0, usize::MAX)? else {
            return Ok(None);
        };
        if allowed.contains(&text) {
            return Ok(Some(text));
        }
        Err(constraint(format_args!(
            "Value '{text}' at '{name}' failed to satisfy constraint: \
             Member must satisfy enum value set: [{}]",
            allowed.join(", ")
        )))
    }

    /// Reads `maxResults`: 0 and absent mean 100, and the maximum is 1000 (documented).
    pub(super) fn page_size(self) -> Answer<usize> {
        let Some(value) = self.member("maxResults") else {
            return Ok(100);
        };
        match value.as_u64() {
            Some(0) => Ok(100),
            Some(size @ 1..=1000) => {
                usize::try_from(size).map_err(|_| wrong_type("maxResults", "a number"))
            }
            Some(size) => Err(constraint(format_args!(
                "Value '{size}' at 'maxResults' failed to satisfy constraint: \
                 Member must have value less than or equal to 1000"
            ))),
            None => Err(wrong_type("maxResults", "a number")),
        }
    }

    /// Reads `nextToken`: the end of the last page. A token lives for 24 hours (documented).
    pub(super) fn page_start(self, now: u64) -> Answer<Option<Page>> {
        let Some(token) = self.text("nextToken", 1, 3096)? else {
            return Ok(None);
        };
        let page = Page::read(token).ok_or_else(invalid_token)?;
        if now.saturating_sub(page.issued) > 24 * 60 * 60 * 1000 {
            return Err(invalid_token());
        }
        Ok(Some(page))
    }

    /// Returns a member without any check of its form.
    pub(super) fn raw(self, name: &str) -> Option<&'a Value> {
        self.member(name)
    }
}

fn wrong_type(name: &str, expected: &str) -> ApiError {
    ApiError::new(
        "SerializationException",
        format!("'{name}' must be {expected}"),
    )
}

/// A position in a list: the key of the last item shown, and the time at which the token was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) key: (u64, u64),
    issued: u64,
}

impl Page {
    pub(super) fn new(key: (u64, u64), now: u64) -> Self {
        Self { key, issued: now }
    }

    fn read(token: &str) -> Option<Self> {
        let mut parts = token
            .split('-')
            .map(|part| u64::from_str_radix(part, 16).ok());
        let page = Self {
            key: (parts.next()??, parts.next()??),
            issued: parts.next()??,
        };
        parts.next().is_none().then_some(page)
    }
}

impl std::fmt::Display for Page {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}-{:x}-{:x}", self.key.0, self.key.1, self.issued)
    }
}

/// A JSON object under construction, without absent members.
#[derive(Default)]
pub(super) struct Object(Map<String, Value>);

impl Object {
    pub(super) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.into(), value.into());
        self
    }

    pub(super) fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value {
            Some(value) => self.with(key, value),
            None => self,
        }
    }

    pub(super) fn done(self) -> Value {
        Value::Object(self.0)
    }
}

/// Returns a string as JSON.
pub(super) fn text(value: &str) -> Value {
    Value::from(value)
}

/// A parsed ARN of Step Functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arn<'a> {
    /// `stateMachine:<name>[/<label>][:<version or alias>]`
    Machine {
        unqualified: &'a str,
        qualifier: Option<&'a str>,
        label: Option<&'a str>,
    },
    /// `execution:<machine>[/<label>]:<name>`
    Execution {
        machine: &'a str,
        label: Option<&'a str>,
        name: &'a str,
    },
    /// `express:<machine>:<name>:<uuid>`
    Express,
    /// `mapRun:<machine>/<label>:<uuid>`
    MapRun,
}

impl<'a> Arn<'a> {
    pub(super) fn read(arn: &'a str) -> Answer<Self> {
        let mut parts = arn.splitn(6, ':');
        if parts.next() != Some("arn") {
            return Err(invalid_arn(format_args!("Invalid ARN prefix: {arn}")));
        }
        let (partition, service) = (parts.next(), parts.next());
        let (region, account) = (parts.next(), parts.next());
        let known = partition.is_some_and(|name| name.starts_with("aws"))
            && service == Some("states")
            && region.is_some_and(|name| !name.is_empty())
            && account.is_some_and(|id| id.len() == 12 && id.bytes().all(|b| b.is_ascii_digit()));
        let resource = parts
            .next()
            .filter(|_| known)
            .ok_or_else(|| invalid_arn(arn))?;
        Self::resource(arn, resource).ok_or_else(|| invalid_arn(arn))
    }

    fn resource(arn: &'a str, resource: &'a str) -> Option<Self> {
        let mut parts = resource.split(':');
        let kind = parts.next()?;
        let first = parts.next().filter(|part| !part.is_empty())?;
        let second = parts.next();
        let third = parts.next();
        let (machine, label) = match first.split_once('/') {
            Some((machine, label)) => (machine, Some(label)),
            None => (first, None),
        };
        let name = second.filter(|name| !name.is_empty());
        match (kind, name, third) {
            ("stateMachine", qualifier, None) if second.is_none() == qualifier.is_none() => {
                let tail = qualifier.map_or(0, |qualifier| qualifier.len() + 1);
                let unqualified = arn.get(..arn.len() - tail)?;
                Some(Self::Machine {
                    unqualified,
                    qualifier,
                    label,
                })
            }
            ("execution", Some(name), None) => Some(Self::Execution {
                machine,
                label,
                name,
            }),
            ("express", Some(_), _) => Some(Self::Express),
            ("mapRun", Some(_), None) => Some(Self::MapRun),
            _ => None,
        }
    }

    /// Returns the word that `InvalidArn` uses for the type of a resource.
    pub(super) fn kind(self) -> &'static str {
        match self {
            Self::Machine { .. } => "stateMachine",
            Self::Execution { .. } => "execution",
            Self::Express => "express",
            Self::MapRun => "mapRun",
        }
    }
}

/// Returns the error for an ARN whose resource type does not fit the operation.
pub(super) fn wrong_kind(arn: Arn<'_>) -> ApiError {
    invalid_arn(format_args!(
        "Resource type not valid in this context: {}",
        arn.kind()
    ))
}

/// Returns an ARN of Step Functions.
pub(super) fn arn(place: &Place, resource: std::fmt::Arguments<'_>) -> String {
    format!(
        "arn:{}:states:{}:{}:{resource}",
        place.partition, place.region, place.account
    )
}

/// Checks the name of a machine, an alias or an execution: 1 to 80 characters, without the special characters of
/// ARNs, globs and shells (documented).
pub(super) fn valid_name(name: &str) -> Answer<&str> {
    let length = name.chars().count();
    let wrong =
        |c: char| c.is_whitespace() || c.is_control() || "<>{}[]?*\"#%\\^|~`$&,;:/".contains(c);
    if length == 0 || length > 80 || name.chars().any(wrong) {
        return Err(error("InvalidName", format!("Invalid Name: '{name}'")));
    }
    Ok(name)
}

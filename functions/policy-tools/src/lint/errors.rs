//! Misspelt names of errors, close to names of the States language or of an AWS service.

use std::collections::BTreeSet;

use redrive_policy::{Condition, Pattern, Problem, SdkRetryMode, simplified, within};
use strsim::osa_distance;

/// Error names of the States language, from the Step Functions Developer Guide. `States.Http.AccessDenied` is not in
/// the guide, but was observed.
const STATES: [&str; 18] = [
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.Http.AccessDenied",
    "States.Http.Socket",
    "States.IntrinsicFailure",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.ParameterPathFailure",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultPathMatchFailure",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
];

/// Error names, one line per group of services: the prefixes before the dot, a colon, and the names after the dot.
/// `*` stands for all services. `tests/errors/generate.py` prints the file. Only lints use it, so that the functions
/// do not carry it.
const NAMES: &str = include_str!("names.txt");

/// Returns `Timeout` for `States.Timeout`.
fn bare(read: &str) -> Option<&'static str> {
    let read = simplified(read);
    STATES
        .into_iter()
        .find(|name| name.strip_prefix("States.").map(simplified) == Some(read.clone()))
}

fn lines() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAMES
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(':'))
}

/// An index of the known names.
pub(super) struct Known {
    services: BTreeSet<&'static str>,
    /// The names after the dot of all services, and the errors that the modes of the AWS CLI retry.
    errors: BTreeSet<&'static str>,
}

impl Known {
    pub(super) fn read() -> Self {
        let modes = SdkRetryMode::ALL
            .into_iter()
            .flat_map(SdkRetryMode::errors)
            .copied();
        Self {
            services: lines()
                .flat_map(|(services, _)| services.split(' '))
                .collect(),
            errors: lines()
                .flat_map(|(_, errors)| errors.split_whitespace())
                .chain(modes)
                .collect(),
        }
    }

    /// Warns of each value of a condition on `error` that is close to a known name, but is none.
    pub(super) fn doubt(&self, condition: &Condition, problems: &mut Vec<Problem>) {
        for value in &condition.values {
            let Pattern::Glob(_) = value.pattern else {
                continue;
            };
            if let Some(meant) = self.meant(&value.written) {
                problems.push(Problem::lint(
                value.at.0,
                format!(
                    "error: {:?} is not a known error of the States language or of an AWS service, so it may never match",
                    value.written
                ),
                format!("did you mean {meant:?}?"),
            ));
            }
        }
    }

    /// Returns the known name that is close to a name or glob.
    fn meant(&self, written: &str) -> Option<String> {
        let (head, rest) = match written.strip_prefix("*.") {
            Some(rest) => ("*.", rest),
            None => ("", written),
        };
        if rest.contains(['*', '\\']) || (head.is_empty() && STATES.contains(&rest)) {
            return None;
        }
        if head.is_empty()
            && let Some(name) = near(rest, STATES, 2).or_else(|| bare(rest))
        {
            return Some(name.to_string());
        }
        match rest.split_once('.') {
            None => Some(format!("{head}{}", self.misspelt(rest)?)),
            Some((service, name)) if head.is_empty() && !name.contains('.') => {
                if self.services.contains(service) {
                    return self
                        .of_service(service, name)
                        .map(|meant| format!("{service}.{meant}"));
                }
                let meant = self.misspelt(name);
                // A service name of three letters is one letter away from half of the others.
                let allowed = usize::from(service.len() >= 5);
                match near(service, self.services.iter().copied(), allowed) {
                    // The part before the dot may be a word of the author's own. The known error name after the dot
                    // shows that a service is meant.
                    Some(known) => {
                        let name = meant.or_else(|| self.errors.contains(name).then_some(name))?;
                        Some(format!("{known}.{name}"))
                    }
                    None => Some(format!("{service}.{}", meant?)),
                }
            }
            Some(_) => None,
        }
    }

    /// Returns the probable name behind the prefix of an AWS service. Only that service uses the prefix for its
    /// errors.
    fn of_service(&self, service: &str, name: &str) -> Option<&'static str> {
        let own = || {
            lines()
                .filter(|(services, _)| {
                    let mut services = services.split(' ');
                    services.any(|own| own == service || own == "*")
                })
                .flat_map(|(_, errors)| errors.split_whitespace())
        };
        let allowed = may_be_wrong(name)?;
        if own().any(|known| known == name) || self.is_base(name) {
            return None;
        }
        if self.errors.contains(name) {
            // Another service has this name, so at most one letter may differ: TooManyRequestException may mean
            // TooManyRequestsException.
            return near(name, own(), 1);
        }
        near(name, own(), allowed).or_else(|| near(name, self.errors.iter().copied(), allowed))
    }

    /// Returns whether the name is a base class, such as `S3Exception` or `AmazonSQSException`. SDKs use it for
    /// errors that the service's model does not name.
    fn is_base(&self, name: &str) -> bool {
        let Some(bare) = name.strip_suffix("Exception") else {
            return false;
        };
        let bare = bare
            .strip_prefix("Amazon")
            .or_else(|| bare.strip_prefix("AWS"))
            .unwrap_or(bare);
        self.services
            .iter()
            .any(|service| service.starts_with(bare))
    }

    /// Returns the probable name for one without the prefix of a service, which may be the author's own. Exactly one
    /// word of it must be unknown, and close to a word of the known name. `JobNotFoundException` is no misspelt
    /// `TagNotFoundException`.
    fn misspelt(&self, name: &str) -> Option<&'static str> {
        if may_be_wrong(name).is_none() || self.errors.contains(name) {
            return None;
        }
        let read = words(name);
        self.errors.iter().copied().find(|known| {
            if known.len().abs_diff(name.len()) > 2 {
                return false;
            }
            let known = words(known);
            let mut differing = read
                .iter()
                .zip(&known)
                .filter(|(read, known)| read != known);
            let is_one = known.len() == read.len();
            match (differing.next(), differing.next()) {
                (Some((read, meant)), None) => is_one && self.is_no_word(read, meant),
                _ => false,
            }
        })
    }

    /// Returns whether `read` is close to `meant`, no form of it, and no word of any known name.
    fn is_no_word(&self, read: &str, meant: &str) -> bool {
        let is_form = read.starts_with(meant) || meant.starts_with(read);
        let begins_alike = read.chars().next() == meant.chars().next();
        let allowed = match read.len() {
            0..6 => return false,
            6..9 => 1,
            _ => 2,
        };
        begins_alike
            && !is_form
            && osa_distance(read, meant) <= allowed
            && !self.errors.iter().any(|known| words(known).contains(&read))
    }
}

/// Minimum lengths of a name for one wrong letter, and for two.
const ONE_WRONG: usize = 8;
const TWO_WRONG: usize = 12;

fn may_be_wrong(name: &str) -> Option<usize> {
    match name.len() {
        0..ONE_WRONG => None,
        ONE_WRONG..TWO_WRONG => Some(1),
        _ => Some(2),
    }
}

/// Returns the words of a name: `Too`, `Many`, `Requests`, `Exception`.
fn words(name: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let (mut from, mut is_after_capital) = (0, true);
    for (at, c) in name.char_indices() {
        if c.is_uppercase() && !is_after_capital {
            words.extend(name.get(from..at));
            from = at;
        }
        is_after_capital = c.is_uppercase();
    }
    words.extend(name.get(from..));
    words
}

/// Returns the closest known name, if it is close enough.
fn near(
    read: &str,
    known: impl IntoIterator<Item = &'static str>,
    most: usize,
) -> Option<&'static str> {
    within(&simplified(read), known, most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_some_service_has_is_never_doubted() {
        let known = Known::read();
        assert!(known.errors.len() > 3_500, "{}", known.errors.len());
        for name in &known.errors {
            assert_eq!(known.meant(name), None, "{name}");
            assert_eq!(known.meant(&format!("*.{name}")), None, "{name}");
            assert_eq!(known.meant(&format!("Own.{name}")), None, "{name}");
        }
        for (services, errors) in lines() {
            for service in services.split(' ') {
                for name in errors.split_whitespace() {
                    let name = format!("{service}.{name}");
                    assert_eq!(known.meant(&name), None, "{name}");
                }
            }
        }
    }

    #[test]
    fn what_an_sdk_calls_all_that_a_model_does_not_name_is_never_doubted() {
        let known = Known::read();
        for service in known.services.iter().filter(|service| **service != "*") {
            for name in [
                format!("{service}.{service}Exception"),
                format!("{service}.Amazon{service}Exception"),
                format!("{service}.AWS{service}Exception"),
                format!("{service}.SdkClientException"),
                format!("{service}.503"),
            ] {
                assert_eq!(known.meant(&name), None, "{name}");
            }
        }
        for name in [
            "DynamoDB.AmazonDynamoDBv2Exception",
            "EMR.AmazonElasticMapReduceException",
        ] {
            assert_eq!(known.meant(name), None, "{name}");
        }
    }

    #[test]
    fn what_functions_call_their_own_errors_is_never_doubted() {
        let known = Known::read();
        let python = "ArithmeticError AssertionError AttributeError BaseException BaseExceptionGroup BlockingIOError BrokenPipeError BufferError BytesWarning ChildProcessError ConnectionAbortedError ConnectionError ConnectionRefusedError ConnectionResetError DeprecationWarning EOFError EncodingWarning EnvironmentError Exception ExceptionGroup FileExistsError FileNotFoundError FloatingPointError FutureWarning GeneratorExit IOError ImportError ImportWarning IndentationError IndexError InterruptedError IsADirectoryError KeyError KeyboardInterrupt LookupError MemoryError ModuleNotFoundError NameError NotADirectoryError NotImplementedError OSError OverflowError PendingDeprecationWarning PermissionError ProcessLookupError RecursionError ReferenceError ResourceWarning RuntimeError RuntimeWarning StopAsyncIteration StopIteration SyntaxError SyntaxWarning SystemError SystemExit TabError TimeoutError TypeError UnboundLocalError UnicodeDecodeError UnicodeEncodeError UnicodeError UnicodeTranslateError UnicodeWarning UserWarning ValueError Warning ZeroDivisionError ConnectTimeout ReadTimeout HTTPError JSONDecodeError NoCredentialsError ClientError BotoCoreError ParamValidationError EndpointConnectionError ConnectTimeoutError ReadTimeoutError OperationalError IntegrityError ProgrammingError";
        let node = "Error AggregateError EvalError InternalError RangeError ReferenceError SyntaxError TypeError URIError AbortError AxiosError FetchError SystemError DOMException AssertionError MongoError SequelizeDatabaseError ValidationError ECONNRESET ECONNREFUSED ETIMEDOUT ENOTFOUND";
        let java = "ArithmeticException ArrayIndexOutOfBoundsException ClassCastException ClassNotFoundException CloneNotSupportedException ConcurrentModificationException ConnectException DateTimeException EOFException ExecutionException FileNotFoundException IOException IllegalArgumentException IllegalStateException IndexOutOfBoundsException InterruptedException InterruptedIOException InvocationTargetException NoSuchElementException NoSuchFieldException NoSuchMethodException NullPointerException NumberFormatException ParseException RejectedExecutionException RuntimeException SQLException SQLTimeoutException SQLTransientConnectionException SecurityException SocketException SocketTimeoutException StackOverflowError OutOfMemoryError TimeoutException UncheckedIOException UnknownHostException UnsupportedOperationException URISyntaxException java.lang.RuntimeException com.example.OrderException";
        let own = "MyAppError OrderNotFoundException CustomerNotFoundException JobNotFoundException CarNotFoundException ItemNotFoundException PaymentDeclinedException PaymentRequiredException InsufficientFundsException OutOfStock OutOfStockException InventoryException ShipmentDelayedException InvoiceAlreadyPaidException DuplicateOrderException DuplicateInvoiceException RateLimitError RateLimitedException RateLimitExceeded TooManyRequestException TooManyOrdersException DataNotReadyException FileNotReadyException PartnerTimeoutException PartnerNotFoundException SupplierNotFoundException BatchNotFoundException ReportNotFoundException TenantNotFoundException InvalidOrderException InvalidInvoiceException InvalidAmountException ValidationFailed ValidationErrors ServiceTimeoutException ServiceDownException RetryableException TransientError TransientException PermanentException QuotaExceeded ThrottledError Throttled NotReady StillRunning LockedException LockNotAcquiredException Payments.ServiceException Orders.NotFoundException Payments.DeclinedException Accounts.LockedOutException Order.Error Own.Error Glue.Etl.Failed";
        for name in [python, node, java, own].join(" ").split(' ') {
            assert_eq!(known.meant(name), None, "{name}");
        }
    }
}

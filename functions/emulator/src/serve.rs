//! The emulated services over HTTP, in the AWS JSON protocols 1.0 and 1.1, for real SDKs and the AWS CLI.
//!
//! Each account and region is separate. The region is the one that the request is signed for. The account is the
//! access key id if that has twelve digits, and otherwise 111122223333. Signatures are not checked.
//!
//! The paths under `/_redrive/` exist only in the emulator:
//!
//! | request | answer |
//! | --- | --- |
//! | `GET /_redrive/events` | the events emitted so far, oldest first; `?after=N` leaves out the first N |
//! | `GET /_redrive/calls` | how often each operation was called |
//! | `GET /_redrive/record` | every call, oldest first: its target, whether it took `effect` (`done`, `replayed`, `refused` or `not_received`), and whether the caller was `answered` |
//! | `POST /_redrive/clock` `{"advance_seconds": 900}` | winds the clock forward: runs end, tokens expire |
//! | `POST /_redrive/faults` `{"service": "states", "operation": "RedriveExecution", "fault": …}` | plays a fault on the next call: `{"refuse": {"code", "message", "status"}}`, `"lose_request"`, `"lose_answer"`, or `{"answer": {"status", "body", "content_type", "takes_effect"}}`, which is sent as it stands |
//! | `POST /_redrive/options` `{"codepipeline": {"state_shows_execution_type": false}}` | changes CodePipeline's options for behaviour that AWS leaves open, from now on ([`Options`](crate::codepipeline::Options)) |
//!
//! Faults and options apply to one account and region, by default 111122223333 and eu-west-1. Both requests accept
//! `"account"` and `"region"`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::api::{ApiError, CallError, Emitted, Fault, Ids, Place, RawAnswer, Service};
use crate::called;
use crate::codepipeline::CodePipeline;
use crate::region::{Region, ServiceKind as Which};
use crate::stepfunctions::StepFunctions;

/// Maximum advance of the clock: a century, which is longer than any period of the services.
const FARTHEST_SECONDS: u64 = 100 * 365 * 24 * 60 * 60;

/// Maximum size of a request body.
// AWS: the largest body of these operations is 1 MB.
const LARGEST_BODY: usize = 1024 * 1024;

/// Serves both services until the process ends.
///
/// `ready` receives the address once the server accepts requests; `port` 0 lets the system choose a port. `announce`
/// receives each event that a service emits.
///
/// # Errors
/// The port cannot be bound, or the system provides no sockets.
pub fn serve(
    port: u16,
    ready: impl FnOnce(SocketAddr),
    announce: impl Fn(&Emitted) + 'static,
) -> std::io::Result<Infallible> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        // The server listens on loopback only, since the emulator has no authentication.
        let listener = TcpListener::bind(("127.0.0.1", port)).await?;
        ready(listener.local_addr()?);
        let server = Rc::new(Server {
            announce: Box::new(announce),
            state: RefCell::new(State {
                // The request ids must differ from the emulated services' ids, so they have their own seed.
                ids: Ids::new(u64::MAX),
                regions: BTreeMap::new(),
                events: Vec::new(),
                calls: BTreeMap::new(),
                ahead_ms: 0,
            }),
        });
        let ticking = Rc::clone(&server);
        tokio::task::spawn_local(async move {
            loop {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                ticking.advance();
            }
        });
        loop {
            let (stream, _) = listener.accept().await?;
            let server = Rc::clone(&server);
            tokio::task::spawn_local(async move {
                let service = service_fn(move |request| {
                    let server = Rc::clone(&server);
                    async move { server.answer(request).await }
                });
                // A connection that breaks, or that is closed to lose an answer, is no error of the server.
                let _ = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    })
}

/// The error that makes hyper drop the connection, so that the answer is lost on purpose.
#[derive(Debug, thiserror::Error)]
#[error("the answer is lost on purpose")]
struct Lost;

type Answer = Result<Response<Full<Bytes>>, Lost>;

struct Server {
    announce: Box<dyn Fn(&Emitted)>,
    state: RefCell<State>,
}

struct State {
    ids: Ids,
    regions: BTreeMap<(String, String), Region>,
    events: Vec<Value>,
    calls: BTreeMap<String, u64>,
    ahead_ms: u64,
}

impl State {
    fn now(&self) -> u64 {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        u64::try_from(since.as_millis())
            .unwrap_or(u64::MAX)
            .saturating_add(self.ahead_ms)
    }
}

impl Server {
    /// Finishes all due work, and announces its events.
    fn advance(&self) {
        let mut state = self.state.borrow_mut();
        let now = state.now();
        let mut emitted: Vec<Emitted> = state
            .regions
            .values_mut()
            .flat_map(|region| region.advance(now))
            .collect();
        emitted.sort_by_key(|emitted| emitted.at);
        for emitted in emitted {
            (self.announce)(&emitted);
            state.events.push(emitted.event);
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Answer {
        let (head, body) = request.into_parts();
        let Ok(body) = Limited::new(body, LARGEST_BODY).collect().await else {
            return wire_error(&ApiError::new(
                "SerializationException",
                "the body is missing, truncated, or over 1 MB",
            ));
        };
        let body = body.to_bytes();
        let answer = match (head.method, head.uri.path()) {
            (Method::POST, "/") => self.operate(&head.headers, &body),
            (method, path) if path.starts_with("/_redrive/") => {
                self.control(&method, path, head.uri.query().unwrap_or_default(), &body)
            }
            _ => json_answer(
                StatusCode::NOT_FOUND,
                &json!({ "message": "POST / with X-Amz-Target answers AWS calls; GET /_redrive/events, GET /_redrive/calls, GET /_redrive/record, POST /_redrive/clock, POST /_redrive/faults and POST /_redrive/options are the emulator's own" }),
            ),
        };
        self.advance();
        let mut answer = answer?;
        let id = self.state.borrow_mut().ids.uuid();
        if let Ok(id) = HeaderValue::from_str(&id) {
            answer.headers_mut().insert("x-amzn-requestid", id);
        }
        Ok(answer)
    }

    fn operate(&self, headers: &HeaderMap, body: &[u8]) -> Answer {
        let target = headers
            .get("x-amz-target")
            .and_then(|target| target.to_str().ok())
            .unwrap_or_default();
        let (which, operation) = match target.split_once('.') {
            Some(("AWSStepFunctions", operation)) => (Which::StepFunctions, operation),
            Some(("CodePipeline_20150709", operation)) => (Which::CodePipeline, operation),
            _ => {
                let message = format!(
                    "X-Amz-Target names no operation of AWSStepFunctions or CodePipeline_20150709: {target:?}"
                );
                return wire_error(&ApiError::new("UnknownOperationException", message));
            }
        };
        let body: Value = match serde_json::from_slice(if body.is_empty() { b"{}" } else { body }) {
            Ok(body @ Value::Object(_)) => body,
            _ => {
                return wire_error(&ApiError::new(
                    "SerializationException",
                    "the body is not a JSON object",
                ));
            }
        };
        let place = place_of(headers);
        let mut state = self.state.borrow_mut();
        let now = state.now();
        *state.calls.entry(operation.to_owned()).or_default() += 1;
        let region = state.region(&place);
        let mut answer = match region.call(which, now, operation, &body) {
            Ok(answer) => json_answer(StatusCode::OK, &answer)?,
            Err(CallError::Api(error)) => wire_error(&error)?,
            Err(CallError::Raw(raw)) => return raw_answer(&raw),
            Err(CallError::Lost) => return Err(Lost),
        };
        if which == Which::CodePipeline {
            let version = HeaderValue::from_static("application/x-amz-json-1.1");
            answer.headers_mut().insert(CONTENT_TYPE, version);
        }
        Ok(answer)
    }

    fn control(&self, method: &Method, path: &str, query: &str, body: &[u8]) -> Answer {
        self.advance();
        let mut state = self.state.borrow_mut();
        match (method, path) {
            (&Method::GET, "/_redrive/events") => {
                let after = match query.strip_prefix("after=").map(str::parse) {
                    None if query.is_empty() => 0,
                    Some(Ok(after)) => after,
                    _ => {
                        return bad_request(
                            &"the only parameter is after=N, the number of events to skip",
                        );
                    }
                };
                let events: Vec<&Value> = state.events.iter().skip(after).collect();
                json_answer(StatusCode::OK, &json!(events))
            }
            (&Method::GET, "/_redrive/calls") => json_answer(StatusCode::OK, &json!(state.calls)),
            (&Method::GET, "/_redrive/record") => {
                let mut record: Vec<Value> = state.regions.values().flat_map(called::of).collect();
                record.sort_by_key(|call| call.get("at").and_then(Value::as_u64));
                json_answer(StatusCode::OK, &json!(record))
            }
            (&Method::POST, "/_redrive/clock") => match serde_json::from_slice::<Wind>(body) {
                Ok(wind) if wind.advance_seconds > FARTHEST_SECONDS => {
                    bad_request(&format_args!("advance_seconds: at most {FARTHEST_SECONDS}"))
                }
                Ok(wind) => {
                    state.ahead_ms = state
                        .ahead_ms
                        .saturating_add(wind.advance_seconds.saturating_mul(1000));
                    json_answer(StatusCode::OK, &json!({ "now_ms": state.now() }))
                }
                Err(error) => bad_request(&error),
            },
            (&Method::POST, "/_redrive/faults") => {
                match serde_json::from_slice::<PlayFault>(body) {
                    Ok(play) => state.play(play),
                    Err(error) => bad_request(&error),
                }
            }
            (&Method::POST, "/_redrive/options") => match serde_json::from_slice::<Choose>(body) {
                Ok(choose) => state.choose(choose),
                Err(error) => bad_request(&error),
            },
            _ => json_answer(
                StatusCode::NOT_FOUND,
                &json!({ "message": format!("{method} {path} is none of GET events, GET calls, GET record, POST clock, POST faults, POST options") }),
            ),
        }
    }
}

impl State {
    fn play(&mut self, play: PlayFault) -> Answer {
        let operations: &[&str] = match play.service {
            ServiceName::States => &StepFunctions::OPERATIONS,
            ServiceName::Codepipeline => &CodePipeline::OPERATIONS,
        };
        if !operations.contains(&play.operation.as_str()) {
            return bad_request(&format_args!(
                "operation: none of {}",
                operations.join(", ")
            ));
        }
        if let FaultName::Refuse { status, .. } = &play.fault
            && !(400..=599).contains(status)
        {
            return bad_request(&"status: an HTTP status from 400 to 599");
        }
        if let FaultName::Answer { status, .. } = &play.fault
            && !(200..=599).contains(status)
        {
            return bad_request(&"status: an HTTP status from 200 to 599");
        }
        let region = self.region_named(play.region, play.account);
        let fault = play.fault.into();
        match play.service {
            ServiceName::States => region.stepfunctions.inject(&play.operation, fault),
            ServiceName::Codepipeline => region.codepipeline.inject(&play.operation, fault),
        }
        json_answer(StatusCode::OK, &json!({}))
    }

    fn choose(&mut self, choose: Choose) -> Answer {
        let region = self.region_named(choose.region, choose.account);
        region.codepipeline.options_mut().state_shows_execution_type =
            choose.codepipeline.state_shows_execution_type;
        json_answer(StatusCode::OK, &json!({}))
    }

    fn region_named(&mut self, region: Option<String>, account: Option<String>) -> &mut Region {
        let place = Place::default();
        self.region(&Place {
            region: region.unwrap_or(place.region),
            account: account.unwrap_or(place.account),
            partition: place.partition,
        })
    }

    fn region(&mut self, place: &Place) -> &mut Region {
        let seed = self.regions.len() as u64;
        let key = (place.account.clone(), place.region.clone());
        self.regions
            .entry(key)
            .or_insert_with(|| Region::new(place, seed))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wind {
    advance_seconds: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlayFault {
    service: ServiceName,
    operation: String,
    fault: FaultName,
    region: Option<String>,
    account: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Choose {
    codepipeline: OfPipelines,
    region: Option<String>,
    account: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfPipelines {
    state_shows_execution_type: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum ServiceName {
    States,
    Codepipeline,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum FaultName {
    Refuse {
        code: String,
        #[serde(default)]
        message: String,
        #[serde(default = "bad_request_status")]
        status: u16,
    },
    LoseRequest,
    LoseAnswer,
    Answer {
        status: u16,
        #[serde(default)]
        body: String,
        #[serde(default = "html")]
        content_type: String,
        takes_effect: bool,
    },
}

fn html() -> String {
    "text/html".to_owned()
}

const fn bad_request_status() -> u16 {
    400
}

impl From<FaultName> for Fault {
    fn from(name: FaultName) -> Self {
        match name {
            FaultName::Refuse {
                code,
                message,
                status,
            } => Self::Refuse(ApiError {
                status,
                ..ApiError::new(code, message)
            }),
            FaultName::LoseRequest => Self::LoseRequest,
            FaultName::LoseAnswer => Self::LoseAnswer,
            FaultName::Answer {
                status,
                body,
                content_type,
                takes_effect,
            } => Self::Answer {
                raw: RawAnswer {
                    status,
                    content_type,
                    body,
                },
                takes_effect,
            },
        }
    }
}

/// Reads the place from a signature such as `Credential=AKID/20261120/eu-west-1/states/aws4_request`.
fn place_of(headers: &HeaderMap) -> Place {
    let mut place = Place::default();
    let signed = headers
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let Some((_, credential)) = signed.split_once("Credential=") else {
        return place;
    };
    let mut parts = credential.split(['/', ',']);
    if let Some(key) = parts
        .next()
        .filter(|key| key.len() == 12 && key.bytes().all(|b| b.is_ascii_digit()))
    {
        place.account = key.to_owned();
    }
    if let Some(region) = parts.nth(1).filter(|region| !region.is_empty()) {
        place.region = region.to_owned();
    }
    if place.region.starts_with("cn-") {
        place.partition = "aws-cn".into();
    } else if place.region.starts_with("us-gov-") {
        place.partition = "aws-us-gov".into();
    }
    place
}

fn bad_request(error: &dyn std::fmt::Display) -> Answer {
    json_answer(
        StatusCode::BAD_REQUEST,
        &json!({ "message": error.to_string() }),
    )
}

fn wire_error(error: &ApiError) -> Answer {
    let mut body = error.members.clone();
    body.insert("__type".into(), error.kind.clone().into());
    body.insert("message".into(), error.message.clone().into());
    json_answer(
        StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST),
        &Value::Object(body),
    )
}

fn raw_answer(raw: &RawAnswer) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(raw.body.clone())));
    *response.status_mut() = StatusCode::from_u16(raw.status).unwrap_or_default();
    if let Ok(content_type) = HeaderValue::from_str(&raw.content_type) {
        response.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    Ok(response)
}

fn json_answer(status: StatusCode, body: &Value) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/x-amz-json-1.0"),
    );
    Ok(response)
}

//! The kernel of virtual time, on which every simulation plays.
//!
//! - [`Agenda`] is the clock and the steps that are to happen.
//! - [`Sandbox`] adds both services and the ledger.
//! - [`Invocation`] gives the core's controller its ledger, target, queue and clock over a sandbox.
//! - [`Interceptor`] decides, in one place, what becomes of each request of an invocation.
//! - [`run`], [`race`] and `Tasks` continue invocations until they end, wait or die.

mod agenda;
mod executor;
mod interceptor;
mod invocation;
mod sandbox;

pub use self::agenda::{Agenda, Turn};
pub(crate) use self::executor::{Task, Tasks};
pub use self::executor::{race, run};
pub use self::interceptor::{Interceptor, Request, RequestError};
pub use self::invocation::{Deployed, Invocation, Process};
pub use self::sandbox::{Sandbox, place_of};

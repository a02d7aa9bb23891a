//! What a rule does to a request on its way.

use super::fault::FailureInjector;
use super::modifier::HeaderModifier;
use super::redirect::Redirect;

/// One filter; they run in the order of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// Answers some requests with a failure.
    Fail(FailureInjector),
    /// Sends the client elsewhere.
    Redirect(Redirect),
    /// Changes the request's head.
    Request(HeaderModifier),
    /// Changes the response's head.
    Response(HeaderModifier),
}

//! What went wrong with a call to the API server, by what the user can do about it.

use std::time::Duration;

/// A failed call. `call` names it as a user would: `get configmap linkerd/linkerd-config`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kubeconfig cannot be used.
    #[error("cannot use the kubeconfig: {0}")]
    Kubeconfig(String),
    /// The server could not be reached or the connection broke.
    #[error("cannot {call}: {cause}")]
    Unreachable {
        /// What was tried.
        call: String,
        /// The cause, innermost last.
        cause: String,
    },
    /// The server answered, but did not let this user do it.
    #[error("cannot {call}: {message}")]
    Denied {
        /// What was tried.
        call: String,
        /// The server's words.
        message: String,
    },
    /// The object does not exist.
    #[error("cannot {call}: not found")]
    NotFound {
        /// What was tried.
        call: String,
    },
    /// The server refused for another reason.
    #[error("cannot {call}: {message} (HTTP {code})")]
    Refused {
        /// What was tried.
        call: String,
        /// The server's words.
        message: String,
        /// HTTP status.
        code: u16,
    },
    /// No answer in time.
    #[error("cannot {call}: no answer within {}s", after.as_secs())]
    Timeout {
        /// What was tried.
        call: String,
        /// How long was waited.
        after: Duration,
    },
    /// The answer is not what the API promises.
    #[error("cannot {call}: unexpected answer: {cause}")]
    Answer {
        /// What was tried.
        call: String,
        /// Why it cannot be read.
        cause: String,
    },
}

impl Error {
    /// True when the object (or its kind) is simply not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound { .. })
    }

    /// True when the server was not reached at all.
    pub fn is_unreachable(&self) -> bool {
        matches!(self, Self::Kubeconfig(_) | Self::Unreachable { .. } | Self::Timeout { .. })
    }

    pub(crate) fn from_kube(call: impl Into<String>, error: kube::Error) -> Self {
        let call = call.into();
        match error {
            kube::Error::Api(status) => match status.code {
                401 | 403 => Self::Denied { call, message: status.message.clone() },
                404 => Self::NotFound { call },
                code => Self::Refused { call, message: status.message.clone(), code },
            },
            kube::Error::SerdeError(cause) => Self::Answer { call, cause: cause.to_string() },
            kube::Error::Service(cause) => Self::Unreachable { call, cause: chain(cause.as_ref()) },
            other => Self::Unreachable { call, cause: chain(&other) },
        }
    }
}

/// The messages of an error and its sources, without the repetition that wrappers add.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if !parts.iter().any(|part| part.contains(&text)) {
            parts.push(text);
        }
        next = error.source();
    }
    parts.join(": ")
}

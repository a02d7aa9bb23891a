//! Who holds a token: the proof of identity that comes with a certificate request.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, TokenReviewStatus};
use kube::api::{Api, PostParams};
use mesh_core::dns::{Label1123, Subdomain};
use mesh_core::identity::ServiceAccount;
use parking_lot::Mutex;
use tokio::time::Instant;

/// What tokens must have been made for.
pub const AUDIENCE: &str = "identity.l5d.io";
/// How long the API server may take to answer.
const LIMIT: Duration = Duration::from_secs(10);
/// How long a request may wait for its turn; the client gives up soon after.
const MAX_PAUSE: Duration = Duration::from_secs(5);
/// Largest token that is passed on, in bytes; real ones have about 1,200.
const MAX_TOKEN: usize = 16 * 1024;
const USER_PREFIX: &str = "system:serviceaccount:";

/// Why a token proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not what a token looks like.
    #[error("the token is malformed: {0}")]
    Malformed(&'static str),
    /// The API server does not know it, it has ended, or it belongs to a pod that is gone.
    #[error("the API server does not accept the token: {0}")]
    Refused(String),
    /// It is good for something else.
    #[error("the token was made for other audiences than {AUDIENCE}")]
    Audience,
    /// It belongs to a person, or to a name that no account can have.
    #[error("the token does not belong to a service account")]
    NotAnAccount,
    /// The API server cannot be asked.
    #[error("the API server cannot review the token: {0}")]
    Unavailable(String),
}

/// How often the API server may be asked.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// On average.
    pub per_second: u32,
    /// At once.
    pub burst: u32,
}

/// Says whose a token is: asks the API server (TokenReview).
pub struct Reviews {
    api: Api<TokenReview>,
    pace: Pace,
}

/// A bucket of permits.
struct Pace {
    quota: Quota,
    state: Mutex<(f64, Instant)>,
}

// === impl Reviews ===

impl Reviews {
    /// Asks through `client`, no more often than `quota` allows.
    pub fn new(client: kube::Client, quota: Quota) -> Self {
        Self { api: Api::all(client), pace: Pace::new(quota) }
    }

    /// The account that `token` was given to.
    ///
    /// # Errors
    /// When it proves nothing, or the API server cannot be asked in time.
    pub async fn review(&self, token: &[u8]) -> Result<ServiceAccount, TokenError> {
        let token = shaped(token)?;
        self.pace.wait().await?;
        let spec = TokenReviewSpec { audiences: Some(vec![AUDIENCE.to_owned()]), token };
        let review = TokenReview { spec, ..TokenReview::default() };
        let params = PostParams::default();
        let asking = self.api.create(&params, &review);
        let answer = match tokio::time::timeout(LIMIT, asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(TokenError::Unavailable(error.to_string())),
            Err(_) => return Err(TokenError::Unavailable(format!("no answer within {LIMIT:?}"))),
        };
        account(answer.status.unwrap_or_default())
    }
}

// === impl Pace ===

impl Pace {
    fn new(quota: Quota) -> Self {
        Self { quota, state: Mutex::new((f64::from(quota.burst), Instant::now())) }
    }

    /// Takes a permit, or waits for the one that is next. Whoever would have to wait too long takes none, so that a
    /// flood leaves no debt behind.
    async fn wait(&self) -> Result<(), TokenError> {
        let pause = {
            let (permits, since) = &mut *self.state.lock();
            let now = Instant::now();
            let rate = f64::from(self.quota.per_second.max(1));
            *permits =
                (*permits + rate * (now - *since).as_secs_f64()).min(f64::from(self.quota.burst.max(1)));
            *since = now;
            let missing = 1.0 - *permits;
            let pause = Duration::from_secs_f64(missing.max(0.0) / rate);
            if pause > MAX_PAUSE {
                return Err(TokenError::Unavailable("too many requests wait for it already".to_owned()));
            }
            *permits -= 1.0;
            pause
        };
        if !pause.is_zero() {
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }
}

/// A token as text, if it can be one: a JWT has letters, digits, `-`, `_` and two dots.
fn shaped(token: &[u8]) -> Result<String, TokenError> {
    if token.is_empty() {
        return Err(TokenError::Malformed("it is empty"));
    }
    if token.len() > MAX_TOKEN {
        return Err(TokenError::Malformed("it is too long"));
    }
    let text = std::str::from_utf8(token).map_err(|_| TokenError::Malformed("it is not text"))?.trim();
    match text.bytes().all(|byte| byte.is_ascii_graphic()) {
        true if !text.is_empty() => Ok(text.to_owned()),
        _ => Err(TokenError::Malformed("it holds blanks or characters that no token has")),
    }
}

/// What a review says, taken at its strictest.
fn account(status: TokenReviewStatus) -> Result<ServiceAccount, TokenError> {
    if status.authenticated != Some(true) {
        let why = status.error.filter(|error| !error.is_empty());
        return Err(TokenError::Refused(why.unwrap_or_else(|| "not authenticated".to_owned())));
    }
    // A server that does not know of audiences says none; its answer is about its own audience then.
    if !status.audiences.unwrap_or_default().iter().any(|audience| audience == AUDIENCE) {
        return Err(TokenError::Audience);
    }
    let username = status.user.and_then(|user| user.username).unwrap_or_default();
    let (namespace, name) = username
        .strip_prefix(USER_PREFIX)
        .and_then(|rest| rest.split_once(':'))
        .ok_or(TokenError::NotAnAccount)?;
    let namespace: Label1123 = namespace.parse().map_err(|_| TokenError::NotAnAccount)?;
    let name: Subdomain = name.parse().map_err(|_| TokenError::NotAnAccount)?;
    Ok(ServiceAccount { namespace: namespace.as_str().to_owned(), name: name.as_str().to_owned() })
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::authentication::v1::UserInfo;

    use super::*;

    fn status(username: &str, audiences: &[&str]) -> TokenReviewStatus {
        TokenReviewStatus {
            authenticated: Some(true),
            audiences: Some(audiences.iter().map(ToString::to_string).collect()),
            user: Some(UserInfo { username: Some(username.to_owned()), ..UserInfo::default() }),
            error: None,
        }
    }

    #[test]
    fn only_accounts_with_the_right_audience_are_somebody() {
        let good = account(status("system:serviceaccount:emoji:web", &["x", AUDIENCE])).unwrap();
        assert_eq!((good.namespace.as_str(), good.name.as_str()), ("emoji", "web"));
        let audiences: &[&[&str]] = &[&[], &["https://kubernetes.default.svc.cluster.local"]];
        for audiences in audiences {
            let refused = account(status("system:serviceaccount:emoji:web", audiences));
            assert_eq!(refused, Err(TokenError::Audience));
        }
        for name in [
            "",
            "admin",
            "system:serviceaccount:",
            "system:serviceaccount:a",
            "system:serviceaccount:A:b",
            "system:serviceaccount:a:b:c",
            "system:serviceaccount:a.b:c",
            "xsystem:serviceaccount:a:b",
        ] {
            assert_eq!(account(status(name, &[AUDIENCE])), Err(TokenError::NotAnAccount), "{name}");
        }
        let refused = TokenReviewStatus { error: Some("expired".into()), ..TokenReviewStatus::default() };
        assert_eq!(account(refused), Err(TokenError::Refused("expired".into())));
    }

    #[test]
    fn what_is_no_token_is_not_passed_on() {
        assert_eq!(shaped(b"a.b.c\n").unwrap(), "a.b.c");
        for bad in [&b""[..], b" \n", b"a b", b"\xff", b"a\0b", &[b'a'; MAX_TOKEN + 1]] {
            assert!(matches!(shaped(bad), Err(TokenError::Malformed(_))), "{bad:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_pace_is_kept() {
        let pace = Pace::new(Quota { per_second: 10, burst: 5 });
        let start = Instant::now();
        for _ in 0..25 {
            pace.wait().await.unwrap();
        }
        let taken = start.elapsed();
        assert!((1_900..2_200).contains(&taken.as_millis()), "{taken:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_flood_is_turned_away_and_leaves_no_debt() {
        let pace = Pace::new(Quota { per_second: 10, burst: 5 });
        let all = futures::future::join_all((0..1_000).map(|_| pace.wait())).await;
        let taken = all.iter().filter(|outcome| outcome.is_ok()).count();
        assert!((50..60).contains(&taken), "{taken}");
        let start = Instant::now();
        pace.wait().await.unwrap();
        assert!(start.elapsed() <= Duration::from_millis(200), "{:?}", start.elapsed());
    }
}

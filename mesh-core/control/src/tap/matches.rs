//! The question of a user as proxies understand it.

use linkerd2_proxy_api::http_types::{HttpMethod, Scheme, http_method, scheme};
use linkerd2_proxy_api::tap::observe_request as observe;
use linkerd2_proxy_api::tap::observe_request::r#match as proxy;
use mesh_api::tap::r#match as user;
use mesh_api::tap::{Match, Selection, TapRequest};

/// Requests a second where nobody says otherwise.
const DEFAULT_RPS: f32 = 100.0;
/// Most requests a second that may be asked for.
const MAX_RPS: f32 = 10_000.0;
/// How deep conditions may lie in one another.
const MAX_DEPTH: usize = 8;
/// How many conditions there may be.
const MAX_CONDITIONS: usize = 64;

/// A question, checked.
#[derive(Clone, Debug)]
pub struct Question {
    /// Which requests.
    pub matches: observe::Match,
    /// Most requests a second over all proxies.
    pub max_rps: u32,
    /// Whether header fields come along.
    pub headers: bool,
}

impl Question {
    /// Checks a question.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(request: &TapRequest) -> Result<Self, String> {
        let max_rps = match request.max_rps {
            0.0 => DEFAULT_RPS,
            rps if rps > 0.0 && rps <= MAX_RPS => rps,
            _ => return Err(format!("max-rps must be more than 0 and at most {MAX_RPS}")),
        };
        let mut left = MAX_CONDITIONS;
        let matches = match &request.r#match {
            None => all(Vec::new()),
            Some(condition) => convert(condition, 0, &mut left)?.unwrap_or_else(|| all(Vec::new())),
        };
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in range, see above")]
        let max_rps = max_rps.ceil() as u32;
        let headers = request.extract.as_ref().is_some_and(|extract| extract.extract.is_some());
        Ok(Self { matches, max_rps, headers })
    }

    /// The question for each of `pods` proxies, which share the rate.
    pub fn for_one_of(&self, pods: usize) -> linkerd2_proxy_api::tap::ObserveRequest {
        let pods = u32::try_from(pods).unwrap_or(u32::MAX).max(1);
        let extract = self.headers.then_some(observe::Extract {
            extract: Some(observe::extract::Extract::Http(observe::extract::Http {
                extract: Some(observe::extract::http::Extract::Headers(observe::extract::http::Headers {})),
            })),
        });
        linkerd2_proxy_api::tap::ObserveRequest {
            limit: (self.max_rps / pods).max(1),
            r#match: Some(self.matches.clone()),
            extract,
        }
    }
}

/// A condition; `None` for one that is empty and so always holds.
fn convert(condition: &Match, depth: usize, left: &mut usize) -> Result<Option<observe::Match>, String> {
    if depth > MAX_DEPTH {
        return Err(format!("conditions are nested deeper than {MAX_DEPTH}"));
    }
    *left = left.checked_sub(1).ok_or_else(|| format!("more than {MAX_CONDITIONS} conditions"))?;
    let Some(condition) = &condition.r#match else { return Ok(None) };
    let mut sequence = |matches: &[Match]| -> Result<Vec<observe::Match>, String> {
        let converted = matches.iter().filter_map(|it| convert(it, depth + 1, left).transpose());
        converted.collect()
    };
    Ok(Some(match condition {
        user::Match::All(inner) => all(sequence(&inner.matches)?),
        user::Match::Any(inner) => {
            let matches = sequence(&inner.matches)?;
            observe::Match { r#match: Some(proxy::Match::Any(proxy::Seq { matches })) }
        }
        user::Match::Not(inner) => {
            let inner = convert(inner, depth + 1, left)?.unwrap_or_else(|| all(Vec::new()));
            observe::Match { r#match: Some(proxy::Match::Not(Box::new(inner))) }
        }
        user::Match::Destinations(selection) => destinations(selection)?,
        user::Match::Http(http) => match &http.r#match {
            Some(http) => self::http(http),
            None => return Ok(None),
        },
    }))
}

fn all(matches: Vec<observe::Match>) -> observe::Match {
    observe::Match { r#match: Some(proxy::Match::All(proxy::Seq { matches })) }
}

/// Destinations by the labels that discovery gives to endpoints.
fn destinations(selection: &Selection) -> Result<observe::Match, String> {
    if !selection.label_selector.is_empty() {
        return Err("destinations cannot be selected by labels".to_owned());
    }
    let resource = selection.resource.as_ref().ok_or("a destination without a resource")?;
    let label = |key: &str, value: &str| observe::Match {
        r#match: Some(proxy::Match::DestinationLabel(proxy::Label {
            key: key.to_owned(),
            value: value.to_owned(),
        })),
    };
    let mut labels = Vec::new();
    let kind = match resource.r#type.as_str() {
        "job" => "k8s_job",
        kind @ ("deployment"
        | "daemonset"
        | "statefulset"
        | "replicaset"
        | "replicationcontroller"
        | "pod"
        | "service"
        | "namespace"
        | "cronjob") => kind,
        other => return Err(format!("unsupported resource type [{other}]")),
    };
    if !resource.name.is_empty() {
        labels.push(label(kind, &resource.name));
    }
    if !resource.namespace.is_empty() && kind != "namespace" {
        labels.push(label("namespace", &resource.namespace));
    }
    Ok(all(labels))
}

fn http(condition: &user::http::Match) -> observe::Match {
    use proxy::http::string_match::Match as Text;
    let text = |text| proxy::http::StringMatch { r#match: Some(text) };
    let matched = match condition {
        user::http::Match::Scheme(name) => {
            let registered = match name.to_ascii_lowercase().as_str() {
                "http" => scheme::Type::Registered(scheme::Registered::Http.into()),
                "https" => scheme::Type::Registered(scheme::Registered::Https.into()),
                _ => scheme::Type::Unregistered(name.clone()),
            };
            proxy::http::Match::Scheme(Scheme { r#type: Some(registered) })
        }
        user::http::Match::Method(name) => {
            let name = name.to_ascii_uppercase();
            let known = http_method::Registered::from_str_name(&name);
            let kind = match known {
                Some(known) => http_method::Type::Registered(known.into()),
                None => http_method::Type::Unregistered(name),
            };
            proxy::http::Match::Method(HttpMethod { r#type: Some(kind) })
        }
        user::http::Match::Authority(name) => proxy::http::Match::Authority(text(Text::Exact(name.clone()))),
        user::http::Match::Path(prefix) => proxy::http::Match::Path(text(Text::Prefix(prefix.clone()))),
    };
    observe::Match { r#match: Some(proxy::Match::Http(proxy::Http { r#match: Some(matched) })) }
}

#[cfg(test)]
mod tests {
    use mesh_api::tap::Resource;

    use super::*;

    fn http(condition: user::http::Match) -> Match {
        Match { r#match: Some(user::Match::Http(user::Http { r#match: Some(condition) })) }
    }

    #[test]
    fn conditions_keep_their_meaning() {
        let to = Selection {
            resource: Some(Resource { namespace: "b".into(), r#type: "job".into(), name: "j".into() }),
            label_selector: String::new(),
        };
        let matches = vec![
            http(user::http::Match::Method("get".into())),
            http(user::http::Match::Path("/a".into())),
            Match { r#match: Some(user::Match::Destinations(to)) },
            Match { r#match: None },
        ];
        let request = TapRequest {
            r#match: Some(Match { r#match: Some(user::Match::All(user::Sequence { matches })) }),
            max_rps: 10.0,
            ..TapRequest::default()
        };
        let question = Question::read(&request).unwrap();
        let Some(proxy::Match::All(found)) = &question.matches.r#match else { panic!("{question:?}") };
        assert_eq!(found.matches.len(), 3);
        let text = format!("{found:?}");
        for part in ["Prefix(\"/a\")", "key: \"k8s_job\", value: \"j\"", "key: \"namespace\", value: \"b\""] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(question.for_one_of(4).limit, 2);
        assert_eq!(question.for_one_of(40).limit, 1);
    }

    #[test]
    fn what_cannot_be_asked_is_named() {
        let mut deep = http(user::http::Match::Path("/".into()));
        for _ in 0..20 {
            deep = Match { r#match: Some(user::Match::Not(Box::new(deep))) };
        }
        let request =
            |condition, max_rps| TapRequest { r#match: condition, max_rps, ..TapRequest::default() };
        assert!(Question::read(&request(Some(deep), 0.0)).unwrap_err().contains("nested deeper"));
        let many = vec![http(user::http::Match::Path("/".into())); 100];
        let many = Match { r#match: Some(user::Match::Any(user::Sequence { matches: many })) };
        assert!(Question::read(&request(Some(many), 0.0)).unwrap_err().contains("more than 64"));
        for rps in [-1.0, f32::NAN, 1e9] {
            assert!(Question::read(&request(None, rps)).is_err(), "{rps}");
        }
        assert_eq!(Question::read(&request(None, 0.0)).unwrap().max_rps, 100);
    }
}

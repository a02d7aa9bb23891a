//! Questions about the server itself and about what this user may do there.

use jiff::Timestamp;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use kube::api::{Api, PostParams};

use crate::{Client, Error, Resource};

/// What the server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerVersion {
    /// As reported, e.g. `v1.33.13`.
    pub git_version: String,
}

impl ServerVersion {
    /// Major and minor, if the version has the usual shape.
    pub fn major_minor(&self) -> Option<(u32, u32)> {
        let mut parts = self.git_version.trim_start_matches('v').split('.');
        let mut next = || parts.next()?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
        Some((next()?, next()?))
    }
}

/// The answer of a SelfSubjectAccessReview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Access {
    /// Allowed.
    Allowed,
    /// Not allowed, with the server's reason if it gave one.
    Refused(Option<String>),
}

impl Client {
    /// The server's version; the cheapest call that proves it answers.
    pub async fn server_version(&self) -> Result<ServerVersion, Error> {
        let info = self.call("query the Kubernetes API".into(), self.kube.apiserver_version()).await?;
        Ok(ServerVersion { git_version: info.git_version })
    }

    /// The server's clock, from the `Date` header of an answer: whole seconds.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, Error> {
        let call = "read the clock of the Kubernetes API".to_owned();
        let request = http::Request::get("/version")
            .body(kube::client::Body::empty())
            .map_err(|error| Error::Answer { call: call.clone(), cause: error.to_string() })?;
        let response = self.call(call, self.kube.send(request)).await?;
        let date = response.headers().get(http::header::DATE).and_then(|date| date.to_str().ok());
        Ok(date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()).map(|zoned| zoned.timestamp()))
    }

    /// Asks whether this user may do `verb` on `resource`.
    pub async fn may(
        &self,
        verb: &str,
        resource: &Resource,
        namespace: Option<&str>,
    ) -> Result<Access, Error> {
        let call = format!("ask whether {verb} {} is allowed", resource.plural);
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    group: Some(resource.group.into()),
                    version: Some(resource.version.into()),
                    resource: Some(resource.plural.into()),
                    namespace: namespace.map(Into::into),
                    verb: Some(verb.into()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let api: Api<SelfSubjectAccessReview> = Api::all(self.kube.clone());
        let answer = self.call(call, api.create(&PostParams::default(), &review)).await?;
        Ok(match answer.status {
            Some(status) if status.allowed => Access::Allowed,
            Some(status) => Access::Refused(status.reason.filter(|reason| !reason.is_empty())),
            None => Access::Refused(None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ServerVersion;

    #[test]
    fn reads_versions_of_managed_clusters() {
        let of = |text: &str| ServerVersion { git_version: text.into() }.major_minor();
        assert_eq!(of("v1.33.13"), Some((1, 33)));
        assert_eq!(of("v1.29.4-eks-036c24b"), Some((1, 29)));
        assert_eq!(of("v1.30+"), Some((1, 30)));
        assert_eq!(of("banana"), None);
    }
}

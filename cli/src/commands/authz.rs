//! `linkerd authz`: the authorizations that apply to a workload.

use clap::Args;
use mesh_k8s::objects::Selection;
use mesh_k8s::selector::selects;
use mesh_k8s::target::Workload;
use mesh_k8s::{Client, Resource};
use serde::Serialize;
use serde_json::Value;

use crate::args::output::OutputArgs;
use crate::context::Context;
use crate::error::{CommandError, Outcome};
use crate::output::table::{Side, Table, Width};
use crate::output::{self, Report};

/// List authorizations for a resource
///
/// Which AuthorizationPolicies and ServerAuthorizations apply to the ports of a workload, by the Servers and
/// routes they name.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Example:\n  linkerd authz -n shop deploy/web")]
pub struct AuthzArgs {
    /// Workload: TYPE or TYPE/NAME, such as deploy/web
    #[arg(value_name = "RESOURCE")]
    resource: Workload,
    /// Namespace of the workload [default: that of the context]
    #[arg(short, long, value_name = "NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    output: OutputArgs,
}

#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
struct Authorizations(Vec<Row>);

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Row {
    route: String,
    server: String,
    authorization_policy: String,
    server_authorization: String,
}

impl Report for Authorizations {
    fn table(&self, _: Width) -> Table {
        let mut table = Table::new(
            ["ROUTE", "SERVER", "AUTHORIZATION_POLICY", "SERVER_AUTHORIZATION"]
                .map(|name| (name, Side::Left)),
        );
        for row in &self.0 {
            let cells = [&row.route, &row.server, &row.authorization_policy, &row.server_authorization];
            table.row(cells.map(|cell| if cell.is_empty() { "-".to_owned() } else { cell.clone() }));
        }
        table
    }
}

/// The policy objects of one namespace.
struct Policies {
    servers: Vec<Value>,
    routes: Vec<Value>,
    authorization_policies: Vec<Value>,
    server_authorizations: Vec<Value>,
}

/// Runs the command.
pub fn run(context: &mut Context<'_>, args: &AuthzArgs) -> Result<Outcome, CommandError> {
    let client = context.client()?;
    let namespace = args.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
    let (pods, policies) = context.block_on(async {
        futures::try_join!(client.pods_of(&args.resource, &namespace), fetch(&client, &namespace))
    })??;
    if pods.is_empty() {
        return Err(CommandError::failure(format!(
            "no pods found for {} in namespace {namespace}",
            args.resource.resource.kind.to_lowercase()
        )));
    }
    let rows = rows(&pods, &policies);
    if rows.is_empty() {
        context.ui.note("No Server selects these pods; the default policy applies.");
    }
    output::print(context.ui, args.output.format, &Authorizations(rows))?;
    Ok(Outcome::Success)
}

async fn fetch(client: &Client, namespace: &str) -> Result<Policies, mesh_k8s::Error> {
    let list = |resource| client.list(resource, Selection { namespace: Some(namespace), labels: None });
    let (servers, routes, authorization_policies, server_authorizations) = futures::try_join!(
        list(&Resource::SERVER),
        list(&Resource::HTTP_ROUTE),
        list(&Resource::AUTHORIZATION_POLICY),
        list(&Resource::SERVER_AUTHORIZATION),
    )?;
    Ok(Policies { servers, routes, authorization_policies, server_authorizations })
}

fn rows(pods: &[Value], policies: &Policies) -> Vec<Row> {
    let selects_any = |server: &&Value| {
        let selector = &server["spec"]["podSelector"];
        selector.is_object() && pods.iter().any(|pod| selects(selector, pod.pointer("/metadata/labels")))
    };
    let mut rows: Vec<Row> = policies
        .servers
        .iter()
        .filter(selects_any)
        .flat_map(|server| {
            let mut rows = policy_rows(server, policies);
            rows.extend(server_authorization_rows(server, policies));
            if rows.is_empty() {
                // A server that nobody may reach is worth a line.
                rows.push(Row { route: "*".into(), server: name(server).into(), ..Row::default() });
            }
            rows
        })
        .collect();
    rows.sort();
    rows
}

fn policy_rows(server: &Value, policies: &Policies) -> Vec<Row> {
    let server_name = name(server);
    let row = |route: &str, policy: &Value| Row {
        route: route.to_owned(),
        server: server_name.to_owned(),
        authorization_policy: name(policy).to_owned(),
        server_authorization: String::new(),
    };
    let mut rows = Vec::new();
    for policy in &policies.authorization_policies {
        let target = &policy["spec"]["targetRef"];
        match target["kind"].as_str().unwrap_or_default() {
            "Server" if target["name"] == server_name => rows.push(row("*", policy)),
            "Namespace" => rows.push(row("*", policy)),
            "HTTPRoute" => {
                let attached =
                    |route: &&Value| target["name"] == name(route) && is_attached(route, server_name);
                rows.extend(policies.routes.iter().filter(attached).map(|route| row(name(route), policy)));
            }
            _ => {}
        }
    }
    rows
}

fn server_authorization_rows(server: &Value, policies: &Policies) -> Vec<Row> {
    let applies = |authorization: &&Value| {
        let target = &authorization["spec"]["server"];
        target["name"] == name(server)
            || (target["selector"].is_object()
                && selects(&target["selector"], server.pointer("/metadata/labels")))
    };
    let row = |authorization: &Value| Row {
        route: "*".into(),
        server: name(server).into(),
        authorization_policy: String::new(),
        server_authorization: name(authorization).into(),
    };
    policies.server_authorizations.iter().filter(applies).map(row).collect()
}

fn is_attached(route: &Value, server: &str) -> bool {
    let parents = route.pointer("/spec/parentRefs").and_then(Value::as_array);
    parents.is_some_and(|parents| {
        parents.iter().any(|parent| parent["kind"] == "Server" && parent["name"] == server)
    })
}

fn name(object: &Value) -> &str {
    object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Policies, Row, rows};

    fn object(name: &str, spec: Value) -> Value {
        json!({"metadata": {"name": name, "labels": {"name": name}}, "spec": spec})
    }

    #[test]
    fn every_way_to_authorize_is_found() {
        let pods = [json!({"metadata": {"labels": {"app": "web"}}})];
        let selector = |app: &str| json!({"podSelector": {"matchLabels": {"app": app}}});
        let policies = Policies {
            servers: vec![
                object("web-http", selector("web")),
                object("other", selector("api")),
                object("web-admin", selector("web")),
            ],
            routes: vec![object("read", json!({"parentRefs": [{"kind": "Server", "name": "web-http"}]}))],
            authorization_policies: vec![
                object("to-server", json!({"targetRef": {"kind": "Server", "name": "web-http"}})),
                object("to-route", json!({"targetRef": {"kind": "HTTPRoute", "name": "read"}})),
                object("to-other", json!({"targetRef": {"kind": "Server", "name": "other"}})),
            ],
            server_authorizations: vec![object(
                "by-selector",
                json!({"server": {"selector": {"matchLabels": {"name": "web-http"}}}}),
            )],
        };
        let row = |route: &str, server: &str, policy: &str, authorization: &str| Row {
            route: route.into(),
            server: server.into(),
            authorization_policy: policy.into(),
            server_authorization: authorization.into(),
        };
        assert_eq!(
            rows(&pods, &policies),
            [
                row("*", "web-admin", "", ""),
                row("*", "web-http", "", "by-selector"),
                row("*", "web-http", "to-server", ""),
                row("read", "web-http", "to-route", ""),
            ]
        );
    }
}

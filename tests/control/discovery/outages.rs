//! An API server that is there and does not do what it should: it forgets versions, fails for some of its groups, asks
//! for patience, and ends what it began.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::StatusCode;
use mesh_control::config::Config;
use mesh_control::record::Kind;
use mesh_tests::cluster::Cluster;
use serde_json::{Value, json};

use crate::kit::between::{Asked, Between, Verdict};
use crate::kit::followed::Followed;
use crate::kit::{api, server};

/// How long an index may take to be right once it can be.
const SECONDS: Duration = Duration::from_secs(15);
/// The group of policies.
const POLICY: &str = "policy.linkerd.io";

/// An index that follows the cluster and asks under a rule from the start.
async fn under(rule: impl FnMut(&Asked) -> Verdict + Send + 'static) -> Followed<Between> {
    let cluster = tokio::task::spawn_blocking(api::cluster).await.unwrap();
    let between = Between::start(api::client(&cluster.kubeconfig_path()).await).await;
    between.rule(rule);
    let client = between.client();
    Followed::over(between, client)
}

fn has_server(followed: &Followed<Between>, namespace: &str, name: &str) -> bool {
    let index = followed.index.lock();
    let servers = index.store().servers(&namespace.into());
    servers.iter().any(|server| *server.key.name == *name)
}

/// A namespace that one test has for itself.
async fn namespace(name: &'static str) -> &'static Cluster {
    tokio::task::spawn_blocking(move || {
        let cluster = api::cluster();
        api::prepare(cluster, name);
        cluster
    })
    .await
    .unwrap()
}

fn headless(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": "None", "ports": [{"name": "http", "port": 80}]}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_version_that_is_gone_leads_to_a_new_list() {
    // Flaw it answers: a watch from a version that the API server has forgotten is begun again for ever.
    let cluster = namespace("gone").await;
    let old = Arc::new(AtomicBool::new(false));
    let from = Arc::clone(&old);
    let rule = move |asked: &Asked| match asked.resource.as_str() {
        "services" if asked.is_watch() && from.swap(false, Ordering::SeqCst) => {
            Verdict::Ask(asked.with("resourceVersion", "1"))
        }
        _ => Verdict::Pass,
    };
    let followed = under(rule).await.ready(SECONDS).await;
    let lists = |followed: &Followed<Between>| {
        followed.way.asked("services").iter().filter(|asked| !asked.is_watch()).count()
    };
    let before = lists(&followed);
    old.store(true, Ordering::SeqCst);
    followed.way.cut();
    followed.until("the API server says 410", SECONDS, |it| !it.way.gone("services").is_empty()).await;
    followed.until("it is listed again", SECONDS, |it| lists(it) > before).await;
    api::apply(cluster, &headless("gone", "comes"));
    followed.until("the watch goes on", SECONDS, |it| it.has_service("gone", "comes")).await;
    assert_eq!(followed.way.gone("services").len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_whose_later_pages_are_gone_begins_anew() {
    // Flaw it answers: what had been read of a list that broke off was taken for the whole.
    let cluster = namespace("pages").await;
    let many: Vec<Value> = (0..520).map(|number| headless("pages", &format!("s-{number}"))).collect();
    tokio::task::spawn_blocking(move || api::apply_all(cluster, &many)).await.unwrap();
    let mut once = true;
    let rule = move |asked: &Asked| {
        let later = asked.resource == "services" && asked.parameter("continue").is_some();
        if later && std::mem::take(&mut once) {
            let compacting = tokio::task::spawn_blocking(move || {
                // Something has to be newer than what is forgotten.
                api::apply(cluster, &headless("pages", "newer"));
                api::compact(cluster);
            });
            return Verdict::After(Box::pin(async { compacting.await.unwrap() }));
        }
        Verdict::Pass
    };
    let followed = under(rule).await.ready(SECONDS).await;
    assert!(!followed.way.gone("services").is_empty(), "the API server forgot the pages");
    assert!(followed.has_service("pages", "s-0") && followed.has_service("pages", "s-519"));
    assert!(followed.has_service("pages", "newer"));
    let text = followed.registry.text();
    assert!(text.contains("kube_failures_total{kind=\"services\"}"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bookmark_is_where_a_quiet_watch_goes_on() {
    // Flaw it answers: a watch without events went on from its list, which the API server forgets.
    let bookmark = json!({"type": "BOOKMARK", "object": {"kind": "Job", "apiVersion": "batch/v1",
        "metadata": {"resourceVersion": "4711000"}}});
    let mut once = true;
    let rule = move |asked: &Asked| match asked.resource.as_str() {
        "jobs.batch" if asked.is_watch() && std::mem::take(&mut once) => {
            Verdict::Answer(StatusCode::OK, format!("{bookmark}\n"))
        }
        // That version lies in the future; an API server would wait for it.
        "jobs.batch" if asked.parameter("resourceVersion") == Some("4711000") => Verdict::Hang,
        _ => Verdict::Pass,
    };
    let followed = under(rule).await.ready(SECONDS).await;
    let watches = |it: &Followed<Between>| -> Vec<Asked> {
        it.way.asked("jobs.batch").into_iter().filter(Asked::is_watch).collect()
    };
    followed.until("it goes on", SECONDS, |it| watches(it).len() > 1).await;
    let asked = watches(&followed);
    assert!(asked[0].query.contains("allowWatchBookmarks=true"));
    assert_eq!(asked[1].parameter("resourceVersion"), Some("4711000"));
    let lists = followed.way.asked("jobs.batch").len() - asked.len();
    assert_eq!(lists, 1, "nothing is listed again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_fails_costs_itself_alone() {
    // Flaw it answers: one group of the API that answered with errors kept everything else from being followed.
    let cluster = namespace("partial").await;
    api::apply(cluster, &server("partial", "before", "opaque"));
    let down = Arc::new(AtomicBool::new(true));
    let failing = Arc::clone(&down);
    let rule = move |asked: &Asked| match asked.resource.split_once('.') {
        Some((_, POLICY)) if failing.load(Ordering::SeqCst) => Verdict::Answer(
            StatusCode::INTERNAL_SERVER_ERROR,
            r#"{"message": "conversion webhook failed"}"#.into(),
        ),
        Some((_, "discovery.k8s.io")) if failing.load(Ordering::SeqCst) && asked.is_watch() => Verdict::Hang,
        _ => Verdict::Pass,
    };
    let followed = under(rule).await;
    // Everything else is known; half a policy would look like none, so nobody is answered yet, and it is told why.
    api::apply(cluster, &headless("partial", "first"));
    followed.until("the others go on", SECONDS, |it| it.has_service("partial", "first")).await;
    assert!(!*followed.index.ready().borrow());
    let unlisted = |it: &Followed<Between>| -> Vec<&str> {
        let index = it.index.lock();
        let needed = Kind::ALL.iter().filter(|kind| index.config().reads(**kind));
        let missing = needed.filter(|kind| !index.store().is_listed(**kind));
        missing.map(|kind| kind.watched().group).collect()
    };
    followed
        .until("its kinds alone are missing", SECONDS, |it| unlisted(it).iter().all(|group| *group == POLICY))
        .await;
    assert_eq!(unlisted(&followed).len(), 8, "{:?}", unlisted(&followed));

    down.store(false, Ordering::SeqCst);
    let followed = followed.ready(SECONDS).await;
    followed.until("the Server is known", SECONDS, |it| has_server(it, "partial", "before")).await;

    // The same while it serves: what is known stays, and what changed meanwhile is known soon afterwards.
    down.store(true, Ordering::SeqCst);
    followed.way.cut();
    api::apply(cluster, &server("partial", "during", "opaque"));
    api::delete(cluster, &server("partial", "before", "opaque"));
    api::apply(cluster, &headless("partial", "second"));
    followed.until("the others go on", SECONDS, |it| it.has_service("partial", "second")).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(has_server(&followed, "partial", "before") && !has_server(&followed, "partial", "during"));
    assert!(*followed.index.ready().borrow());
    down.store(false, Ordering::SeqCst);
    followed
        .until("it is caught up with", SECONDS, |it| {
            has_server(it, "partial", "during") && !has_server(it, "partial", "before")
        })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_at_once_is_not_asked_for_at_once() {
    // Flaw it answers: watches that ended as soon as they began kept a processor and the API server busy.
    let gone = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "message": "too old resource version"}});
    let rule = move |asked: &Asked| match (asked.resource.as_str(), asked.is_watch()) {
        // Too old, whatever was listed; ended without a word; not served; half a line; no event.
        ("services", true) => Verdict::Answer(StatusCode::OK, format!("{gone}\n")),
        ("pods", true) => Verdict::Answer(StatusCode::OK, String::new()),
        ("nodes", true) => Verdict::Answer(StatusCode::NOT_FOUND, String::new()),
        ("namespaces", true) => Verdict::Answer(StatusCode::OK, r#"{"type": "ADDED", "obj"#.into()),
        ("replicasets.apps", true) => Verdict::Answer(StatusCode::OK, "[]\n".into()),
        ("jobs.batch", _) => Verdict::Busy(2),
        ("endpointslices.discovery.k8s.io", _) => Verdict::Answer(StatusCode::GONE, String::new()),
        _ => Verdict::Pass,
    };
    let followed = under(rule).await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let kinds =
        ["services", "pods", "nodes", "namespaces", "replicasets.apps", "endpointslices.discovery.k8s.io"];
    for kind in kinds {
        let asked = followed.way.asked(kind).len();
        // Pauses double from a fifth of a second: six or so tries, a list and a watch each at worst.
        assert!((2..=24).contains(&asked), "{kind}: {asked} requests in 6 s");
    }
    let patient = followed.way.asked("jobs.batch").len();
    assert!((2..=4).contains(&patient), "asked {patient} times in 6 s, every 2 to 3 s were asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_is_asked_for_than_is_kept() {
    // Flaw it answers: whole objects were read and kept of kinds whose metadata is enough, and each kind more than once.
    let followed = under(|_| Verdict::Pass).await.ready(SECONDS).await;
    let config = Config::default();
    for kind in Kind::ALL.iter().filter(|kind| config.reads(**kind)) {
        let watched = kind.watched();
        let resource = match watched.group {
            "" => watched.plural.to_owned(),
            group => format!("{}.{group}", watched.plural),
        };
        followed
            .until(&format!("{resource} is watched"), SECONDS, |it| {
                it.way.asked(&resource).iter().any(Asked::is_watch)
            })
            .await;
        let asked = followed.way.asked(&resource);
        assert!(asked.iter().filter(|asked| asked.is_watch()).count() <= 1, "{resource} is watched once");
        for asked in asked {
            assert_eq!(asked.accept.contains("PartialObjectMetadata"), watched.metadata_only, "{asked:?}");
            assert!(asked.is_watch() || asked.parameter("limit").is_some(), "lists come in pages: {asked:?}");
        }
    }
}

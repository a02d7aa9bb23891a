//! What the user sets: the grammar of `--set` and the merging of values, ours against Helm's.

use std::fs;

use manifests::values::{Overrides, coalesce};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

use crate::helm::helm;

/// Expressions worth a line of their own.
const EXPRESSIONS: &[&str] = &[
    "",
    "a=1",
    "a=1,b=2",
    "a.b.c=x",
    "a={}",
    "a={1,b,true}",
    "a={1,b},c=d",
    "a[0]=1,a[2]=x",
    "a[0].b=1,a[0].c=2",
    "a[0][1]=3",
    "a=",
    "a=,b=1",
    "a=null,b=NULL",
    "a=TRUE,b=False",
    "a=0,b=00,c=0x1,d=-1,e=+1,f=1.5,g=1e3,h=-0",
    "a\\.b=c",
    "a=x\\,y",
    "a={x\\,y,z}",
    "a",
    "a,b",
    "=1",
    "a.=1",
    "a..b=1",
    ".a=1",
    "a[x]=1",
    "a[-1]=1",
    "a[65536]=1",
    "a[65537]=1",
    "a[999999999]=x",
    "a[99999999999999999999]=1",
    "a[0]x=1",
    "a=b=c",
    "a[0]=1,a.b=2",
    "a.b=2,a=3,a.c=4",
    "a={1",
    "a={1}x=2",
    "a={1}b",
    "a={a.b,c=d}",
    "a=\\",
    "a=1,",
    "a=1,,b=2",
    "a b=c d",
    "a={x},",
    "a[0]={x,y}",
    "a[1].b=2",
    "a[0]=1,a[0].b=2",
    "a.b=",
    "a.b",
    "a.b.=",
    " a = b ",
    "a=[0]",
    "a={{x},y}",
    "a=\"x\"",
    "a\\[0\\]=1",
    "a=99999999999999999999",
    "a[01]=x",
    "a[+1]=x",
    "a= 1",
    "a=1 ",
    "a[0].b[0].c=1,a[0].b[0].d=2",
    "a[0].b[1]=1",
    "a={ , }",
    "a.b=1,a.b.c=2",
    "a=é,ü=ö",
    "a.b[0]=1,a.b[1]=2",
    "a={null,0,1}",
    "[0]=1",
    "a[0]=,a[1]=x",
    "k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k=1",
    "k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k.k=1",
];

fn runner(seed: u8) -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]))
}

/// Compares one expression; a difference as text.
fn compare(expression: &str) -> Option<String> {
    let asked = |kind: &str| helm().ask(&json!({"ask": kind, "expression": expression}));
    let (mut typed, mut texts) = (Overrides::new(), Overrides::new());
    let ours = [
        typed.set(expression).map(|()| typed.into_value()),
        texts.set_string(expression).map(|()| texts.into_value()),
    ];
    for (ours, theirs) in ours.into_iter().zip([asked("set"), asked("set-string")]) {
        match (&ours, &theirs) {
            (Ok(ours), Ok(theirs)) if ours == theirs => {}
            (Err(_), Err(_)) => {}
            // Helm drops an expression that ends within an index without a word; we say so.
            (Err(error), Ok(_)) if unfinished_index(&error.to_string()) => {}
            // Helm forgets an empty value at the very end when its path goes through a list; we set it.
            (Ok(_), Ok(_)) if expression.contains('[') && expression.ends_with('=') => {}
            _ => return Some(format!("{expression:?}\n   ours   {ours:?}\n   Helm's {theirs:?}")),
        }
    }
    None
}

fn unfinished_index(message: &str) -> bool {
    message.contains("] is missing") || message.contains("index") && message.ends_with("has no value")
}

#[test]
fn expressions_are_read_as_by_helm() {
    let wrong: Vec<String> = EXPRESSIONS.iter().filter_map(|expression| compare(expression)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn random_expressions_are_read_as_by_helm() {
    let strategy = prop_oneof![
        "[ab.,=\\[\\]{}\\\\01-]{0,14}",
        "([ab](\\.[ab]|\\[[012]\\]){0,3}=([ab01]{0,3}|\\{[ab01,]{0,5}\\}),?){1,4}"
    ];
    let mut runner = runner(11);
    let wrong: Vec<String> = (0..3000)
        .filter_map(|_| compare(&strategy.new_tree(&mut runner).unwrap().current()))
        .take(20)
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Trees of few keys, so that they meet.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        Just(json!(1)),
        "[xy]{0,1}".prop_map(Value::from),
        Just(json!([1]))
    ];
    let tree = leaf.prop_recursive(3, 16, 4, |inner| {
        prop::collection::hash_map("[abcd]", inner, 0..4)
            .prop_map(|entries| Value::Object(entries.into_iter().collect()))
    });
    prop::collection::hash_map("[abcd]", tree, 0..4)
        .prop_map(|entries| Value::Object(entries.into_iter().collect()))
}

#[test]
fn random_values_merge_as_with_helm() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("Chart.yaml"), "apiVersion: v2\nname: scratch\nversion: 0.1.0\n").unwrap();
    let mut runner = runner(13);
    let mut wrong = Vec::new();
    for _ in 0..400 {
        let (defaults, set) = (values(), values()).new_tree(&mut runner).unwrap().current();
        fs::write(folder.path().join("values.yaml"), defaults.to_string()).unwrap();
        let theirs = helm().ask(&json!({"ask": "merge", "chart": folder.path(), "values": set})).unwrap();
        let ours = coalesce(&defaults, &set);
        if ours != theirs {
            wrong.push(format!("defaults {defaults} set {set}\n   ours   {ours}\n   Helm's {theirs}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong[..wrong.len().min(12)].join("\n"));
}

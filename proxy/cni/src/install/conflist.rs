//! The node's list of plugins with and without our entry.

use serde_json::{Map, Value, json};

use super::json as parse;

/// What our entry is known by.
const TYPE: &str = "linkerd-cni";

/// The list with the entry as its last plugin; none when it is so already.
///
/// # Errors
/// When the text is no network configuration.
pub(super) fn with_entry(text: &str, is_list: bool, entry: &Value) -> Result<Option<String>, String> {
    let mut list = if is_list { parse(text)? } else { as_list(parse(text)?)? };
    let plugins = plugins_of(&mut list)?;
    if is_list && plugins.last() == Some(entry) && plugins.iter().filter(|it| it["type"] == TYPE).count() == 1
    {
        return Ok(None);
    }
    plugins.retain(|plugin| plugin["type"] != TYPE);
    if plugins.is_empty() {
        return Err("it names no plugin but ours, which cannot be the first".to_owned());
    }
    plugins.push(entry.clone());
    Ok(Some(written(&list)))
}

/// The list without the entry; none when it is not there.
///
/// # Errors
/// When the text is no network configuration.
pub(super) fn without_entry(text: &str) -> Result<Option<String>, String> {
    let mut list = parse(text)?;
    let Ok(plugins) = plugins_of(&mut list) else { return Ok(None) };
    let before = plugins.len();
    plugins.retain(|plugin| plugin["type"] != TYPE);
    let removed = plugins.len() < before;
    Ok(removed.then(|| written(&list)))
}

/// A configuration of one plugin as a list of one. Name and version move to the list.
fn as_list(single: Value) -> Result<Value, String> {
    let Value::Object(mut plugin) = single else { return Err("it is not a JSON object".to_owned()) };
    if !plugin.contains_key("type") {
        return Err("it has no type: not a network configuration".to_owned());
    }
    let mut list = Map::new();
    for name in ["cniVersion", "name"] {
        if let Some(value) = plugin.remove(name) {
            list.insert(name.to_owned(), value);
        }
    }
    list.insert("plugins".to_owned(), json!([plugin]));
    Ok(Value::Object(list))
}

fn plugins_of(list: &mut Value) -> Result<&mut Vec<Value>, String> {
    let plugins = list.get_mut("plugins").and_then(Value::as_array_mut);
    plugins.ok_or_else(|| "it has no list of plugins".to_owned())
}

fn written(list: &Value) -> String {
    format!("{list:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str =
        r#"{"cniVersion": "1.0.0", "name": "pods", "plugins": [{"type": "bridge"}, {"type": "portmap"}]}"#;

    #[test]
    fn the_entry_is_the_last_and_stays_once() {
        let entry = json!({"type": "linkerd-cni", "linkerd": {"proxy-uid": 2102}});
        let first = with_entry(LIST, true, &entry).unwrap().unwrap();
        let list: Value = serde_json::from_str(&first).unwrap();
        assert_eq!(list["plugins"][2], entry);
        assert_eq!(list["name"], "pods");
        assert_eq!(with_entry(&first, true, &entry).unwrap(), None, "nothing is written twice");
        let newer = json!({"type": "linkerd-cni", "linkerd": {"proxy-uid": 1}});
        let second = with_entry(&first, true, &newer).unwrap().unwrap();
        assert_eq!(serde_json::from_str::<Value>(&second).unwrap()["plugins"].as_array().unwrap().len(), 3);
        let gone = without_entry(&second).unwrap().unwrap();
        assert_eq!(
            serde_json::from_str::<Value>(&gone).unwrap(),
            serde_json::from_str::<Value>(LIST).unwrap()
        );
        assert_eq!(without_entry(&gone).unwrap(), None);
    }

    #[test]
    fn a_single_configuration_becomes_a_list() {
        let single = r#"{"cniVersion": "0.4.0", "name": "n", "type": "bridge", "bridge": "b0"}"#;
        let text = with_entry(single, false, &json!({"type": "linkerd-cni"})).unwrap().unwrap();
        let list: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(list["plugins"][0], json!({"type": "bridge", "bridge": "b0"}));
        assert_eq!((&list["name"], &list["cniVersion"]), (&json!("n"), &json!("0.4.0")));
    }

    #[test]
    fn what_is_no_configuration_is_left_alone() {
        let entry = json!({"type": "linkerd-cni"});
        for (text, is_list) in [("", true), ("[]", true), ("{}", true), ("{}", false), ("3", false)] {
            assert!(with_entry(text, is_list, &entry).is_err(), "{text:?}");
        }
        let ours = r#"{"plugins": [{"type": "linkerd-cni", "old": 1}]}"#;
        assert!(with_entry(ours, true, &entry).is_err());
    }
}

//! What the renderer makes of single templates, checked by example and by property.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn run(source: &str, values: &Value) -> Result<String, RenderError> {
    Engine::compile("chart", [("templates/a.yaml", source)])?.render("templates/a.yaml", &Data::from(values))
}

fn fails(source: &str) -> String {
    run(source, &json!({"list": [1, 2], "text": "x"})).unwrap_err().to_string()
}

#[test]
fn errors_name_chart_file_line_and_cause() {
    assert_eq!(
        fails("a\nb\n{{ .text.field }}"),
        "chart chart: templates/a.yaml:3: can't evaluate field field in type string"
    );
    assert_eq!(
        fails("\n{{ .absent.field }}"),
        "chart chart: templates/a.yaml:2: nil pointer evaluating interface {}.field"
    );
    assert_eq!(
        fails("\n\n{{ upper 1 }}"),
        "chart chart: templates/a.yaml:3: upper: expected string; found 1"
    );
    assert_eq!(fails("{{ fail \"stop here\" }}"), "chart chart: templates/a.yaml:1: stop here");
    assert_eq!(fails("\n{{ nosuch 1 }}"), "chart chart: templates/a.yaml:2: function \"nosuch\" not defined");
    assert_eq!(fails("\n{{ $x }}"), "chart chart: templates/a.yaml:2: undefined variable \"$x\"");
    assert!(fails("a\n{{ if }}").starts_with("chart chart: templates/a.yaml:2: "));
    assert!(fails("{{ set . \"a\" 1 }}").contains("pass a fresh dict instead"));
}

#[test]
fn errors_name_who_included_the_template() {
    let files = [
        ("templates/_inner.tpl", "{{ define \"inner\" }}\n{{ required \"name it\" .name }}{{ end }}"),
        ("templates/a.yaml", "a\n{{ include \"inner\" (dict) }}"),
    ];
    let engine = Engine::compile("chart", files).unwrap();
    let error = engine.render("templates/a.yaml", &Data::Nil).unwrap_err();
    assert_eq!(
        error.to_string(),
        "chart chart: templates/_inner.tpl:2: name it, included from templates/a.yaml:2"
    );
}

#[test]
fn a_name_defined_twice_is_an_error() {
    let files = [
        ("templates/_a.tpl", "{{ define \"x\" }}1{{ end }}"),
        ("templates/_b.tpl", "\n{{ define \"x\" }}2{{ end }}"),
    ];
    let error = Engine::compile("chart", files).unwrap_err();
    assert_eq!(
        (error.template.as_str(), error.cause.as_str()),
        ("templates/_b.tpl", "template \"x\" is already defined in templates/_a.tpl")
    );
}

#[test]
fn templates_that_include_themselves_end_in_an_error() {
    assert!(fails("{{ define \"x\" }}{{ include \"x\" . }}{{ end }}{{ include \"x\" . }}").contains("deep"));
    assert!(
        fails("{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}").contains("deep")
    );
}

#[test]
fn blocks_and_calls_count_towards_the_depth() {
    let nested = |depth: usize| {
        let (open, close) = ("{{ if true }}".repeat(depth), "{{ end }}".repeat(depth));
        format!(
            "{{{{ define \"x\" }}}}{open}{{{{ include \"x\" . }}}}{close}{{{{ end }}}}{{{{ include \"x\" . }}}}"
        )
    };
    assert!(fails(&nested(25)).contains("deep"));
    assert!(fails(&nested(90)).contains("deep"));
    let wrapped = format!(
        "{{{{ define \"x\" }}}}{{{{ {}include \"x\" .{} }}}}{{{{ end }}}}{{{{ include \"x\" . }}}}",
        "print (".repeat(40),
        ")".repeat(40)
    );
    assert!(fails(&wrapped).contains("deep"), "{}", fails(&wrapped));
}

#[test]
fn templates_that_write_or_run_too_long_end_in_an_error() {
    assert!(fails("{{ range 99999999999 }}a{{ end }}").contains("too many steps"));
    assert!(
        fails(
            "{{ range until 1000 }}{{ range until 1000 }}{{ range until 1000 }}{{ end }}{{ end }}{{ end }}"
        )
        .contains("too many steps")
    );
    assert!(
        fails("{{ $x := \"aaaaaaaa\" }}{{ range until 60 }}{{ $x = print $x $x }}{{ end }}")
            .contains("too much")
    );
    assert!(
        fails("{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ $x }}")
            .contains("too much")
    );
    assert!(
        fails("{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ toYaml $x }}")
            .contains("too much")
    );
    assert!(
        fails("{{ $x := list 1 }}{{ range until 60 }}{{ $x = list $x $x }}{{ end }}{{ toJson $x }}")
            .contains("too much")
    );
    assert!(fails("{{ repeat 999999999 \"x\" }}").contains("too large"));
    assert!(fails("{{ indent 999999999 \"x\" }}").contains("too large"));
    assert!(fails("{{ until 9999999999 }}").contains("too large"));
    assert!(fails("{{ regexMatch \"(((a{99}){99}){99}){99}\" \"a\" }}").starts_with("chart"));
}

#[test]
fn hostile_sources_end_in_an_error() {
    assert!(run(&"{{ if true }}".repeat(10_000), &Value::Null).is_err());
    assert!(run(&format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000)), &Value::Null).is_err());
    assert!(run(&format!("{{{{ 1{} }}}}", " | print".repeat(10_000)), &Value::Null).is_err());
    let chain = format!("{{{{ if false }}}}{}{{{{ end }}}}", "{{ else if false }}".repeat(10_000));
    assert!(run(&chain, &Value::Null).is_err());
    assert!(run("{{ \"unclosed }}", &Value::Null).is_err());
    assert!(run("{{/* unclosed", &Value::Null).is_err());
    assert_eq!(run("a\0b{{ \"\\x00\" }}", &Value::Null).unwrap(), "a\0b\0");
}

#[test]
fn printf_obeys_flags_within_bounds() {
    assert_eq!(run("{{ printf \"%99999999s\" \"x\" }}", &Value::Null).unwrap().len(), 4096);
    assert_eq!(run("{{ printf \"%05d|%-3s|%q\" 42 \"a\" \"b\" }}", &Value::Null).unwrap(), "00042|a  |\"b\"");
}

proptest! {
    #[test]
    fn no_source_makes_it_panic(source in "(\\{\\{-? ?(if|range|with|end|else|define \"a\"|include|\\.|\\$x|:=|\\||print|1|\"s\"|[(){}.a-c ]){0,6} ?-?\\}\\}|[a-z\\n ]{0,5}){0,8}") {
        let _ = run(&source, &json!({"a": [1, {"b": "c"}]}));
    }

    #[test]
    fn any_text_is_itself_without_actions(source in "[^{<]{0,60}") {
        prop_assert_eq!(run(&source, &Value::Null).unwrap(), source);
    }
}

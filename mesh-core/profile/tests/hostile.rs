//! Wrong and hostile sources: each ends in an error that says where, soon and in little memory.

use std::collections::HashMap;

use mesh_profile::proto::{Imported, Imports, NoImports};
use mesh_profile::{Error, openapi, proto};
use proptest::prelude::*;

fn refused(document: &str) -> String {
    openapi::read("api", document.as_bytes()).unwrap_err().to_string()
}

fn proto_refused(source: &str) -> String {
    proto::read("a.proto", None, source.as_bytes(), &mut NoImports).unwrap_err().to_string()
}

const HEAD: &str = "openapi: 3.1.0\n";

#[test]
fn references_in_a_circle() {
    let items = format!("{HEAD}paths:\n  /a: {{$ref: '#/paths/~1b'}}\n  /b: {{$ref: '#/paths/~1a'}}\n");
    assert_eq!(
        refused(&items),
        "api: paths[\"/a\"]: $ref goes in a circle: #/paths/~1b -> #/paths/~1a -> #/paths/~1b"
    );
    let own = format!("{HEAD}paths:\n  /a: {{$ref: '#/x/a'}}\nx: {{a: {{$ref: '#/x/a'}}}}\n");
    assert!(refused(&own).contains("goes in a circle"));
    let responses = format!(
        "{HEAD}paths: {{/a: {{get: {{responses: {{200: {{$ref: '#/components/responses/R'}}}}}}}}}}\n\
         components: {{responses: {{R: {{$ref: '#/components/responses/R'}}}}}}\n"
    );
    assert!(
        refused(&responses).starts_with("api: paths[\"/a\"].get.responses[\"200\"]: $ref goes in a circle")
    );
}

#[test]
fn references_to_nothing_and_to_elsewhere() {
    let to = |reference: &str| refused(&format!("{HEAD}paths:\n  /a: {{$ref: '{reference}'}}\n"));
    assert_eq!(to("#/paths/~1b"), "api: paths[\"/a\"]: $ref \"#/paths/~1b\" points to nothing");
    assert_eq!(
        to("b.yaml#/a"),
        "api: paths[\"/a\"]: $ref \"b.yaml#/a\" points outside this document; bundle it into one file first"
    );
    assert!(to("#").ends_with("points to nothing"));
    assert!(to("#/%zz").ends_with("points to nothing"));
    assert!(to("#/openapi").contains("a mapping"));
    let all = refused(&format!("{HEAD}paths: {{$ref: paths.yaml}}"));
    assert_eq!(
        all,
        "api: paths.$ref: \"paths.yaml\" points outside this document; bundle it into one file first"
    );
    // The status of a response is known without what it refers to.
    let response = format!("{HEAD}paths: {{/a: {{get: {{responses: {{200: {{$ref: 'r.yaml#/R'}}}}}}}}}}");
    let read = openapi::read("api", response.as_bytes()).unwrap();
    assert_eq!((read.operations[0].statuses.len(), read.warnings.len()), (1, 1));
}

#[test]
fn an_endless_chain_of_references() {
    let chain: String = (0..5_000).map(|at| format!("  p{at}: {{$ref: '#/x/p{}'}}\n", at + 1)).collect();
    assert!(
        refused(&format!("{HEAD}paths: {{/a: {{$ref: '#/x/p0'}}}}\nx:\n{chain}"))
            .contains("more than 64 $ref")
    );
}

#[test]
fn fields_of_the_wrong_type_are_named() {
    let json = "{\"openapi\": \"3.0.0\",\n \"paths\": {\"/a\": {\"get\": []}}}";
    let found = refused(json);
    assert!(
        found.starts_with("api:2:") && found.contains("paths[\"/a\"].get: invalid type: sequence"),
        "{found}"
    );
    let yaml = "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      x-linkerd-retryable: maybe\n";
    assert!(refused(yaml).starts_with("api: paths[\"/a\"].get.x-linkerd-retryable: invalid type: string"));
    assert!(refused("openapi: 3.0.0\npaths: []\n").starts_with("api: paths: invalid type: sequence"));
    assert!(refused("[1, 2]").contains("a mapping"));
    let timeout = "openapi: 3.0.0\npaths: {/a: {get: {x-linkerd-timeout: 5}}}";
    assert!(
        refused(timeout).starts_with("api: paths[\"/a\"].get.x-linkerd-timeout: missing unit"),
        "{}",
        refused(timeout)
    );
    assert!(refused("openapi: 4.0.0\npaths: {}").starts_with("api: openapi: version 4.0.0 is not supported"));
    assert!(refused("swagger: '1.2'\npaths: {}").starts_with("api: swagger: version 1.2 is not supported"));
    assert_eq!(refused("openapi: 3.0.0\npaths: {}"), "api: no operations to make routes of");
}

#[test]
fn texts_that_do_not_parse_say_where() {
    assert!(
        refused("{\"openapi\": \"3.0.0\",\n \"paths\": {\n").starts_with("api:3:0: EOF")
            || refused("{\"openapi\": \"3.0.0\",\n \"paths\": {\n").starts_with("api:2:")
    );
    assert!(refused("a: [\n").starts_with("api:"));
    assert_eq!(
        openapi::read("api", b"a: \xff").unwrap_err(),
        Error::NotText { file: "api".into(), offset: 3 }
    );
    assert!(refused("{\"paths\": {\"/a\": {}, \"/a\": {}}}").contains("\"/a\" is there twice"));
    assert!(refused("").starts_with("api: "));
}

#[test]
fn deep_nesting_bombs_and_huge_numbers() {
    let deep = "[".repeat(10_000);
    assert!(refused(&deep).starts_with("api"));
    assert!(
        refused(&format!("{{\"paths\": {{\"/a\": {{\"get\": {}", "{\"get\": ".repeat(10_000)))
            .starts_with("api")
    );
    // What is not needed may be as deep as it likes, as long as nothing refers to it.
    let ignored = format!(
        "{{\"openapi\": \"3.0.0\", \"x\": {}1{}, \"paths\": {{\"/a\": {{\"get\": {{}}}}}}}}",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    assert_eq!(openapi::read("api", ignored.as_bytes()).unwrap().operations.len(), 1);
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let before = level - 1;
        bomb.push_str(&format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 10].join(", ")));
    }
    assert!(refused(&bomb).starts_with("api"));
    let number = "{\"openapi\": \"3.0.0\", \"paths\": {\"/a\": {\"get\": {\"responses\": {\"99999999999999999999\": {}}}}}}";
    let read = openapi::read("api", number.as_bytes()).unwrap();
    assert!(read.operations[0].statuses.is_empty() && read.warnings.len() == 1);
    assert!(refused("{\"openapi\": 1e99999}").starts_with("api"));
    assert!(
        refused("{\"openapi\": \"3.0.0\", \"paths\": {\"/a\\u0000\": {\"get\": {}}}}")
            .contains("control characters")
    );
    assert!(openapi::read("api", b"openapi: 3.0.0\0").is_err());
}

#[test]
fn proto_errors_have_lines_and_columns() {
    assert!(
        proto_refused("syntax = \"proto3\";\nservice S {\n  rpc A(B) returns C;\n}")
            .starts_with("a.proto:3:20: ")
    );
    assert_eq!(
        proto_refused("// new\nedition = \"2023\";\nservice S {}"),
        "a.proto:2:1: edition = \"2023\" is not supported; proto2 and proto3 are"
    );
    assert!(proto_refused("syntax = \"proto4\";").starts_with("a.proto:1:"));
    assert_eq!(proto_refused("syntax = \"proto3\"; message M {}"), "a.proto: no services to make routes of");
    assert_eq!(
        proto_refused("message Word {}\nservice S {\n  rpc A(Wrod) returns (Word);\n}"),
        "a.proto:3:3: rpc A: no message Wrod here or in the imports (did you mean Word?)"
    );
    assert!(proto_refused("service S {\0}").starts_with("a.proto:1:12: a NUL byte"));
    assert!(proto_refused("import \"../up.proto\"; service S {}").starts_with("a.proto:1:8: "));
    assert!(proto_refused("import \"/up.proto\"; service S {}").starts_with("a.proto:1:8: "));
}

#[test]
fn deep_proto_ends_in_an_error() {
    for (open, close) in [("message M {", "}"), ("/*", "*/"), ("(", ")")] {
        assert!(
            proto_refused(&format!("{}{}", open.repeat(10_000), close.repeat(10_000))).starts_with("a.proto")
        );
    }
    let options = format!("option (a) = {{ {} {} }};", "b {".repeat(10_000), "}".repeat(10_000));
    assert!(proto_refused(&options).starts_with("a.proto"));
    let lists = format!("option (a) = {{ {}{} }};", "b: [".repeat(10_000), "]".repeat(10_000));
    assert!(proto_refused(&lists).starts_with("a.proto"));
    assert!(
        proto_refused("message M { optional int32 a = 99999999999999999999999; }").starts_with("a.proto:1:")
    );
}

struct Files(HashMap<&'static str, String>);

impl Imports for Files {
    fn load(&mut self, path: &str, _: Option<&str>) -> Result<Option<Imported>, String> {
        let content = self.0.get(path);
        Ok(content
            .map(|content| Imported { identity: path.to_owned(), content: content.clone().into_bytes() }))
    }
}

#[test]
fn imports_missing_in_a_circle_and_broken() {
    let mut files = Files(HashMap::from([
        ("b.proto", "import \"c.proto\";".to_owned()),
        ("c.proto", "import \"a.proto\";".to_owned()),
        ("a.proto", "service S {}".to_owned()),
        ("own.proto", "import \"own.proto\";".to_owned()),
        ("bad.proto", "message {".to_owned()),
    ]));
    let mut read = |import: &str| {
        let source = format!("import \"{import}\"; service S {{ rpc A(X) returns (X); }}");
        proto::read("a.proto", Some("a.proto"), source.as_bytes(), &mut files)
    };
    assert_eq!(
        read("b.proto").unwrap_err().to_string(),
        "imports go in a circle: a.proto -> b.proto -> c.proto -> a.proto"
    );
    assert_eq!(read("own.proto").unwrap_err().to_string(), "imports go in a circle: own.proto -> own.proto");
    assert!(read("bad.proto").unwrap_err().to_string().starts_with("bad.proto:1:9: "));
    let found = read("gone.proto").unwrap();
    assert_eq!(
        found.warnings,
        ["a.proto: import \"gone.proto\" is not found; its messages are taken on trust"]
    );
    assert_eq!(found.operations[0].name, "A");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = openapi::read("api", text.as_bytes());
        let _ = proto::read("a.proto", None, text.as_bytes(), &mut NoImports);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = openapi::read("api", &bytes);
        let _ = proto::read("a.proto", None, &bytes, &mut NoImports);
    }

    #[test]
    fn no_cut_document_panics(at in 0usize..2000, name in prop::sample::select(vec!["2.0", "3.0", "3.1"])) {
        let file = format!("{}/../../tests/profile/openapi/library-{name}.yaml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read(file).unwrap();
        let _ = openapi::read("api", &text[..at.min(text.len())]);
    }
}

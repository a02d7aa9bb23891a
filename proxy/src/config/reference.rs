//! The reference page of the proxy's variables, made from their lists.

use std::fmt::Write as _;

use mesh_core::names::env as injected;

use super::names;

/// The variables of the HTTP/2 servers of both directions, with what they say.
pub(super) fn server_variables() -> impl Iterator<Item = (String, &'static str)> {
    ["INBOUND", "OUTBOUND"].into_iter().flat_map(|direction| {
        names::SERVER_HTTP2.iter().map(move |variable| {
            (format!("LINKERD2_PROXY_{direction}_SERVER_HTTP2_{}", variable.name), variable.doc)
        })
    })
}

/// The page, as `docs/reference/proxy-env.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Environment variables of the proxy\n\n\
         Generated from the code. The proxy reads nothing else but the files that are named here. A value that cannot be used ends the start \
         with code 64; every such variable is named at once. A name with the prefix `LINKERD2_PROXY_` that is not listed is pointed out in the log.\n\n\
         * Times are a whole number with `ms`, `s`, `m`, `h` or `d`, or a bare `0`.\n\
         * Booleans are `true` or `false`.\n\
         * Lists have commas between their items; blanks and empty items do not count.\n\
         * A variable that is set to nothing is as one that is not set, except for `LINKERD2_PROXY_DESTINATION_PROFILE_SUFFIXES`, which then is an empty list.\n\n\
         ## Given by injection\n\n| variable | meaning |\n|---|---|\n",
    );
    let ours = injected::ALL.iter().filter(|variable| variable.name.starts_with(injected::PREFIX));
    for variable in ours {
        let _ = writeln!(page, "| `{}` | {} |", variable.name, variable.doc);
    }
    page.push_str("\n## Further\n\n| variable | meaning |\n|---|---|\n");
    for variable in names::ALL {
        let _ = writeln!(page, "| `{}` | {} |", variable.name, variable.doc.trim());
    }
    page.push_str(
        "\n## HTTP/2 servers\n\nOf connections from clients (`INBOUND`) and from the application (`OUTBOUND`).\n\n| variable | meaning |\n|---|---|\n",
    );
    for (name, doc) in server_variables() {
        let _ = writeln!(page, "| `{name}` | {doc} |");
    }
    page.push_str(
        "\n## Others\n\n`OTEL_RESOURCE_ATTRIBUTES` (attributes of spans, with commas or line feeds between) and `HOSTNAME` (the host in spans) are read as well.\n",
    );
    page
}

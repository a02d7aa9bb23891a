//! What `upgrade` says on stderr.

use crate::context::Context;
use crate::install::diff::Differences;
use crate::install::recorded::{Origin, Recorded};

/// Says that another's install is taken over, and what of it is not.
pub(super) fn migration(context: &mut Context<'_>, recorded: &Recorded, dropped: &[String]) {
    let from = match recorded.origin {
        Origin::Linkerd28 => "Linkerd 2.8 or earlier",
        Origin::LinkerdOverrides => "Linkerd 2.9 or later",
        Origin::Ours | Origin::OurHelm | Origin::LinkerdHelm => "",
    };
    if !from.is_empty() {
        context.ui.note(&format!(
            "This control plane was installed by {from}. Its settings, trust anchors and issuer are kept; its \
             workloads go on with their proxies and get new ones when they are restarted."
        ));
    }
    for setting in recorded.dropped.iter().chain(dropped) {
        context.ui.warn(&format!("not carried over, for it has no counterpart here: {setting}"));
    }
}

/// Says what applying the output would change.
pub(super) fn summary(context: &mut Context<'_>, differences: &Differences) {
    for line in differences.summary() {
        context.ui.note(&line);
    }
    if !differences.left.is_empty() {
        context.ui.hint("`linkerd prune | kubectl delete -f -` removes what is left behind");
    }
}

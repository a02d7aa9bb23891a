//! Small things that are parsed: what is accepted is written so that it reads the same, and nothing panics.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use mesh_core::dns::{Label1035, Label1123, Subdomain};
use mesh_core::duration::{GatewayDuration, GoDuration};
use mesh_core::identity::TrustDomain;
use mesh_core::port::{PortRange, PortRanges};
use mesh_core::profile::WrittenDuration;
use mesh_core::quantity::Quantity;
use mesh_core::version::ChannelVersion;
use proptest::prelude::*;

/// Whether a text was accepted; fails if what was read is written otherwise.
fn restored<T: FromStr + Display + Debug + PartialEq>(text: &str) -> bool {
    let Ok(read) = text.parse::<T>() else { return false };
    let written = read.to_string();
    assert!(written.parse::<T>().is_ok_and(|again| again == read), "{text:?}: {read:?} written {written:?}");
    true
}

fn all(text: &str) -> [bool; 10] {
    [
        restored::<Label1035>(text),
        restored::<Label1123>(text),
        restored::<Subdomain>(text),
        restored::<TrustDomain>(text),
        restored::<GoDuration>(text),
        restored::<GatewayDuration>(text),
        restored::<WrittenDuration>(text),
        restored::<PortRange>(text),
        restored::<PortRanges>(text),
        restored::<Quantity>(text) | restored::<ChannelVersion>(text),
    ]
}

#[test]
fn each_kind_takes_something() {
    let texts = ["a-b.c", "abc", "1h2m3.5s", "1h30m", "80-90", "80,90-95", "1.5Gi", "stable-2.8.1"];
    let mut taken = [false; 10];
    for text in texts {
        all(text).iter().zip(&mut taken).for_each(|(is, taken)| *taken |= is);
    }
    assert_eq!(taken, [true; 10]);
}

proptest! {
    #[test]
    fn any_text_is_restored_or_refused(text in any::<String>()) {
        all(&text);
    }

    #[test]
    fn texts_like_numbers_are_restored_or_refused(text in "[-+]?[0-9]{0,22}(\\.[0-9]{0,12})?([eE][-+]?[0-9]{0,4}|[numkMGTPE]i?|[µu]?[smh]{1,2})?([0-9]{1,3}(ms|s|m|h))?") {
        all(&text);
    }

    #[test]
    fn texts_like_names_and_ranges_are_restored_or_refused(text in "[a-z0-9A-Z.,_ -]{0,80}") {
        all(&text);
    }
}

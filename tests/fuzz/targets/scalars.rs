//! Everything small that is parsed: what is accepted is written so that it reads the same.
#![no_main]

use std::fmt::{Debug, Display};
use std::str::FromStr;

use mesh_core::dns::{Label1035, Label1123, Subdomain};
use mesh_core::duration::{GatewayDuration, GoDuration};
use mesh_core::identity::TrustDomain;
use mesh_core::port::{PortRange, PortRanges, parse_port};
use mesh_core::profile::WrittenDuration;
use mesh_core::quantity::Quantity;
use mesh_core::version::ChannelVersion;

fn restored<T: FromStr + Display + Debug + PartialEq>(text: &str) {
    let Ok(read) = text.parse::<T>() else { return };
    let written = read.to_string();
    assert!(
        written.parse::<T>().is_ok_and(|again| again == read),
        "{text:?} reads {read:?}, written {written:?}"
    );
}

libfuzzer_sys::fuzz_target!(|text: &str| {
    restored::<Label1035>(text);
    restored::<Label1123>(text);
    restored::<Subdomain>(text);
    restored::<TrustDomain>(text);
    restored::<GoDuration>(text);
    restored::<GatewayDuration>(text);
    restored::<WrittenDuration>(text);
    restored::<PortRange>(text);
    restored::<PortRanges>(text);
    restored::<Quantity>(text);
    restored::<ChannelVersion>(text);
    if let Ok(port) = parse_port(text) {
        assert_eq!(parse_port(&port.to_string()), Ok(port));
    }
    let _ = mesh_core::version::compare(text, mesh_core::version::CLI);
    let _ = mesh_core::suggest::nearest(text, ["inject", "install"]);
});

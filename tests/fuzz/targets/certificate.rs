//! Any DER is a certificate, all of which can be asked for, or an error.
#![no_main]

use mesh_pki::Certificate;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(certificate) = Certificate::from_der(bytes.to_vec()) else { return };
    let _ =
        (certificate.display_name(), certificate.dns_names(), certificate.validity(), certificate.is_ca());
    let _ = certificate.is_valid_for_name("identity.linkerd.cluster.local");
    let _ = certificate.is_same_authority(&certificate);
    let again =
        mesh_pki::parse_certificates(certificate.to_pem().as_bytes()).expect("what was written reads");
    assert_eq!(again.first().map(Certificate::der), Some(certificate.der()));
});

//! Any object is a profile or an error; a profile is written so that it reads the same.
#![no_main]

use mesh_core::profile::ServiceProfile;

libfuzzer_sys::fuzz_target!(|text: &str| {
    let Ok(value) = mesh_yaml::from_str(text) else { return };
    match ServiceProfile::from_value(&value) {
        Ok(profile) => {
            let written = profile.to_value();
            assert_eq!(ServiceProfile::from_value(&written).as_ref(), Ok(&profile), "{written}");
        }
        Err(invalid) => assert!(!invalid.to_string().is_empty()),
    }
});

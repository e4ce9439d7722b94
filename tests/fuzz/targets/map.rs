#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../properties.rs"]
#[allow(dead_code)] // each target is one of the kinds
mod properties;

fuzz_target!(|data: &[u8]| properties::map(data));

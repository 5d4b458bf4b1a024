#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| tenantseal_tower::fuzzing::key_set(data));

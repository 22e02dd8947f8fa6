//! Whatever decodes as an entry encodes to the same bytes, and goes through every export and back.
#![no_main]

use ecosystem_audit::export::{Exporter, Format, import};
use vm_ecosystem_fuzz::{log, seeds};

fn all() -> Vec<Vec<u8>> {
    let log = log();
    (0..log.size()).filter_map(|seq| log.canonical(seq).map(<[u8]>::to_vec)).collect()
}

libfuzzer_sys::fuzz_target!(init: seeds(all), |bytes: &[u8]| {
    let Ok(entry) = ecosystem_audit::decode(bytes) else { return };
    let owned = entry.to_entry();
    assert_eq!(owned.to_canonical().expect("it was canonical"), bytes);
    assert_eq!(entry.leaf_hash(), ecosystem_audit::leaf_hash(bytes));
    // One format per input, by what is different in every input.
    let format = Format::ALL[usize::from(entry.leaf_hash().as_bytes()[0]) % Format::ALL.len()];
    let text = Exporter::new(format).to_text([entry]);
    let read = import(format, text.as_bytes()).expect("an export reads back");
    let [(_, read)] = &read[..] else { panic!("one entry is {} records of {format}", read.len()) };
    assert_eq!(&read.draft, owned.draft(), "{format}");
    assert_eq!((read.seq, read.prev_hash), (Some(owned.seq()), Some(owned.prev_hash())));
    assert_eq!(read.leaf_hash, Some(ecosystem_audit::leaf_hash(bytes)));
});

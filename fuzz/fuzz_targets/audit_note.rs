//! Notes and witness requests: whatever is read prints to something that reads the same.
#![no_main]

use ecosystem_audit::Note;
use ecosystem_audit::witness::AddCheckpoint;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = Note::parse(bytes) {
        let again = Note::parse(note.to_string().as_bytes()).expect("a printed note is a note");
        assert_eq!(again.text, note.text);
    }
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert!(AddCheckpoint::parse(request.to_string().as_bytes()).is_ok());
    }
});

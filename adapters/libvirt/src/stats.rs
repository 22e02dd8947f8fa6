//! The statistics of all machines of a daemon in one call, whatever their number: `virConnectGetAllDomainStats`.
//!
//! The only place with `unsafe`: the bindings make the call, but give its records as bare pointers and never free them.

#![expect(unsafe_code, reason = "reads the records of the C library, which the bindings leave as pointers")]

use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_uint};
use virt::connect::Connect;
use virt::error::Error;
use virt::sys;

/// What a daemon says of one machine.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Stats {
    /// Which machine.
    pub(crate) uuid: String,
    /// Given anew by the daemon whenever it starts: another number means that counters began at zero.
    pub(crate) life: u32,
    /// Counters and sizes by the daemon's names, e.g. `cpu.time`.
    pub(crate) numbers: BTreeMap<String, u64>,
    /// What its devices are called, e.g. `net.0.name`.
    pub(crate) names: BTreeMap<String, String>,
}

/// What is asked for.
const GROUPS: c_uint = sys::VIR_DOMAIN_STATS_CPU_TOTAL
    | sys::VIR_DOMAIN_STATS_BALLOON
    | sys::VIR_DOMAIN_STATS_VCPU
    | sys::VIR_DOMAIN_STATS_INTERFACE
    | sys::VIR_DOMAIN_STATS_BLOCK;
/// Of the machines that run; one that is busy says what it can without being waited for.
const WHICH: c_uint =
    sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_ACTIVE | sys::VIR_CONNECT_GET_ALL_DOMAINS_STATS_NOWAIT;

/// The records of an answer, given back when they have been read.
struct Records {
    first: *mut sys::virDomainStatsRecordPtr,
    count: usize,
}

impl Drop for Records {
    fn drop(&mut self) {
        // SAFETY: the list is the library's own, ends with a null pointer, and is given back once.
        unsafe { sys::virDomainStatsRecordListFree(self.first) };
    }
}

/// One call, one record per machine that runs.
pub(crate) fn all(connect: &Connect) -> Result<Vec<Stats>, Error> {
    let mut first: *mut sys::virDomainStatsRecordPtr = std::ptr::null_mut();
    // SAFETY: the connection lives as long as `connect`, and `first` is a place for the address of the list.
    let count = unsafe { sys::virConnectGetAllDomainStats(connect.as_ptr(), GROUPS, &raw mut first, WHICH) };
    let Ok(count) = usize::try_from(count) else { return Err(Error::last_error()) };
    if first.is_null() {
        return Ok(Vec::new());
    }
    let records = Records { first, count };
    // SAFETY: the library says that it wrote so many addresses.
    let list = unsafe { std::slice::from_raw_parts(records.first, records.count) };
    // SAFETY: each is the address of a record of the list, which is there until `records` goes.
    Ok(list.iter().filter_map(|it| unsafe { it.as_ref() }).map(|it| unsafe { read(it) }).collect())
}

/// # Safety
/// The record and what it points to are there and as the library wrote them.
unsafe fn read(record: &sys::virDomainStatsRecord) -> Stats {
    let mut uuid: [c_char; sys::VIR_UUID_STRING_BUFLEN as usize] = [0; sys::VIR_UUID_STRING_BUFLEN as usize];
    // SAFETY: the record's domain is there, and the text has as many bytes as the library asks for.
    let (told, life) = unsafe {
        (sys::virDomainGetUUIDString(record.dom, uuid.as_mut_ptr()), sys::virDomainGetID(record.dom))
    };
    let mut stats =
        Stats { uuid: if told == 0 { text(&uuid) } else { String::new() }, life, ..Stats::default() };
    let many = usize::try_from(record.nparams).unwrap_or(0);
    if record.params.is_null() {
        return stats;
    }
    // SAFETY: the record says how many parameters are there.
    for it in unsafe { std::slice::from_raw_parts(record.params, many) } {
        let name = text(&it.field);
        // SAFETY: the type says which of the values was written.
        let number = unsafe {
            match kind(it.type_) {
                sys::VIR_TYPED_PARAM_INT => u64::try_from(it.value.i).ok(),
                sys::VIR_TYPED_PARAM_UINT => Some(u64::from(it.value.ui)),
                sys::VIR_TYPED_PARAM_LLONG => u64::try_from(it.value.l).ok(),
                sys::VIR_TYPED_PARAM_ULLONG => Some(it.value.ul),
                sys::VIR_TYPED_PARAM_STRING if !it.value.s.is_null() => {
                    let value = CStr::from_ptr(it.value.s).to_string_lossy().into_owned();
                    stats.names.insert(name, value);
                    continue;
                }
                _ => None,
            }
        };
        stats.numbers.extend(number.map(|it| (name, it)));
    }
    stats
}

fn kind(it: c_int) -> c_uint {
    c_uint::try_from(it).unwrap_or(0)
}

/// Up to the first zero.
fn text(chars: &[c_char]) -> String {
    let bytes: Vec<u8> = chars.iter().take_while(|it| **it != 0).map(|it| it.to_ne_bytes()[0]).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

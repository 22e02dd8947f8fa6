//! Entries as text for other systems, and back.
//!
//! | format | out | in | what it is for |
//! |---|---|---|---|
//! | JSONL | yes | yes | one object per line; the lossless form for people and programs |
//! | CSV (RFC 4180) | yes | yes | spreadsheets; lossless |
//! | Syslog (RFC 5424) | yes | yes | collectors; the whole entry in structured data, lossless |
//! | CEF | yes | yes | `ArcSight` and others |
//! | OCSF 1.2 | yes | yes | security lakes; classes 3002, 3004, 3005, 6003 |
//! | ECS 9 | yes | yes | `Elasticsearch` |
//!
//! With hashes an export carries `prev_hash` and `leaf_hash` of every entry, and importing checks them. Without, importing computes
//! them anew; since the canonical bytes depend on nothing else, either way **the imported log is the same log**: same
//! bytes, same root. Decoders take arbitrary bytes: they answer with the entry or with line and reason, in time and memory
//! proportional to the input.
//!
//! Values in JSONL are plain JSON. What JSON cannot say without doubt is an object with one key: `{"$bytes": base64}`,
//! `{"$commitment": hex}`, `{"$sealed": base64}`, `{"$json": text}` (JSON that would read back as text, number or
//! truth value, or is spread over lines) and `{"$integer": text}` beyond 2^53. In CSV and syslog a value that
//! is not plain text is written as that JSON; so it is in CEF, OCSF and ECS. Lines of those three may have been enriched
//! on their way through other systems: what is not the entry's is left out when they are read.
//!
//! # Example
//! ```
//! use ecosystem_audit::export::{Exporter, Format, import_log};
//! use ecosystem_audit::{Draft, Log, Value};
//!
//! let mut log = Log::new();
//! log.append(&Draft::new(0, "ana", "vm.resize", "vm/1").with_after(Value::json("{\"cpu\": 4}")?))?;
//! for format in Format::ALL {
//!     for hashes in [true, false] {
//!         let text = Exporter::new(format).with_hashes(hashes).to_text(log.entries());
//!         assert_eq!(import_log(format, text.as_bytes())?.root(), log.root());
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cef;
mod csv;
mod document;
mod ecs;
mod import;
mod jsonl;
mod labels;
mod ocsf;
pub mod syslog;
mod value;

use core::fmt;
use core::str::FromStr;

pub use import::{ImportError, Imported, import, import_log};

use crate::entry::EntryRef;

/// A text form of entries.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Format {
    /// One JSON object per line.
    Jsonl,
    /// Comma-separated values with a header (RFC 4180).
    Csv,
    /// Syslog messages (RFC 5424), one per line.
    Syslog,
    /// Common Event Format, one per line.
    Cef,
    /// Open Cybersecurity Schema Framework 1.2 events, one JSON object per line.
    Ocsf,
    /// Elastic Common Schema documents, one JSON object per line.
    Ecs,
}

impl Format {
    /// All formats.
    pub const ALL: [Self; 6] = [Self::Jsonl, Self::Csv, Self::Syslog, Self::Cef, Self::Ocsf, Self::Ecs];

    /// The lower-case name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Syslog => "syslog",
            Self::Cef => "cef",
            Self::Ocsf => "ocsf",
            Self::Ecs => "ecs",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A format of another name.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("`{name}` is not a format: expected jsonl, csv, syslog, cef, ocsf or ecs")]
pub struct UnknownFormat {
    /// As given.
    pub name: String,
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(name: &str) -> Result<Self, UnknownFormat> {
        let wanted = name.to_ascii_lowercase();
        let wanted = if wanted == "json" { "jsonl" } else { &wanted };
        let found = Self::ALL.into_iter().find(|f| f.as_str() == wanted);
        found.ok_or_else(|| UnknownFormat { name: name.chars().take(64).collect() })
    }
}

/// Writes entries in one format.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Exporter {
    /// The format.
    pub format: Format,
    /// Whether `prev_hash` and `leaf_hash` go along; default true.
    pub hashes: bool,
    /// Host name in syslog messages; default `-` (nil).
    pub hostname: String,
    /// Application name in syslog messages, product name in CEF, OCSF, ECS; default `vm-ecosystem`.
    pub product: String,
    /// Vendor in CEF and OCSF; default `vm-ecosystem`.
    pub vendor: String,
    /// Private enterprise number of the syslog structured data; default 32473, which RFC 5612 reserves for documentation: set
    /// your own.
    pub enterprise: u32,
}

impl Exporter {
    /// With hashes and default names.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            hashes: true,
            hostname: "-".into(),
            product: "vm-ecosystem".into(),
            vendor: "vm-ecosystem".into(),
            enterprise: syslog::DOCUMENTATION_ENTERPRISE,
        }
    }

    /// With or without hashes.
    #[must_use]
    pub const fn with_hashes(mut self, hashes: bool) -> Self {
        self.hashes = hashes;
        self
    }

    /// What goes before the first entry: the header of CSV, nothing otherwise.
    pub fn header(&self) -> String {
        if self.format == Format::Csv { csv::header(self) } else { String::new() }
    }

    /// Adds one entry with its line end.
    pub fn write(&self, entry: &EntryRef<'_>, out: &mut String) {
        match self.format {
            Format::Jsonl => jsonl::write(self, entry, out),
            Format::Csv => csv::write(self, entry, out),
            Format::Syslog => syslog::write(self, entry, out),
            Format::Cef => cef::write(self, entry, out),
            Format::Ocsf => ocsf::write(self, entry, out),
            Format::Ecs => ecs::write(self, entry, out),
        }
    }

    /// Header and all entries in one text.
    pub fn to_text<'a>(&self, entries: impl IntoIterator<Item = EntryRef<'a>>) -> String {
        let mut out = self.header();
        for entry in entries {
            self.write(&entry, &mut out);
        }
        out
    }
}

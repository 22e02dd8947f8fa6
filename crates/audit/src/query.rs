//! Finding entries: filters, indexes, pages.
//!
//! # Model
//! A [`Filter`] says which entries are wanted: every given criterion must hold, of several values of one
//! criterion any. [`Filter::matches`] is its plain meaning; [`run`] gives exactly the matching entries, page by page, in
//! the order of the log or against it, with an [`Index`] or without. Pages are stable: a [`Cursor`] names a place in an
//! append-only log, so entries that arrive meanwhile neither repeat nor hide any.
//!
//! The index holds one sorted list of places per actor, category, severity, outcome, action (and its dotted families),
//! subject (and its parent paths) and correlation id, and one running maximum of time per 64 entries. Lists are intersected by galloping
//! (Demaine, López-Ortiz, Munro 2000); time is a binary search. It is derived data: build it again at any time, leave out parts by
//! [`IndexSettings`], or use none. Words ([`Filter::text`]) are looked for in the entries that the other criteria leave.
//!
//! Work is bounded: a page examines at most [`Filter::max_examined`] entries and then hands back a cursor.
//!
//! # What a result proves
//! Each hit can be proved to be in the log (inclusion proof). That no hit is *missing* cannot be proved by a Merkle
//! tree over entries in order of time. [`Answer`] is what is offered for it: a record of question, log head and the digest
//! of the result, which goes into the log itself, so that anyone who holds the log can repeat it with [`Answer::check`] and a
//! false answer is evidence against whoever gave it.
//!
//! # Example
//! ```
//! use ecosystem_audit::query::{self, Filter, Index};
//! use ecosystem_audit::{Draft, Log};
//!
//! let mut log = Log::new();
//! let mut index = Index::default();
//! for i in 0..100_u64 {
//!     let subject = format!("vm/{}", i % 10);
//!     log.append(&Draft::new(1_000 * i, if i % 3 == 0 { "ana" } else { "bo" }, "vm.restart", subject))?;
//!     index.push(&log.entry(i).expect("just appended"));
//! }
//! let filter = Filter::new().actor("ana").subject_prefix("vm/4").from(20_000).limit(1);
//! let page = query::run(&log, Some(&index), &filter)?;
//! assert_eq!(page.hits[0].seq, 24);
//! let rest = query::run(&log, None, &filter.clone().after(page.next.expect("there is more")))?;
//! assert_eq!(rest.hits[0].seq, 54);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod answer;
mod filter;
mod index;
mod run;

pub use answer::{Answer, AnswerError};
pub use filter::{Cursor, Filter, Order, QueryError};
pub use index::{Index, IndexSettings};
pub use run::{Page, Source, run};

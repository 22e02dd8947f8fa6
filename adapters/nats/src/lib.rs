//! Work items on NATS `JetStream`, taken by as many workers as there are, on as many machines as are wanted.
//!
//! # Model
//! A [`Board`] is two streams of the server: one of work, from which every item goes once it is done, and one of answers and
//! of items that were given up. Workers pull: whoever is free takes the next item, so that load finds its way by itself. Items
//! are delivered *at least once*:
//!
//! | what happens | what becomes of the item |
//! |---|---|
//! | a worker dies or falls silent | given out again after [`Settings::patience`] |
//! | a worker says that it cannot | given out again, a little later each time |
//! | the [`Settings::deliveries`]th time fails, too, or kills its worker | a [`DeadLetter`], kept beside the answers; [`NatsError::GivenUp`] |
//! | it is submitted twice, done twice, answered twice | one answer: the first is kept, the server refuses the others |
//!
//! An answer has a [`Key`]: a digest of the item's name *and* its input. The same name with other input is other work.
//!
//! [`place`] searches the shards of a placement this way ([`ShardedSearch`](vm_ecosystem::placement::ShardedSearch)); the solution is
//! the one that `solve_sharded` finds in one process, whoever searched which shard and how often.
//!
//! `cargo run --manifest-path adapters/Cargo.toml -p ecosystem-nats --example cluster` shows all of it on one machine: a server, three workers, one
//! of which is killed in the middle of a shard, and the account of who did what.
//!
//! Nobody chooses a worker, and nobody has to: a queue from which the free ones fetch gives the slow ones less by itself. Where requests have to be
//! *sent*, [`Balancer`](vm_ecosystem::placement::Balancer) chooses.
//!
//! # Limits
//! Items and answers are at most as large as the server's `max_payload` (1 MiB unless configured otherwise). Calls block; they must
//! not be made from within an asynchronous runtime.

mod board;
mod error;
mod shards;
mod worker;

pub use board::{Board, DeadLetter, Item, Key, Outcome, Settings};
pub use error::NatsError;
pub use shards::{Input, place, serve, serve_watched};
pub use worker::Done;

//! Fitted models behind HTTP.
//!
//! # Model
//! A [`Server`] holds models by name and version. Their bytes come over HTTP with a declared format and are read by a
//! [`ModelLoader`], which trusts nothing. Questions are put into a bounded
//! [`WorkQueue`](ecosystem_forecast::serve::WorkQueue) and answered together on a rayon pool; one that finds no room is refused
//! at once with 503 and a typed code, so that what was taken is answered. A model that is replaced still answers
//! what had been asked of it, and every answer names the content hash of the model that gave it.
//!
//! docs/model-server.md has every request, code and limit.
//!
//! What it does not have: users and TLS (put a proxy before it), and a memory of its models (the host loads them again after
//! a start, from where its [`Registry`](ecosystem_forecast::registry::Registry) keeps them).
//!
//! # Example
//! ```
//! use ecosystem_serving::{Server, Settings};
//! use ecosystem_forecast::serve::StandardLoader;
//! use std::sync::Arc;
//! let server = Server::start(Settings::default(), Arc::new(StandardLoader::default()))?;
//! println!("http://{}/v1/health", server.address());
//! server.stop();
//! # Ok::<(), ecosystem_serving::StartError>(())
//! ```

mod counters;
mod problem;
mod routes;
mod server;
mod shelf;
mod workers;

pub use ecosystem_forecast::serve::ModelLoader;
pub use server::{Server, Settings, StartError};

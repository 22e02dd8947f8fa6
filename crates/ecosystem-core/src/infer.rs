//! What can be inferred from images, ports and values, and on what it rests.

pub(crate) mod address;
pub(crate) mod image;

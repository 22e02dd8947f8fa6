//! The same work on rayon threads (feature `parallel`) or one after the other, with the same result.

/// Maps in order.
#[cfg(feature = "parallel")]
pub(crate) fn map<T: Send, U: Send>(items: Vec<T>, f: impl Fn(T) -> U + Sync + Send) -> Vec<U> {
    use rayon::prelude::*;
    items.into_par_iter().map(f).collect()
}

/// Maps in order.
#[cfg(not(feature = "parallel"))]
pub(crate) fn map<T, U>(items: Vec<T>, f: impl Fn(T) -> U) -> Vec<U> {
    items.into_iter().map(f).collect()
}

/// Runs on each; they do not see each other.
#[cfg(feature = "parallel")]
pub(crate) fn for_each<T: Send>(items: &mut [T], f: impl Fn(&mut T) + Sync + Send) {
    use rayon::prelude::*;
    items.par_iter_mut().for_each(f);
}

/// Runs on each; they do not see each other.
#[cfg(not(feature = "parallel"))]
pub(crate) fn for_each<T>(items: &mut [T], f: impl Fn(&mut T)) {
    items.iter_mut().for_each(f);
}

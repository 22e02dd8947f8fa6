//! The patch from one JSON value to another.

use std::collections::BTreeMap;

use serde_json::Value;

use super::patch::{Operation, Patch, Pointer};
use crate::json::Json;

/// Cells of the table for the longest common subsequence of two arrays; larger ones are compared by position.
const MAX_CELLS: usize = 1 << 20;

/// An RFC 6902 patch that turns `before` into `after`, exactly. Members are compared by name; array elements by
/// longest common subsequence (up to about 1,000 × 1,000 that differ), so that an insertion is one operation.
///
/// Deterministic. O(size) plus O(n·m) per pair of arrays.
pub fn diff(before: &Json, after: &Json) -> Patch {
    let mut operations = Vec::new();
    walk(&before.0, &after.0, &mut Vec::new(), &mut operations);
    Patch(operations)
}

fn walk(before: &Value, after: &Value, path: &mut Vec<String>, out: &mut Vec<Operation>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                out.push(Operation::Remove { path: below(path, key) });
            }
            for (key, value) in new {
                match old.get(key) {
                    None => out.push(Operation::Add { path: below(path, key), value: Json(value.clone()) }),
                    Some(was) => within(path, key.clone(), |path| walk(was, value, path, out)),
                }
            }
        }
        (Value::Array(old), Value::Array(new)) => arrays(old, new, path, out),
        _ => out.push(Operation::Replace { path: Pointer(path.clone()), value: Json(after.clone()) }),
    }
}

fn arrays(old: &[Value], new: &[Value], path: &mut Vec<String>, out: &mut Vec<Operation>) {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let tail = old[head..].iter().rev().zip(new[head..].iter().rev()).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[head..old.len() - tail], &new[head..new.len() - tail]);
    // Index in the array as it is when the operation is applied.
    let mut at = head;
    let (mut i, mut j) = (0, 0);
    let ends = [(old.len(), new.len())];
    for (next_i, next_j) in common(old, new).into_iter().chain(ends) {
        // A run without common elements: pair up, then remove or add the rest.
        while i < next_i && j < next_j {
            within(path, at.to_string(), |path| walk(&old[i], &new[j], path, out));
            (i, j, at) = (i + 1, j + 1, at + 1);
        }
        while i < next_i {
            out.push(Operation::Remove { path: below(path, &at.to_string()) });
            i += 1;
        }
        while j < next_j {
            let value = Json(new[j].clone());
            out.push(Operation::Add { path: below(path, &at.to_string()), value });
            (j, at) = (j + 1, at + 1);
        }
        (i, j, at) = (i + 1, j + 1, at + 1);
    }
}

/// Index pairs of a longest common subsequence (Wagner and Fischer's table), or none if the table is too large.
fn common(old: &[Value], new: &[Value]) -> Vec<(usize, usize)> {
    let width = new.len() + 1;
    if (old.len() + 1).saturating_mul(width) > MAX_CELLS {
        return Vec::new();
    }
    // Equal elements get equal numbers, so that a cell costs one comparison.
    let mut numbers = BTreeMap::new();
    let mut number = |value: &Value| {
        let next = numbers.len();
        *numbers.entry(value.to_string()).or_insert(next)
    };
    let a: Vec<usize> = old.iter().map(&mut number).collect();
    let b: Vec<usize> = new.iter().map(&mut number).collect();
    let mut best = vec![0_u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            best[i * width + j] = if a[i] == b[j] {
                best[(i + 1) * width + j + 1] + 1
            } else {
                best[(i + 1) * width + j].max(best[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if best[(i + 1) * width + j] >= best[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

fn below(path: &[String], token: &str) -> Pointer {
    let mut tokens = path.to_vec();
    tokens.push(token.to_owned());
    Pointer(tokens)
}

fn within(path: &mut Vec<String>, token: String, go: impl FnOnce(&mut Vec<String>)) {
    path.push(token);
    go(path);
    path.pop();
}

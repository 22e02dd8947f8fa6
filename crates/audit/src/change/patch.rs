//! JSON Patch (RFC 6902) over JSON Pointer (RFC 6901).

use core::fmt;
use core::str::FromStr;

use serde_json::{Map, Value};

use crate::json::Json;

/// Operations in one patch.
const MAX_OPERATIONS: usize = 100_000;
/// Nesting of a patched document: what [`Json::parse`] can read back.
const MAX_DEPTH: usize = 127;
/// Values in a patched document; `copy` could otherwise double it with every step.
const MAX_NODES: usize = 4_000_000;

/// A place in a document: the reference tokens, unescaped.
#[derive(Clone, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub struct Pointer(pub(super) Vec<String>);

impl Pointer {
    /// The reference tokens.
    pub fn tokens(&self) -> &[String] {
        &self.0
    }

    /// Whether this place is the other one or lies inside of it.
    pub fn is_within(&self, outer: &Self) -> bool {
        self.0.starts_with(&outer.0)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|token| write!(f, "/{}", token.replace('~', "~0").replace('/', "~1")))
    }
}

impl FromStr for Pointer {
    type Err = PatchError;

    fn from_str(text: &str) -> Result<Self, PatchError> {
        let error = || PatchError::Pointer { pointer: text.chars().take(128).collect() };
        if text.is_empty() {
            return Ok(Self::default());
        }
        let rest = text.strip_prefix('/').ok_or_else(error)?;
        let unescape = |token: &str| {
            let mut parts = token.split('~');
            let mut out = parts.next().unwrap_or_default().to_owned();
            for part in parts {
                let (sign, tail) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
                    (Some(tail), _) => ('~', tail),
                    (_, Some(tail)) => ('/', tail),
                    _ => return None,
                };
                out.push(sign);
                out.push_str(tail);
            }
            Some(out)
        };
        let tokens: Option<Vec<String>> = rest.split('/').map(unescape).collect();
        tokens.map(Self).ok_or_else(error)
    }
}

/// One step of a patch.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Operation {
    /// Puts a value at a place: a new or replaced member, or into an array before the index (`-` = the end).
    Add {
        /// Where.
        path: Pointer,
        /// What.
        value: Json,
    },
    /// Takes the value at a place away.
    Remove {
        /// Where.
        path: Pointer,
    },
    /// Puts a value where there is one.
    Replace {
        /// Where.
        path: Pointer,
        /// What.
        value: Json,
    },
    /// Takes a value away and adds it elsewhere.
    Move {
        /// From where.
        from: Pointer,
        /// Where to; not inside of `from`.
        path: Pointer,
    },
    /// Adds a copy.
    Copy {
        /// From where.
        from: Pointer,
        /// Where to.
        path: Pointer,
    },
    /// Goes on only if the value at a place is equal (numbers by their value).
    Test {
        /// Where.
        path: Pointer,
        /// What is expected.
        value: Json,
    },
}

impl Operation {
    /// The place that is written or tested.
    pub const fn path(&self) -> &Pointer {
        match self {
            Self::Add { path, .. }
            | Self::Remove { path }
            | Self::Replace { path, .. }
            | Self::Move { path, .. }
            | Self::Copy { path, .. }
            | Self::Test { path, .. } => path,
        }
    }
}

/// Why a patch cannot be read or applied.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PatchError {
    /// Not an array of operations.
    #[error("operation {index}: {problem}")]
    Malformed {
        /// Index of the operation; 0 if the whole is not an array.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// Not an RFC 6901 pointer.
    #[error("`{pointer}` is not a pointer: expected `` or `/token/…` with `~0` for `~` and `~1` for `/`")]
    Pointer {
        /// As given.
        pointer: String,
    },
    /// Nothing is there, or an array index is not one.
    #[error("operation {index}: there is nothing at `{path}`")]
    Missing {
        /// Index of the operation.
        index: usize,
        /// The place.
        path: String,
    },
    /// A test failed.
    #[error("operation {index}: the value at `{path}` is not the expected one")]
    Test {
        /// Index of the operation.
        index: usize,
        /// The place.
        path: String,
    },
    /// A value would be moved into itself.
    #[error("operation {index}: `{path}` lies inside of what is moved")]
    IntoItself {
        /// Index of the operation.
        index: usize,
        /// The place.
        path: String,
    },
    /// The result would be too deep or too large.
    #[error("operation {index}: the result exceeds {MAX_DEPTH} levels or {MAX_NODES} values")]
    TooLarge {
        /// Index of the operation.
        index: usize,
    },
}

/// Operations, applied in order; all or none.
///
/// ```
/// use ecosystem_audit::Json;
/// use ecosystem_audit::change::Patch;
///
/// let patch: Patch = r#"[{"op":"move","from":"/a","path":"/b/-"}]"#.parse()?;
/// let after = patch.apply(&Json::parse(r#"{"a":1,"b":[0]}"#).expect("JSON"))?;
/// assert_eq!(after.to_string(), r#"{"b":[0,1]}"#);
/// # Ok::<(), ecosystem_audit::change::PatchError>(())
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Patch(pub(super) Vec<Operation>);

impl Patch {
    /// The operations in order.
    pub fn operations(&self) -> &[Operation] {
        &self.0
    }

    /// Whether it changes nothing because it has no operations.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The document after all operations; the one given stays as it is.
    ///
    /// # Errors
    /// The first operation that cannot be done.
    pub fn apply(&self, document: &Json) -> Result<Json, PatchError> {
        let mut root = document.0.clone();
        let mut nodes = count(&root);
        for (index, operation) in self.0.iter().enumerate() {
            step(&mut root, operation, index, &mut nodes)?;
        }
        Ok(Json(root))
    }
}

fn step(root: &mut Value, operation: &Operation, index: usize, nodes: &mut usize) -> Result<(), PatchError> {
    let missing = |path: &Pointer| PatchError::Missing { index, path: path.to_string() };
    let mut grow = |path: &Pointer, value: &Value| {
        *nodes = nodes.saturating_add(count(value));
        let fits = *nodes <= MAX_NODES && path.0.len() + depth(value) <= MAX_DEPTH;
        if fits { Ok(()) } else { Err(PatchError::TooLarge { index }) }
    };
    match operation {
        Operation::Add { path, value } => {
            grow(path, &value.0)?;
            add(root, path, value.0.clone()).ok_or_else(|| missing(path))
        }
        Operation::Remove { path } => remove(root, path).map(drop).ok_or_else(|| missing(path)),
        Operation::Replace { path, value } => {
            grow(path, &value.0)?;
            let slot = find(root, path).ok_or_else(|| missing(path))?;
            *slot = value.0.clone();
            Ok(())
        }
        Operation::Move { from, path } => {
            if path.is_within(from) {
                if path == from && find(root, from).is_some() {
                    return Ok(());
                }
                return Err(PatchError::IntoItself { index, path: path.to_string() });
            }
            let value = remove(root, from).ok_or_else(|| missing(from))?;
            grow(path, &value)?;
            add(root, path, value).ok_or_else(|| missing(path))
        }
        Operation::Copy { from, path } => {
            let value = find(root, from).ok_or_else(|| missing(from))?.clone();
            grow(path, &value)?;
            add(root, path, value).ok_or_else(|| missing(path))
        }
        Operation::Test { path, value } => {
            let found = find(root, path).ok_or_else(|| missing(path))?;
            if same(found, &value.0) {
                Ok(())
            } else {
                Err(PatchError::Test { index, path: path.to_string() })
            }
        }
    }
}

/// An array index: digits without leading zero.
fn array_index(token: &str) -> Option<usize> {
    let plain = token.bytes().all(|b| b.is_ascii_digit()) && (token == "0" || !token.starts_with('0'));
    if plain { token.parse().ok() } else { None }
}

fn find<'a>(root: &'a mut Value, path: &Pointer) -> Option<&'a mut Value> {
    path.0.iter().try_fold(root, |value, token| match value {
        Value::Object(map) => map.get_mut(token),
        Value::Array(items) => items.get_mut(array_index(token)?),
        _ => None,
    })
}

fn parent<'a, 'p>(root: &'a mut Value, path: &'p Pointer) -> Option<(&'a mut Value, &'p str)> {
    let (last, above) = path.0.split_last()?;
    let value = above.iter().try_fold(root, |value, token| match value {
        Value::Object(map) => map.get_mut(token),
        Value::Array(items) => items.get_mut(array_index(token)?),
        _ => None,
    })?;
    Some((value, last))
}

fn add(root: &mut Value, path: &Pointer, value: Value) -> Option<()> {
    if path.0.is_empty() {
        *root = value;
        return Some(());
    }
    match parent(root, path)? {
        (Value::Object(map), key) => drop(map.insert(key.to_owned(), value)),
        (Value::Array(items), "-") => items.push(value),
        (Value::Array(items), token) => {
            let i = array_index(token).filter(|&i| i <= items.len())?;
            items.insert(i, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(root: &mut Value, path: &Pointer) -> Option<Value> {
    if path.0.is_empty() {
        return Some(core::mem::take(root));
    }
    match parent(root, path)? {
        (Value::Object(map), key) => map.remove(key),
        (Value::Array(items), token) => {
            let i = array_index(token).filter(|&i| i < items.len())?;
            Some(items.remove(i))
        }
        _ => None,
    }
}

/// RFC 6902 §4.6: numbers are equal if their values are.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => {
            x == y || (x.is_f64() != y.is_f64() && x.as_f64() == y.as_f64())
        }
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(k, v)| y.get(k).is_some_and(|w| same(v, w)))
        }
        _ => a == b,
    }
}

fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

impl fmt::Display for Patch {
    /// The JSON text of the patch.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |operation: &Operation| {
            let (op, from, value) = match operation {
                Operation::Add { value, .. } => ("add", None, Some(value)),
                Operation::Remove { .. } => ("remove", None, None),
                Operation::Replace { value, .. } => ("replace", None, Some(value)),
                Operation::Move { from, .. } => ("move", Some(from), None),
                Operation::Copy { from, .. } => ("copy", Some(from), None),
                Operation::Test { value, .. } => ("test", None, Some(value)),
            };
            let mut map = Map::new();
            map.insert("op".into(), op.into());
            if let Some(from) = from {
                map.insert("from".into(), from.to_string().into());
            }
            map.insert("path".into(), operation.path().to_string().into());
            if let Some(value) = value {
                map.insert("value".into(), value.0.clone());
            }
            Value::Object(map)
        };
        write!(f, "{}", Value::Array(self.0.iter().map(one).collect()))
    }
}

impl FromStr for Patch {
    type Err = PatchError;

    fn from_str(text: &str) -> Result<Self, PatchError> {
        let malformed = |index, problem: &str| PatchError::Malformed { index, problem: problem.to_owned() };
        let value: Value = serde_json::from_str(text).map_err(|e| malformed(0, &e.to_string()))?;
        let Value::Array(items) = value else {
            return Err(malformed(0, "expected an array of operations"));
        };
        if items.len() > MAX_OPERATIONS {
            return Err(malformed(MAX_OPERATIONS, "too many operations"));
        }
        items
            .into_iter()
            .enumerate()
            .map(|(index, item)| read(index, item))
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

fn read(index: usize, mut item: Value) -> Result<Operation, PatchError> {
    let malformed = |problem: &str| PatchError::Malformed { index, problem: problem.to_owned() };
    let op = item.get("op").and_then(Value::as_str).ok_or_else(|| malformed("`op` is missing"))?.to_owned();
    let pointer = |name: &str| {
        let text = item.get(name).and_then(Value::as_str);
        text.ok_or_else(|| malformed(&format!("`{name}` is missing")))?.parse::<Pointer>()
    };
    let path = pointer("path")?;
    match op.as_str() {
        "remove" => return Ok(Operation::Remove { path }),
        "move" => return Ok(Operation::Move { from: pointer("from")?, path }),
        "copy" => return Ok(Operation::Copy { from: pointer("from")?, path }),
        "add" | "replace" | "test" => {}
        _ => return Err(malformed("`op` is none of add, remove, replace, move, copy, test")),
    }
    let value =
        item.get_mut("value").map(Value::take).map(Json).ok_or_else(|| malformed("`value` is missing"))?;
    Ok(match op.as_str() {
        "add" => Operation::Add { path, value },
        "replace" => Operation::Replace { path, value },
        _ => Operation::Test { path, value },
    })
}

//! Command-line arguments and failures.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read};

/// Why the program ends early.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Help was asked for.
    Help,
    /// The input or the command line is wrong: exit code 2.
    Usage(String),
    /// The log is not sound: exit code 1.
    Unsound(String),
}

/// Turns any error into a usage failure that names what was being done.
pub(crate) fn failed<E: fmt::Display>(what: impl fmt::Display) -> impl FnOnce(E) -> Failure {
    move |error| Failure::Usage(format!("{what}: {error}"))
}

/// The words of a command line: options with values, switches and plain words.
pub(crate) struct Words {
    plain: Vec<String>,
    options: Vec<(String, Option<String>)>,
}

impl Words {
    /// Splits words into options (those in `with_value` take the next word) and plain words.
    pub(crate) fn parse(words: &[String], with_value: &[&str], switches: &[&str]) -> Result<Self, Failure> {
        let mut parsed = Self { plain: Vec::new(), options: Vec::new() };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(name) = word.strip_prefix("--") else {
                parsed.plain.push(word.clone());
                continue;
            };
            if name == "help" {
                return Err(Failure::Help);
            }
            let (name, inline) = name.split_once('=').map_or((name, None), |(n, v)| (n, Some(v.to_owned())));
            if with_value.contains(&name) {
                let value = inline.or_else(|| words.next().cloned());
                let value = value.ok_or_else(|| Failure::Usage(format!("`--{name}` needs a value")))?;
                parsed.options.push((name.to_owned(), Some(value)));
            } else if switches.contains(&name) && inline.is_none() {
                parsed.options.push((name.to_owned(), None));
            } else {
                return Err(Failure::Usage(format!("unknown option `{word}`: see --help")));
            }
        }
        Ok(parsed)
    }

    /// All values of an option.
    pub(crate) fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        let name = name.to_owned();
        self.options.iter().filter(move |(known, _)| *known == name).filter_map(|(_, value)| value.as_deref())
    }

    /// The last value of an option.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.values(name).last()
    }

    /// The value of an option that must be given.
    pub(crate) fn required(&self, name: &str) -> Result<&str, Failure> {
        self.value(name).ok_or_else(|| Failure::Usage(format!("`--{name}` is missing: see --help")))
    }

    /// The number given with an option.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        self.value(name).map(|value| number(&format!("--{name}"), value)).transpose()
    }

    /// Whether a switch was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|(known, _)| known == name)
    }

    /// The plain words, which must be exactly as many.
    pub(crate) fn plain<const N: usize>(&self, what: &str) -> Result<&[String; N], Failure> {
        self.plain.as_slice().try_into().map_err(|_| {
            Failure::Usage(format!("expected {what}, found {} words: see --help", self.plain.len()))
        })
    }
}

/// Reads a whole number.
pub(crate) fn number(what: &str, text: &str) -> Result<u64, Failure> {
    text.parse().map_err(|_| Failure::Usage(format!("{what} `{text}` is not a whole number")))
}

/// Standard input, unpacked if it is compressed with gzip.
pub(crate) fn input() -> Result<BufReader<Box<dyn Read>>, Failure> {
    let mut raw = BufReader::new(std::io::stdin());
    let packed = raw.fill_buf().map_err(failed("standard input"))?.starts_with(&[0x1f, 0x8b]);
    let plain: Box<dyn Read> =
        if packed { Box::new(flate2::bufread::MultiGzDecoder::new(raw)) } else { Box::new(raw) };
    Ok(BufReader::with_capacity(1 << 20, plain))
}

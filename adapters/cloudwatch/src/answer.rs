//! What comes back: pages of points, and refusals.

use crate::request::place;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A page of an answer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    metric_data_results: Vec<Found>,
    #[serde(default)]
    next_token: Option<String>,
    /// About the request as a whole.
    #[serde(default)]
    messages: Option<Vec<Message>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    id: String,
    #[serde(default)]
    timestamps: Option<Vec<f64>>,
    #[serde(default)]
    values: Option<Vec<Number>>,
    #[serde(default)]
    status_code: Option<String>,
    #[serde(default)]
    messages: Option<Vec<Message>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    value: Option<String>,
}

/// The protocol writes what JSON has no number for as a word.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Number {
    Finite(f64),
    Word(String),
}

/// What is known of one series, over the pages so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Gathered {
    /// Value by second; a page that comes again changes nothing.
    pub(crate) points: BTreeMap<u64, f64>,
    /// What the last page that had it said of it.
    status: Option<String>,
    words: Vec<String>,
}

impl Gathered {
    /// Why it is not whole, if it is not.
    pub(crate) fn lacking(&self) -> Option<String> {
        let status = match self.status.as_deref() {
            Some("Complete") => return None,
            Some(other) => format!("its status is `{other}`"),
            None => "the answer does not have it".to_owned(),
        };
        if self.words.is_empty() {
            Some(status)
        } else {
            Some(format!("{status}: {}", self.words.join("; ")))
        }
    }
}

/// Most words that are kept of one answer.
const WORDS_MAX: usize = 4;

fn words(messages: Option<Vec<Message>>) -> impl Iterator<Item = String> {
    let text = |it: Message| {
        let (code, value) = (it.code.unwrap_or_default(), it.value.unwrap_or_default());
        format!("{code} {value}").chars().take(200).collect::<String>().trim().to_owned()
    };
    messages.into_iter().flatten().take(WORDS_MAX).map(text)
}

/// A page whose parts are sound.
#[derive(Debug)]
pub(crate) struct Sound {
    parts: Vec<Part>,
    words: Vec<String>,
    next: Option<String>,
}

#[derive(Debug)]
struct Part {
    place: usize,
    points: Vec<(u64, f64)>,
    status: Option<String>,
    words: Vec<String>,
}

/// Reads a page of an answer to so many queries.
pub(crate) fn read(text: &[u8], queries: usize) -> Result<Sound, String> {
    let page: Page = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let part = |found: Found| {
        let Some(place) = place(&found.id, queries) else {
            return Err(format!("`{}` was not asked for", found.id.chars().take(40).collect::<String>()));
        };
        let (times, values) = (found.timestamps.unwrap_or_default(), found.values.unwrap_or_default());
        if times.len() != values.len() {
            return Err(format!("`{}` has {} times and {} values", found.id, times.len(), values.len()));
        }
        let mut points = Vec::with_capacity(times.len());
        for (time, value) in times.into_iter().zip(values) {
            let second = second(time).ok_or_else(|| format!("`{time}` is no moment"))?;
            match value {
                Number::Finite(value) => points.push((second, value)),
                Number::Word(word) if matches!(word.as_str(), "NaN" | "Infinity" | "-Infinity") => {}
                Number::Word(word) => {
                    return Err(format!("`{}` is no value", word.chars().take(40).collect::<String>()));
                }
            }
        }
        Ok(Part { place, points, status: found.status_code, words: words(found.messages).collect() })
    };
    let parts = page.metric_data_results.into_iter().map(part).collect::<Result<_, _>>()?;
    let next = page.next_token.filter(|it| !it.is_empty());
    Ok(Sound { parts, words: words(page.messages).collect(), next })
}

impl Sound {
    /// Puts the page to what came before, and says where the next one begins. `points_max` is for one series.
    pub(crate) fn put(self, gathered: &mut [Gathered], points_max: u64) -> Result<Option<String>, String> {
        for part in self.parts {
            let it = &mut gathered[part.place];
            it.points.extend(part.points);
            if it.points.len() as u64 > points_max {
                return Err(format!("there are more than {points_max} points of one series"));
            }
            (it.status, it.words) = (part.status, part.words);
        }
        for it in gathered.iter_mut().filter(|it| it.words.len() < WORDS_MAX) {
            it.words.extend(self.words.iter().cloned());
        }
        Ok(self.next)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be in range")]
fn second(time: f64) -> Option<u64> {
    // Until the year 5138.
    (time.is_finite() && (0.0..1e11).contains(&time)).then_some(time as u64)
}

/// A refusal: the service's name for it, which may be empty, and its words.
pub(crate) fn refusal(text: &[u8]) -> (String, String) {
    let value: serde_json::Value = serde_json::from_slice(text).unwrap_or_default();
    let get = |names: [&str; 2]| {
        let found = names.iter().find_map(|it| value.get(it)?.as_str());
        found.map(|it| it.chars().take(300).collect::<String>())
    };
    let reason = get(["message", "Message"]);
    let head = || String::from_utf8_lossy(text).chars().take(300).collect();
    (get(["__type", "code"]).unwrap_or_default(), reason.unwrap_or_else(head))
}

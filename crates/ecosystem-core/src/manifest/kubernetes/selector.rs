//! Label selectors: `matchLabels` and `matchExpressions`, or the plain map of a Service.

use super::super::read;
use super::super::report::Report;
use super::super::tree::At;
use std::collections::BTreeMap;

/// Labels of pods.
pub(super) type Labels<'a> = BTreeMap<&'a str, &'a str>;

/// Labels below a key, as they are; values that are not text count as absent.
pub(super) fn labels<'a>(at: Option<&At<'a>>) -> Labels<'a> {
    at.iter().flat_map(|at| at.entries()).map(|(key, _, value)| (key, value.text().unwrap_or(""))).collect()
}

#[derive(Clone, Debug)]
enum Need<'a> {
    In(&'a str, Vec<&'a str>),
    NotIn(&'a str, Vec<&'a str>),
    Exists(&'a str),
    Absent(&'a str),
}

/// A conjunction of demands on labels.
#[derive(Clone, Debug, Default)]
pub(super) struct Selector<'a>(Vec<Need<'a>>);

impl<'a> Selector<'a> {
    /// The selector of a Service: equality of all entries.
    pub(super) fn of_map(at: &At<'a>) -> Self {
        Self(at.entries().map(|(key, _, value)| Need::In(key, vec![value.text().unwrap_or("")])).collect())
    }

    /// A `LabelSelector`.
    pub(super) fn read(at: &At<'a>, report: &mut Report) -> Self {
        let mut needs = at.get("matchLabels").map(|m| Self::of_map(&m).0).unwrap_or_default();
        for one in at.get("matchExpressions").iter().flat_map(At::items) {
            let Some(key) = one.text_of("key") else {
                read::wrong(&one, "`{key, operator, values}`", report);
                continue;
            };
            let values =
                || read::texts_of(&one, "values", &mut Report::new(1)).into_iter().map(|(v, _)| v).collect();
            match one.text_of("operator") {
                Some("In") => needs.push(Need::In(key, values())),
                Some("NotIn") => needs.push(Need::NotIn(key, values())),
                Some("Exists") => needs.push(Need::Exists(key)),
                Some("DoesNotExist") => needs.push(Need::Absent(key)),
                _ => report.add(
                    "E1103",
                    &one,
                    "`operator` is not known".to_owned(),
                    "expected one of: In, NotIn, Exists, DoesNotExist",
                ),
            }
        }
        Self(needs)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn matches(&self, labels: &Labels<'_>) -> bool {
        self.0.iter().all(|need| match need {
            Need::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Need::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
            Need::Exists(key) => labels.contains_key(key),
            Need::Absent(key) => !labels.contains_key(key),
        })
    }

    /// A pair of label and value that every match has, to look candidates up by.
    pub(super) fn anchor(&self) -> Option<(&'a str, &'a str)> {
        self.0.iter().find_map(|need| match need {
            Need::In(key, values) if values.len() == 1 => Some((*key, values[0])),
            _ => None,
        })
    }
}

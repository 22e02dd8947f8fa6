//! Component names in the narrower alphabets of other systems.

use crate::ecosystem::Ecosystem;
use crate::id::ComponentId;
use std::collections::{BTreeMap, BTreeSet};

/// One new name for every component, each different.
pub(super) struct Names(BTreeMap<ComponentId, String>);

impl Names {
    /// Names as DNS labels (RFC 1123): lower case letters, digits and hyphens, at most `length` characters.
    pub(super) fn dns(ecosystem: &Ecosystem, length: usize) -> Self {
        Self::new(ecosystem, length, '-', |c| match c {
            'a'..='z' | '0'..='9' | '-' => c,
            'A'..='Z' => c.to_ascii_lowercase(),
            _ => '-',
        })
    }

    /// Names of letters, digits, hyphens, underscores and points, as Compose wants them.
    pub(super) fn compose(ecosystem: &Ecosystem) -> Self {
        Self::new(ecosystem, 200, '-', |c| {
            if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '-' }
        })
    }

    /// Names of lower case letters, digits and underscores, as Terraform and Ansible groups want them.
    pub(super) fn identifiers(ecosystem: &Ecosystem) -> Self {
        Self::new(ecosystem, 60, '_', |c| match c {
            'a'..='z' | '0'..='9' | '_' => c,
            'A'..='Z' => c.to_ascii_lowercase(),
            _ => '_',
        })
    }

    fn new(ecosystem: &Ecosystem, length: usize, hyphen: char, map: impl Fn(char) -> char) -> Self {
        let mut taken: BTreeSet<String> = BTreeSet::new();
        let mut names = BTreeMap::new();
        let cut = |text: &str, length: usize| -> String {
            let head: String = text.chars().take(length).collect();
            head.trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
        };
        for component in ecosystem.components() {
            let mapped: String = component.id.as_str().chars().map(&map).collect();
            let mut base = mapped.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned();
            if base.is_empty() {
                base.push_str("component");
            } else if !base.starts_with(|c: char| c.is_ascii_alphabetic()) {
                base = format!("c{hyphen}{base}");
            }
            let mut name = cut(&base, length);
            let mut number = 2;
            while !taken.insert(name.clone()) {
                let suffix = format!("{hyphen}{number}");
                name = cut(&base, length - suffix.len()) + &suffix;
                number += 1;
            }
            names.insert(component.id.clone(), name);
        }
        Self(names)
    }

    /// The new name; empty for a component of another map.
    pub(super) fn of(&self, id: &ComponentId) -> &str {
        self.0.get(id).map_or("", String::as_str)
    }
}

/// Name of the environment variable that holds the address of a component: `ORDERS_DB_ADDR`.
pub(super) fn address_variable(name: &str) -> String {
    let upper: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect();
    format!("{upper}_ADDR")
}

//! Drawings are well-formed, the same every time, and show every part.
#![cfg(feature = "export")]
#![allow(clippy::unwrap_used, clippy::string_slice, reason = "helpers of tests")]

use ecosystem_core::export::svg::{self, Style};
use ecosystem_core::testing::{ecosystems, infrastructures, scattered};
use proptest::prelude::*;

/// Checks that tags nest, attributes are quoted and no number is broken.
fn well_formed(xml: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = xml;
    while let Some(start) = rest.find('<') {
        assert!(!rest[..start].contains('>'), "stray `>` in {:?}", &rest[..start]);
        let end = start + rest[start..].find('>').unwrap();
        let tag = &rest[start + 1..end];
        assert_eq!(tag.matches('"').count() % 2, 0, "unbalanced quotes in <{tag}>");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name));
        } else if !tag.ends_with('/') {
            open.push(tag.split([' ', '\n']).next().unwrap());
        }
        rest = &rest[end + 1..];
    }
    assert!(open.is_empty(), "{open:?}");
    assert!(!xml.contains("NaN") && !xml.contains("inf\""));
}

proptest! {
    #[test]
    fn drawings_are_well_formed_and_show_everything(
        map in ecosystems(12, 25), infra in infrastructures(4, 2, 3), seed in any::<u64>(),
    ) {
        let style = Style::default().with_title("a <title> & more");
        let picture = svg::map(&map, &style);
        well_formed(&picture);
        for component in map.components() {
            let name = format!("<title>{} (", component.id);
            prop_assert!(picture.contains(&name));
        }
        prop_assert_eq!(&picture, &svg::map(&map, &style));
        let placement = scattered(&map, &infra, seed);
        let picture = svg::placement(&map, &infra, &placement, &style);
        well_formed(&picture);
        let host = |name: &str| picture.contains(&["<title>", name, "\n"].concat());
        prop_assert!(infra.hosts().iter().all(|h| host(h.id.as_str())));
        let replica = |name: String| picture.contains(&["\n", &name, " ("].concat());
        prop_assert!(placement.iter().all(|(r, _)| replica(r.to_string())));
    }
}

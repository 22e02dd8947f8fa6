//! Short and long forms of lists: environment, ports, volumes, dependencies.

use super::super::read;
use super::super::report::Report;
use super::super::tree::At;
use crate::component::Port;
use std::sync::Arc;

/// `- KEY=value`, `- KEY` or a map; the value is `None` where it is left to the outside.
pub(super) fn pairs<'a>(at: &At<'a>, report: &mut Report) -> Vec<(&'a str, Option<&'a str>, At<'a>)> {
    if at.is_map() {
        return at.entries().map(|(key, _, value)| (key, value.text(), value)).collect();
    }
    read::texts(at, report)
        .into_iter()
        .map(|(text, item)| match text.split_once('=') {
            Some((key, value)) => (key.trim_end(), Some(value), item),
            None => (text, None, item),
        })
        .collect()
}

/// Words of a command: a list, or a text that is split at white space.
pub(super) fn words<'a>(at: &At<'a>) -> Vec<(&'a str, At<'a>)> {
    if at.is_list() {
        return at.items().filter_map(|item| item.text().map(|t| (t, item))).collect();
    }
    at.text().map(|t| (t, at.clone())).into_iter().collect()
}

/// Container ports of `ports` and `expose`: `80`, `"8080:80"`, `"127.0.0.1:53:53/udp"`, `"3000-3005"`,
/// `{target: 80, published: 8080, protocol: tcp, app_protocol: http}`.
pub(super) fn ports(service: &At<'_>, report: &mut Report) -> Vec<Port> {
    let mut ports: Vec<Port> = Vec::new();
    for key in ["ports", "expose"] {
        for at in service.get(key).iter().flat_map(At::items) {
            let found = if at.is_map() {
                let protocol = at.text_of("app_protocol").or_else(|| at.text_of("protocol")).unwrap_or("tcp");
                at.text_of("target").and_then(|t| range(t, protocol))
            } else {
                at.text().and_then(short_port)
            };
            match found {
                Some(all) => ports.extend(all.into_iter().filter(|p| !ports.contains(p)).collect::<Vec<_>>()),
                // A port that is an unset variable has been reported already.
                None if at.text().is_none_or(|t| t.chars().any(|c| c.is_ascii_alphanumeric()))
                    || at.is_map() =>
                {
                    let message =
                        format!("port is {}, expected `80`, `8080:80` or `8080:80/udp`", at.node.describe());
                    report.add("W1407", &at, message, "correct the port; it is left out");
                }
                None => {}
            }
        }
    }
    ports
}

fn short_port(text: &str) -> Option<Vec<Port>> {
    let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    range(numbers.rsplit(':').next()?, protocol)
}

fn range(text: &str, protocol: &str) -> Option<Vec<Port>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |t: &str| t.trim().parse::<u16>().ok().filter(|&n| n > 0);
    let (first, last) = (number(first)?, number(last)?);
    // A wide range is not a list of services; its ends say enough.
    let all: Vec<u16> = if last < first {
        return None;
    } else if last - first > 64 {
        vec![first, last]
    } else {
        (first..=last).collect()
    };
    let protocol: Arc<str> = Arc::from(protocol.to_ascii_lowercase());
    Some(all.into_iter().map(|number| Port { number, protocol: Arc::clone(&protocol) }).collect())
}

/// Named volumes that a service mounts; bind mounts and anonymous volumes are left out.
pub(super) fn named_volumes<'a>(service: &At<'a>) -> Vec<(&'a str, At<'a>)> {
    let mut named = Vec::new();
    for at in service.get("volumes").iter().flat_map(At::items) {
        let source = if at.is_map() {
            if at.text_of("type").is_none_or(|t| t == "volume") { at.text_of("source") } else { None }
        } else {
            at.text().and_then(|t| t.split_once(':')).map(|(source, _)| source)
        };
        let is_name = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.len() > 1
                && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))
        };
        if let Some(name) = source.filter(|name| is_name(name)) {
            named.push((name, at));
        }
    }
    named
}

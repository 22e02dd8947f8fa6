//! Published vectors for the exchange formats; each test prints how many it ran.
#![expect(
    clippy::unwrap_used,
    clippy::string_slice,
    clippy::disallowed_macros,
    reason = "tests read files, print counts and unwrap what the vectors promise"
)]

use crate::common;

use common::text;
use ecosystem_audit::export::{Exporter, Format, syslog};
use ecosystem_audit::{Category, Draft, Json, Log, Outcome, Severity, ValueRef};

#[test]
fn rfc_8785_documents_are_canonicalised_as_published() {
    let mut count = 0;
    for name in ["arrays", "values", "weird"] {
        let Some(input) = text(&format!("jcs/{name}.input.json")) else { return };
        let expected = text(&format!("jcs/{name}.output.json")).unwrap();
        assert_eq!(Json::parse(&input).unwrap().canonical(), expected.trim_end());
        count += 1;
    }
    println!("RFC 8785: {count} documents");
}

#[test]
fn rfc_8785_numbers_are_printed_as_published() {
    let Some(lines) = text("jcs/es6_numbers_10000.csv.gz") else { return };
    let mut count = 0;
    for line in lines.lines() {
        let (bits, expected) = line.split_once(',').unwrap();
        let number = f64::from_bits(u64::from_str_radix(bits, 16).unwrap());
        let json = Json::parse(&format!("{number:e}")).unwrap();
        assert_eq!(json.canonical(), expected, "{bits}");
        count += 1;
    }
    assert_eq!(count, 10_000);
    println!("RFC 8785: {count} numbers");
}

/// The members of an object, by name.
fn object(json: &Json) -> serde_json::Map<String, serde_json::Value> {
    serde_json::from_str(&json.to_string()).unwrap()
}

#[test]
fn rfc_5424_messages_are_judged_as_published() {
    let Some(lines) = text("syslog/rfc5424_cases.jsonl") else { return };
    let (mut count, mut wrong) = (0, Vec::new());
    for line in lines.lines() {
        let case = object(&Json::parse(line).unwrap());
        let bytes = match case.get("message") {
            Some(message) => message.as_str().unwrap().as_bytes().to_vec(),
            None => base64::Engine::decode(
                &base64::engine::general_purpose::STANDARD,
                case["message_base64"].as_str().unwrap(),
            )
            .unwrap(),
        };
        let found = std::str::from_utf8(&bytes).ok().map(syslog::Message::parse);
        let valid = matches!(found, Some(Ok(_)));
        if valid != case["valid"].as_bool().unwrap() {
            wrong.push(format!("{line}: {found:?}"));
        }
        count += 1;
    }
    println!("RFC 5424: {count} messages");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn messages_read_as_another_parser_reads_them() {
    let (Some(lines), Some(parsed)) = (text("syslog/jc_syslog-5424.out"), text("syslog/jc_syslog-5424.json"))
    else {
        return;
    };
    let parsed: Vec<serde_json::Value> = serde_json::from_str(&parsed).unwrap();
    let mut count = 0;
    for (line, expected) in lines.lines().filter(|l| !l.is_empty()).zip(&parsed) {
        // That parser is lenient: no priority, no structured data.
        let Ok(message) = syslog::Message::parse(line) else { continue };
        assert_eq!(
            u64::from(message.facility) * 8 + u64::from(message.severity),
            expected["priority"].as_u64().unwrap()
        );
        assert_eq!(message.host.as_deref(), expected["hostname"].as_str(), "{line}");
        assert_eq!(message.app.as_deref(), expected["appname"].as_str(), "{line}");
        assert_eq!(message.id.as_deref(), expected["msg_id"].as_str(), "{line}");
        let parameters: Vec<(String, String)> =
            message.structured_data.iter().flat_map(|e| e.1.clone()).collect();
        let known = expected["structured_data"]
            .as_array()
            .map_or(0, |e| e.iter().map(|e| e["parameters"].as_object().unwrap().len()).sum());
        assert_eq!(parameters.len(), known);
        for (name, value) in &parameters {
            assert_eq!(expected["structured_data"][0]["parameters"][name].as_str(), Some(value.as_str()));
        }
        assert_eq!(message.message.as_deref(), expected["message"].as_str(), "{line}");
        count += 1;
    }
    println!("RFC 5424: {count} messages compared with jc");
    assert!(count >= 4);
}

/// Entries of every shape that the mappings treat differently.
fn varied_log() -> Log {
    let mut log = Log::new();
    let categories =
        ["authentication", "authorization", "access", "data", "configuration", "change", "security", "own"];
    let actions =
        ["login", "role.grant", "role.revoke", "audit.query", "config.set", "vm.create", "vm.delete", "odd"];
    for (i, category) in categories.iter().cycle().take(64).enumerate() {
        let mut draft = Draft::new(
            1_700_000_000_000 + i as u64,
            "ana",
            actions[i / 8],
            if i % 7 == 0 { "" } else { "vm/1" },
        )
        .with_category(Category::new(*category).unwrap())
        .with_severity(Severity::ALL[i % 8])
        .with_outcome(Outcome::ALL[i % 5])
        .with_field("role", "admin");
        if i % 2 == 0 {
            draft =
                draft.with_reason("why").with_on_behalf_of("bo").with_correlation_id("c").with_before(true);
        }
        log.append(&draft).unwrap();
    }
    log
}

#[test]
fn ecs_documents_use_fields_of_the_schema() {
    let Some(list) = text("ecs/ecs_fields.csv.gz") else { return };
    let known: std::collections::BTreeMap<&str, &str> = list
        .lines()
        .skip(1)
        .filter_map(|l| {
            let mut c = l.split(',');
            Some((c.nth(3)?, c.next()?))
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    for line in Exporter::new(Format::Ecs).to_text(varied_log().entries()).lines() {
        fn flatten(prefix: &str, value: &serde_json::Value, out: &mut Vec<(String, serde_json::Value)>) {
            match value {
                serde_json::Value::Object(map) if prefix != "labels" => {
                    for (k, v) in map {
                        flatten(&if prefix.is_empty() { k.clone() } else { format!("{prefix}.{k}") }, v, out);
                    }
                }
                other => out.push((prefix.to_owned(), other.clone())),
            }
        }
        let mut fields = Vec::new();
        flatten("", &serde_json::from_str(line).unwrap(), &mut fields);
        for (name, value) in fields {
            let kind = known.get(name.as_str());
            assert!(kind.is_some(), "{name} is not in the schema");
            if kind == Some(&"long") {
                assert!(value.is_u64(), "{name}");
            }
            if name == "labels" {
                assert!(value.as_object().unwrap().iter().all(|(k, v)| v.is_string() && !k.contains('.')));
            }
            seen.insert(name);
        }
    }
    println!("ECS: {} fields used, all of {} known", seen.len(), known.len());
}

#[test]
fn ocsf_events_fit_the_schema() {
    let Some(schema) = text("ocsf/ocsf_schema_subset.json.gz") else { return };
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let class_of = |uid: &serde_json::Value| {
        let mut classes = schema["classes"].as_object().unwrap().values();
        classes.find(|c| c["attributes"]["class_uid"]["enum"].get(uid.to_string()).is_some()).unwrap()
    };
    let (mut count, mut classes) = (0, std::collections::BTreeSet::new());
    for line in Exporter::new(Format::Ocsf).to_text(varied_log().entries()).lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let class = class_of(&event["class_uid"]);
        classes.insert(class["name"].as_str().unwrap().to_owned());
        fits(&schema, class, &event, "");
        let uid = event["class_uid"].as_i64().unwrap() * 100 + event["activity_id"].as_i64().unwrap();
        assert_eq!(event["type_uid"].as_i64(), Some(uid));
        count += 1;
    }
    assert_eq!(classes.len(), 4);
    println!("OCSF: {count} events of {} classes", classes.len());
}

/// Required attributes are there, all are known, enumerated values are allowed, types agree.
fn fits(schema: &serde_json::Value, class: &serde_json::Value, event: &serde_json::Value, path: &str) {
    let attributes = class["attributes"].as_object().unwrap();
    for (name, attribute) in
        attributes.iter().filter(|(name, a)| a["requirement"] == "required" && *name != "cloud")
    {
        assert!(event.get(name).is_some(), "{path}{name} ({}) is missing in {event}", attribute["type"]);
    }
    for (name, value) in event.as_object().unwrap() {
        let attribute = attributes.get(name).unwrap_or_else(|| panic!("{path}{name} is not in the schema"));
        let items: Vec<&serde_json::Value> = match value {
            serde_json::Value::Array(items) => {
                assert_eq!(attribute["is_array"], true, "{path}{name}");
                items.iter().collect()
            }
            one => {
                assert_ne!(attribute["is_array"], true, "{path}{name} is a list");
                vec![one]
            }
        };
        for item in items {
            if let Some(allowed) = attribute["enum"].as_object() {
                let key = item.as_str().map_or_else(|| item.to_string(), str::to_owned);
                assert!(allowed.contains_key(&key), "{path}{name} = {item}");
            }
            match attribute["type"].as_str().unwrap() {
                "integer_t" | "long_t" | "timestamp_t" => assert!(item.is_i64(), "{path}{name}"),
                "string_t" | "username_t" => assert!(item.is_string(), "{path}{name}"),
                kind => {
                    if let Some(object) = schema["objects"].get(kind).filter(|_| name != "unmapped") {
                        fits(schema, object, item, &format!("{path}{name}."));
                    }
                }
            }
        }
    }
}

#[test]
fn cef_lines_read_as_another_parser_reads_its_own() {
    // The same reader, checked against the fixtures of jc, reads our lines back.
    let (Some(lines), Some(parsed)) = (text("syslog/jc_cef.out"), text("syslog/jc_cef.json")) else { return };
    let parsed: Vec<serde_json::Value> = serde_json::from_str(&parsed).unwrap();
    let mut count = 0;
    for (line, expected) in lines.lines().filter(|l| !l.is_empty()).zip(&parsed) {
        let (header, _) = cef(line);
        for (part, name) in header.iter().skip(1).zip([
            "deviceVendor",
            "deviceProduct",
            "deviceVersion",
            "deviceEventClassId",
            "name",
            "agentSeverity",
        ]) {
            let known = &expected[name];
            let known = known.as_str().map_or_else(|| known.to_string(), str::to_owned);
            assert_eq!(*part, known, "{line}");
        }
        count += 1;
    }
    println!("CEF: {count} headers compared with jc");
    let mut log = varied_log();
    log.append(&Draft::new(7, "a|b\\c=d\ne", "x|y=z", "s").with_reason("p=q\\ r\r\n")).unwrap();
    for (line, entry) in Exporter::new(Format::Cef).to_text(log.entries()).lines().zip(log.entries()) {
        let (header, extension) = cef(line);
        assert_eq!((header.len(), header[4].as_str()), (7, entry.action));
        let value = |key: &str| extension.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str());
        assert_eq!(value("suser"), Some(entry.actor));
        assert_eq!(value("externalId"), Some(entry.seq.to_string().as_str()));
        assert_eq!(value("cs1"), Some(entry.subject));
        assert_eq!(
            value("reason"),
            entry.reason.and_then(ValueRef::as_text).map(|t| if t.contains('\n') {
                "\"p=q\\\\ r\\r\\n\""
            } else {
                t
            })
        );
    }
}

/// Header parts and extension of a CEF line: `\|` and `\\` in the header; `\=`, `\\`, `\n`, `\r` in the extension.
fn cef(line: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (mut header, mut part, mut chars) = (Vec::new(), String::new(), line.chars());
    while header.len() < 7 {
        match chars.next() {
            Some('\\') => part.extend(chars.next()),
            Some('|') => header.push(std::mem::take(&mut part)),
            Some(c) => part.push(c),
            None => break,
        }
    }
    let rest = chars.as_str();
    // A key is the word before each unescaped `=`.
    let bytes = rest.as_bytes();
    let equals: Vec<usize> =
        (0..bytes.len()).filter(|&i| bytes[i] == b'=' && (i == 0 || bytes[i - 1] != b'\\')).collect();
    let starts: Vec<usize> = equals.iter().map(|&e| rest[..e].rfind(' ').map_or(0, |s| s + 1)).collect();
    let mut out = Vec::new();
    for (i, (&start, &equal)) in starts.iter().zip(&equals).enumerate() {
        let end = starts.get(i + 1).map_or(rest.len(), |next| next.saturating_sub(1).max(equal + 1));
        let (mut value, mut chars) = (String::new(), rest[equal + 1..end].chars());
        while let Some(c) = chars.next() {
            match (c, c == '\\') {
                (_, true) => match chars.next() {
                    Some('n') => value.push('\n'),
                    Some('r') => value.push('\r'),
                    other => value.extend(other),
                },
                (c, false) => value.push(c),
            }
        }
        out.push((rest[start..equal].to_owned(), value));
    }
    (header, out)
}

//! Whose a domain is: an element in its metadata, which libvirt keeps and hands over with a migration.

use ecosystem_core::{Bytes, Millicores, ReplicaId, Resources, Version};

/// Namespace of the element.
pub const NAMESPACE: &str = "urn:vm-ecosystem:replica:1";

/// What a domain of ours is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "what the element holds")]
pub struct Identity {
    /// The replica.
    pub replica: ReplicaId,
    /// Which build.
    pub version: Version,
    /// What it was given.
    pub resources: Resources,
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&apos;"),
            '"' => out.push_str("&quot;"),
            // Not in XML 1.0 at all.
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&apos;", "'").replace("&quot;", "\"");
    text.replace("&amp;", "&")
}

/// The value of an attribute of an element.
fn attribute(element: &str, name: &str) -> Option<String> {
    let mut rest = element;
    loop {
        let at = rest.find(name)?;
        let (before, after) = (rest[..at].chars().next_back(), &rest[at + name.len()..]);
        let value = after.trim_start().strip_prefix('=').map(str::trim_start);
        if let (Some(before), Some(value)) = (before, value)
            && before.is_whitespace()
            && let Some(quote) = value.chars().next().filter(|it| matches!(it, '\'' | '"'))
        {
            return value[1..].split(quote).next().map(unescaped);
        }
        rest = after;
    }
}

impl Identity {
    /// The `<metadata>` of a domain's description.
    pub fn to_xml(&self) -> String {
        format!(
            "<metadata><eco:replica xmlns:eco='{NAMESPACE}' id='{}' version='{}' millicores='{}' bytes='{}'/></metadata>",
            escaped(&self.replica.to_string()),
            escaped(self.version.as_str()),
            self.resources.cpu.get(),
            self.resources.memory.get()
        )
    }

    /// From the element as libvirt gives it back; `None` if it is not ours.
    pub fn from_xml(element: &str) -> Option<Self> {
        let number = |name| attribute(element, name)?.parse::<u64>().ok();
        Some(Self {
            replica: attribute(element, "id")?.parse().ok()?,
            version: Version::new(attribute(element, "version")?),
            resources: Resources::new(Millicores(number("millicores")?), Bytes(number("bytes")?)),
        })
    }

    /// A domain's name: letters, digits and hyphens; who it is stands in the metadata.
    pub fn name(replica: &ReplicaId) -> String {
        let clean = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        format!(
            "eco-{}-{}",
            replica.component().as_str().chars().map(clean).collect::<String>(),
            replica.index()
        )
    }

    /// A description after a template with `{name}`, `{identity}`, `{vcpus}`, `{memory_kib}`.
    pub fn describe(&self, template: &str) -> String {
        template
            .replace("{name}", &Self::name(&self.replica))
            .replace("{vcpus}", &self.resources.cpu.get().div_ceil(1_000).max(1).to_string())
            .replace("{memory_kib}", &self.resources.memory.get().div_ceil(1_024).to_string())
            .replace("{identity}", &self.to_xml())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_whatever_the_version_is_called() {
        let identity = Identity {
            replica: "shop/web#3".parse().expect("an id"),
            version: Version::new("1 <&\"'> id='x'"),
            resources: Resources::new(Millicores(1_500), Bytes(7_000)),
        };
        let xml = identity.to_xml();
        assert_eq!(Identity::from_xml(&xml), Some(identity.clone()));
        // As libvirt prints it, and in another order.
        let other =
            "<replica bytes=\"7000\" xmlns=\"u\" millicores = \"1500\" id=\"shop/web#3\" version=\"2\"/>";
        assert_eq!(Identity::from_xml(other).map(|it| it.version), Some(Version::new("2")));
        assert_eq!(Identity::from_xml("<replica id='web' version='1'/>"), None);
        assert_eq!(Identity::from_xml(""), None);
        let text = identity.describe(
            "<name>{name}</name><vcpu>{vcpus}</vcpu><memory unit='KiB'>{memory_kib}</memory>{identity}",
        );
        assert!(
            text.starts_with(
                "<name>eco-shop-web-3</name><vcpu>2</vcpu><memory unit='KiB'>7</memory><metadata>"
            )
        );
    }
}

//! Addresses in free text: environment values, command-line arguments, connection strings.

/// A host name found in a value, with the port and scheme beside it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Address<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) scheme: &'a str,
    /// True if the text around the host says that it is an address: a scheme, a port or a user part.
    pub(crate) explicit: bool,
}

/// Longest value that is searched; longer ones are scripts or certificates, not addresses.
const VALUE_BYTES_MAX: usize = 64 << 10;

/// All host names that a value may name: the whole value, the members of a list separated by commas, semicolons or
/// spaces, and the host part of every authority (`scheme://user:password@host:port/path`, `user@tcp(host:port)/db`,
/// `host=name;port=…`).
pub(crate) fn addresses(value: &str) -> Vec<Address<'_>> {
    let mut found = Vec::new();
    if value.len() > VALUE_BYTES_MAX {
        return found;
    }
    for part in value.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '|')) {
        if !part.is_empty() {
            token(part, &mut found);
        }
    }
    found
}

fn token<'a>(part: &'a str, found: &mut Vec<Address<'a>>) {
    if let Some((before, after)) = part.split_once("://") {
        let scheme =
            before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))).next();
        let end = after.find(['/', '?', '#', '\\']).unwrap_or(after.len());
        let (authority, tail) = after.split_at(end);
        let plain = authority.rsplit('@').next().unwrap_or(authority);
        push(plain, scheme.unwrap_or(""), true, found);
        // `jdbc:…` and proxies carry further addresses in their query.
        for (at, _) in tail.match_indices("://").take(8) {
            let rest = tail.get(at + 3..).unwrap_or_default();
            let end = rest.find(['/', '?', '#', '&']).unwrap_or(rest.len());
            let authority = rest.get(..end).unwrap_or_default();
            push(authority.rsplit('@').next().unwrap_or(authority), "", true, found);
        }
        return;
    }
    if let Some((_, rest)) = part.split_once("@tcp(") {
        push(rest.split(')').next().unwrap_or_default(), "tcp", true, found);
        return;
    }
    // `--flag=host:port`, `Host=db`, `host=db`.
    let value = part.rsplit('=').next().unwrap_or(part);
    let keyed = value.len() != part.len();
    let end = value.find(['/', '?']).unwrap_or(value.len());
    let (authority, path) = value.split_at(end);
    let (user, plain) = match authority.rsplit_once('@') {
        Some((_, plain)) => (true, plain),
        None => (false, authority),
    };
    // `host/path` without scheme or port is a path or an image, not an address.
    if path.is_empty() || user || plain.contains(':') {
        push(plain, "", user || keyed, found);
    }
}

fn push<'a>(authority: &'a str, scheme: &'a str, explicit: bool, found: &mut Vec<Address<'a>>) {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) => match port.parse::<u16>() {
            Ok(number) if number > 0 => (host, Some(number)),
            _ if port.is_empty() => (host, None),
            _ => return,
        },
        None => (authority, None),
    };
    let host = host.trim_end_matches('.');
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if !host.is_empty() && host.len() <= 253 && host.chars().all(fits) {
        found.push(Address { host, port, scheme, explicit: explicit || port.is_some() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hosts(value: &str) -> Vec<(&str, Option<u16>)> {
        addresses(value).into_iter().map(|a| (a.host, a.port)).collect()
    }

    #[test]
    fn hosts_are_found_in_every_form_of_address() {
        assert_eq!(hosts("cart:7070"), [("cart", Some(7070))]);
        assert_eq!(hosts("redis"), [("redis", None)]);
        assert_eq!(hosts("http://email:6060/send"), [("email", Some(6060))]);
        assert_eq!(hosts("postgresql+psycopg2://user:pw@postgres/airflow"), [("postgres", None)]);
        assert_eq!(hosts("redis://:@redis:6379/0"), [("redis", Some(6379))]);
        assert_eq!(hosts("jdbc:mysql://db:3306/shop?useSSL=false"), [("db", Some(3306))]);
        assert_eq!(hosts("k1:9092,k2:9092"), [("k1", Some(9092)), ("k2", Some(9092))]);
        assert_eq!(hosts("root:pw@tcp(mysql:3306)/x"), [("mysql", Some(3306))]);
        assert_eq!(hosts("Host=db;Port=5432"), [("db", None), ("5432", None)]);
        assert_eq!(hosts("--grpc.host-port=jaeger-collector:14250"), [("jaeger-collector", Some(14250))]);
        assert_eq!(hosts("mongodb://a:1,b:2/?x"), [("a", Some(1)), ("b", Some(2))]);
        assert_eq!(hosts("deathstarbench/web"), []);
        assert_eq!(hosts("postgres:15-alpine"), []);
    }

    proptest! {
        #[test]
        fn no_value_makes_the_search_panic(value in "\\PC{0,80}|[a-z:/@=,;.()0-9]{0,80}") {
            let _ = addresses(&value);
        }
    }
}

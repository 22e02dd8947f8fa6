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
pub(crate) const VALUE_BYTES_MAX: usize = 64 << 10;

/// Last words of a name (of a variable, key or option) that say that its value is not an address.
const NOT_ADDRESSES: &[&str] = &[
    "user",
    "username",
    "uid",
    "password",
    "passwd",
    "pass",
    "pwd",
    "pw",
    "database",
    "db",
    "dbname",
    "name",
    "schema",
    "topic",
    "queue",
    "queues",
    "vhost",
    "keyspace",
    "token",
    "secret",
    "role",
    "namespace",
    "project",
    "environment",
    "env",
    "mode",
    "type",
    "driver",
    "image",
    "version",
    "tag",
    "profile",
    "profiles",
    "group",
    "label",
];

/// Last words that say that it is one.
const ADDRESSES: &[&str] = &[
    "addr",
    "address",
    "addresses",
    "host",
    "hosts",
    "hostname",
    "url",
    "urls",
    "uri",
    "endpoint",
    "endpoints",
    "server",
    "servers",
    "broker",
    "brokers",
    "service",
    "dsn",
    "connection",
    "upstream",
    "backend",
    "target",
    "targets",
    "proxy",
    "peers",
    "source",
];

/// Programs whose first argument that is no option is a host.
const PROBES: &[&str] = &[
    "nslookup",
    "ping",
    "nc",
    "ncat",
    "netcat",
    "telnet",
    "dig",
    "getent",
    "wait-for",
    "wait-for.sh",
    "wait-for-it",
    "wait-for-it.sh",
];

/// Programs whose option `-h` names a host.
const CLIENTS: &[&str] = &[
    "psql",
    "pg_isready",
    "pg_dump",
    "mysql",
    "mysqladmin",
    "mysqldump",
    "mariadb",
    "redis-cli",
    "valkey-cli",
    "createdb",
];

/// What the name of a variable, key or option says about its value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Meaning {
    Address,
    NoAddress,
    Open,
}

/// By its last word: `REDIS_HOST`, `spring.data.uri`, `--broker`.
pub(crate) fn meaning(name: &str) -> Meaning {
    let word = name.rsplit(['_', '.', '-', ':', ' ']).next().unwrap_or(name).to_ascii_lowercase();
    // `PGHOST`, `PGUSER`
    let word = word.strip_prefix("pg").unwrap_or(&word);
    if ADDRESSES.contains(&word) {
        Meaning::Address
    } else if NOT_ADDRESSES.contains(&word) {
        Meaning::NoAddress
    } else {
        Meaning::Open
    }
}

/// What the words before say about the next one; goes on from one item of a command line to the next.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Context {
    next: Next,
    /// True after a program whose `-h` is a host and not a call for help.
    client: bool,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Next {
    /// Nothing.
    #[default]
    None,
    /// A word such as `host`: followed by a colon it is a key.
    Word,
    /// The next word is a host: `-h`, `host:`.
    Host,
    /// The next word that is no option is a host: `nc -z`.
    Probe,
    /// A host without a port was the last; a number after it is its port.
    Port,
}

/// All host names that a value may name: the whole value, the members of a list separated by commas, semicolons or
/// spaces, the host part of every authority (`scheme://user:password@host:port/path`, `user@tcp(host:port)/db`,
/// `host=name;port=…`), and what a key, an option or a program announces (`host: name`, `-h name`, `nc -z name port`).
pub(crate) fn addresses<'a>(value: &'a str, context: &mut Context) -> Vec<Address<'a>> {
    let mut found = Vec::new();
    if value.len() > VALUE_BYTES_MAX {
        return found;
    }
    for part in value.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '"' | '\'' | '|' | '`')) {
        let part = part.trim_start_matches(['[', '{', '(']).trim_end_matches([']', '}']);
        if !part.is_empty() {
            let program = part.rsplit(['/', '(', '&']).next().unwrap_or(part);
            context.client |= CLIENTS.contains(&program);
            context.next = token(part, *context, &mut found);
        }
    }
    found
}

/// Reads one word; returns what it says about the next.
fn token<'a>(part: &'a str, context: Context, found: &mut Vec<Address<'a>>) -> Next {
    let before = context.next;
    if let Some((before, after)) = part.split_once("://") {
        url(before, after, found);
        return Next::None;
    }
    if let Some((_, rest)) = part.split_once("@tcp(") {
        push(rest.split(')').next().unwrap_or_default(), "tcp", true, found);
        return Next::None;
    }
    if let (Next::Port, Some(port)) = (before, port_of(part)) {
        if let Some(last) = found.last_mut() {
            last.port = last.port.or(Some(port));
        }
        return Next::None;
    }
    // the value of an option: `nc -w 2 db`
    if before == Next::Probe && port_of(part).is_some() {
        return Next::Probe;
    }
    if let Some(next) = announcement(part, context) {
        return next;
    }
    // `--flag=host:port`, `Host=db`, `host=db`.
    let (key, value) = part.rsplit_once('=').map_or((None, part), |(key, value)| (Some(key), value));
    let means = key.map(|key| if key == "-h" && context.client { Meaning::Address } else { meaning(key) });
    if means == Some(Meaning::NoAddress) && !key.is_some_and(|key| names_store(key) && has_port(value)) {
        return before_port(before);
    }
    if let (Some(last), Some(port), true) =
        (found.last_mut(), port_of(value), key.is_some_and(|k| k.eq_ignore_ascii_case("port")))
    {
        last.port = last.port.or(Some(port));
        return Next::None;
    }
    let end = value.find(['/', '?']).unwrap_or(value.len());
    let (authority, path) = value.split_at(end);
    let (user, plain) = match authority.rsplit_once('@') {
        Some((_, plain)) => (true, plain),
        None => (false, authority),
    };
    let announced = matches!(before, Next::Host | Next::Probe) || means == Some(Meaning::Address);
    // A value under another key is an address only if it looks like one.
    if key.is_some() && !announced && !user && !plain.contains(':') {
        return Next::None;
    }
    let known = found.len();
    // `host/path` without scheme or port is a path or an image, not an address.
    if path.is_empty() || user || plain.contains(':') {
        push(plain, "", user || announced, found);
    }
    match found.get(known) {
        Some(address) if address.port.is_none() && announced => Next::Port,
        _ if meaning(part) == Meaning::Address && key.is_none() => Next::Word,
        _ => Next::None,
    }
}

/// `--db`, `queue`: mostly the name of something inside a server, but the server itself where there is a port.
fn names_store(key: &str) -> bool {
    let word = key.rsplit(['_', '.', '-', ':', ' ']).next().unwrap_or(key);
    ["db", "database", "queue"].iter().any(|store| word.eq_ignore_ascii_case(store))
}

/// True for `host:5432` and `user@host:5432/name`.
fn has_port(value: &str) -> bool {
    let authority = value.split(['/', '?']).next().unwrap_or(value);
    authority.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port_of(port).is_some())
}

const fn before_port(before: Next) -> Next {
    if matches!(before, Next::Port) { Next::Port } else { Next::None }
}

/// What a word that is no address itself says about the next: keys, options and programs.
fn announcement(part: &str, context: Context) -> Option<Next> {
    let before = context.next;
    if matches!(part, ":" | "=") {
        return Some(if before == Next::Word { Next::Host } else { Next::None });
    }
    if let Some(key) = part.strip_suffix(':').filter(|key| !key.contains([':', '='])) {
        return Some(match meaning(key) {
            Meaning::Address => Next::Host,
            _ if key.eq_ignore_ascii_case("port") => before_port(before),
            _ => Next::None,
        });
    }
    if part.starts_with('-') && !part.contains('=') {
        let name = part.trim_start_matches('-');
        return Some(match before {
            Next::Probe => Next::Probe,
            Next::Port if matches!(name, "p" | "P" | "port") => Next::Port,
            _ if (name == "h" && context.client) || meaning(name) == Meaning::Address => Next::Host,
            _ => Next::None,
        });
    }
    let program = part.rsplit(['/', '(', '&']).next().unwrap_or(part);
    if PROBES.contains(&program) && !matches!(before, Next::Host | Next::Port) {
        return Some(Next::Probe);
    }
    (before == Next::Probe && matches!(part, "hosts" | "ahosts")).then_some(Next::Probe)
}

fn url<'a>(before: &'a str, after: &'a str, found: &mut Vec<Address<'a>>) {
    let scheme = before.rsplit(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))).next();
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
}

fn port_of(text: &str) -> Option<u16> {
    text.parse::<u16>().ok().filter(|&port| port > 0 && !text.starts_with('+'))
}

/// `host`, `host:port`, `host:port:more` as quorums write it, `tcp:host`.
fn push<'a>(authority: &'a str, scheme: &'a str, explicit: bool, found: &mut Vec<Address<'a>>) {
    let authority = authority.strip_prefix("tcp:").unwrap_or(authority);
    let (host, port) = match authority.split_once(':') {
        Some((host, rest)) => match rest.split(':').next().unwrap_or_default() {
            "" => (host, None),
            number => match port_of(number) {
                Some(port) => (host, Some(port)),
                None => return,
            },
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
        addresses(value, &mut Context::default()).into_iter().map(|a| (a.host, a.port)).collect()
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
        assert_eq!(hosts("Host=db;Port=5432;Username=cache;Password=x"), [("db", Some(5432))]);
        assert_eq!(
            hosts("Server=tcp:sql,1433;Initial Catalog=app"),
            [("sql", Some(1433)), ("Initial", None)]
        );
        assert_eq!(hosts("server.1=zoo1:2888:3888;2181"), [("zoo1", Some(2888)), ("2181", None)]);
        assert_eq!(hosts("1@kafka:9093"), [("kafka", Some(9093))]);
        assert_eq!(hosts("--grpc.host-port=jaeger-collector:14250"), [("jaeger-collector", Some(14250))]);
        assert_eq!(hosts("mongodb://a:1,b:2/?x"), [("a", Some(1)), ("b", Some(2))]);
        assert_eq!(hosts("deathstarbench/web"), []);
        assert_eq!(hosts("postgres:15-alpine"), []);
    }

    /// What is an address by what stands around it, not only by chance.
    fn explicit(value: &str) -> Vec<(&str, Option<u16>)> {
        let all = addresses(value, &mut Context::default());
        all.into_iter().filter(|a| a.explicit).map(|a| (a.host, a.port)).collect()
    }

    #[test]
    fn keys_options_and_programs_announce_hosts() {
        assert_eq!(explicit("until nc -z -w 2 db 5432; do sleep 1; done"), [("db", Some(5432))]);
        assert_eq!(explicit("until nc -zv db 5432; do sleep 1; done"), [("db", Some(5432))]);
        assert_eq!(explicit("while ! nslookup mydb; do echo waiting for cache; done"), [("mydb", None)]);
        assert_eq!(explicit("pg_isready -U app -h db -p 5433"), [("db", Some(5433))]);
        assert_eq!(explicit("redis-cli --host cache ping"), [("cache", None)]);
        assert_eq!(explicit("getent hosts broker"), [("broker", None)]);
        // the name of a database is no host, but with a port it is
        assert_eq!(
            explicit("--db=db:5432 -queue=mq:5672 DATABASE=u@sql:3306/x"),
            [("db", Some(5432)), ("mq", Some(5672)), ("sql", Some(3306))]
        );
        assert_eq!(explicit("--db=db DATABASE=shop/db --image=db:5432"), []);
        assert_eq!(explicit("./wait-for-it.sh db:5432 -- npm start"), [("db", Some(5432))]);
        assert_eq!(explicit("database:\n  host: db\n  port: 5432\n  name: cache\n"), [("db", Some(5432))]);
        assert_eq!(explicit(r#"{"host": "db", "user": "cache"}"#), [("db", None)]);
        assert_eq!(
            explicit("targets: [node:9100, other:9100]"),
            [("node", Some(9100)), ("other", Some(9100))]
        );
        assert_eq!(explicit("-Dredis.host=cache -Dspring.profiles.active=db"), [("cache", None)]);
        assert_eq!(explicit("celery -A app worker --queues=email --name db"), []);
        assert_eq!(explicit("npm run web"), []);
        assert_eq!(explicit("-d 60 -h web"), []);
    }

    proptest! {
        #[test]
        fn no_value_makes_the_search_panic(value in "\\PC{0,80}|[a-z:/@=,;.()0-9]{0,80}") {
            let _ = addresses(&value, &mut Context { next: Next::Probe, client: true });
        }
    }
}

//! HTTP/1.1 over a unix socket: one request a connection, a deadline for the whole conversation, bounded answers.
//!
//! Answers may carry a length or come in chunks (RFC 9112, sections 6 and 7); one that ends early is an error, never a shorter
//! answer.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// Longest accepted answer: a thousand instances with all their configuration are about 4 MB.
const ANSWER_MAX: usize = 64 << 20;
/// Longest accepted head of an answer.
const HEAD_MAX: usize = 64 << 10;

/// An answer.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) etag: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum Fault {
    /// Nothing was sent.
    Closed(String),
    /// Sent, but the answer broke off or did not come in time.
    Late,
    Broken(String),
    Garbage(String),
}

/// A request with everything it carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) headers: &'a [(&'a str, &'a str)],
    pub(crate) body: &'a [u8],
}

pub(crate) fn ask(socket: &Path, request: &Request<'_>, deadline: Instant) -> Result<Answer, Fault> {
    let mut stream = UnixStream::connect(socket).map_err(|e| Fault::Closed(e.to_string()))?;
    let mut head = format!(
        "{} {} HTTP/1.1\r\nHost: lxd\r\nConnection: close\r\nContent-Length: {}\r\n",
        request.method,
        request.path,
        request.body.len()
    );
    for (name, value) in request.headers {
        let _ = write!(head, "{name}: {value}\r\n");
    }
    head.push_str("\r\n");
    stream.set_write_timeout(Some(left(deadline)?)).map_err(|e| Fault::Closed(e.to_string()))?;
    stream.write_all(head.as_bytes()).map_err(fault)?;
    stream.write_all(request.body).map_err(fault)?;
    let mut all = Vec::new();
    let mut part = [0; 16 << 10];
    // The other side closes the connection behind its answer, as it was asked to.
    loop {
        stream.set_read_timeout(Some(left(deadline)?)).map_err(fault)?;
        match stream.read(&mut part) {
            Ok(0) => return read(&all).map_err(Fault::Garbage),
            Ok(n) => all.extend_from_slice(&part[..n]),
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(fault(e)),
        }
        if all.len() > ANSWER_MAX {
            return Err(Fault::Garbage(format!("it is longer than {ANSWER_MAX} bytes")));
        }
    }
}

fn left(deadline: Instant) -> Result<Duration, Fault> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Fault::Late) } else { Ok(left) }
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err")]
fn fault(e: std::io::Error) -> Fault {
    use std::io::ErrorKind as K;
    match e.kind() {
        K::WouldBlock | K::TimedOut => Fault::Late,
        _ => Fault::Broken(e.to_string()),
    }
}

/// Takes a whole answer apart.
pub(crate) fn read(all: &[u8]) -> Result<Answer, String> {
    let end = all.windows(4).take(HEAD_MAX).position(|it| it == b"\r\n\r\n");
    let end = end.ok_or_else(|| format!("its head does not end within {} bytes", all.len().min(HEAD_MAX)))?;
    let head = std::str::from_utf8(&all[..end]).map_err(|e| format!("its head is not text: {e}"))?;
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|it| it.get(2..5)).and_then(|it| it.parse().ok());
    let status =
        status.ok_or_else(|| format!("it begins with `{}`", first.chars().take(40).collect::<String>()))?;
    let (mut length, mut chunked, mut etag) = (None, false, None);
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| format!("header `{line}` has no colon"))?;
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => {
                length = Some(value.parse::<usize>().map_err(|e| format!("length `{value}`: {e}"))?);
            }
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "etag" => etag = Some(value.to_owned()),
            _ => {}
        }
    }
    let rest = &all[end + 4..];
    let body = match length {
        _ if chunked => unchunk(rest)?,
        Some(length) if rest.len() < length => {
            return Err(format!("it ends after {} of {length} bytes", rest.len()));
        }
        Some(length) => rest[..length].to_vec(),
        None => rest.to_vec(),
    };
    Ok(Answer { status, etag, body })
}

fn unchunk(mut rest: &[u8]) -> Result<Vec<u8>, String> {
    let mut body = Vec::new();
    loop {
        let line = rest.windows(2).position(|it| it == b"\r\n").ok_or("it ends inside a chunk's length")?;
        let text = std::str::from_utf8(&rest[..line]).map_err(|e| e.to_string())?;
        let digits = text.split(';').next().unwrap_or_default().trim();
        let size = usize::from_str_radix(digits, 16).map_err(|e| format!("chunk length `{digits}`: {e}"))?;
        rest = &rest[line + 2..];
        if size == 0 {
            return Ok(body);
        }
        let chunk = rest.get(..size).ok_or_else(|| format!("it ends inside a chunk of {size} bytes"))?;
        body.extend_from_slice(chunk);
        rest = rest[size..].strip_prefix(b"\r\n").ok_or("a chunk does not end where it should")?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_a_length_or_in_chunks_is_read_whole() {
        let plain = b"HTTP/1.1 200 OK\r\nEtag: \"a\"\r\nContent-Length: 2\r\n\r\nhi";
        let expected = Answer { status: 200, etag: Some("\"a\"".into()), body: b"hi".to_vec() };
        assert_eq!(read(plain), Ok(expected));
        let chunks = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3;x=1\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(read(chunks).map(|it| (it.status, it.body)), Ok((404, b"abc0123456789".to_vec())));
    }

    #[test]
    fn an_answer_that_ends_early_is_an_error_wherever_it_is_cut() {
        let whole = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        // Behind the last chunk's line nothing is missing that anybody reads.
        for cut in 0..whole.len() - 2 {
            assert!(read(&whole[..cut]).is_err(), "cut at {cut}");
        }
        let long = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi";
        assert!(read(long).is_err_and(|it| it.contains("2 of 5")));
        // Lengths beyond all memory.
        let huge = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nabc";
        assert!(read(huge).is_err());
    }
}

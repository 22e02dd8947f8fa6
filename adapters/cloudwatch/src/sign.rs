//! Signature Version 4: a request is hashed in canonical form, and the hash is signed with a key made for day, region and service.

use ecosystem_core::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::fmt;
use std::fmt::Write as _;

/// Who asks. Not printed by `Debug`.
#[derive(Clone, Eq, PartialEq)]
pub struct Credentials {
    access_key: String,
    secret_key: String,
    session_token: Option<String>,
}

impl Credentials {
    /// Keys of a user.
    pub fn new(access_key: impl Into<String>, secret_key: impl Into<String>) -> Self {
        Self { access_key: access_key.into(), secret_key: secret_key.into(), session_token: None }
    }

    /// Keys for a time, which come with a token.
    #[must_use]
    pub fn with_session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(token.into());
        self
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// For whom a request is signed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope<'a> {
    pub(crate) region: &'a str,
    pub(crate) service: &'a str,
}

/// Adds `X-Amz-Date`, `X-Amz-Security-Token` if there is one, and `Authorization` to the headers of a request for `/` without a query;
/// all headers that are there are signed, `Host` must be among them. Names in lower case.
pub(crate) fn sign(
    method: &str,
    headers: &mut Vec<(String, String)>,
    body: &[u8],
    credentials: &Credentials,
    scope: Scope<'_>,
    now: Timestamp,
) {
    let moment = basic_format(now);
    headers.push(("x-amz-date".into(), moment.clone()));
    if let Some(token) = &credentials.session_token {
        headers.push(("x-amz-security-token".into(), token.clone()));
    }
    headers.sort();
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let listed = headers.iter().fold(String::new(), |all, (name, value)| {
        // Spaces at the ends do not count, and those inside count once.
        let value: Vec<&str> = value.split_ascii_whitespace().collect();
        all + name + ":" + &value.join(" ") + "\n"
    });
    let canonical = format!("{method}\n/\n\n{listed}\n{names}\n{}", hex(&Sha256::digest(body)));
    let day = &moment[..8];
    let Scope { region, service } = scope;
    let under = format!("{day}/{region}/{service}/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{moment}\n{under}\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let key = format!("AWS4{}", credentials.secret_key);
    let parts = [day, region, service, "aws4_request"];
    let key = parts.iter().fold(key.into_bytes(), |key, part| mac(&key, part.as_bytes()));
    let signature = hex(&mac(&key, text.as_bytes()));
    let access = &credentials.access_key;
    let words =
        format!("AWS4-HMAC-SHA256 Credential={access}/{under}, SignedHeaders={names}, Signature={signature}");
    headers.push(("authorization".into(), words));
}

/// `20150830T123600Z`.
fn basic_format(now: Timestamp) -> String {
    // RFC 3339 with milliseconds, without its marks and what is less than a second.
    let text = now.to_string();
    let digits: String = text.split('.').next().unwrap_or_default().replace(['-', ':'], "");
    digits + "Z"
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text takes everything");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA==";

    /// Name, method, a header, body, token, names of the signed headers, signature.
    type Case<'a> =
        (&'a str, &'a str, Option<(&'a str, &'a str)>, &'a str, Option<&'a str>, &'a str, &'a str);

    /// Cases of the "AWS Signature Version 4 test suite" that are requests for `/` without a query, by their names there.
    #[test]
    fn signatures_are_those_of_the_published_test_suite() {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let charset = ("content-type", "application/x-www-form-urlencoded; charset=utf8");
        let cases: [Case<'_>; 6] = [
            (
                "get-vanilla",
                "GET",
                None,
                "",
                None,
                "host;x-amz-date",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "post-vanilla",
                "POST",
                None,
                "",
                None,
                "host;x-amz-date",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-sts-header-before",
                "POST",
                None,
                "",
                Some(TOKEN),
                "host;x-amz-date;x-amz-security-token",
                "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
            ),
            (
                "post-x-www-form-urlencoded",
                "POST",
                Some(form),
                "Param1=value1",
                None,
                "content-type;host;x-amz-date",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
            (
                "post-x-www-form-urlencoded-parameters",
                "POST",
                Some(charset),
                "Param1=value1",
                None,
                "content-type;host;x-amz-date",
                "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
            ),
            (
                "get-header-value-multiline",
                "GET",
                Some(("my-header1", "value1,value2,value3")),
                "",
                None,
                "host;my-header1;x-amz-date",
                "ba17b383a53190154eb5fa66a1b836cc297cc0a3d70a5d00705980573d8ff790",
            ),
        ];
        for (name, method, header, body, token, names, signature) in cases {
            let mut keys = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY");
            keys.session_token = token.map(str::to_owned);
            let mut headers = vec![("host".to_owned(), "example.amazonaws.com".to_owned())];
            headers.extend(header.map(|(name, value)| (name.to_owned(), value.to_owned())));
            let scope = Scope { region: "us-east-1", service: "service" };
            let now: Timestamp = "2015-08-30T12:36:00Z".parse().unwrap();
            sign(method, &mut headers, body.as_bytes(), &keys, scope, now);
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders={names}, Signature={signature}"
            );
            assert_eq!(headers.last().unwrap().1, expected, "{name}");
        }
    }

    #[test]
    fn a_secret_is_not_printed() {
        let shown = format!("{:?}", Credentials::new("AKID", "secret-1").with_session_token("secret-2"));
        assert!(shown.contains("AKID") && !shown.contains("secret-"), "{shown}");
    }
}

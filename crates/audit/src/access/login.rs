//! Log-ins: tokens with a lifetime, refreshed by rotation, revoked at once. A pure state machine.
//!
//! # Model
//! A log-in gives two opaque secrets: a short-lived **access** token and a **refresh** token. Only SHA-256
//! hashes are kept, so a stolen state opens nothing. Refreshing replaces both; the replaced refresh token stays
//! known, and presenting it again means that it was copied: the whole log-in is revoked (RFC 9700 §4.14). A
//! log-in ends at its absolute limit, when its refresh token lapses unused, or when revoked.
//!
//! Randomness (32 bytes per secret) and time come from the host; a clock that steps back stands still.
//! Memory is bounded by `max_logins` and `max_per_principal`.
//!
//! # Example
//! ```
//! use ecosystem_audit::access::{LoginError, LoginSettings, Logins, Principal};
//!
//! let mut logins = Logins::new(LoginSettings::default());
//! let first = logins.issue(Principal::individual("ana"), [[1; 32], [2; 32]], 0)?;
//! assert_eq!(logins.check(&first.access, 1_000)?.id, "ana");
//!
//! let second = logins.refresh(&first.refresh, [[3; 32], [4; 32]], 2_000)?;
//! assert_eq!(logins.check(&first.access, 2_000), Err(LoginError::Unknown), "replaced");
//! assert_eq!(logins.refresh(&first.refresh, [[5; 32], [6; 32]], 3_000), Err(LoginError::Reused));
//! assert_eq!(logins.check(&second.access, 3_000), Err(LoginError::Unknown), "the copy cost the log-in");
//! # Ok::<(), LoginError>(())
//! ```

use core::fmt;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::principal::Principal;

/// A secret given to a client. Printed never, compared by hash only.
#[derive(Clone, Eq, PartialEq)]
pub struct TokenSecret([u8; 32]);

impl TokenSecret {
    /// A secret as the client presents it.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to send to the client.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0).into()
    }
}

impl fmt::Debug for TokenSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenSecret(..)")
    }
}

/// Lifetimes and limits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LoginSettings {
    /// Life of an access token; default 15 min: how long a stolen one is of use.
    pub access_lifetime: Duration,
    /// Life of an unused refresh token; default 8 h: a working day without activity ends the log-in.
    pub refresh_lifetime: Duration,
    /// Life of a log-in however often it is refreshed; default 7 d.
    pub login_lifetime: Duration,
    /// Log-ins at one time; default 100,000.
    pub max_logins: usize,
    /// Log-ins of one principal at one time; default 16. The oldest gives way.
    pub max_per_principal: usize,
    /// Refreshes of one log-in; default 10,000: bounds the memory for replaced tokens.
    pub max_refreshes: usize,
}

impl Default for LoginSettings {
    fn default() -> Self {
        Self {
            access_lifetime: Duration::from_secs(15 * 60),
            refresh_lifetime: Duration::from_secs(8 * 3600),
            login_lifetime: Duration::from_secs(7 * 86_400),
            max_logins: 100_000,
            max_per_principal: 16,
            max_refreshes: 10_000,
        }
    }
}

/// Tokens of a log-in after issue or refresh.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Issued {
    /// Number of the log-in, for revocation and as correlation id in entries.
    pub login: u64,
    /// For requests.
    pub access: TokenSecret,
    /// For the next refresh, once.
    pub refresh: TokenSecret,
    /// First moment at which `access` no longer counts.
    pub access_expires_at_unix_ms: u64,
    /// First moment at which `refresh` no longer counts.
    pub refresh_expires_at_unix_ms: u64,
}

/// Why a token or log-in is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginError {
    /// Never issued, replaced, revoked or long gone.
    #[error("token is not known")]
    Unknown,
    /// Its time is over.
    #[error("token has expired")]
    Expired,
    /// A refresh token came a second time; the log-in is revoked.
    #[error("refresh token was used before: the log-in is revoked")]
    Reused,
    /// The host's random source repeated itself.
    #[error("the secrets are not fresh: both must be new and different")]
    SecretsNotFresh,
    /// `max_logins` are active.
    #[error("too many log-ins at one time")]
    TooMany,
}

#[derive(Clone, Debug)]
struct Login {
    principal: Principal,
    access: [u8; 32],
    refresh: [u8; 32],
    access_ends: u64,
    refresh_ends: u64,
    ends: u64,
    replaced: Vec<[u8; 32]>,
}

/// All active log-ins.
#[derive(Clone, Debug)]
pub struct Logins {
    settings: LoginSettings,
    now: u64,
    next: u64,
    active: BTreeMap<u64, Login>,
    // INVARIANT: exactly the access, refresh and replaced hashes of `active`, each with its log-in.
    tokens: BTreeMap<[u8; 32], u64>,
    // INVARIANT: exactly (refresh_ends, login) of `active`.
    lapses: BTreeSet<(u64, u64)>,
    // INVARIANT: exactly (principal id, login) of `active`.
    owners: BTreeSet<(String, u64)>,
}

impl Logins {
    /// No log-ins yet.
    pub const fn new(settings: LoginSettings) -> Self {
        Self {
            settings,
            now: 0,
            next: 1,
            active: BTreeMap::new(),
            tokens: BTreeMap::new(),
            lapses: BTreeSet::new(),
            owners: BTreeSet::new(),
        }
    }

    /// Active log-ins.
    pub fn len(&self) -> usize {
        self.active.len()
    }

    /// Whether nobody is logged in.
    pub fn is_empty(&self) -> bool {
        self.active.is_empty()
    }

    /// Starts a log-in for an authenticated principal with two fresh random secrets. O(log n).
    ///
    /// # Errors
    /// Secrets equal to each other or to a known one; too many log-ins.
    pub fn issue(
        &mut self,
        principal: Principal,
        secrets: [[u8; 32]; 2],
        at_unix_ms: u64,
    ) -> Result<Issued, LoginError> {
        let now = self.advance(at_unix_ms);
        let [access, refresh] = self.fresh(secrets)?;
        let own = (principal.id.clone(), 0)..=(principal.id.clone(), u64::MAX);
        let oldest = self.owners.range(own.clone()).next().map(|(_, login)| *login);
        if let Some(oldest) = oldest
            && self.owners.range(own).count() >= self.settings.max_per_principal.max(1)
        {
            self.revoke(oldest);
        }
        if self.active.len() >= self.settings.max_logins {
            return Err(LoginError::TooMany);
        }
        let number = self.next;
        self.next += 1;
        let ends = after(now, self.settings.login_lifetime);
        self.owners.insert((principal.id.clone(), number));
        let login = Login {
            principal,
            access: access.hash(),
            refresh: refresh.hash(),
            access_ends: 0,
            refresh_ends: 0,
            ends,
            replaced: Vec::new(),
        };
        Ok(self.enter(number, login, access, refresh))
    }

    /// The principal behind an access token. O(log n).
    ///
    /// # Errors
    /// [`LoginError::Unknown`] or [`LoginError::Expired`].
    pub fn check(&mut self, access: &TokenSecret, at_unix_ms: u64) -> Result<&Principal, LoginError> {
        let now = self.advance(at_unix_ms);
        let hash = access.hash();
        let number = self.tokens.get(&hash).ok_or(LoginError::Unknown)?;
        let login = &self.active[number];
        match () {
            () if login.access != hash => Err(LoginError::Unknown),
            () if now >= login.access_ends => Err(LoginError::Expired),
            () => Ok(&login.principal),
        }
    }

    /// Replaces both tokens. O(log n).
    ///
    /// # Errors
    /// Unknown or expired; [`LoginError::Reused`] revokes the log-in.
    pub fn refresh(
        &mut self,
        refresh: &TokenSecret,
        secrets: [[u8; 32]; 2],
        at_unix_ms: u64,
    ) -> Result<Issued, LoginError> {
        self.advance(at_unix_ms);
        let hash = refresh.hash();
        let number = *self.tokens.get(&hash).ok_or(LoginError::Unknown)?;
        let login = &self.active[&number];
        if login.replaced.contains(&hash) {
            self.revoke(number);
            return Err(LoginError::Reused);
        }
        if login.refresh != hash {
            return Err(LoginError::Unknown);
        }
        if login.replaced.len() >= self.settings.max_refreshes {
            self.revoke(number);
            return Err(LoginError::Expired);
        }
        let [access, refresh] = self.fresh(secrets)?;
        let mut login = self.active.remove(&number).ok_or(LoginError::Unknown)?;
        self.lapses.remove(&(login.refresh_ends, number));
        self.tokens.remove(&login.access);
        login.replaced.push(login.refresh);
        (login.access, login.refresh) = (access.hash(), refresh.hash());
        Ok(self.enter(number, login, access, refresh))
    }

    /// Ends a log-in at once; false if there is none. O(refreshes · log n).
    pub fn revoke(&mut self, login: u64) -> bool {
        let Some(gone) = self.active.remove(&login) else { return false };
        for hash in gone.replaced.iter().chain([&gone.access, &gone.refresh]) {
            self.tokens.remove(hash);
        }
        self.lapses.remove(&(gone.refresh_ends, login));
        self.owners.remove(&(gone.principal.id, login));
        true
    }

    /// Ends all log-ins of a principal; returns how many.
    pub fn revoke_principal(&mut self, id: &str) -> usize {
        let own = (id.to_owned(), 0)..=(id.to_owned(), u64::MAX);
        let mut revoked = 0;
        while let Some(login) = self.owners.range(own.clone()).next().map(|(_, login)| *login) {
            self.revoke(login);
            revoked += 1;
        }
        revoked
    }

    /// Numbers of the active log-ins of a principal, oldest first.
    pub fn of_principal(&self, id: &str) -> impl Iterator<Item = u64> {
        let own = (id.to_owned(), 0)..=(id.to_owned(), u64::MAX);
        self.owners.range(own).map(|(_, login)| *login)
    }

    /// Moves time on and forgets log-ins that cannot be refreshed any more.
    fn advance(&mut self, at_unix_ms: u64) -> u64 {
        self.now = self.now.max(at_unix_ms);
        while let Some(&(ends, login)) = self.lapses.first().filter(|(ends, _)| *ends <= self.now) {
            debug_assert!(ends <= self.now);
            self.revoke(login);
        }
        self.now
    }

    fn fresh(&self, secrets: [[u8; 32]; 2]) -> Result<[TokenSecret; 2], LoginError> {
        let tokens = secrets.map(TokenSecret);
        let known = tokens.iter().any(|t| self.tokens.contains_key(&t.hash()));
        if known || secrets[0] == secrets[1] { Err(LoginError::SecretsNotFresh) } else { Ok(tokens) }
    }

    fn enter(&mut self, number: u64, mut login: Login, access: TokenSecret, refresh: TokenSecret) -> Issued {
        login.refresh_ends = after(self.now, self.settings.refresh_lifetime).min(login.ends);
        login.access_ends = after(self.now, self.settings.access_lifetime).min(login.refresh_ends);
        self.tokens.insert(login.access, number);
        self.tokens.insert(login.refresh, number);
        self.lapses.insert((login.refresh_ends, number));
        let issued = Issued {
            login: number,
            access,
            refresh,
            access_expires_at_unix_ms: login.access_ends,
            refresh_expires_at_unix_ms: login.refresh_ends,
        };
        self.active.insert(number, login);
        issued
    }
}

fn after(now: u64, life: Duration) -> u64 {
    now.saturating_add(u64::try_from(life.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn secrets(n: &mut u64) -> [[u8; 32]; 2] {
        [0, 1].map(|_| {
            *n += 1;
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&n.to_be_bytes());
            bytes
        })
    }

    #[test]
    fn the_oldest_log_in_of_a_principal_gives_way_and_repeated_secrets_are_refused() {
        let mut n = 0;
        let settings = LoginSettings { max_per_principal: 2, max_logins: 3, ..LoginSettings::default() };
        let mut logins = Logins::new(settings);
        let first = logins.issue(Principal::individual("ana"), secrets(&mut n), 0).unwrap();
        for _ in 0..2 {
            logins.issue(Principal::individual("ana"), secrets(&mut n), 0).unwrap();
        }
        assert_eq!(logins.len(), 2);
        assert_eq!(logins.check(&first.access, 0), Err(LoginError::Unknown));
        logins.issue(Principal::individual("bo"), secrets(&mut n), 0).unwrap();
        let full = logins.issue(Principal::individual("cy"), secrets(&mut n), 0);
        assert_eq!(full, Err(LoginError::TooMany));
        let same = logins.issue(Principal::individual("bo"), [[9; 32]; 2], 0);
        assert_eq!(same, Err(LoginError::SecretsNotFresh));
        assert_eq!(logins.revoke_principal("ana"), 2);
        assert_eq!(logins.of_principal("bo").count(), 1);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Issue(u8),
        Check(usize),
        Refresh(usize),
        Revoke(usize),
        RevokeAll(u8),
        Wait(u64),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..4_u8).prop_map(Step::Issue),
            any::<usize>().prop_map(Step::Check),
            any::<usize>().prop_map(Step::Refresh),
            any::<usize>().prop_map(Step::Revoke),
            (0..4_u8).prop_map(Step::RevokeAll),
            (0..2_000_u64).prop_map(Step::Wait),
        ]
    }

    /// What a plain list of everything ever issued says about tokens.
    struct Known {
        issued: Issued,
        who: u8,
        started: u64,
        at: u64,
        replaced: bool,
        dead: bool,
    }

    proptest! {
        #[test]
        fn tokens_count_exactly_while_issued_unexpired_unreplaced_and_unrevoked(
            steps in prop::collection::vec(step(), 1..120)
        ) {
            let ms = Duration::from_millis;
            let settings = LoginSettings {
                access_lifetime: ms(1_000), refresh_lifetime: ms(3_000), login_lifetime: ms(6_000),
                max_per_principal: 1_000, ..LoginSettings::default()
            };
            let mut logins = Logins::new(settings);
            let (mut now, mut n) = (0, 0);
            let mut known: Vec<Known> = Vec::new();
            for step in steps {
                match step {
                    Step::Wait(ms) => now += ms,
                    Step::Issue(who) => {
                        let principal = Principal::individual(who.to_string());
                        let issued = logins.issue(principal, secrets(&mut n), now).unwrap();
                        known.push(Known { issued, who, started: now, at: now, replaced: false, dead: false });
                    }
                    Step::Revoke(i) if !known.is_empty() => {
                        let login = known[i % known.len()].issued.login;
                        logins.revoke(login);
                        known.iter_mut().filter(|k| k.issued.login == login).for_each(|k| k.dead = true);
                    }
                    Step::RevokeAll(who) => {
                        logins.revoke_principal(&who.to_string());
                        known.iter_mut().filter(|k| k.who == who).for_each(|k| k.dead = true);
                    }
                    Step::Check(i) if !known.is_empty() => {
                        let k = &known[i % known.len()];
                        let lives = !k.dead && !k.replaced && now < k.at + 1_000 && now < k.started + 6_000;
                        prop_assert_eq!(logins.check(&k.issued.access, now).is_ok(), lives);
                        prop_assert!(logins.check(&k.issued.refresh, now).is_err());
                    }
                    Step::Refresh(i) if !known.is_empty() => {
                        let i = i % known.len();
                        let (login, who, started) =
                            (known[i].issued.login, known[i].who, known[i].started);
                        // The newest pair of the log-in says whether it is still there.
                        let newest = known.iter().rfind(|k| k.issued.login == login).unwrap();
                        let alive = !newest.dead && now < newest.at + 3_000 && now < started + 6_000;
                        let got = logins.refresh(&known[i].issued.refresh.clone(), secrets(&mut n), now);
                        match got {
                            Ok(issued) => {
                                prop_assert!(alive && !known[i].replaced);
                                known[i].replaced = true;
                                known.push(Known { issued, who, started, at: now, replaced: false, dead: false });
                            }
                            Err(LoginError::Reused) => {
                                prop_assert!(alive && known[i].replaced);
                                known.iter_mut().filter(|k| k.issued.login == login).for_each(|k| k.dead = true);
                            }
                            Err(e) => {
                                prop_assert_eq!(e, LoginError::Unknown);
                                prop_assert!(!alive);
                            }
                        }
                    }
                    _ => {}
                }
                prop_assert_eq!(logins.active.len(), logins.lapses.len());
                prop_assert_eq!(logins.active.len(), logins.owners.len());
                let tokens: usize = logins.active.values().map(|l| l.replaced.len() + 2).sum();
                prop_assert_eq!(tokens, logins.tokens.len());
            }
        }
    }
}

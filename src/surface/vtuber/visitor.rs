//! Who has come: a browser is known again by a cookie, and finds what it said before.

use actix_web::{HttpRequest, http::header};
use uuid::Uuid;

use crate::turn::{SessionId, Tenant};

/// The name of the cookie.
const COOKIE: &str = "anima_visitor";
/// How long a browser is known, in seconds: 180 days.
const KNOWN_SECONDS: u32 = 180 * 24 * 60 * 60;
/// Digits of a visitor's name.
const DIGITS: usize = 24;

/// A browser; nobody else knows its name.
#[derive(Debug, Clone)]
pub(super) struct Visitor(String);

impl Visitor {
    /// Who sends a request, and whether they come for the first time.
    pub(super) fn of(request: &HttpRequest) -> (Self, bool) {
        let cookies = request.headers().get_all(header::COOKIE);
        let known =
            cookies.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(';'));
        let mut known = known.filter_map(|cookie| cookie.trim().split_once('='));
        let known = known.find(|(name, value)| *name == COOKIE && is_name(value));
        match known {
            Some((_, name)) => (Self(name.to_owned()), false),
            None => (Self(Uuid::new_v4().simple().to_string()[..DIGITS].to_owned()), true),
        }
    }

    /// The cookie by which they are known again. Over plain text only the same site gets it back; over
    /// TLS pages of other sites that may connect do, too.
    pub(super) fn cookie(&self, is_secure: bool) -> String {
        let how = if is_secure { "SameSite=None; Secure" } else { "SameSite=Lax" };
        format!("{COOKIE}={}; Path=/client-ws; Max-Age={KNOWN_SECONDS}; HttpOnly; {how}", self.0)
    }

    /// A new session of theirs, who are one of the `tenant`'s.
    pub(super) fn session(&self, tenant: &Tenant) -> SessionId {
        let name = format!("{}{}", self.prefix(), Uuid::new_v4().simple());
        tenant.session(name).unwrap_or_else(|_| tenant.new_session())
    }

    /// Whether a session is theirs.
    pub(super) fn owns(&self, session: &SessionId) -> bool {
        session.id().starts_with(&self.prefix())
    }

    fn prefix(&self) -> String {
        format!("vt.{}.", self.0)
    }
}

fn is_name(text: &str) -> bool {
    text.len() == DIGITS && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn a_visitor_is_known_again_and_owns_their_sessions_alone() {
        let (first, is_new) = Visitor::of(&TestRequest::default().to_http_request());
        assert!(is_new);
        let cookie = first.cookie(false);
        let (pair, _) = cookie.split_once(';').unwrap();
        let request = TestRequest::default()
            .insert_header((header::COOKIE, format!("a=b; {pair}; c")))
            .to_http_request();
        let (again, is_new) = Visitor::of(&request);
        assert!(!is_new && again.0 == first.0);
        let tenant = Tenant::default();
        let session = again.session(&tenant);
        assert!(first.owns(&session) && session.id().len() <= 64, "{session}");
        assert_ne!(session, first.session(&tenant));
        for other in ["", "x", "../../../../../../../../x", "ABCDEFABCDEFABCDEFABCDEF"] {
            let request = TestRequest::default()
                .insert_header((header::COOKIE, format!("{COOKIE}={other}")))
                .to_http_request();
            let (visitor, is_new) = Visitor::of(&request);
            assert!(is_new && !visitor.owns(&session), "{other}");
        }
    }
}

//! How much one guest may have of a thing at once: event streams, clips on their way, pictures.
//!
//! A seat says that a connection may be there, not what it may cost. What costs threads, memory or pictures
//! drawn is handed out in shares: so many a guest, so many in all, given back with the answer's last byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::MethodRouter;
use parking_lot::Mutex;

use crate::admission::Prefix;
use crate::event::command::Role;
use crate::http::held::holding;
use crate::http::problem::Problem;

/// Who has a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guest {
    /// A browser that signed in.
    Session(u64),
    /// Who shows a token, or needs none.
    From(Prefix),
    /// This machine's own.
    Here,
}

/// So many shares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShareLimits {
    /// Of a guest: a browser that signed in, or all programs of one address.
    pub each: usize,
    /// Of all. A quarter is kept from those who only see, so that many of them hold up nobody who runs
    /// the game or the box.
    pub all: usize,
}

/// Has `method` answer no more at once than `limits` say; `what` names it in words.
pub fn at_most<S>(
    method: MethodRouter<S>,
    what: &'static str,
    limits: ShareLimits,
) -> MethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let shares = Shares { what, limits, taken: Arc::default() };
    method.layer(middleware::from_fn_with_state(shares, hold))
}

#[derive(Clone)]
struct Shares {
    what: &'static str,
    limits: ShareLimits,
    /// Held for the lines of `take` and of a share's drop.
    taken: Arc<Mutex<BTreeMap<Guest, usize>>>,
}

/// Given back when it is dropped.
struct Share {
    of: Guest,
    shares: Shares,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Full {
    Each,
    All,
}

impl Shares {
    fn take(&self, of: Guest, role: Role) -> Result<Share, Full> {
        let mut taken = self.taken.lock();
        if taken.get(&of).is_some_and(|its| *its >= self.limits.each) {
            return Err(Full::Each);
        }
        let ShareLimits { all, .. } = self.limits;
        let his = if role == Role::Viewer { all - all / 4 } else { all };
        if taken.values().sum::<usize>() >= his {
            return Err(Full::All);
        }
        *taken.entry(of).or_insert(0) += 1;
        Ok(Share { of, shares: self.clone() })
    }

    fn refuse(&self, full: Full) -> Response {
        let Self { what, limits: ShareLimits { each, all }, .. } = self;
        let (status, title, detail) = match full {
            Full::Each => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too much at once",
                format!("you have {each} {what} at once: end one, then ask again"),
            ),
            Full::All => (
                StatusCode::SERVICE_UNAVAILABLE,
                "Too much at once",
                format!("others have all {all} {what} of this box: ask again later"),
            ),
        };
        let mut response = Problem::new(status, title, detail).into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("3"));
        response
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken.lock();
        if let Some(its) = taken.get_mut(&self.of) {
            *its = its.saturating_sub(1);
            if *its == 0 {
                taken.remove(&self.of);
            }
        }
    }
}

async fn hold(
    State(shares): State<Shares>,
    guest: Option<Extension<Guest>>,
    role: Option<Extension<Role>>,
    request: Request,
    next: Next,
) -> Response {
    let guest = guest.map_or(Guest::Here, |Extension(guest)| guest);
    let role = role.map_or(Role::Technician, |Extension(role)| role);
    match shares.take(guest, role) {
        Ok(share) => holding(next.run(request).await, share),
        Err(full) => shares.refuse(full),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(each: usize, all: usize) -> Shares {
        Shares { what: "streams", limits: ShareLimits { each, all }, taken: Arc::default() }
    }

    fn taken(shares: &Shares, of: Guest, tries: usize) -> Vec<Share> {
        (0..tries).filter_map(|_| shares.take(of, Role::Operator).ok()).collect()
    }

    #[test]
    fn those_who_only_see_leave_room_for_those_who_do() {
        let some = shares(8, 8);
        let many = (0..8).filter_map(|n| some.take(Guest::Session(n), Role::Viewer).ok());
        let many: Vec<Share> = many.collect();
        assert_eq!(many.len(), 6);
        assert_eq!(some.take(Guest::Session(9), Role::Viewer).err(), Some(Full::All));
        let operator = some.take(Guest::Session(10), Role::Operator);
        assert!(operator.is_ok() && some.take(Guest::Here, Role::Technician).is_ok());
        drop((many, operator));
    }

    #[test]
    fn nobody_has_more_than_his_share_and_all_together_no_more_than_there_is() {
        let (a, b, c) = (Guest::Session(1), Guest::Session(2), Guest::Here);
        let some = shares(3, 5);
        let mut of_a = taken(&some, a, 9);
        assert_eq!(of_a.len(), 3);
        assert_eq!(some.take(a, Role::Operator).err(), Some(Full::Each));
        let of_b = taken(&some, b, 9);
        assert_eq!((of_b.len(), some.take(c, Role::Operator).err()), (2, Some(Full::All)));
        of_a.pop();
        assert!(some.take(c, Role::Operator).is_ok(), "what was given back is there again");
        drop((of_a, of_b));
        assert!(some.taken.lock().is_empty(), "nothing is kept of who has left");
        // Without the limit one has all.
        let none = shares(usize::MAX, 5);
        let all = taken(&none, a, 9);
        assert_eq!((all.len(), none.take(b, Role::Operator).err()), (5, Some(Full::All)));
    }
}

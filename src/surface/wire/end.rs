//! Why a socket ends, and what its client is told.

use std::io::ErrorKind;

use actix_ws::{CloseCode, CloseReason, ProtocolError};

use crate::surface::frame_guard::{Verdict, Violation};

/// Why a socket ends; clients come back after 4000 to 4499 and not after 4500 to 4999.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::surface) enum End {
    /// The client closed, or vanished.
    Gone,
    Restarting,
    Protocol,
    Binary,
    NotUtf8,
    TooBig,
    Fragments,
    Trickle,
    Unfinished,
    PingFlood,
    Slow,
    Silent,
    TooFast,
    TakenOver,
}

impl End {
    /// What the client is told.
    pub(super) fn reason(self) -> Option<CloseReason> {
        let (code, text) = match self {
            Self::Gone => return None,
            Self::Restarting => (CloseCode::Restart, "the service restarts"),
            Self::Protocol => (CloseCode::Protocol, "not the WebSocket protocol"),
            Self::Binary => (CloseCode::Unsupported, "frames are text"),
            Self::NotUtf8 => (CloseCode::Invalid, "text is UTF-8"),
            Self::TooBig => (CloseCode::Size, "the message is too big"),
            Self::Fragments => (CloseCode::Size, "the message has too many fragments"),
            Self::Trickle => (CloseCode::Policy, "the message comes too slowly"),
            Self::Unfinished => (CloseCode::Protocol, "the message has no end"),
            Self::PingFlood => (CloseCode::Policy, "too many pings"),
            Self::Slow => (CloseCode::Other(4001), "too slow; come back and resume"),
            Self::Silent => (CloseCode::Other(4002), "no sign of life"),
            Self::TooFast => (CloseCode::Other(4003), "too many messages"),
            Self::TakenOver => (CloseCode::Other(4501), "the session was taken over"),
        };
        Some(CloseReason { code, description: Some(text.to_owned()) })
    }

    /// What an error in what the client sends means.
    pub(super) fn of(verdict: &Verdict, error: &ProtocolError) -> Self {
        match (verdict.violation(), error) {
            (Some(Violation::TooBig), _) | (None, ProtocolError::Overflow) => Self::TooBig,
            (Some(Violation::TooManyFragments), _) => Self::Fragments,
            (Some(Violation::TooSlow), _) => Self::Trickle,
            (Some(Violation::Unfinished), _) => Self::Unfinished,
            (Some(Violation::NotUtf8), _) => Self::NotUtf8,
            (None, ProtocolError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
                Self::NotUtf8
            }
            // The connection broke off.
            (None, ProtocolError::Io(_)) => Self::Gone,
            (Some(Violation::Protocol) | None, _) => Self::Protocol,
        }
    }
}

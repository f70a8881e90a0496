//! Sections 5.5.1 and 7: the closing handshake and its codes.

use super::client::{CLOSE, Case, Frame, PING, TEXT};

/// Codes that a peer may send.
const RIGHT: [u16; 17] = [
    1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4500,
    4999,
];
/// Codes that nobody may, or that have no meaning.
const WRONG: [u16; 16] =
    [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 9999, 32_768, 65_535];

/// Every case of this kind.
pub(super) fn cases() -> Vec<Case> {
    [codes(), reasons(), afterwards()].concat()
}

fn codes() -> Vec<Case> {
    let mut cases = Vec::new();
    for reason in ["", "a reason"] {
        for code in RIGHT {
            let case = Case::new(format!("code {code} with {reason:?}"));
            cases.push(case.sends(&Frame::close(code, reason)).answered(code));
        }
        for code in WRONG {
            let case = Case::new(format!("code {code} with {reason:?}"));
            cases.push(case.sends(&Frame::close(code, reason)).fails(1002));
        }
    }
    cases
}

fn reasons() -> Vec<Case> {
    let mut cases = vec![
        Case::new("a close with nothing in it").sends(&Frame::new(CLOSE, "")).answered(1000),
        Case::new("half a code").sends(&Frame::new(CLOSE, vec![3])).fails(1002),
    ];
    for length in [1, 2, 122, 123] {
        cases.push(
            Case::new(format!("a reason of {length} bytes"))
                .sends(&Frame::close(1000, &"*".repeat(length)))
                .answered(1000),
        );
    }
    cases.push(
        Case::new("a reason of 124 bytes").sends(&Frame::close(1000, &"*".repeat(124))).fails(1002),
    );
    cases.push(
        Case::new("a reason in Chinese")
            .sends(&Frame::close(1000, "再见，下次再聊"))
            .answered(1000),
    );
    for (number, reason) in [&b"\xFF"[..], b"\xC0\xAF", b"\xED\xA0\x80", b"bye \xE5\xA5", b"\x80"]
        .into_iter()
        .enumerate()
    {
        for piece in [0, 1] {
            cases.push(
                Case::new(format!("a reason {number} that is no UTF-8, pieces of {piece}"))
                    .sends(&Frame::new(CLOSE, [&[0x03, 0xE8], reason].concat()))
                    .in_pieces(piece)
                    .fails(1007),
            );
        }
    }
    cases
}

/// Whatever comes after a close is not looked at.
fn afterwards() -> Vec<Case> {
    let mut cases = Vec::new();
    for (what, frame) in [
        ("a text", Frame::text("too late")),
        ("a large text", Frame::new(TEXT, vec![b'*'; 100_000])),
        ("a ping", Frame::new(PING, "too late")),
        ("a second close", Frame::close(1001, "")),
        ("what breaks a rule", Frame { reserved: 7, ..Frame::text("") }),
    ] {
        cases.push(
            Case::new(format!("{what} after a close"))
                .sends(&Frame::text("before"))
                .sends(&Frame::close(1000, ""))
                .sends(&frame.clone())
                .returns_text("before")
                .answered(1000),
        );
        cases.push(
            Case::new(format!("{what} after a close, in pieces of 7"))
                .sends(&Frame::close(3000, "bye"))
                .sends(&frame)
                .in_pieces(7)
                .answered(3000),
        );
    }
    cases
}

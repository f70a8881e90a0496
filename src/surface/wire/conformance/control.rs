//! Section 5.5: pings, pongs, and what every control frame keeps to.

use super::client::{CLOSE, Case, Frame, PING, PONG};

/// Every case of this kind.
pub(super) fn cases() -> Vec<Case> {
    [pings(), pongs(), rules()].concat()
}

fn pings() -> Vec<Case> {
    let mut cases = Vec::new();
    let payloads: [(&str, Vec<u8>); 5] = [
        ("nothing", vec![]),
        ("a text", b"Hello, world!".to_vec()),
        ("no UTF-8", vec![0, 0xFF, 0xFE, 0xFD, 0xFC, 0xFB, 0]),
        ("125 bytes", vec![0xFE; 125]),
        ("zeros", vec![0; 8]),
    ];
    for (what, payload) in payloads {
        for piece in [0, 1] {
            cases.push(
                Case::new(format!("a ping of {what}, pieces of {piece}"))
                    .sends(&Frame::new(PING, payload.clone()))
                    .returns(PONG, payload.clone())
                    .in_pieces(piece),
            );
        }
    }
    for piece in [0, 1] {
        let case = Case::new(format!("ten pings, pieces of {piece}")).in_pieces(piece);
        cases.push((0..10).fold(case, |case, number| {
            let payload = format!("payload-{number}");
            case.sends(&Frame::new(PING, payload.clone())).returns(PONG, payload)
        }));
    }
    cases.push(
        Case::new("a ping before and after a message")
            .sends(&Frame::new(PING, "1"))
            .sends(&Frame::text("between"))
            .sends(&Frame::new(PING, "2"))
            .returns(PONG, "1")
            .returns_text("between")
            .returns(PONG, "2"),
    );
    cases
}

/// Nobody answers a pong, asked for or not.
fn pongs() -> Vec<Case> {
    let payloads: [&[u8]; 4] = [b"", b"unasked", &[0xFF; 125], &[0]];
    let one = payloads.iter().map(|payload| {
        Case::new(format!("a pong of {} bytes, then a ping", payload.len()))
            .sends(&Frame::new(PONG, *payload))
            .sends(&Frame::new(PING, "ping"))
            .returns(PONG, "ping")
    });
    let many = (0..30).fold(Case::new("thirty pongs"), |case, _| case.sends(&Frame::new(PONG, "")));
    one.chain([many]).collect()
}

/// At most 125 bytes, and in one frame.
fn rules() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [CLOSE, PING, PONG] {
        for length in [126, 127, 65_535, 65_536] {
            cases.push(
                Case::new(format!("opcode {opcode} of {length} bytes"))
                    .sends(&Frame::new(opcode, vec![0x03; length]))
                    .fails(1002),
            );
        }
        for payload in [&b""[..], b"\x03\xE8"] {
            let name = format!("opcode {opcode} of {} bytes in fragments", payload.len());
            cases.push(
                Case::new(&name).sends(&Frame::new(opcode, payload).unfinished()).fails(1002),
            );
            cases.push(
                Case::new(format!("{name}, after a message, byte by byte"))
                    .sends(&Frame::text("first"))
                    .sends(&Frame::new(opcode, payload).unfinished())
                    .sends(&Frame::new(0, payload))
                    .returns_text("first")
                    .in_pieces(1)
                    .fails(1002),
            );
        }
    }
    cases
}

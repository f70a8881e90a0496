//! Sections 5.2 and 5.3: lengths, masks, reserved bits and opcodes.

use super::client::{BINARY, CLOSE, CONTINUATION, Case, Frame, PING, PONG, TEXT};

const LENGTHS: [usize; 9] = [0, 1, 125, 126, 127, 128, 65_535, 65_536, 100_000];
const MASKS: [[u8; 4]; 5] =
    [[0; 4], [0xFF; 4], [1, 2, 3, 4], [0x80, 0, 0, 0], [0xDE, 0xAD, 0xBE, 0xEF]];
const KNOWN: [u8; 6] = [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG];
const UNKNOWN: [u8; 10] = [0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF];

/// Every case of this kind.
pub(super) fn cases() -> Vec<Case> {
    [lengths(), masks(), reserved_bits(), opcodes(), forms_of_lengths()].concat()
}

fn lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for (opcode, length) in [TEXT, BINARY].into_iter().flat_map(|op| LENGTHS.map(|len| (op, len))) {
        let payload = vec![if opcode == TEXT { b'*' } else { 0xFE }; length];
        for piece in [0, 1, 997] {
            // Byte by byte only what is short.
            if piece == 1 && length > 128 {
                continue;
            }
            cases.push(
                Case::new(format!("opcode {opcode}, {length} bytes, pieces of {piece}"))
                    .sends(&Frame::new(opcode, payload.clone()))
                    .returns(opcode, payload.clone())
                    .in_pieces(piece),
            );
        }
    }
    let many = (0..50).fold(Case::new("fifty messages in one write"), |case, number| {
        let text = format!("message {number}");
        case.sends(&Frame::text(&text)).returns_text(&text)
    });
    cases.push(many);
    cases
}

fn masks() -> Vec<Case> {
    let mut cases = Vec::new();
    for (number, mask) in MASKS.into_iter().enumerate() {
        for piece in [0, 1, 3] {
            let frame = Frame { mask: Some(mask), ..Frame::text("用不同的掩码 works") };
            cases.push(
                Case::new(format!("mask {number}, pieces of {piece}"))
                    .sends(&frame)
                    .returns_text("用不同的掩码 works")
                    .in_pieces(piece),
            );
        }
    }
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        for payload in [&b""[..], b"\x03\xE8"] {
            let bare = || Frame { mask: None, ..Frame::new(opcode, payload) };
            let name = format!("opcode {opcode} of {} bytes without a mask", payload.len());
            cases.push(Case::new(&name).sends(&bare()).fails(1002));
            cases.push(
                Case::new(format!("{name}, after a message"))
                    .sends(&Frame::text("first"))
                    .sends(&bare())
                    .returns_text("first")
                    .fails(1002),
            );
        }
    }
    cases.push(
        Case::new("a fragment without a mask")
            .sends(&Frame::text("a").unfinished())
            .sends(&Frame { mask: None, ..Frame::new(CONTINUATION, "b") })
            .fails(1002),
    );
    cases
}

fn reserved_bits() -> Vec<Case> {
    let mut cases = Vec::new();
    for reserved in 1..8 {
        for opcode in KNOWN {
            let frame = || Frame { reserved, ..Frame::new(opcode, "") };
            let name = format!("reserved bits {reserved}, opcode {opcode}");
            cases.push(Case::new(&name).sends(&frame()).fails(1002).in_pieces(1));
            cases.push(
                Case::new(format!("{name}, after a message"))
                    .sends(&Frame::text("first"))
                    .sends(&frame())
                    .sends(&Frame::new(PING, "never answered"))
                    .returns_text("first")
                    .fails(1002),
            );
        }
    }
    cases
}

fn opcodes() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in UNKNOWN {
        for payload in ["", "payload"] {
            let name = format!("opcode {opcode} of {} bytes", payload.len());
            cases.push(Case::new(&name).sends(&Frame::new(opcode, payload)).fails(1002));
            cases.push(
                Case::new(format!("{name}, after a message and before a ping"))
                    .sends(&Frame::text("first"))
                    .sends(&Frame::new(opcode, payload))
                    .sends(&Frame::new(PING, ""))
                    .returns_text("first")
                    .fails(1002),
            );
        }
        cases.push(
            Case::new(format!("opcode {opcode} between fragments"))
                .sends(&Frame::text("a").unfinished())
                .sends(&Frame::new(opcode, ""))
                .sends(&Frame::new(CONTINUATION, "b"))
                .fails(1002),
        );
    }
    cases
}

/// A length in more bytes than it needs is read all the same; one that cannot be is too big.
fn forms_of_lengths() -> Vec<Case> {
    let mut cases = Vec::new();
    for (length, extended) in [(0, 2), (5, 2), (125, 2), (0, 8), (5, 8), (126, 8), (65_535, 8)] {
        for opcode in [TEXT, BINARY] {
            let frame =
                Frame { extended: Some(extended), ..Frame::new(opcode, vec![b'*'; length]) };
            let name = format!("opcode {opcode}, {length} bytes in a length of {extended}");
            cases.push(Case::new(name).sends(&frame).returns(opcode, frame.payload.clone()));
        }
    }
    for announced in [1 << 63, u64::MAX] {
        let frame = Frame { announced: Some(announced), ..Frame::new(BINARY, "") };
        cases.push(Case::new(format!("a length of {announced}")).sends(&frame).fails(1009));
    }
    cases
}

//! Section 5.4: messages in fragments.

use super::client::{BINARY, CONTINUATION, Case, Frame, PING, PONG, TEXT};

/// Has characters of one to four bytes.
const WORDS: &str = "aκό好😀z";

/// Every case of this kind.
pub(super) fn cases() -> Vec<Case> {
    [whole(), cut_in_characters(), with_control_between(), out_of_order()].concat()
}

fn fragment(opcode: u8, payload: &[u8], at: usize, of: usize) -> Frame {
    let frame = Frame::new(if at == 0 { opcode } else { CONTINUATION }, payload);
    if at + 1 == of { frame } else { frame.unfinished() }
}

fn whole() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [TEXT, BINARY] {
        for (count, length) in [(2, 0), (2, 5), (3, 1), (5, 126), (10, 4096), (100, 7), (1024, 1)] {
            for piece in [0, 1, 997] {
                if piece == 1 && count * length > 400 {
                    continue;
                }
                let case = Case::new(format!(
                    "opcode {opcode} in {count} fragments of {length}, pieces of {piece}"
                ));
                let part = vec![b'*'; length];
                cases.push(
                    (0..count)
                        .fold(case, |case, at| case.sends(&fragment(opcode, &part, at, count)))
                        .returns(opcode, vec![b'*'; length * count])
                        .in_pieces(piece),
                );
            }
        }
        for empty in 0..3 {
            let part = |at| if at == empty { &b""[..] } else { b"part" };
            let case = Case::new(format!("opcode {opcode}, fragment {empty} of three empty"));
            cases.push(
                (0..3)
                    .fold(case, |case, at| case.sends(&fragment(opcode, part(at), at, 3)))
                    .returns(opcode, "partpart"),
            );
        }
    }
    cases
}

fn cut_in_characters() -> Vec<Case> {
    let bytes = WORDS.as_bytes();
    let two = (0..=bytes.len()).map(|at| {
        Case::new(format!("characters cut at byte {at}"))
            .sends(&fragment(TEXT, &bytes[..at], 0, 2))
            .sends(&fragment(TEXT, &bytes[at..], 1, 2))
            .returns_text(WORDS)
    });
    let each = [0, 1].into_iter().map(|piece| {
        let case = Case::new(format!("a fragment for each byte, pieces of {piece}"));
        let send = |case: Case, (at, byte): (usize, &u8)| {
            case.sends(&fragment(TEXT, &[*byte], at, bytes.len()))
        };
        bytes.iter().enumerate().fold(case, send).returns_text(WORDS).in_pieces(piece)
    });
    two.chain(each).collect()
}

fn with_control_between() -> Vec<Case> {
    let mut cases = Vec::new();
    for (opcode, piece) in [(TEXT, 0), (TEXT, 1), (BINARY, 0), (BINARY, 1)] {
        cases.push(
            Case::new(format!("opcode {opcode} with a ping between, pieces of {piece}"))
                .sends(&fragment(opcode, b"one", 0, 2))
                .sends(&Frame::new(PING, "ping"))
                .sends(&fragment(opcode, b"two", 1, 2))
                .returns(PONG, "ping")
                .returns(opcode, "onetwo")
                .in_pieces(piece),
        );
        cases.push(
            Case::new(format!("opcode {opcode} in five with pings and pongs, pieces of {piece}"))
                .sends(&fragment(opcode, b"1", 0, 5))
                .sends(&fragment(opcode, b"2", 1, 5))
                .sends(&Frame::new(PING, "first"))
                .sends(&fragment(opcode, b"3", 2, 5))
                .sends(&Frame::new(PONG, "unasked"))
                .sends(&fragment(opcode, b"4", 3, 5))
                .sends(&Frame::new(PING, "second"))
                .sends(&fragment(opcode, b"5", 4, 5))
                .returns(PONG, "first")
                .returns(PONG, "second")
                .returns(opcode, "12345")
                .in_pieces(piece),
        );
        cases.push(
            Case::new(format!("opcode {opcode} with a close between, pieces of {piece}"))
                .sends(&fragment(opcode, b"one", 0, 2))
                .sends(&Frame::close(1001, ""))
                .sends(&fragment(opcode, b"two", 1, 2))
                .in_pieces(piece)
                .answered(1001),
        );
    }
    cases.push(
        Case::new("a ping within a character")
            .sends(&fragment(TEXT, &"好".as_bytes()[..1], 0, 2))
            .sends(&Frame::new(PING, ""))
            .sends(&fragment(TEXT, &"好".as_bytes()[1..], 1, 2))
            .returns(PONG, "")
            .returns_text("好"),
    );
    cases
}

fn out_of_order() -> Vec<Case> {
    let mut cases = Vec::new();
    for piece in [0, 1] {
        for is_last in [true, false] {
            let more = || Frame { is_last, ..Frame::new(CONTINUATION, "of nothing") };
            let name = format!("a fragment of nothing, last {is_last}, pieces of {piece}");
            cases.push(Case::new(&name).sends(&more()).in_pieces(piece).fails(1002));
            cases.push(
                Case::new(format!("{name}, after a message in fragments"))
                    .sends(&fragment(TEXT, b"a", 0, 2))
                    .sends(&fragment(TEXT, b"b", 1, 2))
                    .sends(&more())
                    .returns_text("ab")
                    .in_pieces(piece)
                    .fails(1002),
            );
        }
        for (first, second) in [(TEXT, TEXT), (TEXT, BINARY), (BINARY, TEXT), (BINARY, BINARY)] {
            for is_last in [true, false] {
                cases.push(
                    Case::new(format!(
                        "opcode {second} within {first}, last {is_last}, pieces of {piece}"
                    ))
                    .sends(&fragment(first, b"a", 0, 2))
                    .sends(&Frame { is_last, ..Frame::new(second, "b") })
                    .in_pieces(piece)
                    .fails(1002),
                );
            }
        }
    }
    cases
}

//! What the RFC leaves to the server (section 10.4): how large a message may be, and in how many
//! fragments; 1009 is the code for both.

use super::{
    super::MAX_FRAGMENTS,
    LIMIT,
    client::{BINARY, CONTINUATION, Case, Frame, PING, PONG, TEXT},
};

/// Every case of this kind.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for opcode in [TEXT, BINARY] {
        cases.push(
            Case::new(format!("opcode {opcode} of the most bytes"))
                .sends(&Frame::new(opcode, vec![b'*'; LIMIT]))
                .returns(opcode, vec![b'*'; LIMIT]),
        );
        for more in [1, 1000, 1 << 20, 1 << 40, (1 << 62)] {
            let announced = Some(LIMIT as u64 + more);
            cases.push(
                Case::new(format!("opcode {opcode} that announces {more} bytes too many"))
                    .sends(&Frame { announced, ..Frame::new(opcode, "") })
                    .fails(1009),
            );
        }
        let half = vec![b'*'; LIMIT / 2];
        cases.push(
            Case::new(format!("opcode {opcode} of the most bytes in two fragments"))
                .sends(&Frame::new(opcode, half.clone()).unfinished())
                .sends(&Frame::new(CONTINUATION, half.clone()))
                .returns(opcode, vec![b'*'; LIMIT]),
        );
        cases.push(
            Case::new(format!("opcode {opcode}, a byte too many in three fragments"))
                .sends(&Frame::new(opcode, half.clone()).unfinished())
                .sends(&Frame::new(PING, "still there"))
                .sends(&Frame::new(CONTINUATION, half).unfinished())
                .sends(&Frame::new(CONTINUATION, "*"))
                .returns(PONG, "still there")
                .fails(1009),
        );
        let part = |case: Case| case.sends(&Frame::new(CONTINUATION, "").unfinished());
        let first = |name: &str| Case::new(name).sends(&Frame::new(opcode, "").unfinished());
        let too_many = first(&format!("opcode {opcode} in a fragment too many"));
        cases.push((0..MAX_FRAGMENTS).fold(too_many, |case, _| part(case)).fails(1009));
        let most = first(&format!("opcode {opcode} in the most fragments"));
        cases.push(
            (2..MAX_FRAGMENTS)
                .fold(most, |case, _| part(case))
                .sends(&Frame::new(CONTINUATION, "last"))
                .returns(opcode, "last"),
        );
    }
    cases
}

//! Section 8.1: texts are UTF-8, wherever their bytes are cut, and what cannot become UTF-8 any more is
//! refused before the rest of it comes.

use super::client::{BINARY, CONTINUATION, Case, Frame, TEXT};

/// The first and the last of what each number of bytes can say, and what lies about the gaps.
const RIGHT: [&[u8]; 24] = [
    b"\x00",
    b"\x7F",
    b"\xC2\x80",
    b"\xDF\xBF",
    b"\xE0\xA0\x80",
    b"\xEF\xBF\xBF",
    b"\xF0\x90\x80\x80",
    b"\xF4\x8F\xBF\xBF",
    b"\xED\x9F\xBF",
    b"\xEE\x80\x80",
    b"\xEF\xBF\xBD",
    b"\xEF\xBB\xBFmark of the order of bytes",
    b"\xEF\xBF\xBE",
    b"\xF0\x9F\xBF\xBE",
    b"\xF4\x8F\xBF\xBE",
    b"\xF3\xBF\xBF\xBF",
    "κόσμε".as_bytes(),
    "如何应对压力".as_bytes(),
    "👩‍👩‍👧‍👦".as_bytes(),
    "a\u{300}\u{301}".as_bytes(),
    "\u{202E}back\u{202C}".as_bytes(),
    "\u{E000}\u{F8FF}".as_bytes(),
    "ﷺ𒐫".as_bytes(),
    b"\r\n\t\x1B",
];

/// What no text may hold; all of it is wrong at some byte, and not only at its end.
const WRONG: [&[u8]; 30] = [
    b"\x80",
    b"\xBF",
    b"\x80\xBF\x80",
    b"\xFE",
    b"\xFF",
    b"\xC0\xAF",
    b"\xC1\xBF",
    b"\xE0\x80\xAF",
    b"\xE0\x9F\xBF",
    b"\xF0\x80\x80\xAF",
    b"\xF0\x8F\xBF\xBF",
    b"\xF8\x88\x80\x80\x80",
    b"\xFC\x84\x80\x80\x80\x80",
    b"\xF4\x90\x80\x80",
    b"\xF5\x80\x80\x80",
    b"\xED\xA0\x80",
    b"\xED\xAD\xBF",
    b"\xED\xBF\xBF",
    b"\xED\xA0\x80\xED\xB0\x80",
    b"\xED\xAF\xBF\xED\xBF\xBF",
    b"\xC2 ",
    b"\xE2\x82 ",
    b"\xF0\x9F\x98 ",
    b"\xC2\xC2\xC2",
    b"\xE0\xA0\xC0",
    b"\xC0\x80",
    b"\xE0\x80\x80",
    b"\xF0\x80\x80\x80",
    b"Hello-\xB5@\xDF-\xC0\xDF",
    b"\xCE\xBA\xE1\xBD\xB9\xCF\x83\xCE\xBC\xCE\xB5\xED\xA0\x80edited",
];

/// What may still become UTF-8, and ends.
const SHORT: [&[u8]; 8] = [
    b"\xC2",
    b"\xE0\xA0",
    b"\xE2",
    b"\xE2\x82",
    b"\xF0",
    b"\xF0\x9F",
    b"\xF0\x9F\x98",
    b"whole and \xE5\xA5",
];

/// Every case of this kind.
pub(super) fn cases() -> Vec<Case> {
    [right(), wrong(), short(), at_once(), no_text()].concat()
}

/// The payload as a message: in one frame, in a fragment for each byte, in writes of one byte.
fn forms(name: &str, payload: &[u8]) -> [Case; 3] {
    let whole = Frame::new(TEXT, payload);
    let bytes = payload.iter().enumerate();
    let fragments = bytes.fold(Case::new(format!("{name}, in fragments")), |case, (at, byte)| {
        let frame = Frame::new(if at == 0 { TEXT } else { CONTINUATION }, vec![*byte]);
        case.sends(&if at + 1 == payload.len() { frame } else { frame.unfinished() })
    });
    [
        Case::new(name).sends(&whole.clone()),
        fragments,
        Case::new(format!("{name}, byte by byte")).sends(&whole).in_pieces(1),
    ]
}

fn right() -> Vec<Case> {
    let all = RIGHT.iter().enumerate();
    all.flat_map(|(number, payload)| {
        forms(&format!("right {number}"), payload).map(|case| case.returns(TEXT, *payload))
    })
    .collect()
}

fn wrong() -> Vec<Case> {
    let all = WRONG.iter().enumerate();
    all.flat_map(|(number, payload)| {
        forms(&format!("wrong {number}"), payload).map(|case| case.fails(1007))
    })
    .collect()
}

fn short() -> Vec<Case> {
    let all = SHORT.iter().enumerate();
    all.flat_map(|(number, payload)| {
        let name = format!("short {number}");
        let last = Case::new(format!("{name}, before an empty last fragment"))
            .sends(&Frame::new(TEXT, *payload).unfinished())
            .sends(&Frame::new(CONTINUATION, ""));
        let after = Case::new(format!("{name}, after a message"))
            .sends(&Frame::text("first"))
            .sends(&Frame::new(TEXT, *payload))
            .returns_text("first");
        forms(&name, payload).into_iter().chain([last, after]).map(|case| case.fails(1007))
    })
    .collect()
}

/// The rest of the message, or of the frame, never comes.
fn at_once() -> Vec<Case> {
    let all = WRONG.iter().enumerate();
    all.flat_map(|(number, payload)| {
        let begun = Frame { announced: Some(100), ..Frame::new(TEXT, *payload) };
        let second = Frame { announced: Some(100), ..Frame::new(CONTINUATION, *payload) };
        [
            Case::new(format!("wrong {number} in a fragment with more to come"))
                .sends(&Frame::new(TEXT, *payload).unfinished())
                .fails(1007),
            Case::new(format!("wrong {number} in a frame with more to come"))
                .sends(&begun)
                .fails(1007),
            Case::new(format!("wrong {number} in a second frame with more to come"))
                .sends(&Frame::text("好").unfinished())
                .sends(&second)
                .in_pieces(1)
                .fails(1007),
        ]
    })
    .collect()
}

/// Nobody looks at bytes that are no text.
fn no_text() -> Vec<Case> {
    let all = WRONG.iter().chain(&SHORT).enumerate();
    all.map(|(number, payload)| {
        Case::new(format!("bytes {number}"))
            .sends(&Frame::new(BINARY, *payload))
            .returns(BINARY, *payload)
    })
    .collect()
}

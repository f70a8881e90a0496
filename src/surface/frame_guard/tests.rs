use futures::{StreamExt, stream};

use super::*;

const TEXT: u8 = 0x81;
const FIRST: u8 = 0x01;
const MORE: u8 = 0x00;
const LAST: u8 = 0x80;
const CLOSE: u8 = 0x88;
const PING: u8 = 0x89;

const LIMIT: usize = 70_000;

/// The header of a masked frame, its length in the shortest form.
fn header(opcode: u8, length: u64) -> Vec<u8> {
    let mut frame = vec![opcode];
    match length {
        0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        126..=65535 => {
            frame.push(0x80 | 0x7E);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        _ => {
            frame.push(0x80 | 0x7F);
            frame.extend(length.to_be_bytes());
        }
    }
    frame.extend([0, 0, 0, 0]);
    frame
}

fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    [header(opcode, payload.len() as u64), payload.to_vec()].concat()
}

/// What passes of `bytes` in pieces of `size`, and what is wrong with the rest.
async fn guarded(bytes: &[u8], size: usize, limit: usize) -> (Vec<u8>, Option<Violation>) {
    let pieces: Vec<_> =
        bytes.chunks(size).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
    let guard = FrameGuard::new(stream::iter(pieces), limit);
    let verdict = guard.verdict();
    let passed: Vec<_> = guard.collect().await;
    let failed = passed.iter().any(Result::is_err);
    assert_eq!(failed, verdict.violation().is_some());
    (passed.into_iter().flatten().flatten().collect(), verdict.violation())
}

/// The verdict on `bytes`, which has to be the same however they are cut.
async fn verdict(bytes: &[u8]) -> Option<Violation> {
    let (_, whole) = guarded(bytes, bytes.len(), LIMIT).await;
    for size in [1, 3, 64] {
        assert_eq!(guarded(bytes, size, LIMIT).await.1, whole, "in pieces of {size}");
    }
    whole
}

#[tokio::test]
async fn messages_within_the_limit_pass_however_they_are_cut() {
    let lengths = [0, 1, 125, 126, 1000, LIMIT];
    let bytes: Vec<u8> =
        lengths.into_iter().flat_map(|length| frame(TEXT, &vec![b'x'; length])).collect();
    for size in [1, 2, 3, 7, 64, 4096, bytes.len()] {
        let (passed, violation) = guarded(&bytes, size, LIMIT).await;
        assert_eq!((passed.len(), violation), (bytes.len(), None), "in pieces of {size}");
        let (_, violation) = guarded(&bytes, size, LIMIT - 1).await;
        assert_eq!(violation, Some(Violation::TooBig), "in pieces of {size}");
    }
}

#[tokio::test]
async fn a_declared_huge_frame_is_refused_at_its_header() {
    for length in [1 << 40, 1 << 63, u64::MAX] {
        assert_eq!(verdict(&header(0x82, length)).await, Some(Violation::TooBig));
    }
}

#[tokio::test]
async fn what_came_before_a_violation_is_passed_on() {
    let good = [frame(TEXT, b"{}"), frame(PING, b"?")].concat();
    let bytes = [&good[..], &header(TEXT, 1 << 40), b"and so on"].concat();
    assert_eq!(guarded(&bytes, bytes.len(), LIMIT).await, (good, Some(Violation::TooBig)));
}

#[tokio::test]
async fn fragments_count_together() {
    let half = vec![b'x'; LIMIT / 2];
    let whole = [frame(FIRST, &half), frame(PING, b"between")].concat();
    let fits = [&whole[..], &frame(LAST, &half)].concat();
    assert_eq!(verdict(&[&fits[..], &fits[..]].concat()).await, None);
    let more = [&whole[..], &frame(LAST, &[&half[..], b"x"].concat())].concat();
    assert_eq!(verdict(&more).await, Some(Violation::TooBig));
}

#[tokio::test]
async fn the_1025th_fragment_is_one_too_many_even_if_it_is_empty() {
    let middle = |count| frame(MORE, b"").repeat(count);
    let of = |count: usize| [frame(FIRST, b""), middle(count - 2), frame(LAST, b"")].concat();
    assert_eq!(verdict(&of(1024)).await, None);
    assert_eq!(verdict(&of(1025)).await, Some(Violation::TooManyFragments));
}

#[tokio::test]
async fn a_control_frame_is_short_and_its_reason_is_text() {
    assert_eq!(verdict(&frame(PING, &[0xFF; 125])).await, None);
    assert_eq!(verdict(&header(PING, 126)).await, Some(Violation::Protocol));
    let farewell = [b"\x03\xe8", "再见".as_bytes()].concat();
    assert_eq!(verdict(&frame(CLOSE, &farewell)).await, None);
    assert_eq!(verdict(&frame(CLOSE, b"\x03\xe8\xff")).await, Some(Violation::NotUtf8));
    let mut masked = header(CLOSE, 3);
    masked.splice(2..6, [1, 2, 3, 4]);
    masked.extend([0x03 ^ 1, 0xE8 ^ 2, b'x' ^ 3]);
    assert_eq!(verdict(&masked).await, None);
}

#[tokio::test]
async fn nobody_behind_the_guard_sees_two_bytes_that_no_frame_begins_with() {
    for start in [[0xF1, 0x80], [0x88 | 0x40, 0x80], [0x83, 0x80], [TEXT, 0x05]] {
        let bytes = [&frame(PING, b"?")[..], &start, &[0; 4]].concat();
        for size in [1, 2, 3, bytes.len()] {
            let (passed, violation) = guarded(&bytes, size, LIMIT).await;
            assert_eq!(violation, Some(Violation::Protocol), "{start:x?} in pieces of {size}");
            assert!(passed.len() < bytes.len() - 4, "{start:x?} in pieces of {size}");
        }
    }
}

#[tokio::test]
async fn reserved_bits_are_refused() {
    for bits in [0x10, 0x20, 0x40] {
        assert_eq!(verdict(&frame(TEXT | bits, b"{}")).await, Some(Violation::Protocol));
    }
}

/// Sends these pieces, each a little after the other, and then nothing more.
async fn in_time(pieces: Vec<Vec<u8>>) -> Option<Violation> {
    let slowly = stream::iter(pieces).then(|piece| async move {
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(Bytes::from(piece))
    });
    let mut guard = FrameGuard::new(Box::pin(slowly.chain(stream::pending())), LIMIT);
    guard.patience = Duration::from_secs(1);
    let verdict = guard.verdict();
    let end = tokio::time::timeout(Duration::from_secs(4), guard.collect::<Vec<_>>()).await;
    assert_eq!(end.is_ok(), verdict.violation().is_some());
    verdict.violation()
}

#[tokio::test]
async fn a_message_that_does_not_end_is_given_up() {
    let begun = frame(TEXT, b"{}")[..7].to_vec();
    let trickle = [vec![frame(FIRST, b"")], vec![frame(MORE, b""); 60]].concat();
    let pings = [vec![frame(FIRST, b"")], vec![frame(PING, b""); 60]].concat();
    let verdicts = tokio::join!(
        in_time(vec![frame(FIRST, b"{")]),
        in_time(vec![vec![TEXT]]),
        in_time(vec![begun]),
        in_time(trickle),
        in_time(pings),
    );
    let silent = Some(Violation::Unfinished);
    let slow = Some(Violation::TooSlow);
    assert_eq!(verdicts, (silent, silent, silent, slow, slow));
}

#[tokio::test]
async fn a_message_in_time_is_not_too_slow_and_neither_is_silence_between_messages() {
    let mut fragments = vec![frame(FIRST, b"{")];
    fragments.extend(vec![frame(MORE, b" "); 3]);
    fragments.push(frame(LAST, b"}"));
    // Each piece ends a message and begins another.
    let text = frame(TEXT, b"{}");
    let shifted = [&text[4..], &text[..4]].concat();
    let shifted = [vec![text[..4].to_vec()], vec![shifted; 30], vec![text[4..].to_vec()]].concat();
    let verdicts = tokio::join!(
        in_time(vec![frame(TEXT, b"{}")]),
        in_time(vec![frame(TEXT, b"{}"); 30]),
        in_time(std::iter::repeat_n(fragments, 6).flatten().collect()),
        in_time(shifted),
    );
    assert_eq!(verdicts, (None, None, None, None));
}

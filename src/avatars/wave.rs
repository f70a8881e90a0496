//! Sound as a WAV file.

use std::time::Duration;

use thiserror::Error;

/// Samples in a second of the silences that are made here. Less is not played everywhere.
const RATE: u32 = 8000;
/// A sample of 8 bits that is silence.
const SILENT: u8 = 0x80;
/// Bytes of a header that has nothing but what is needed.
const HEADER: usize = 44;
/// The part of a sound that one volume stands for.
pub const SLICE: Duration = Duration::from_millis(20);

/// A sound.
#[derive(Debug, Clone, PartialEq)]
pub struct Wave {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// How long it lasts.
    pub length: Duration,
    /// How loud each [`SLICE`] of it is beside the loudest, 0 to 1; empty for a silence.
    pub volumes: Vec<f32>,
}

/// Bytes that are no sound that can be played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("this is no WAV file of whole-number samples")]
pub struct NoWave;

/// What a header says of the samples.
struct Format {
    channels: u16,
    rate: u32,
    bits: u16,
}

impl Wave {
    /// A silence of this length.
    pub fn silent(length: Duration) -> Self {
        let samples = u32::try_from(length.as_millis()).unwrap_or(u32::MAX / RATE) / 1000 * RATE
            + length.subsec_millis() * RATE / 1000;
        let mut bytes = Vec::with_capacity(HEADER + samples as usize);
        bytes.extend_from_slice(b"RIFF");
        bytes.extend_from_slice(&(36 + samples).to_le_bytes());
        bytes.extend_from_slice(b"WAVEfmt ");
        bytes.extend_from_slice(&16_u32.to_le_bytes());
        for small in [1_u16, 1] {
            bytes.extend_from_slice(&small.to_le_bytes());
        }
        bytes.extend_from_slice(&RATE.to_le_bytes());
        bytes.extend_from_slice(&RATE.to_le_bytes());
        for small in [1_u16, 8] {
            bytes.extend_from_slice(&small.to_le_bytes());
        }
        bytes.extend_from_slice(b"data");
        bytes.extend_from_slice(&samples.to_le_bytes());
        bytes.resize(HEADER + samples as usize, SILENT);
        let length = Duration::from_millis(u64::from(samples) * 1000 / u64::from(RATE));
        Self { bytes, length, volumes: Vec::new() }
    }

    /// Reads a file. Servers that send one while it grows do not know its length and say any: what
    /// its header says of that is put right.
    ///
    /// # Errors
    /// When it is no WAV file, or has no samples.
    pub fn read(mut bytes: Vec<u8>) -> Result<Self, NoWave> {
        if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
            return Err(NoWave);
        }
        let (mut at, mut format) = (12, None);
        loop {
            let kind: [u8; 4] = *bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(NoWave)?;
            let told = number(&bytes, at + 4)?;
            let start = at + 8;
            let rest = bytes.len().checked_sub(start).ok_or(NoWave)?;
            let length = usize::try_from(told).unwrap_or(usize::MAX).min(rest);
            match &kind {
                b"fmt " => format = Some(Format::read(&bytes[start..start + length])?),
                b"data" => {
                    let format = format.ok_or(NoWave)?;
                    let samples = bytes[start..start + length].to_vec();
                    set(&mut bytes, at + 4, length);
                    let whole = bytes.len().saturating_sub(8);
                    set(&mut bytes, 4, whole);
                    return Self::of(bytes, &samples, &format);
                }
                _ => {}
            }
            // Pieces begin at even places.
            at = start + length + length % 2;
        }
    }

    fn of(bytes: Vec<u8>, samples: &[u8], format: &Format) -> Result<Self, NoWave> {
        let width = usize::from(format.bits / 8) * usize::from(format.channels);
        let per_second = width as u64 * u64::from(format.rate);
        if per_second == 0 || samples.len() < width {
            return Err(NoWave);
        }
        let length = Duration::from_micros(samples.len() as u64 * 1_000_000 / per_second);
        let slice = width * (format.rate as usize / 50).max(1);
        let volumes: Vec<f32> =
            samples.chunks(slice).map(|slice| loudness(slice, format.bits)).collect();
        let most = volumes.iter().copied().fold(0.0, f32::max);
        let volumes = if most > 0.0 {
            volumes.into_iter().map(|volume| volume / most).collect()
        } else {
            Vec::new()
        };
        Ok(Self { bytes, length, volumes })
    }
}

impl Format {
    fn read(bytes: &[u8]) -> Result<Self, NoWave> {
        let small = |at: usize| {
            let bytes = bytes.get(at..at + 2).ok_or(NoWave)?;
            Ok(u16::from_le_bytes([bytes[0], bytes[1]]))
        };
        let (kind, channels, bits) = (small(0)?, small(2)?, small(14)?);
        // Whole numbers, or the longer form that says the same further on.
        let known = matches!(kind, 1 | 0xFFFE) && matches!(bits, 8 | 16 | 24 | 32);
        if !known || channels == 0 {
            return Err(NoWave);
        }
        Ok(Self { channels, rate: number(bytes, 4)?, bits })
    }
}

/// The root of the mean square of samples, from 0 to 1.
fn loudness(samples: &[u8], bits: u16) -> f32 {
    let width = usize::from(bits / 8);
    let value = |sample: &[u8]| match sample {
        [byte] => (f32::from(*byte) - f32::from(SILENT)) / 128.0,
        // The highest two bytes tell enough of how loud it is.
        [.., low, high] => f32::from(i16::from_le_bytes([*low, *high])) / 32768.0,
        [] => 0.0,
    };
    let (mut sum, mut count) = (0.0_f32, 0.0_f32);
    for sample in samples.chunks_exact(width) {
        sum += value(sample).powi(2);
        count += 1.0;
    }
    if count > 0.0 { (sum / count).sqrt() } else { 0.0 }
}

fn number(bytes: &[u8], at: usize) -> Result<u32, NoWave> {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk).ok_or(NoWave)?;
    Ok(u32::from_le_bytes(*bytes))
}

fn set(bytes: &mut [u8], at: usize, value: usize) {
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_lasts_as_long_as_it_should_and_is_one() {
        for millis in [0, 20, 1500, 29_999] {
            let wave = Wave::silent(Duration::from_millis(millis));
            assert_eq!(wave.length, Duration::from_millis(millis));
            assert_eq!(wave.bytes.len() as u64, 44 + millis * 8);
            assert!(wave.bytes[44..].iter().all(|sample| *sample == SILENT));
            if millis > 0 {
                assert_eq!(Wave::read(wave.bytes.clone()), Ok(wave));
            }
        }
    }

    /// Half a second of sound and half a second of silence, in 16 bits, of unknown length.
    fn growing() -> Vec<u8> {
        let mut bytes = b"RIFF\xFF\xFF\xFF\xFFWAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
        bytes.extend_from_slice(&1000_u32.to_le_bytes());
        bytes.extend_from_slice(&2000_u32.to_le_bytes());
        bytes.extend_from_slice(b"\x02\0\x10\0LIST\x03\0\0\0abc\0data\xFF\xFF\xFF\xFF");
        for sample in 0..1000_i16 {
            let sample = if sample < 500 { 8000 } else { 0 };
            bytes.extend_from_slice(&i16::to_le_bytes(sample));
        }
        bytes
    }

    #[test]
    fn a_file_of_unknown_length_is_put_right() {
        let wave = Wave::read(growing()).unwrap();
        assert_eq!(wave.length, Duration::from_secs(1));
        assert_eq!(wave.volumes.len(), 50);
        assert!((wave.volumes[0] - 1.0).abs() < 0.001 && wave.volumes[49].abs() < 0.001);
        let length = wave.bytes.len();
        assert_eq!(wave.bytes[4..8], u32::try_from(length - 8).unwrap().to_le_bytes());
        assert_eq!(wave.bytes[length - 2004..length - 2000], 2000_u32.to_le_bytes());
    }

    #[test]
    fn what_is_cut_anywhere_or_is_something_else_does_no_harm() {
        let whole = growing();
        for cut in 0..whole.len() {
            let _ = Wave::read(whole[..cut].to_vec());
        }
        for other in [&b""[..], b"ID3", b"RIFF0000WAVE", b"{\"error\":\"no\"}"] {
            assert_eq!(Wave::read(other.to_vec()), Err(NoWave));
        }
        let mut compressed = growing();
        compressed[20] = 7;
        assert_eq!(Wave::read(compressed), Err(NoWave));
    }
}

//! G.711: the two ways a telephone network squeezes a sample into a byte.
#![expect(clippy::as_conversions, clippy::indexing_slicing, reason = "bit fields of one byte; every index is a `u8` into 256 entries")]

/// Silence in µ-law.
pub(crate) const ULAW_SILENCE: u8 = 0xFF;

/// Every µ-law byte as a 16-bit sample.
pub(crate) const ULAW: [i16; 256] = {
    let mut table = [0_i16; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let flipped = !(byte as u8);
        let exponent = (flipped >> 4) & 0x07;
        let magnitude = ((((flipped & 0x0F) as i16) << 3) + 0x84) << exponent;
        table[byte] = if flipped & 0x80 == 0 { magnitude - 0x84 } else { 0x84 - magnitude };
        byte += 1;
    }
    table
};

/// Every A-law byte as a 16-bit sample.
pub(crate) const ALAW: [i16; 256] = {
    let mut table = [0_i16; 256];
    let mut byte = 0_usize;
    while byte < 256 {
        let flipped = (byte as u8) ^ 0x55;
        let exponent = (flipped >> 4) & 0x07;
        let low = ((flipped & 0x0F) as i16) << 4;
        let magnitude = match exponent {
            0 => low + 8,
            _ => (low + 0x108) << (exponent - 1),
        };
        table[byte] = if flipped & 0x80 == 0 { -magnitude } else { magnitude };
        byte += 1;
    }
    table
};

/// The µ-law byte of a sample.
pub(crate) const fn to_ulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let size = sample.unsigned_abs();
    let magnitude = if size > 32_635 { 32_635 } else { size } + 0x84;
    let exponent = 8 - magnitude.leading_zeros() as u16;
    !(sign | ((exponent << 4) as u8) | ((magnitude >> (exponent + 3)) & 0x0F) as u8)
}

/// The A-law byte of a sample.
pub(crate) const fn to_alaw(sample: i16) -> u8 {
    let (sign, size) = if sample < 0 { (0, !sample as u16) } else { (0x80, sample as u16) };
    let byte = if size < 256 {
        (size >> 4) as u8
    } else {
        let exponent = 8 - size.leading_zeros() as u16;
        ((exponent << 4) as u8) | ((size >> (exponent + 3)) & 0x0F) as u8
    };
    (sign | byte) ^ 0x55
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives_a_round_trip() {
        for byte in 0..=255_u8 {
            // µ-law has a negative zero, which becomes the positive one
            let expected = if byte == 0x7F { ULAW_SILENCE } else { byte };
            assert_eq!(to_ulaw(ULAW[usize::from(byte)]), expected, "µ-law {byte:#x}");
            assert_eq!(to_alaw(ALAW[usize::from(byte)]), byte, "A-law {byte:#x}");
        }
    }

    #[test]
    fn the_ends_of_the_scale_are_those_of_the_standard() {
        assert_eq!((ULAW[0x80], ULAW[0x00], ULAW[0xFF]), (32_124, -32_124, 0));
        assert_eq!((ALAW[0xAA], ALAW[0x2A], ALAW[0xD5]), (32_256, -32_256, 8));
    }
}

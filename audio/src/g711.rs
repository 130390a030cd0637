//! G.711 to linear samples, as ITU-T G.711 tables 1a and 2a define it.

/// Linear value of a µ-law byte.
pub(crate) const fn mulaw(byte: u8) -> i16 {
    const BIAS: i16 = 0x84;
    let inverted = !byte;
    let magnitude = ((low_bits(inverted) << 3) + BIAS) << ((inverted & 0x70) >> 4);
    if inverted & 0x80 == 0 { magnitude - BIAS } else { BIAS - magnitude }
}

/// Linear value of an A-law byte.
pub(crate) const fn alaw(byte: u8) -> i16 {
    let inverted = byte ^ 0x55;
    let step = low_bits(inverted) << 4;
    let magnitude = match (inverted & 0x70) >> 4 {
        0 => step + 8,
        segment => (step + 0x108) << (segment - 1),
    };
    if inverted & 0x80 == 0 { -magnitude } else { magnitude }
}

/// The four bits of the step within its segment.
const fn low_bits(byte: u8) -> i16 {
    i16::from_le_bytes([byte & 0x0F, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corners_of_the_itu_tables_are_met() {
        assert_eq!([mulaw(0xFF), mulaw(0x7F), mulaw(0x00), mulaw(0x80), mulaw(0xF0)], [0, 0, -32_124, 32_124, 120]);
        assert_eq!([alaw(0xD5), alaw(0x55), alaw(0x2A), alaw(0xAA), alaw(0xC5)], [8, -8, -32_256, 32_256, 264]);
    }
}

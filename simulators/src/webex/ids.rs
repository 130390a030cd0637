//! Ids that follow from the seed and lead back to the call, so that 100,000 calls need no table.

use uuid::Uuid;

use crate::chance::Chance;

/// Odd, so that multiplying by it maps the 32-bit numbers one to one.
const SPREAD: u32 = 0x9E37_79B1;
/// `SPREAD * UNSPREAD == 1` in 32 bits.
const UNSPREAD: u32 = {
    let mut inverse = SPREAD;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2_u32.wrapping_sub(SPREAD.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
};

fn uuid_of(seed: u64, kind: u64, number: u64, head: u32) -> Uuid {
    let mut chance = Chance::of(seed, &[kind, number]);
    let random = (u128::from(chance.next()) << 64) | u128::from(chance.next());
    let bits = (u128::from(head) << 96) | (random & ((1 << 96) - 1));
    uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
}

/// The session id of call `number`.
pub(super) fn session_id(seed: u64, number: u32) -> Uuid {
    let shift = u32::try_from(Chance::of(seed, &[0]).below(1 << 32)).unwrap_or(0);
    uuid_of(seed, 1, number.into(), number.wrapping_mul(SPREAD).wrapping_add(shift))
}

/// The call that a session id stands for, whether or not there is such a call.
pub(super) fn number_of(seed: u64, id: Uuid) -> Option<u32> {
    let shift = u32::try_from(Chance::of(seed, &[0]).below(1 << 32)).unwrap_or(0);
    let head = u32::try_from(id.as_u128() >> 96).ok()?;
    let number = head.wrapping_sub(shift).wrapping_mul(UNSPREAD);
    (session_id(seed, number) == id).then_some(number)
}

/// An id of an agent, queue, consult leg or segment.
pub(super) fn other_id(seed: u64, kind: u64, number: u64) -> Uuid {
    let head = u32::try_from(Chance::of(seed, &[kind, number, 1]).below(1 << 32)).unwrap_or(0);
    uuid_of(seed, kind, number, head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leads_back_to_its_call_and_only_to_its_own() {
        for number in [0, 1, 77, 99_999, u32::MAX] {
            assert_eq!(number_of(5, session_id(5, number)), Some(number));
            assert_eq!(number_of(6, session_id(5, number)), None);
        }
        assert_eq!(session_id(5, 1).get_version_num(), 4);
        assert_eq!(number_of(5, other_id(5, 2, 1)), None);
    }
}

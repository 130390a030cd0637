//! The fewest changes, and steps that fit both lists.

use proptest::prelude::*;

use super::*;

/// Changes in the plain table.
fn fewest(first: &[u8], second: &[u8]) -> usize {
    last_row(first.iter(), second.iter(), second.len())[second.len()]
}

fn changes(steps: &[Step]) -> usize {
    steps.iter().filter(|step| **step != Step::Same).count()
}

/// Walks both lists and fails where a step does not fit.
fn assert_fits(first: &[u8], second: &[u8], steps: &[Step]) {
    let (mut here, mut there) = (0, 0);
    for step in steps {
        match step {
            Step::Same => assert_eq!(first[here], second[there]),
            Step::Replaced => assert_ne!(first[here], second[there]),
            Step::Missing | Step::Added => {}
        }
        here += usize::from(*step != Step::Added);
        there += usize::from(*step != Step::Missing);
    }
    assert_eq!((here, there), (first.len(), second.len()));
}

proptest! {
    #[test]
    fn the_fewest_changes_are_found_either_way(first in prop::collection::vec(0_u8..4, 0..60), second in prop::collection::vec(0_u8..4, 0..60)) {
        let steps = align(&first, &second);
        assert_fits(&first, &second, &steps);
        prop_assert_eq!(changes(&steps), fewest(&first, &second));
        let mut halved = Vec::new();
        by_halves(&first, &second, &mut halved);
        assert_fits(&first, &second, &halved);
        prop_assert_eq!(changes(&halved), fewest(&first, &second));
    }
}

#[test]
fn lists_with_nothing_in_common_are_aligned_all_the_same() {
    let first: Vec<u8> = vec![1; 2_000];
    let second: Vec<u8> = vec![2; 1_600];
    let steps = align(&first, &second);
    assert_fits(&first, &second, &steps);
    assert_eq!(changes(&steps), 2_000);
}

#[test]
fn a_replaced_word_is_one_step() {
    assert_eq!(align(&["a", "b", "c"], &["a", "x", "c"]), [Step::Same, Step::Replaced, Step::Same]);
    assert_eq!(align(&["a", "c"], &["a", "b", "c"]), [Step::Same, Step::Added, Step::Same]);
    assert_eq!(align::<u8>(&[], &[]), []);
}

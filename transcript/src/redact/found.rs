//! Which runs of digits are cards, national ids or telephone numbers.

use std::sync::LazyLock;

use regex::Regex;

use super::{
    Found, Policy, Said,
    spoken::{Symbol, runs},
};
use crate::document::RedactionKind;

/// Words of the same voice before a number that tell what it is.
const WORDS_BEFORE: usize = 8;
/// What tells of a personal number, in lower case.
const PERSONAL: &[&str] = &["social", "ssn", "security number", "insurance number", "national id", "tax id", "sin number", "identity"];
/// What tells of a telephone.
const TELEPHONE: &[&str] =
    &["phone", "mobile", "cell", "call me", "call you back", "call back", "callback", "reach me", "reach you", "ring me", "text me", "fax"];
/// What tells of another number of as many digits.
const OTHER_NUMBER: &[&str] =
    &["order", "tracking", "reference", "ticket", "invoice", "case", "serial", "parcel", "policy", "booking", "confirmation", "meter"];

/// British National Insurance numbers: letters that are given out, six digits, A to D.
static NINO: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z][0-9]{6}[A-D]").ok());
/// Spanish DNI and NIE: eight digits, or a letter and seven, and the letter that checks them.
static DNI: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new("[0-9XYZ][0-9]{7}[A-Z]").ok());
/// Beginnings of National Insurance numbers that are never given out.
const NEVER_NINO: &[&str] = &["BG", "GB", "NK", "KN", "TN", "NT", "ZZ"];
/// The letter that checks a DNI, by the rest of a division by their number.
const DNI_LETTERS: &str = "TRWAGMYFPDXBNJZSQVHLCKE";

/// What is found in what one voice says. `before` is the text of the turn before an item's: what was asked.
pub(super) fn find<'b>(said: &[Said<'_>], before: &dyn Fn(usize) -> Option<&'b str>, policy: &Policy) -> Vec<Found> {
    let mut all = Vec::new();
    for run in runs(said) {
        let mut taken: Vec<Found> = Vec::new();
        if policy.national_ids {
            taken.extend(with_letters(&run));
        }
        for digits in run.split(|symbol| symbol.digit().is_none()).filter(|digits| !digits.is_empty()) {
            let Some(first) = digits.first().map(|symbol| symbol.item) else { continue };
            let context = || context(said, first, before(first));
            if policy.cards {
                taken.extend(cards(digits));
            }
            if taken.is_empty() && policy.national_ids && is_personal(digits, said, &context) {
                taken.extend(whole(RedactionKind::NationalId, digits));
            }
            if taken.is_empty() && policy.phones && is_telephone(digits, said, &context) {
                taken.extend(whole(RedactionKind::Phone, digits));
            }
        }
        all.extend(taken);
    }
    all
}

fn whole(kind: RedactionKind, symbols: &[Symbol]) -> Option<Found> {
    Some(Found { kind, first: symbols.first()?.item, last: symbols.last()?.item })
}

/// What is said shortly before an item and in the turn before, in lower case.
fn context(said: &[Said<'_>], first: usize, before: Option<&str>) -> String {
    let own = said.partition_point(|(at, _)| *at < first);
    let own = said.get(own.saturating_sub(WORDS_BEFORE)..own).unwrap_or_default().iter().map(|(_, text)| *text);
    before.into_iter().chain(own).collect::<Vec<_>>().join(" ").to_lowercase()
}

fn tells(context: &str, words: &[&str]) -> bool {
    words.iter().any(|word| context.contains(word))
}

fn values(symbols: &[Symbol]) -> Vec<u32> {
    symbols.iter().filter_map(|symbol| symbol.digit()).collect()
}

/// Cards among digits: every 13 to 19 that pass the check, and 15 or 16 that begin as cards do though one may be misheard.
fn cards(digits: &[Symbol]) -> Vec<Found> {
    let mut cards = Vec::new();
    let mut from = 0;
    while from < digits.len() {
        let rest = digits.get(from..).unwrap_or_default();
        let card = (13..=19).rev().filter_map(|length| rest.get(..length)).find(|part| passes_luhn(&values(part)));
        match card {
            Some(part) => {
                cards.extend(whole(RedactionKind::Card, part));
                from += part.len();
            }
            None => from += 1,
        }
    }
    if cards.is_empty() && begins_as_card(&values(digits)) {
        cards.extend(whole(RedactionKind::Card, digits));
    }
    cards
}

/// ISO/IEC 7812-1, annex B.
fn passes_luhn(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .zip([false, true].into_iter().cycle())
        .map(|(digit, double)| if double { digit * 2 - if *digit > 4 { 9 } else { 0 } } else { *digit })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// As many digits as the brands have, with their beginnings.
fn begins_as_card(digits: &[u32]) -> bool {
    matches!((digits.len(), digits), (15, [3, 4 | 7, ..]) | (16, [4 | 6, ..] | [5, 1..=5, ..] | [2, 2..=7, ..]))
}

/// Ids that are told by their letters: British National Insurance numbers, Spanish DNI and NIE.
fn with_letters(run: &[Symbol]) -> Vec<Found> {
    let text: String = run.iter().map(|symbol| symbol.character).filter(char::is_ascii).collect();
    if text.len() != run.len() {
        return Vec::new();
    }
    let found = |pattern: &Option<Regex>, holds: fn(&str) -> bool| -> Vec<Found> {
        let all = pattern.iter().flat_map(|pattern| pattern.find_iter(&text)).filter(|one| holds(one.as_str()));
        let parts = all.filter_map(|one| run.get(one.range()));
        // a part of a longer word or number is something else
        let parts = parts.filter(|part| part.first().is_some_and(|one| one.first) && part.last().is_some_and(|one| one.last));
        parts.filter_map(|part| whole(RedactionKind::NationalId, part)).collect()
    };
    let nino = found(&NINO, |id| !NEVER_NINO.iter().any(|never| id.starts_with(never)));
    if nino.is_empty() { found(&DNI, is_dni) } else { nino }
}

fn is_dni(id: &str) -> bool {
    let number = id.replace('X', "0").replace('Y', "1");
    let digits: String = number.chars().enumerate().map(|(at, one)| if at == 0 && one == 'Z' { '2' } else { one }).take(8).collect();
    let rest = digits.parse::<usize>().ok().map(|number| number % DNI_LETTERS.len());
    rest.and_then(|rest| DNI_LETTERS.chars().nth(rest)) == id.chars().last()
}

/// Numbers of persons without letters: Brazil's by its check digits, those of the USA and Canada by what is said or how they are written.
fn is_personal(digits: &[Symbol], said: &[Said<'_>], context: &dyn Fn() -> String) -> bool {
    let values = values(digits);
    let told = || tells(&context(), PERSONAL);
    match values.as_slice() {
        [.., _, _] if values.len() == 11 => is_cpf(&values) && !tells(&context(), TELEPHONE),
        [a, b, c, d, e, f, g, h, i] => {
            let area = a * 100 + b * 10 + c;
            let given_out = area != 0 && area != 666 && area < 900 && (d, e) != (&0, &0) && f + g + h + i > 0;
            (given_out && (is_written_in_three(digits, said) || told())) || (passes_luhn(&values) && told())
        }
        // the last four alone open accounts as well
        [_, _, _, _] => told() && context().contains("last four"),
        _ => false,
    }
}

/// Whether nine digits are written `123-45-6789`.
fn is_written_in_three(digits: &[Symbol], said: &[Said<'_>]) -> bool {
    let [first, .., last] = digits else { return false };
    let text = said.iter().filter(|(at, _)| (first.item..=last.item).contains(at)).map(|(_, text)| *text).collect::<Vec<_>>().join("-");
    let groups = text.split(|character: char| !character.is_ascii_digit()).filter(|group| !group.is_empty()).map(str::len);
    groups.collect::<Vec<_>>() == [3, 2, 4]
}

/// Two check digits, each by its weights.
fn is_cpf(digits: &[u32]) -> bool {
    let check = |count: u32| {
        let weights = (2..=count + 1).rev();
        let sum: u32 = digits.iter().zip(weights).map(|(digit, weight)| digit * weight).sum();
        sum * 10 % 11 % 10
    };
    let all_the_same = digits.windows(2).all(|pair| pair.first() == pair.last());
    !all_the_same && digits.get(9) == Some(&check(9)) && digits.get(10) == Some(&check(10))
}

/// Digits that are dialled: with a plus, by a country's plan, or because somebody says so.
fn is_telephone(digits: &[Symbol], said: &[Said<'_>], context: &dyn Fn() -> String) -> bool {
    let values = values(digits);
    let international = digits.first().is_some_and(|first| {
        let own = said.iter().find(|(at, _)| *at == first.item).map(|(_, text)| *text);
        own.is_some_and(|text| text.trim_start_matches(['(', '"']).starts_with('+'))
    });
    if international {
        return (8..=15).contains(&values.len());
    }
    let context = context();
    if tells(&context, TELEPHONE) {
        return (7..=15).contains(&values.len());
    }
    let by_plan = match values.as_slice() {
        // North America: neither area nor exchange begins with 0 or 1
        [2..=9, _, _, 2..=9, _, _, _, _, _, _] | [1, 2..=9, _, _, 2..=9, _, _, _, _, _, _] => true,
        // a trunk 0, as most of Europe dials; 00 leads abroad
        [0, 1..=9, ..] => (10..=11).contains(&values.len()),
        [0, 0, 1..=9, ..] => (10..=15).contains(&values.len()),
        _ => false,
    };
    by_plan && !tells(&context, OTHER_NUMBER)
}

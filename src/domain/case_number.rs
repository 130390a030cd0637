//! Case numbers as people write them: found where one is meant to be, and guessed where one happens to be.

use regex::{Regex, RegexBuilder};

/// What the case numbers of a desk look like.
#[derive(Debug, Clone)]
pub struct CasePattern(Regex);

impl CasePattern {
    /// A regular expression, in upper or lower case.
    pub fn parse(text: &str) -> Result<Self, regex::Error> {
        RegexBuilder::new(text).case_insensitive(true).build().map(Self)
    }

    /// The number in a value that is meant to hold one, whatever is written around it.
    #[must_use]
    pub fn within(&self, value: &str) -> Option<String> {
        self.0.find(value).map(|found| found.as_str()).filter(|found| !found.is_empty()).map(str::to_ascii_uppercase)
    }

    /// The number that texts about something else name: a word of its own, and the only number that any of them names. Two
    /// different ones say nothing of which is the case.
    pub fn named_in<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> Option<String> {
        let mut named: Option<String> = None;
        for number in texts.into_iter().flat_map(|text| self.words_of(text)) {
            match &named {
                Some(other) if *other != number => return None,
                Some(_) => {}
                None => named = Some(number),
            }
        }
        named
    }

    fn words_of<'t>(&self, text: &'t str) -> impl Iterator<Item = String> {
        let is_word = move |found: &regex::Match<'t>| {
            let (before, after) = (text.get(..found.start()), text.get(found.end()..));
            let goes_on = |next: Option<char>| next.is_some_and(char::is_alphanumeric);
            !goes_on(before.and_then(|before| before.chars().next_back())) && !goes_on(after.and_then(|after| after.chars().next()))
        };
        let numbers = self.0.find_iter(text).filter(|found| !found.is_empty()).filter(is_word);
        numbers.map(|found| found.as_str().to_ascii_uppercase()).collect::<Vec<_>>().into_iter()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern() -> CasePattern {
        CasePattern::parse(r"CS\d{7}").unwrap()
    }

    #[test]
    fn a_part_of_a_longer_word_is_no_number() {
        for text in ["CS12345678", "XCS1234567", "CS1234567a", "ÄCS1234567"] {
            assert_eq!(pattern().named_in([text]), None, "{text}");
        }
        assert_eq!(pattern().named_in(["(cs1234567)"]).as_deref(), Some("CS1234567"));
    }

    #[test]
    fn a_pattern_that_matches_nothing_at_all_finds_no_number() {
        let empty = CasePattern::parse("(CS)*").unwrap();
        assert_eq!((empty.within("abc"), empty.named_in(["abc"])), (None, None));
    }

    proptest! {
        #[test]
        fn whatever_people_write_around_it_the_one_number_is_named_however_often(
            digits in "[0-9]{7}", before in "[^Cc0-9]{0,20}", after in "[^Cc0-9]{0,20}", lower in any::<bool>(), times in 1_usize..4,
        ) {
            let number = format!("CS{digits}");
            let written = if lower { number.to_lowercase() } else { number.clone() };
            let text = format!("{before} {written} {after}");
            prop_assert_eq!(pattern().named_in(vec![text.as_str(); times]), Some(number.clone()));
            prop_assert_eq!(pattern().within(&text), Some(number));
        }

        #[test]
        fn two_different_numbers_name_none_wherever_they_are(one in "[0-9]{7}", other in "[0-9]{7}", apart in any::<bool>()) {
            prop_assume!(one != other);
            let (one, other) = (format!("CS{one}"), format!("CS{other}"));
            let together = format!("{one}, not {other}");
            let named = if apart { pattern().named_in([one.as_str(), other.as_str()]) } else { pattern().named_in([together.as_str()]) };
            prop_assert_eq!(named, None);
        }

        #[test]
        fn nothing_is_named_that_is_not_written_there(texts in proptest::collection::vec(any::<String>(), 0..4)) {
            if let Some(number) = pattern().named_in(texts.iter().map(String::as_str)) {
                prop_assert!(texts.iter().any(|text| text.to_ascii_uppercase().contains(&number)));
            }
        }
    }
}

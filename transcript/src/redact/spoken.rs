//! Digits and letters out of what is written or said: `4111-1111`, `four one double one`, `twenty one`, `oh`.

use super::Said;

/// A digit or a capital letter, and the item that it is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Symbol {
    pub(super) character: char,
    pub(super) item: usize,
    /// The first of its item, in writing.
    pub(super) first: bool,
    /// The last of its item, in writing.
    pub(super) last: bool,
}

impl Symbol {
    /// Its value, if it is a digit.
    pub(super) fn digit(self) -> Option<u32> {
        self.character.to_digit(10)
    }
}

/// What people say between the digits of one number.
const BETWEEN: &[&str] = &[
    "and", "dash", "dot", "er", "erm", "hyphen", "mhm", "minus", "okay", "ok", "point", "slash", "so", "space", "then", "uh", "um", "yeah",
    "yes",
];
/// So many of them in a row; after more, what follows is another number.
const MOST_BETWEEN: usize = 2;

/// A word that stands for digits.
enum Spoken {
    /// These digits.
    Digits(&'static str),
    /// Tens, to which a following unit belongs.
    Tens(char),
    /// The next digit so many times.
    Times(usize),
    /// Nothing, and the number goes on.
    Between,
}

fn spoken(word: &str) -> Option<Spoken> {
    let digits = match word {
        "zero" | "oh" | "o" | "nought" | "naught" | "nil" => "0",
        "one" => "1",
        "two" => "2",
        "three" => "3",
        "four" => "4",
        "five" => "5",
        "six" => "6",
        "seven" => "7",
        "eight" => "8",
        "nine" | "niner" => "9",
        "ten" => "10",
        "eleven" => "11",
        "twelve" => "12",
        "thirteen" => "13",
        "fourteen" => "14",
        "fifteen" => "15",
        "sixteen" => "16",
        "seventeen" => "17",
        "eighteen" => "18",
        "nineteen" => "19",
        "hundred" => "00",
        "thousand" => "000",
        "twenty" => return Some(Spoken::Tens('2')),
        "thirty" => return Some(Spoken::Tens('3')),
        "forty" | "fourty" => return Some(Spoken::Tens('4')),
        "fifty" => return Some(Spoken::Tens('5')),
        "sixty" => return Some(Spoken::Tens('6')),
        "seventy" => return Some(Spoken::Tens('7')),
        "eighty" => return Some(Spoken::Tens('8')),
        "ninety" => return Some(Spoken::Tens('9')),
        "double" => return Some(Spoken::Times(2)),
        "triple" | "treble" => return Some(Spoken::Times(3)),
        _ if BETWEEN.contains(&word) => return Some(Spoken::Between),
        _ => return None,
    };
    Some(Spoken::Digits(digits))
}

/// Reads items one after another and keeps the number that is under way.
#[derive(Default)]
struct Reader {
    runs: Vec<Vec<Symbol>>,
    run: Vec<Symbol>,
    tens: Option<(char, usize)>,
    times: Option<usize>,
    between: usize,
}

impl Reader {
    fn push(&mut self, character: char, item: usize) {
        let times = self.times.take().unwrap_or(1);
        let symbol = Symbol { character, item, first: self.run.last().is_none_or(|last| last.item != item), last: true };
        if let Some(before) = self.run.last_mut().filter(|before| before.item == item) {
            before.last = false;
        }
        self.run.extend(std::iter::repeat_n(symbol, times));
        self.between = 0;
    }

    /// The tens that no unit followed.
    fn end_tens(&mut self) {
        if let Some((tens, item)) = self.tens.take() {
            self.push(tens, item);
            self.push('0', item);
        }
    }

    fn end(&mut self) {
        self.end_tens();
        self.times = None;
        self.between = 0;
        if !self.run.is_empty() {
            self.runs.push(std::mem::take(&mut self.run));
        }
    }

    fn word(&mut self, word: &str, item: usize) {
        match spoken(word) {
            Some(Spoken::Digits(digits)) => match (self.tens.take(), digits) {
                (Some((tens, of)), unit) if unit.len() == 1 && unit != "0" => {
                    self.push(tens, of);
                    unit.chars().for_each(|digit| self.push(digit, item));
                }
                (before, digits) => {
                    self.tens = before;
                    self.end_tens();
                    digits.chars().for_each(|digit| self.push(digit, item));
                }
            },
            Some(Spoken::Tens(tens)) => {
                self.end_tens();
                self.tens = Some((tens, item));
            }
            Some(Spoken::Times(times)) => {
                self.end_tens();
                self.times = Some(times);
            }
            Some(Spoken::Between) if self.between < MOST_BETWEEN => {
                self.end_tens();
                self.between += 1;
            }
            Some(Spoken::Between) | None => {
                self.end_tens();
                // letters that are said one by one belong to ids
                if word.chars().count() <= 2 {
                    word.chars().flat_map(char::to_uppercase).for_each(|letter| self.push(letter, item));
                } else {
                    self.end();
                }
            }
        }
    }

    /// A piece of writing that holds digits: as they stand, other signs between them.
    fn written(&mut self, piece: &str, item: usize) {
        self.end_tens();
        for character in piece.chars() {
            match value(character) {
                Some(digit) => self.push(digit, item),
                None if character.is_alphabetic() => character.to_uppercase().for_each(|letter| self.push(letter, item)),
                None => {}
            }
        }
    }
}

/// A digit of any script that people write numbers in, as we write it.
fn value(character: char) -> Option<char> {
    let zero = [0x30, 0x660, 0x6F0, 0x966, 0xFF10].into_iter().find(|zero| (*zero..zero + 10).contains(&u32::from(character)))?;
    char::from_digit(u32::from(character) - zero, 10)
}

/// Runs of digits and letters that may be one number, in order.
pub(super) fn runs(said: &[Said<'_>]) -> Vec<Vec<Symbol>> {
    let mut reader = Reader::default();
    for (item, text) in said {
        let mut pieces =
            text.split(|character: char| character.is_whitespace() || "-–—/".contains(character)).filter(|piece| !piece.is_empty());
        if text.chars().any(|character| value(character).is_some()) {
            pieces.for_each(|piece| reader.written(piece, *item));
        } else if text.chars().any(char::is_alphanumeric) {
            pieces.by_ref().for_each(|piece| {
                let word: String = piece.to_lowercase().chars().filter(|character| character.is_alphanumeric()).collect();
                if !word.is_empty() {
                    reader.word(&word, *item);
                }
            });
        }
    }
    reader.end();
    reader.runs
}

//! What agents and customers say, in words of the vocabulary. `*` stands for a thing of [`THINGS`].

pub(super) const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

pub(super) const THINGS: &[&str] =
    &["printer", "laptop", "phone", "network", "password", "screen", "email", "account", "order", "invoice", "payment"];

pub(super) const GREETINGS: &[&str] = &[
    "hello thank you for calling support",
    "good morning this is your service team",
    "good afternoon this is support",
    "welcome to the service team",
];

/// Said just before the number that no other call says.
pub(super) const NUMBER: &[&str] = &["hello my number is", "my ticket number is", "this is case number", "hello the order number is"];

pub(super) const AGENT: &[&str] = &[
    "thank you one moment please",
    "can i have your name please",
    "i will check that for you now",
    "i see the problem with your *",
    "please restart the * and check again",
    "we will send you a new password today",
    "is the * working now",
    "i have the ticket open",
    "can i help you with anything else",
    "sorry the network is still not right today",
    "your order will be done tomorrow",
    "i will send it to your email now",
    "please hold on at your * for a moment",
    "we can close the case now",
    "okay that is done",
];

pub(super) const CUSTOMER: &[&str] = &[
    "my * is not working",
    "i have a problem with my *",
    "i need help with the * please",
    "yes please",
    "no it is still not working",
    "okay i will restart it now",
    "sure one moment",
    "great it is working again",
    "i would like to reset my password",
    "the * in the office is not right",
    "can you check my invoice",
    "i want to close the ticket",
    "can you call me back tomorrow",
    "i have a question on the payment",
    "thank you and bye",
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::speech::{Speaker, vocabulary::Vocabulary};

    #[test]
    fn every_line_is_made_of_words_that_were_recorded() {
        let voice = Vocabulary::get().voice(Speaker::Agent);
        let lines = [&DIGITS[..], THINGS, GREETINGS, NUMBER, AGENT, CUSTOMER].concat();
        let unknown: Vec<&str> =
            lines.iter().flat_map(|line| line.split(' ')).filter(|word| *word != "*" && voice.number(word).is_none()).collect();
        assert!(unknown.is_empty(), "not in the vocabulary: {unknown:?}");
    }
}

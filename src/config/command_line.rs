//! A command line split into words as a shell does, without a shell: quotes and backslashes, and nothing else.

/// The words of `line`; an error says what is not closed.
pub(super) fn words(line: &str) -> Result<Vec<String>, &'static str> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut letters = line.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\'' => quoted(&mut letters, word.get_or_insert_default())?,
            '"' => double_quoted(&mut letters, word.get_or_insert_default())?,
            '\\' => word.get_or_insert_default().push(letters.next().ok_or("it ends with a backslash")?),
            letter if letter.is_whitespace() => words.extend(word.take()),
            letter => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    Ok(words)
}

fn quoted(letters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    loop {
        match letters.next().ok_or("a `'` is not closed")? {
            '\'' => return Ok(()),
            letter => word.push(letter),
        }
    }
}

fn double_quoted(letters: &mut std::str::Chars<'_>, word: &mut String) -> Result<(), &'static str> {
    const OPEN: &str = "a `\"` is not closed";
    loop {
        match letters.next().ok_or(OPEN)? {
            '"' => return Ok(()),
            '\\' => match letters.next().ok_or(OPEN)? {
                escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                other => word.extend(['\\', other]),
            },
            letter => word.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        assert_eq!(words("  a  -m 'b c' \"d \\\"e\\\" \\f\" g\\ h '' ").unwrap(), ["a", "-m", "b c", "d \"e\" \\f", "g h", ""]);
        assert_eq!(words("a'b'\"c\"d").unwrap(), ["abcd"]);
        assert_eq!(words("").unwrap(), Vec::<String>::new());
        assert_eq!(words("$HOME `id` ; rm *").unwrap(), ["$HOME", "`id`", ";", "rm", "*"], "no shell runs");
    }

    #[test]
    fn what_is_not_closed_is_told() {
        for line in ["'a", "\"a", "\"a\\", "a\\"] {
            assert!(words(line).is_err(), "{line}");
        }
    }
}

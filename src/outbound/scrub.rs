//! Takes out of a vendor's text what must not be kept: numbers people dial, tokens, the query of a signed link.

/// A run of digits this long may be somebody's telephone number; ports, counts and milliseconds of a duration are shorter.
const DIALLED_DIGITS: usize = 7;
/// A word this long with digits in it may be a token; ids written as UUIDs are left alone.
const TOKEN_LENGTH: usize = 40;

/// The text without dialled numbers, tokens and queries, at most `most` characters of it.
#[must_use]
pub fn scrub(text: &str, most: usize) -> String {
    let mut clean = String::new();
    for (position, word) in text.split_whitespace().enumerate() {
        if position > 0 {
            clean.push(' ');
        }
        clean.push_str(&scrub_word(word));
        if clean.len() > most.saturating_mul(4) {
            break;
        }
    }
    clean.chars().take(most).collect()
}

fn scrub_word(word: &str) -> String {
    let (kept, query) = match word.split_once("://").and_then(|(_, rest)| rest.find('?')) {
        Some(_) => (word.split('?').next().unwrap_or_default(), "?[query]"),
        None => (word, ""),
    };
    let mut clean = String::new();
    let mut piece = String::new();
    for character in kept.chars() {
        if is_opaque(character) {
            piece.push(character);
        } else {
            clean.push_str(&scrub_piece(&piece));
            piece.clear();
            clean.push(character);
        }
    }
    clean.push_str(&scrub_piece(&piece));
    clean.push_str(query);
    clean
}

fn is_opaque(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.' | '+' | '~')
}

fn scrub_piece(piece: &str) -> String {
    let is_uuid = uuid::Uuid::try_parse(piece).is_ok();
    if is_uuid {
        return piece.to_owned();
    }
    if piece.len() >= TOKEN_LENGTH && piece.contains(|character: char| character.is_ascii_digit()) {
        return "[secret]".to_owned();
    }
    let digits = piece.chars().filter(char::is_ascii_digit).count();
    let only_number = piece.chars().all(|character| character.is_ascii_digit() || matches!(character, '+' | '-' | '.'));
    if only_number && digits >= DIALLED_DIGITS {
        return "[number]".to_owned();
    }
    piece.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tokens_and_queries_go_and_ids_stay() {
        let token = format!("eyJhbGciOi{}", "A1b2".repeat(12));
        let text = format!(
            "call +14155550123 failed for 7f3e0a52-5a62-4f0c-9f44-0d6f0f4f8a10 with Bearer {token} \
             at https://files.example/a/b.wav?X-Amz-Signature=abc after 503"
        );
        assert_eq!(
            scrub(&text, 500),
            "call [number] failed for 7f3e0a52-5a62-4f0c-9f44-0d6f0f4f8a10 with Bearer [secret] at https://files.example/a/b.wav?[query] after 503"
        );
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(scrub(&"ä ".repeat(1000), 10).chars().count(), 10);
        assert_eq!(scrub("", 10), "");
    }
}

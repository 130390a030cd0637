//! The languages Whisper knows, by the names that servers answer with instead of codes.

/// ISO 639-1 code (639-3 where there is none) of a language given by English name or by code, a region left out.
/// `None` when it is neither.
pub(super) fn code_of(word: &str) -> Option<&'static str> {
    let word = word.trim().to_lowercase();
    let without_region = word.split(['-', '_']).next().unwrap_or_default();
    let by_name = NAMES.iter().find(|(_, name)| *name == word);
    by_name.or_else(|| NAMES.iter().find(|(code, _)| *code == without_region)).map(|(code, _)| standard(code))
}

/// Whisper says `jw` for Javanese, which ISO withdrew for `jv`.
fn standard(code: &'static str) -> &'static str {
    if code == "jw" { "jv" } else { code }
}

/// Code and name as in openai/whisper's tokenizer, then its aliases.
#[rustfmt::skip]
const NAMES: &[(&str, &str)] = &[
    ("en", "english"), ("zh", "chinese"), ("de", "german"), ("es", "spanish"), ("ru", "russian"), ("ko", "korean"), ("fr", "french"),
    ("ja", "japanese"), ("pt", "portuguese"), ("tr", "turkish"), ("pl", "polish"), ("ca", "catalan"), ("nl", "dutch"), ("ar", "arabic"),
    ("sv", "swedish"), ("it", "italian"), ("id", "indonesian"), ("hi", "hindi"), ("fi", "finnish"), ("vi", "vietnamese"),
    ("he", "hebrew"), ("uk", "ukrainian"), ("el", "greek"), ("ms", "malay"), ("cs", "czech"), ("ro", "romanian"), ("da", "danish"),
    ("hu", "hungarian"), ("ta", "tamil"), ("no", "norwegian"), ("th", "thai"), ("ur", "urdu"), ("hr", "croatian"), ("bg", "bulgarian"),
    ("lt", "lithuanian"), ("la", "latin"), ("mi", "maori"), ("ml", "malayalam"), ("cy", "welsh"), ("sk", "slovak"), ("te", "telugu"),
    ("fa", "persian"), ("lv", "latvian"), ("bn", "bengali"), ("sr", "serbian"), ("az", "azerbaijani"), ("sl", "slovenian"),
    ("kn", "kannada"), ("et", "estonian"), ("mk", "macedonian"), ("br", "breton"), ("eu", "basque"), ("is", "icelandic"),
    ("hy", "armenian"), ("ne", "nepali"), ("mn", "mongolian"), ("bs", "bosnian"), ("kk", "kazakh"), ("sq", "albanian"), ("sw", "swahili"),
    ("gl", "galician"), ("mr", "marathi"), ("pa", "punjabi"), ("si", "sinhala"), ("km", "khmer"), ("sn", "shona"), ("yo", "yoruba"),
    ("so", "somali"), ("af", "afrikaans"), ("oc", "occitan"), ("ka", "georgian"), ("be", "belarusian"), ("tg", "tajik"), ("sd", "sindhi"),
    ("gu", "gujarati"), ("am", "amharic"), ("yi", "yiddish"), ("lo", "lao"), ("uz", "uzbek"), ("fo", "faroese"), ("ps", "pashto"),
    ("tk", "turkmen"), ("nn", "nynorsk"), ("mt", "maltese"), ("sa", "sanskrit"), ("lb", "luxembourgish"), ("my", "myanmar"),
    ("bo", "tibetan"), ("tl", "tagalog"), ("mg", "malagasy"), ("as", "assamese"), ("tt", "tatar"), ("haw", "hawaiian"), ("ln", "lingala"),
    ("ha", "hausa"), ("ba", "bashkir"), ("jw", "javanese"), ("su", "sundanese"), ("yue", "cantonese"), ("ht", "haitian creole"),
    ("my", "burmese"), ("ca", "valencian"), ("nl", "flemish"), ("ht", "haitian"), ("lb", "letzeburgesch"), ("ps", "pushto"),
    ("pa", "panjabi"), ("ro", "moldavian"), ("ro", "moldovan"), ("si", "sinhalese"), ("es", "castilian"), ("zh", "mandarin"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_codes_and_regions_become_codes() {
        for (word, code) in
            [("english", "en"), ("German", "de"), ("en", "en"), (" pt-BR ", "pt"), ("jw", "jv"), ("castilian", "es"), ("yue", "yue")]
        {
            assert_eq!(code_of(word), Some(code), "{word}");
        }
        assert_eq!([code_of("klingon"), code_of(""), code_of("auto")], [None, None, None]);
    }
}

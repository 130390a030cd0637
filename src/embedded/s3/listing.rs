//! Pages of keys: prefix, delimiter, and where the next page begins. Nothing here knows about HTTP.

use std::{collections::BTreeMap, ops::Bound};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Where a page begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Start {
    /// After this key.
    AfterKey(String),
    /// After every key that begins so: they were told as one common prefix.
    AfterPrefix(String),
}

impl Start {
    /// As a continuation token.
    pub(super) fn token(&self) -> String {
        let (letter, text) = match self {
            Self::AfterKey(key) => ('k', key),
            Self::AfterPrefix(prefix) => ('p', prefix),
        };
        URL_SAFE_NO_PAD.encode(format!("{letter}{text}"))
    }

    /// Out of a continuation token.
    pub(super) fn from_token(token: &str) -> Option<Self> {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        match text.split_at_checked(1)? {
            ("k", key) => Some(Self::AfterKey(key.to_owned())),
            ("p", prefix) => Some(Self::AfterPrefix(prefix.to_owned())),
            _ => None,
        }
    }

    /// Out of a version 1 marker, which does not say whether it is a key or a common prefix.
    pub(super) fn from_marker(marker: String, prefix: &str, delimiter: Option<&str>) -> Self {
        if common_prefix(&marker, prefix, delimiter).is_some_and(|common| common == marker) {
            Self::AfterPrefix(marker)
        } else {
            Self::AfterKey(marker)
        }
    }

    pub(super) fn text(&self) -> &str {
        match self {
            Self::AfterKey(text) | Self::AfterPrefix(text) => text,
        }
    }

    fn admits(&self, key: &str) -> bool {
        match self {
            Self::AfterKey(last) => key > last.as_str(),
            Self::AfterPrefix(prefix) => key > prefix.as_str() && !key.starts_with(prefix.as_str()),
        }
    }
}

/// One page.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    pub(super) common_prefixes: Vec<String>,
    /// Where the next one begins, if there is more.
    pub(super) next: Option<Start>,
}

/// The first `limit` keys and common prefixes under `prefix` from `start` on; a common prefix counts once.
pub(super) fn page<T: Clone>(
    keys: &BTreeMap<String, T>,
    prefix: &str,
    delimiter: Option<&str>,
    start: Option<Start>,
    limit: usize,
) -> Page<T> {
    let mut page = Page { items: Vec::new(), common_prefixes: Vec::new(), next: None };
    let first = start.as_ref().map_or(prefix, |start| start.text().max(prefix)).to_owned();
    let mut last = start;
    for (key, item) in keys.range::<str, _>((Bound::Included(first.as_str()), Bound::Unbounded)) {
        if !key.starts_with(prefix) {
            break;
        }
        if last.as_ref().is_some_and(|last| !last.admits(key)) {
            continue;
        }
        if page.items.len() + page.common_prefixes.len() >= limit {
            page.next = last.filter(|_| limit > 0);
            break;
        }
        if let Some(common) = common_prefix(key, prefix, delimiter) {
            page.common_prefixes.push(common.to_owned());
            last = Some(Start::AfterPrefix(common.to_owned()));
        } else {
            page.items.push(item.clone());
            last = Some(Start::AfterKey(key.clone()));
        }
    }
    page
}

/// The part of `key` up to the first delimiter after the prefix.
fn common_prefix<'k>(key: &'k str, prefix: &str, delimiter: Option<&str>) -> Option<&'k str> {
    let delimiter = delimiter.filter(|delimiter| !delimiter.is_empty())?;
    let rest = key.strip_prefix(prefix)?;
    let end = prefix.len() + rest.find(delimiter)? + delimiter.len();
    key.get(..end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys(keys: &[&str]) -> BTreeMap<String, String> {
        keys.iter().map(|key| ((*key).to_owned(), (*key).to_owned())).collect()
    }

    /// Everything, page by page.
    fn walk(keys: &BTreeMap<String, String>, prefix: &str, delimiter: Option<&str>, limit: usize) -> (Vec<String>, Vec<String>) {
        let (mut items, mut prefixes, mut start) = (Vec::new(), Vec::new(), None);
        for _ in 0..1000 {
            let page = page(keys, prefix, delimiter, start, limit);
            assert!(page.items.len() + page.common_prefixes.len() <= limit);
            items.extend(page.items);
            prefixes.extend(page.common_prefixes);
            let Some(next) = page.next else { return (items, prefixes) };
            start = Start::from_token(&next.token());
            assert!(start.is_some());
        }
        panic!("the pages do not end");
    }

    #[test]
    fn a_common_prefix_is_told_once_even_when_a_page_ends_on_it() {
        let keys = keys(&["a/1", "a/2", "a/3", "b", "c/1", "c/2"]);
        for limit in 1..=6 {
            let (items, prefixes) = walk(&keys, "", Some("/"), limit);
            assert_eq!(items, ["b"], "limit {limit}");
            assert_eq!(prefixes, ["a/", "c/"], "limit {limit}");
        }
    }

    #[test]
    fn a_page_that_ends_with_the_last_key_is_not_truncated() {
        let keys = keys(&["a", "b"]);
        assert_eq!(page(&keys, "", None, None, 2).next, None);
        assert_eq!(page(&keys, "", None, None, 0).next, None);
    }

    #[test]
    fn a_marker_that_is_a_common_prefix_skips_all_of_it() {
        let keys = keys(&["a/1", "a/2", "b"]);
        let start = Start::from_marker("a/".to_owned(), "", Some("/"));
        assert_eq!(page(&keys, "", Some("/"), Some(start), 10).items, ["b"]);
    }

    proptest! {
        #[test]
        fn pages_of_any_size_tell_the_same(names in prop::collection::btree_set("[ab/]{0,6}", 0..40), prefix in "[ab/]{0,2}", limit in 1_usize..9) {
            let keys: BTreeMap<String, String> = names.into_iter().map(|name| (name.clone(), name)).collect();
            for delimiter in [None, Some("/"), Some("ab")] {
                prop_assert_eq!(walk(&keys, &prefix, delimiter, limit), walk(&keys, &prefix, delimiter, 1000));
            }
        }
    }
}

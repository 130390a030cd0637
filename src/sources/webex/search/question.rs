//! What is asked for, and how that is written in GraphQL. Times and cursor are written into the text, as all of the vendor's own
//! examples do.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::Value;

/// The moment of a task that a window speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It began.
    Created,
    /// It ended; tasks that are still open have no such moment and are not told.
    Ended,
}

impl Moment {
    /// The field that tells it, which is also the word for it.
    #[must_use]
    pub const fn field(self) -> &'static str {
        match self {
            Self::Created => "createdTime",
            Self::Ended => "endedTime",
        }
    }
}

/// A value in a filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// A word of the vendor's vocabulary, written without quotes.
    Word(&'static str),
    /// Any text.
    Text(String),
    /// Yes or no.
    Truth(bool),
    /// A number.
    Number(i64),
}

/// Which tasks. The vendor takes at most a thousand conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// Whose field has this value.
    Equals(&'static str, Literal),
    /// Whose field has a member of this value, such as the name of the last queue.
    Member(&'static str, &'static str, Literal),
    /// For which all of these hold.
    All(Vec<Self>),
    /// For which one of these holds.
    Any(Vec<Self>),
}

/// A field of a task that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    alias: Option<String>,
    name: &'static str,
    /// What stands in its parentheses.
    arguments: Option<String>,
    members: &'static [&'static str],
    /// Asked for only where the tenant's schema lacks that one.
    in_place_of: Option<&'static str>,
}

impl Field {
    /// A value.
    #[must_use]
    pub const fn plain(name: &'static str) -> Self {
        Self { alias: None, name, arguments: None, members: &[], in_place_of: None }
    }

    /// Something with values of its own.
    #[must_use]
    pub const fn object(name: &'static str, members: &'static [&'static str]) -> Self {
        Self { alias: None, name, arguments: None, members, in_place_of: None }
    }

    /// A variable of the flow, answered under `alias` as an object with `value`.
    #[must_use]
    pub fn variable(alias: impl Into<String>, variable: &str) -> Self {
        let arguments = Some(format!("name: {}", Value::from(variable)));
        Self { alias: Some(alias.into()), arguments, ..Self::object("stringGlobalVariables", &["name", "value"]) }
    }

    /// The same, asked for only where the tenant's schema lacks `other`.
    #[must_use]
    pub fn in_place_of(self, other: &'static str) -> Self {
        Self { in_place_of: Some(other), ..self }
    }

    /// The field as text, without what is lacking; `None` when nothing of it is left.
    fn text(&self, lacking: &BTreeSet<String>) -> Option<String> {
        if lacking.contains(self.name) || self.in_place_of.is_some_and(|other| !lacking.contains(other)) {
            return None;
        }
        let mut text = self.alias.as_ref().map(|alias| format!("{alias}: ")).unwrap_or_default();
        text.push_str(self.name);
        if let Some(arguments) = &self.arguments {
            let _ = write!(text, "({arguments})");
        }
        let members: Vec<&str> =
            self.members.iter().copied().filter(|member| !lacking.contains(&format!("{}/{member}", self.name))).collect();
        if !self.members.is_empty() {
            if members.is_empty() {
                return None;
            }
            let _ = write!(text, " {{ {} }}", members.join(" "));
        }
        Some(text)
    }
}

/// What to tell, of which tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// Which moment of a task must lie in the window.
    pub moment: Moment,
    /// Which tasks.
    pub filter: Filter,
    /// What to tell of them. `id`, `createdTime` and `endedTime` are always told.
    pub fields: Vec<Field>,
}

impl Question {
    /// Whether a field, named by its path, is one that the question could do without.
    pub(super) fn asks_for(&self, path: &str) -> bool {
        let (name, member) = path.split_once('/').map_or((path, None), |(name, member)| (name, Some(member)));
        self.fields.iter().any(|field| field.name == name && member.is_none_or(|member| field.members.contains(&member)))
    }

    /// The question as text.
    pub(super) fn text(&self, from: i64, to: i64, cursor: Option<&str>, lacking: &BTreeSet<String>) -> String {
        let pagination = cursor.map(|cursor| format!(", pagination: {{ cursor: {} }}", Value::from(cursor))).unwrap_or_default();
        let fields: Vec<String> = self.fields.iter().filter_map(|field| field.text(lacking)).collect();
        format!(
            "{{ taskDetails(from: {from}, to: {to}, timeComparator: {}, filter: {{ {} }}{pagination}) {{ \
             tasks {{ id createdTime endedTime {} }} pageInfo {{ hasNextPage endCursor }} }} }}",
            self.moment.field(),
            condition(&self.filter),
            fields.join(" ")
        )
    }
}

fn condition(filter: &Filter) -> String {
    let list = |filters: &[Filter]| filters.iter().map(|each| format!("{{ {} }}", condition(each))).collect::<Vec<_>>().join(", ");
    match filter {
        Filter::Equals(field, value) => format!("{field}: {{ equals: {} }}", literal(value)),
        Filter::Member(field, member, value) => format!("{field}: {{ {member}: {{ equals: {} }} }}", literal(value)),
        Filter::All(filters) => format!("and: [{}]", list(filters)),
        Filter::Any(filters) => format!("or: [{}]", list(filters)),
    }
}

fn literal(value: &Literal) -> String {
    match value {
        Literal::Word(word) => (*word).to_owned(),
        // JSON's escapes are GraphQL's
        Literal::Text(text) => Value::from(text.as_str()).to_string(),
        Literal::Truth(truth) => truth.to_string(),
        Literal::Number(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question() -> Question {
        let filter = Filter::All(vec![
            Filter::Equals("channelType", Literal::Word("telephony")),
            Filter::Any(vec![
                Filter::Equals("id", Literal::Text("a\"b".to_owned())),
                Filter::Member("lastQueue", "name", Literal::Text("Q".to_owned())),
            ]),
        ]);
        let fields = vec![Field::plain("csatScore"), Field::object("lastSite", &["id", "name"]), Field::variable("case_0", "Case \"No\"")];
        Question { moment: Moment::Ended, filter, fields }
    }

    #[test]
    fn a_question_is_written_as_the_vendor_writes_it() {
        let text = question().text(1, 2, Some("3"), &BTreeSet::new());
        assert_eq!(
            text,
            "{ taskDetails(from: 1, to: 2, timeComparator: endedTime, filter: { and: [{ channelType: { equals: telephony } }, \
             { or: [{ id: { equals: \"a\\\"b\" } }, { lastQueue: { name: { equals: \"Q\" } } }] }] }, pagination: { cursor: \"3\" }) { \
             tasks { id createdTime endedTime csatScore lastSite { id name } \
             case_0: stringGlobalVariables(name: \"Case \\\"No\\\"\") { name value } } pageInfo { hasNextPage endCursor } } }"
        );
    }

    #[test]
    fn what_the_schema_lacks_is_left_out_and_nothing_else() {
        let lacking = |fields: &[&str]| fields.iter().map(|field| (*field).to_owned()).collect();
        let text = question().text(1, 2, None, &lacking(&["csatScore", "lastSite/id"]));
        assert!(text.contains("tasks { id createdTime endedTime lastSite { name } case_0:"), "{text}");
        let text = question().text(1, 2, None, &lacking(&["lastSite/id", "lastSite/name"]));
        assert!(text.contains("endedTime csatScore case_0:"), "{text}");
        assert!(question().asks_for("lastSite/name") && question().asks_for("stringGlobalVariables"));
        assert!(!question().asks_for("id") && !question().asks_for("lastSite/else"));
    }
}

//! Reading GraphQL: as much of the language as the platform's own examples use, and its errors in its words.

use graphql_parser::query::{Definition, OperationDefinition, Selection, SelectionSet, Value as Literal, parse_query};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::filter;
use super::schema::{self, Kind};

#[derive(Deserialize)]
struct Body {
    query: String,
    #[serde(default)]
    variables: Map<String, Value>,
}

/// Why a query gets no data.
#[derive(Debug)]
pub(super) enum Refusal {
    /// 400 in the API's own shape.
    Bad(String),
    /// 200 with these errors.
    Invalid(Vec<Value>),
}

impl Refusal {
    /// A validation error as graphql-java writes it.
    pub(super) fn invalid(kind: &str, path: &str, what: &str, place: Option<(usize, usize)>) -> Self {
        let (line, column) = place.unwrap_or((1, 1));
        Self::Invalid(vec![json!({"message": format!("Validation error ({kind}@[{path}]) : {what}"),
            "locations": [{"line": line, "column": column}], "extensions": {"classification": "ValidationError"}})])
    }
}

/// A field that is asked for.
#[derive(Debug)]
pub(super) struct Picked {
    name: String,
    /// Its name in the answer.
    key: String,
    arguments: Map<String, Value>,
    fields: Vec<Picked>,
    place: (usize, usize),
}

/// What is asked for.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) from: i64,
    pub(super) to: i64,
    /// Times are compared with the end of a task, not with its beginning.
    pub(super) by_end: bool,
    pub(super) filter: Value,
    /// Number of the page, the first being 0.
    pub(super) page: usize,
    pub(super) ascending: bool,
    pub(super) root_key: String,
    pub(super) tasks_key: String,
    pub(super) tasks: Vec<Picked>,
    pub(super) page_info: Option<(String, Vec<Picked>)>,
}

/// Reads a request; `missing` are fields that the schema lacks today.
pub(super) fn read(body: &[u8], missing: Vec<&'static str>) -> Result<Asked, Refusal> {
    let Body { query, variables } =
        serde_json::from_slice(body).map_err(|_| Refusal::Bad("The request body could not be read.".to_owned()))?;
    let document = parse_query::<String>(&query).map_err(|error| Refusal::Bad(format!("Invalid Syntax : {error}")))?;
    let set = document.definitions.iter().find_map(|definition| match definition {
        Definition::Operation(OperationDefinition::Query(query)) => Some(&query.selection_set),
        Definition::Operation(OperationDefinition::SelectionSet(set)) => Some(set),
        Definition::Operation(_) | Definition::Fragment(_) => None,
    });
    let roots = picked(set.ok_or_else(|| Refusal::Bad("The request holds no query.".to_owned()))?, &variables)?;
    let [root] = &roots[..] else { return Err(Refusal::Bad("One field is asked for at a time.".to_owned())) };
    if root.name != "taskDetails" {
        return Err(undefined(root, &root.name, "Query"));
    }
    asked(roots.into_iter().next().ok_or_else(|| Refusal::Bad("Nothing is asked for.".to_owned()))?, &missing)
}

fn asked(root: Picked, missing: &[&str]) -> Result<Asked, Refusal> {
    const ARGUMENTS: &[&str] = &["from", "to", "timeComparator", "filter", "pagination"];
    if let Some(unknown) = root.arguments.keys().find(|name| !ARGUMENTS.contains(&name.as_str())) {
        return Err(Refusal::invalid("UnknownArgument", "taskDetails", &format!("Unknown field argument '{unknown}'"), Some(root.place)));
    }
    let moment = |name: &str| match root.arguments.get(name) {
        Some(value) => value.as_i64().ok_or_else(|| Refusal::Bad(format!("Expected type Long for '{name}'."))),
        None => Err(Refusal::Bad(format!("Validation error (MissingFieldArgument@[taskDetails]) : Missing field argument '{name}'"))),
    };
    let (from, to) = (moment("from")?, moment("to")?);
    let by_end = match root.arguments.get("timeComparator").and_then(Value::as_str) {
        None | Some("createdTime") => false,
        Some("endedTime") => true,
        Some(other) => return Err(Refusal::Bad(format!("Invalid timeComparator '{other}'."))),
    };
    let page = match root.arguments.get("pagination").and_then(|value| value.get("cursor")).and_then(Value::as_str) {
        None | Some("NA") => 0,
        Some(text) => text.parse().map_err(|_| Refusal::Bad(format!("Invalid cursor '{text}'.")))?,
    };
    let filter = root.arguments.get("filter").cloned().unwrap_or(Value::Null);
    filter::check(&filter)?;
    let (mut tasks, mut page_info) = (None, None);
    for field in root.fields {
        match field.name.as_str() {
            "tasks" => tasks = Some(field),
            "pageInfo" => page_info = Some(field),
            other => return Err(undefined(&field, &format!("taskDetails/{other}"), "TaskDetailsList")),
        }
    }
    let tasks = tasks.ok_or_else(|| Refusal::Bad("`tasks` is not asked for.".to_owned()))?;
    let mut errors = Vec::new();
    for field in &tasks.fields {
        validate(field, schema::field(&field.name), "taskDetails/tasks", "TaskDetails", missing, &mut errors);
    }
    for info in page_info.iter() {
        validate(info, Some(schema::PAGE_INFO), "taskDetails", "TaskDetailsList", &[], &mut errors);
    }
    if !errors.is_empty() {
        return Err(Refusal::Invalid(errors));
    }
    let ascending =
        tasks.fields.iter().any(|field| field.name == "createdTime" && field.arguments.get("sort").is_some_and(|sort| sort == "asc"));
    Ok(Asked {
        from,
        to,
        by_end,
        filter,
        page,
        ascending,
        root_key: root.key,
        tasks_key: tasks.key,
        tasks: tasks.fields,
        page_info: page_info.map(|info| (info.key, info.fields)),
    })
}

fn validate(field: &Picked, kind: Option<Kind>, above: &str, of: &str, missing: &[&str], errors: &mut Vec<Value>) {
    let path = format!("{above}/{}", field.name);
    let below = path.trim_start_matches("taskDetails/").trim_start_matches("tasks/");
    let refuse = |kind: &str, what: String, errors: &mut Vec<Value>| {
        if let Refusal::Invalid(mut more) = Refusal::invalid(kind, &path, &what, Some(field.place)) {
            errors.append(&mut more);
        }
    };
    match kind.filter(|_| !missing.contains(&below)) {
        None => refuse("FieldUndefined", format!("Field '{}' in type '{of}' is undefined", field.name), errors),
        Some(Kind::Scalar) if !field.fields.is_empty() => {
            refuse("SubselectionNotAllowed", format!("Subselection not allowed on leaf type of field '{}'", field.name), errors);
        }
        Some(Kind::Scalar) => {}
        Some(Kind::Object(_)) if field.fields.is_empty() => {
            refuse("SubselectionRequired", format!("Subselection required for type of field '{}'", field.name), errors);
        }
        Some(Kind::Object(members)) => {
            for member in &field.fields {
                let kind = members.iter().find(|(name, _)| *name == member.name).map(|(_, kind)| *kind);
                validate(member, kind, &path, &field.name, missing, errors);
            }
        }
    }
}

fn undefined(field: &Picked, path: &str, of: &str) -> Refusal {
    Refusal::invalid("FieldUndefined", path, &format!("Field '{}' in type '{of}' is undefined", field.name), Some(field.place))
}

fn picked(set: &SelectionSet<'_, String>, variables: &Map<String, Value>) -> Result<Vec<Picked>, Refusal> {
    set.items
        .iter()
        .map(|item| match item {
            Selection::Field(field) => Ok(Picked {
                name: field.name.clone(),
                key: field.alias.clone().unwrap_or_else(|| field.name.clone()),
                arguments: field
                    .arguments
                    .iter()
                    .map(|(name, value)| Ok((name.clone(), literal(value, variables)?)))
                    .collect::<Result<_, Refusal>>()?,
                fields: picked(&field.selection_set, variables)?,
                place: (field.position.line, field.position.column),
            }),
            Selection::FragmentSpread(_) | Selection::InlineFragment(_) => Err(Refusal::Bad("Fragments are not simulated.".to_owned())),
        })
        .collect()
}

/// A value as JSON; enums become texts, since the platform takes `telephony` and `"telephony"` alike.
fn literal(value: &Literal<'_, String>, variables: &Map<String, Value>) -> Result<Value, Refusal> {
    Ok(match value {
        Literal::Variable(name) => {
            variables.get(name).cloned().ok_or_else(|| Refusal::Bad(format!("Variable '{name}' has an invalid value: it is missing.")))?
        }
        Literal::Int(number) => json!(number.as_i64()),
        Literal::Float(number) => json!(number),
        Literal::String(text) | Literal::Enum(text) => json!(text),
        Literal::Boolean(truth) => json!(truth),
        Literal::Null => Value::Null,
        Literal::List(items) => Value::Array(items.iter().map(|item| literal(item, variables)).collect::<Result<_, _>>()?),
        Literal::Object(fields) => Value::Object(
            fields.iter().map(|(name, value)| Ok((name.clone(), literal(value, variables)?))).collect::<Result<_, Refusal>>()?,
        ),
    })
}

/// What is asked for of a value, under the names it is asked for.
pub(super) fn project(fields: &[Picked], value: &Value) -> Value {
    let of = |field: &Picked| {
        let held = value.get(&field.name).unwrap_or(&Value::Null);
        // a variable is asked for by name
        let named = field.arguments.get("name").and_then(Value::as_str).map(|name| variable(held, name));
        let held = named.as_ref().unwrap_or(held);
        match held {
            _ if field.fields.is_empty() => held.clone(),
            Value::Array(items) => Value::Array(items.iter().map(|item| project(&field.fields, item)).collect()),
            Value::Null => Value::Null,
            held => project(&field.fields, held),
        }
    };
    Value::Object(fields.iter().map(|field| (field.key.clone(), of(field))).collect())
}

/// The variable of that name; one that is not set is an object all the same.
fn variable(variables: &Value, name: &str) -> Value {
    match variables.get(name) {
        Some(value) => json!({"name": name, "value": value}),
        None => json!({"name": null, "value": null}),
    }
}

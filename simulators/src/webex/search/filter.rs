//! Filters over the fields of a task, by the operators that the platform has.

use serde_json::Value;

use super::query::Refusal;

/// Conditions in one filter at most.
const MOST_CONDITIONS: usize = 1_000;
/// Fields that can be filtered by; `createdTime` cannot.
const FILTERABLE: &[&str] = &[
    "id",
    "channelType",
    "channelSubType",
    "isActive",
    "status",
    "direction",
    "origin",
    "destination",
    "endedTime",
    "totalDuration",
    "isOutdial",
    "isCallback",
    "terminationType",
    "csatScore",
    "captureRequested",
    "lastAgent",
    "lastQueue",
    "lastTeam",
    "lastSite",
    "lastEntryPoint",
    "owner",
];
const OPERATORS: &[&str] = &["equals", "notequals", "contains", "match", "gt", "gte", "lt", "lte"];

/// Refuses what the platform does not know, before any task is looked at.
pub(super) fn check(filter: &Value) -> Result<(), Refusal> {
    let mut conditions = 0;
    check_group(filter, &mut conditions)?;
    if conditions > MOST_CONDITIONS {
        return Err(Refusal::Bad(format!("The filter has {conditions} arguments; {MOST_CONDITIONS} are allowed.")));
    }
    Ok(())
}

fn check_group(filter: &Value, conditions: &mut usize) -> Result<(), Refusal> {
    for (name, value) in filter.as_object().into_iter().flatten() {
        match name.as_str() {
            "and" | "or" => value.as_array().into_iter().flatten().try_for_each(|each| check_group(each, conditions))?,
            known if FILTERABLE.contains(&known) => check_field(known, value, conditions)?,
            unknown => return Err(not_in_input(unknown, "TaskDetailsFilters")),
        }
    }
    Ok(())
}

fn check_field(field: &str, value: &Value, conditions: &mut usize) -> Result<(), Refusal> {
    for (name, value) in value.as_object().into_iter().flatten() {
        match name.as_str() {
            // lastQueue: { name: { equals: … } }
            "id" | "name" if value.is_object() => check_field(name, value, conditions)?,
            operator if OPERATORS.contains(&operator) => *conditions += 1,
            unknown => return Err(not_in_input(unknown, field)),
        }
    }
    Ok(())
}

fn not_in_input(name: &str, of: &str) -> Refusal {
    Refusal::invalid(
        "WrongType",
        "taskDetails",
        &format!("argument 'filter' with value '{name}' contains a field not in '{of}': '{name}'"),
        None,
    )
}

/// Whether the filter takes the task.
pub(super) fn takes(filter: &Value, task: &Value) -> bool {
    filter.as_object().into_iter().flatten().all(|(name, value)| match name.as_str() {
        "and" => value.as_array().into_iter().flatten().all(|each| takes(each, task)),
        "or" => value.as_array().into_iter().flatten().any(|each| takes(each, task)),
        field => matches(value, task.get(field).unwrap_or(&Value::Null)),
    })
}

fn matches(condition: &Value, held: &Value) -> bool {
    condition.as_object().into_iter().flatten().all(|(operator, wanted)| match operator.as_str() {
        "equals" => same(held, wanted),
        "notequals" => !same(held, wanted),
        "contains" | "match" => text(held).contains(&text(wanted)),
        "gt" => number(held) > number(wanted),
        "gte" => number(held) >= number(wanted),
        "lt" => number(held) < number(wanted),
        "lte" => number(held) <= number(wanted),
        member => matches(wanted, held.get(member).unwrap_or(&Value::Null)),
    })
}

fn same(one: &Value, other: &Value) -> bool {
    one == other || (one.is_string() && text(one) == text(other))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_lowercase()
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or(i64::MIN)
}

//! `src/store/schema/` and the migrated database tell the same.

use std::collections::BTreeSet;

use super::ask;
use crate::harness;

const SCHEMA: &str = concat!(include_str!("../../../src/store/schema/calls.rs"), include_str!("../../../src/store/schema/work.rs"));

/// `table.column type` of every column in `src/store/schema/`.
fn declared() -> BTreeSet<String> {
    let mut table = "";
    let mut columns = BTreeSet::new();
    for line in SCHEMA.lines().map(str::trim) {
        if let Some((name, _)) = line.split_once(" (").filter(|_| line.ends_with(") {")) {
            table = name;
        } else if let Some((column, of)) = line.split_once(" -> ") {
            columns.insert(format!("{table}.{column} {}", of.trim_end_matches(',')));
        }
    }
    columns
}

fn diesel_type(udt: &str, nullable: bool) -> String {
    let plain = match udt {
        "text" => "Text",
        "timestamptz" => "Timestamptz",
        "jsonb" => "Jsonb",
        "bool" => "Bool",
        "int2" => "Int2",
        "int4" => "Int4",
        "int8" => "Int8",
        "float8" => "Float8",
        "uuid" => "Uuid",
        "bytea" => "Bytea",
        "_text" => "Array<Text>",
        "_int8" => "Array<Int8>",
        other => panic!("the schema has no word for a column of type {other}"),
    };
    if nullable { format!("Nullable<{plain}>") } else { plain.to_owned() }
}

#[tokio::test]
async fn every_column_of_the_database_is_in_the_schema_and_the_other_way_round() {
    let database = harness::database().await;
    let mut connection = database.store().connection().await.unwrap();
    let rows = ask(
        &mut connection,
        "SELECT jsonb_agg(jsonb_build_array(table_name || '.' || column_name, udt_name, is_nullable = 'YES')) AS value
         FROM information_schema.columns JOIN information_schema.tables USING (table_schema, table_name)
         WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
           -- the types of full-text search have no words in diesel
           AND table_name NOT IN ('__diesel_schema_migrations', 'transcript_search')",
    )
    .await;
    let migrated: BTreeSet<String> = rows
        .as_array()
        .unwrap()
        .iter()
        .map(|row| format!("{} {}", row[0].as_str().unwrap(), diesel_type(row[1].as_str().unwrap(), row[2].as_bool().unwrap())))
        .collect();
    let declared = declared();
    let missing: Vec<_> = migrated.difference(&declared).collect();
    let stale: Vec<_> = declared.difference(&migrated).collect();
    assert!(missing.is_empty() && stale.is_empty(), "not in the schema: {missing:?}; only there: {stale:?}");
}

//! The text of the migrations against "expand, then contract": what a running version would not survive is refused, unless the
//! migration says why it is safe there.

use std::{collections::BTreeSet, sync::LazyLock};

use regex::Regex;

use super::source_text::{read, root};

/// A statement that hurts whoever works on the database meanwhile.
struct Rule {
    name: &'static str,
    /// Matches the statement in upper case, its blanks folded to one.
    pattern: &'static str,
    /// The pattern does no harm where this matches as well.
    unless: Option<&'static str>,
    /// Holds for tables that the same migration creates, too.
    of_new_tables: bool,
    instead: &'static str,
}

const fn rule(name: &'static str, pattern: &'static str, unless: Option<&'static str>, instead: &'static str) -> Rule {
    Rule { name, pattern, unless, of_new_tables: false, instead }
}

const RULES: &[Rule] = &[
    rule("drop-column", r"\bDROP COLUMN\b", None, "drop it one version after the last reader of it is gone"),
    rule("drop-table", r"^DROP (TABLE|VIEW|MATERIALIZED VIEW)\b", None, "drop it one version after the last reader of it is gone"),
    rule("truncate", r"^TRUNCATE\b", None, "let a job remove rows in batches"),
    rule("rename", r"\bRENAME\b", None, "add the new name, write both, and drop the old one a version later"),
    rule("alter-type", r"\bALTER (COLUMN )?\w+ (SET DATA )?TYPE\b", None, "add a column of the new type and fill it from a job"),
    rule("set-not-null", r"\bSET NOT NULL\b", None, "validate a CHECK (… IS NOT NULL) first, then say so in a reason"),
    rule(
        "not-null-without-default",
        r"\bADD COLUMN .*\bNOT NULL\b",
        Some(r"\bADD COLUMN .*\b(DEFAULT|GENERATED)\b"),
        "make it nullable, or give it a constant default: the older version inserts without it",
    ),
    rule(
        "volatile-default",
        r"\bADD COLUMN .*\bDEFAULT .*(RANDOM|GEN_RANDOM_UUID|CLOCK_TIMESTAMP|NEXTVAL|UUIDV7)\b|\bADD COLUMN .*\b(GENERATED|SERIAL|BIGSERIAL)\b",
        None,
        "it rewrites the table under an exclusive lock: add it nullable and fill it from a job",
    ),
    rule(
        "index-not-concurrently",
        r"^CREATE (UNIQUE )?INDEX\b",
        Some(r"^CREATE (UNIQUE )?INDEX CONCURRENTLY\b"),
        "CREATE INDEX CONCURRENTLY, alone in a migration with run_in_transaction = false",
    ),
    rule(
        "constraint-not-valid",
        r"\bADD (CONSTRAINT \w+ )?(CHECK|FOREIGN KEY)\b",
        Some(r"\bNOT VALID\b"),
        "add it NOT VALID and validate it in a later migration: checking every row holds the lock",
    ),
    rule(
        "constraint-with-index",
        r"\bADD (CONSTRAINT \w+ )?(UNIQUE|PRIMARY KEY|EXCLUDE)\b",
        Some(r"\bUSING INDEX\b"),
        "build the index CONCURRENTLY first, then ADD CONSTRAINT … USING INDEX",
    ),
    rule("fill-rows", r"^(UPDATE|DELETE)\b", None, "fill and remove rows in batches, from a job"),
    Rule {
        of_new_tables: true,
        ..rule("lock-table", r"^(LOCK|VACUUM FULL|CLUSTER|REINDEX (TABLE|INDEX) \w)", None, "no migration needs it")
    },
];

/// One statement of a migration, and the rules that a comment before it sets aside.
#[derive(Debug, PartialEq, Eq)]
struct Statement {
    text: String,
    allowed: BTreeSet<String>,
}

static ALLOWANCE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^-- allow ([a-z-]+): (.{20,})$").unwrap());
static TABLE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^(?:ALTER TABLE (?:IF EXISTS )?(?:ONLY )?|CREATE (?:UNIQUE )?INDEX .*?\bON (?:ONLY )?|UPDATE |DELETE FROM )(\w+)").unwrap()
});
static NEW_TABLE: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^CREATE TABLE (?:IF NOT EXISTS )?(\w+)").unwrap());

/// The statements of a migration: comments gone, blanks folded, upper case, texts emptied.
fn statements(sql: &str) -> Vec<Statement> {
    let mut found = Vec::new();
    let (mut text, mut allowed, mut quoted, mut body) = (String::new(), BTreeSet::new(), false, false);
    for line in sql.lines().map(str::trim) {
        if !quoted && !body && line.starts_with("--") {
            allowed.extend(ALLOWANCE.captures(line).map(|found| found[1].to_owned()));
            continue;
        }
        let mut rest = line.chars().peekable();
        while let Some(character) = rest.next() {
            match character {
                '\'' if !body => {
                    quoted = !quoted;
                    text.push('\'');
                }
                _ if quoted => {}
                '-' if !body && rest.peek() == Some(&'-') => break,
                '$' if rest.peek() == Some(&'$') => {
                    rest.next();
                    body = !body;
                }
                ';' if !body => {
                    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ").to_uppercase();
                    found.push(Statement { text: folded, allowed: std::mem::take(&mut allowed) });
                    text.clear();
                }
                // a body is what the function does later, not what the migration does now
                _ if body => {}
                _ => text.push(character),
            }
        }
        text.push(' ');
    }
    assert!(text.trim().is_empty(), "the last statement has no `;`: {text}");
    found
}

/// What the statement does, one by one: an ALTER TABLE may do several things, divided by commas outside of parentheses.
fn actions(statement: &str) -> Vec<String> {
    if !statement.starts_with("ALTER TABLE") {
        return vec![statement.to_owned()];
    }
    let (mut actions, mut depth) = (vec![String::new()], 0);
    for character in statement.chars() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        match (character, depth) {
            (',', 0) => actions.push(String::new()),
            _ => actions.last_mut().unwrap().push(character),
        }
    }
    actions
}

/// What a migration does that a running version would not survive, and what it allows itself for nothing.
fn dangers(sql: &str) -> Vec<String> {
    let statements = statements(sql);
    let created: BTreeSet<_> =
        statements.iter().filter_map(|statement| NEW_TABLE.captures(&statement.text)).map(|found| found[1].to_owned()).collect();
    let mut dangers = Vec::new();
    for statement in &statements {
        let mut unused = statement.allowed.clone();
        let is_new = TABLE.captures(&statement.text).is_some_and(|found| created.contains(&found[1]));
        for rule in RULES.iter().filter(|rule| rule.of_new_tables || !is_new) {
            let matches = |pattern: &str, action: &str| Regex::new(pattern).unwrap().is_match(action);
            let harmful = |action: &String| matches(rule.pattern, action) && !rule.unless.is_some_and(|unless| matches(unless, action));
            if actions(&statement.text).iter().any(harmful) && !unused.remove(rule.name) {
                dangers.push(format!("{}: {}\n    instead: {}", rule.name, statement.text, rule.instead));
            }
        }
        dangers.extend(unused.into_iter().map(|name| format!("`-- allow {name}` allows nothing: {}", statement.text)));
    }
    dangers
}

fn names() -> Vec<String> {
    let folders = std::fs::read_dir(root().join("migrations")).unwrap().map(|entry| entry.unwrap());
    let mut names: Vec<_> = folders.filter(|entry| entry.path().is_dir()).map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_running_version_survives_every_migration() {
    let mut found = Vec::new();
    for name in names() {
        let dangers = dangers(&read(&format!("migrations/{name}/up.sql")));
        found.extend(dangers.into_iter().map(|danger| format!("migrations/{name}/up.sql: {danger}")));
    }
    assert!(
        found.is_empty(),
        "put `-- allow <rule>: <why it is safe here>` on the line before a statement that is safe all the same\n{}",
        found.join("\n")
    );
}

#[test]
fn an_index_built_beside_live_work_is_alone_and_outside_of_a_transaction() {
    for name in names() {
        let statements = statements(&read(&format!("migrations/{name}/up.sql")));
        if !statements.iter().any(|statement| statement.text.contains("CONCURRENTLY")) {
            continue;
        }
        let metadata = std::fs::read_to_string(root().join(format!("migrations/{name}/metadata.toml"))).unwrap_or_default();
        assert!(
            metadata.contains("run_in_transaction = false"),
            "{name}: CONCURRENTLY needs `run_in_transaction = false` in metadata.toml"
        );
        assert_eq!(
            statements.len(),
            1,
            "{name}: PostgreSQL takes several statements at once for a transaction, and refuses CONCURRENTLY in it"
        );
    }
}

#[test]
fn every_migration_has_a_way_back_and_a_number_of_its_own() {
    let mut numbers = BTreeSet::new();
    for name in names() {
        assert!(root().join(format!("migrations/{name}/down.sql")).is_file(), "{name} has no down.sql");
        let (version, _) = name.split_once('_').unwrap();
        assert!(numbers.insert(version.to_owned()), "two migrations are called {version}");
    }
}

#[track_caller]
fn refused(sql: &str, rule: &str) {
    let found = dangers(sql);
    assert!(found.len() == 1 && found[0].starts_with(rule), "`{sql}` should be refused by `{rule}` alone: {found:?}");
}

#[test]
fn every_dangerous_statement_is_refused() {
    refused("ALTER TABLE jobs DROP COLUMN key;", "drop-column");
    refused("DROP TABLE jobs;", "drop-table");
    refused("TRUNCATE jobs;", "truncate");
    refused("ALTER TABLE jobs RENAME COLUMN key TO name;", "rename");
    refused("ALTER TABLE jobs\n    ALTER COLUMN attempt\n TYPE integer;", "alter-type");
    refused("ALTER TABLE jobs ALTER source SET NOT NULL;", "set-not-null");
    refused("ALTER TABLE jobs ADD COLUMN a text DEFAULT '', ADD COLUMN b numeric(4, 2) NOT NULL;", "not-null-without-default");
    refused("ALTER TABLE jobs ADD COLUMN at timestamptz NOT NULL DEFAULT clock_timestamp();", "volatile-default");
    refused("ALTER TABLE jobs ADD COLUMN open boolean GENERATED ALWAYS AS (state = 'ready') STORED;", "volatile-default");
    refused("create index jobs_by_key on jobs (key);", "index-not-concurrently");
    refused("ALTER TABLE jobs ADD CONSTRAINT c CHECK (attempt > 0);", "constraint-not-valid");
    refused("ALTER TABLE jobs ADD FOREIGN KEY (lease_id) REFERENCES workers (id);", "constraint-not-valid");
    refused("ALTER TABLE jobs ADD CONSTRAINT u UNIQUE (key);", "constraint-with-index");
    refused("UPDATE jobs SET attempt = 0;", "fill-rows");
    refused("LOCK TABLE jobs;", "lock-table");
    refused("-- allow rename: too short\nALTER TABLE jobs RENAME TO work;", "rename");
    refused(
        "-- allow rename: there is nothing to rename here at all\nALTER TABLE jobs ADD COLUMN a text;",
        "`-- allow rename` allows nothing",
    );
}

#[test]
fn what_only_adds_passes() {
    let harmless = [
        "ALTER TABLE jobs ADD COLUMN a text, ADD COLUMN b integer NOT NULL DEFAULT 0 CHECK (b >= 0);",
        "CREATE TABLE new (id bigint NOT NULL); CREATE INDEX new_by_id ON new (id); ALTER TABLE new ADD CHECK (id > 0);",
        "ALTER TABLE jobs ADD CONSTRAINT c CHECK (attempt > 0) NOT VALID;",
        "ALTER TABLE jobs VALIDATE CONSTRAINT c;",
        "CREATE INDEX CONCURRENTLY jobs_by_key ON jobs (key);",
        "COMMENT ON TABLE jobs IS 'DROP TABLE jobs; it''s a text -- RENAME';",
        "-- DROP TABLE jobs;\nSELECT 1; -- TRUNCATE",
        "-- allow drop-column: nothing has read it for two versions\nALTER TABLE jobs DROP COLUMN key;",
    ];
    for sql in harmless {
        assert_eq!(dangers(sql), Vec::<String>::new(), "{sql}");
    }
}

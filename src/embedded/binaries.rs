//! Finds the servers' programs where packages put them. Installs nothing: that is `make setup`.

use std::{
    env,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use super::EmbeddedError;

/// `scripts/setup.sh` names the same version; older ones lack what the schema and the settings use.
const OLDEST_POSTGRES: u32 = 14;
/// Where packages put one directory per version; Debian and Ubuntu, RPMs of postgresql.org, Homebrew on ARM, Intel and Linux.
const VERSIONED: &[(&str, &str)] = &[
    ("/usr/lib/postgresql", ""),
    ("/usr", "pgsql-"),
    ("/opt/homebrew/opt", "postgresql@"),
    ("/usr/local/opt", "postgresql@"),
    ("/home/linuxbrew/.linuxbrew/opt", "postgresql@"),
];
/// Where servers are, though not on everybody's `PATH`.
const USUAL: &[&str] = &["/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"];

/// One installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Postgres {
    pub(super) major: u32,
    pub(super) server: PathBuf,
    pub(super) initdb: PathBuf,
}

/// The programs to run.
#[derive(Debug, Clone)]
pub(super) struct Binaries {
    pub(super) postgres: Postgres,
    pub(super) redis: PathBuf,
}

impl Binaries {
    /// Finds both; for PostgreSQL the version that made `cluster`, or the newest when there is none yet.
    pub(super) fn find(cluster: &Path) -> Result<Self, EmbeddedError> {
        let path = search_path();
        let installed = installed_postgres(&path);
        let redis = ["redis-server", "valkey-server"].into_iter().find_map(|name| program(&path, name));
        match (installed.is_empty(), redis) {
            (false, Some(redis)) => Ok(Self { postgres: choose(installed, cluster)?, redis }),
            (no_postgres, redis) => {
                let mut missing = Vec::new();
                if no_postgres {
                    missing.push(format!("PostgreSQL server, {OLDEST_POSTGRES} or newer (`postgres`, `initdb`)"));
                }
                if redis.is_none() {
                    missing.push("Redis or Valkey server (`redis-server` or `valkey-server`)".to_owned());
                }
                Err(EmbeddedError::Missing(missing))
            }
        }
    }
}

/// `PATH` is the machine's, not a setting of ours.
fn search_path() -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).chain(USUAL.iter().map(PathBuf::from)).filter(|dir| dir.is_absolute()).collect()
}

fn installed_postgres(path: &[PathBuf]) -> Vec<Postgres> {
    let versioned = VERSIONED.iter().flat_map(|(base, prefix)| {
        let entries = std::fs::read_dir(base).into_iter().flatten().flatten();
        entries.filter(move |entry| is_version(&entry.file_name().to_string_lossy(), prefix)).map(|entry| entry.path().join("bin"))
    });
    let mut found: Vec<Postgres> = versioned.chain(path.iter().cloned()).filter_map(|dir| postgres_in(&dir)).collect();
    found.retain(|postgres| postgres.major >= OLDEST_POSTGRES);
    found.sort_by_key(|postgres| std::cmp::Reverse(postgres.major));
    found
}

fn is_version(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|version| version.starts_with(|first: char| first.is_ascii_digit()))
}

fn postgres_in(dir: &Path) -> Option<Postgres> {
    let (server, initdb) = (executable(dir.join("postgres"))?, executable(dir.join("initdb"))?);
    let output = Command::new(&server).arg("--version").output().ok()?;
    let major = major_of(&String::from_utf8_lossy(&output.stdout))?;
    Some(Postgres { major, server, initdb })
}

/// From `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, or `18beta1` in place of the number.
fn major_of(version: &str) -> Option<u32> {
    let number = version.split_once(") ")?.1;
    let digits = number.find(|letter: char| !letter.is_ascii_digit()).map_or(number, |end| number.split_at(end).0);
    digits.parse().ok()
}

fn choose(installed: Vec<Postgres>, cluster: &Path) -> Result<Postgres, EmbeddedError> {
    let made_by = std::fs::read_to_string(cluster.join("PG_VERSION")).ok().and_then(|text| text.trim().parse::<u32>().ok());
    let mut versions: Vec<u32> = installed.iter().map(|postgres| postgres.major).collect();
    versions.dedup();
    let chosen = installed.into_iter().find(|postgres| made_by.is_none_or(|made_by| postgres.major == made_by));
    chosen.ok_or_else(|| EmbeddedError::Version { dir: cluster.to_owned(), data: made_by.unwrap_or_default(), installed: versions })
}

fn program(path: &[PathBuf], name: &str) -> Option<PathBuf> {
    path.iter().find_map(|dir| executable(dir.join(name)))
}

fn executable(path: PathBuf) -> Option<PathBuf> {
    let metadata = path.metadata().ok()?;
    (metadata.is_file() && metadata.permissions().mode() & 0o111 != 0).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(majors: &[u32]) -> Vec<Postgres> {
        majors.iter().map(|major| Postgres { major: *major, server: "postgres".into(), initdb: "initdb".into() }).collect()
    }

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(major_of("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major_of("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major_of("psql: not found"), None);
    }

    #[test]
    fn a_cluster_gets_the_version_that_made_it_and_a_new_one_the_newest() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(choose(installed(&[17, 15]), dir.path()).unwrap().major, 17);
        std::fs::write(dir.path().join("PG_VERSION"), "15\n").unwrap();
        assert_eq!(choose(installed(&[17, 15]), dir.path()).unwrap().major, 15);
    }

    #[test]
    fn a_cluster_of_a_version_that_is_not_installed_is_refused_with_both_versions() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("PG_VERSION"), "13\n").unwrap();
        let text = choose(installed(&[17, 15]), dir.path()).unwrap_err().to_string();
        assert!(text.contains("PostgreSQL 13, but only 17, 15 is installed"), "{text}");
    }

    #[test]
    fn what_is_missing_is_named_with_the_command_that_helps() {
        let text = EmbeddedError::Missing(vec!["one".to_owned(), "two".to_owned()]).to_string();
        assert_eq!(text, "not installed: one and two; run `make setup`, which installs what is missing");
    }
}

//! A data directory with everything embedded: PostgreSQL, Redis, S3, and the secrets made for them.

use std::{
    fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine, prelude::BASE64_STANDARD};
use callscribe::{
    config::Environment,
    embedded::{
        Durability, EmbeddedOptions, Services,
        s3::{EmbeddedS3, EmbeddedS3Options},
    },
};

use crate::failure::Failure;

/// What is embedded; whatever was given in the settings is not.
pub(crate) struct Home {
    dir: PathBuf,
    services: Option<Services>,
    s3: Option<EmbeddedS3>,
}

/// One process, its scheduler's and its embedded neighbours' connections, and a few for `psql` and `callscribe status`.
const CONNECTIONS: u16 = 64;
/// Bytes of a secret made here.
const SECRET_BYTES: usize = 32;
/// The bucket made in the embedded S3.
const BUCKET: &str = "recordings";
/// What is still on its way to S3 at shutdown gets this long to end.
const LAST_UPLOADS: Duration = Duration::from_secs(5);

impl Home {
    /// Uses `dir`, making it when it is not there; nobody else may read it.
    pub(crate) fn open(dir: &Path) -> Result<Self, Failure> {
        fs::DirBuilder::new().recursive(true).mode(0o711).create(dir)?;
        Ok(Self { dir: dir.canonicalize()?, services: None, s3: None })
    }

    /// Where it is.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// `environment` as it will be once everything is provided, as far as its completeness goes.
    pub(crate) fn provided(environment: &Environment) -> Environment {
        let mut provided = environment.clone();
        let key = BASE64_STANDARD.encode([0_u8; SECRET_BYTES]);
        let later =
            [("DATABASE_URL", "later"), ("REDIS_URL", "later"), ("CALL_RECORDING_BUCKET", "later"), ("CALLSCRIBE_ENCRYPTION_KEY", &key)];
        for (name, value) in later {
            if !given(environment, name) {
                provided.set(name, value);
            }
        }
        provided
    }

    /// Starts what `environment` does not give, and says in it where that is.
    pub(crate) async fn provide(&mut self, environment: &mut Environment, durability: Durability) -> Result<(), Failure> {
        let (database, redis) = (given(environment, "DATABASE_URL"), given(environment, "REDIS_URL"));
        if !database || !redis {
            let options = EmbeddedOptions { data_dir: self.dir.clone(), durability, max_connections: CONNECTIONS };
            let services = Services::start(options).await?;
            if !database {
                environment.set("DATABASE_URL", services.database_url());
            }
            if !redis {
                environment.set("REDIS_URL", services.redis_url());
            }
            self.services = Some(services);
        }
        if !given(environment, "CALL_RECORDING_BUCKET") {
            self.provide_s3(environment, durability).await?;
        }
        if !given(environment, "CALLSCRIBE_ENCRYPTION_KEY") {
            environment.set("CALLSCRIBE_ENCRYPTION_KEY", self.secret("encryption.key")?);
        }
        Ok(())
    }

    async fn provide_s3(&mut self, environment: &mut Environment, durability: Durability) -> Result<(), Failure> {
        let access_key = "callscribe".to_owned();
        let secret_key = self.secret("s3.key")?;
        let options = EmbeddedS3Options {
            dir: self.dir.join("s3"),
            access_key: access_key.clone(),
            secret_key: secret_key.clone().into(),
            durability,
        };
        let s3 = EmbeddedS3::start(options).await?;
        environment.set("CALL_RECORDING_BUCKET", BUCKET);
        environment.set("AWS_ENDPOINT_URL_S3", s3.endpoint_url());
        environment.set("AWS_ACCESS_KEY_ID", access_key);
        environment.set("AWS_SECRET_ACCESS_KEY", secret_key);
        // what a person's own shell says about Amazon has no place here; an empty value counts as not set
        for name in ["AWS_SESSION_TOKEN", "AWS_SECRET_ACCESS_KEY_FILE", "AWS_SESSION_TOKEN_FILE", "AWS_REGION"] {
            environment.set(name, "");
        }
        self.s3 = Some(s3);
        Ok(())
    }

    /// Whether the bucket is ours to make.
    pub(crate) fn has_s3(&self) -> bool {
        self.s3.is_some()
    }

    /// The secret kept in `name`, made when it is not there; only its owner can read it.
    fn secret(&self, name: &str) -> io::Result<String> {
        let path = self.dir.join(name);
        match fs::read_to_string(&path) {
            Ok(secret) => return Ok(secret.trim().to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let secret = random_secret()?;
        // written aside and renamed: a secret is there whole or not at all
        let aside = self.dir.join(format!("{name}.new"));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(secret.as_bytes())?;
        file.sync_all()?;
        fs::rename(&aside, &path)?;
        Ok(secret)
    }

    /// Stops what was started, after everything that used it has ended.
    pub(crate) async fn close(mut self, blob: Option<&callscribe::blob::Blob>) {
        if let Some(blob) = blob {
            blob.settle(LAST_UPLOADS).await;
        }
        if let Some(s3) = self.s3.take() {
            s3.stop().await;
        }
        if let Some(services) = self.services.take() {
            services.stop().await;
        }
    }
}

/// Whether the setting is there, by itself or as a file.
fn given(environment: &Environment, name: &str) -> bool {
    environment.get(name).is_some() || environment.get(&format!("{name}_FILE")).is_some()
}

fn random_secret() -> io::Result<String> {
    let mut bytes = [0_u8; SECRET_BYTES];
    let provider = rustls::crypto::ring::default_provider();
    provider.secure_random.fill(&mut bytes).map_err(|_| io::Error::other("the system has no random numbers to give"))?;
    Ok(BASE64_STANDARD.encode(bytes))
}

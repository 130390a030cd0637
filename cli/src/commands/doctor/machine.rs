//! This machine: open files, disk, certificates.

use std::path::{Path, PathBuf};

use callscribe::{config::NetworkSettings, domain::JobKind, outbound};
use nix::sys::{
    resource::{Resource, getrlimit},
    statvfs::statvfs,
};

use super::{finding::Finding, settings::Subject};

/// Files that a process holds whatever it does: logs, libraries, the runtime's own, connections to Redis.
const ALWAYS_OPEN: u64 = 64;
/// Connections of one running job: the vendor's, two to S3, one beside.
const OPEN_PER_JOB: u64 = 4;
/// Less than this is full any moment: a workbook, a core dump, a log.
const LITTLE_DISK_BYTES: u64 = 256 * 1024 * 1024;
/// What `standalone` keeps its engines in unless told otherwise.
const DATA_DIR: &str = ".callscribe";

pub(super) async fn check(subject: &Subject) -> Vec<Finding> {
    let network = subject.webex.as_ref().map(|webex| &webex.network).or(subject.transcriber.as_ref().map(|whisper| &whisper.network));
    let mut findings = vec![open_files(subject)];
    findings.extend(disks());
    findings.extend(network.map(certificates));
    findings
}

fn open_files(subject: &Subject) -> Finding {
    const CHECK: &str = "open files";
    let limit = match getrlimit(Resource::RLIMIT_NOFILE) {
        Ok((soft, _)) => soft,
        Err(error) => return Finding::warn(CHECK, format!("the limit cannot be read: {error}"), "look at `ulimit -n`"),
    };
    let jobs: u64 = subject.kinds.iter().map(|kind: &JobKind| u64::from(subject.work.concurrency(*kind))).sum();
    let needed = ALWAYS_OPEN + u64::try_from(subject.pool_size).unwrap_or(u64::MAX).saturating_add(jobs * OPEN_PER_JOB);
    let found = format!("{limit} allowed; one process with all these workers needs about {needed}");
    if limit < needed {
        return Finding::fail(CHECK, found, "raise the limit (`ulimit -n`, `LimitNOFILE=`), or lower `CONCURRENCY_<KIND>`");
    }
    Finding::ok(CHECK, found)
}

fn disks() -> Vec<Finding> {
    let places = [Some(std::env::temp_dir()), Some(PathBuf::from(DATA_DIR)).filter(|dir| dir.exists())];
    places.into_iter().flatten().map(|place| disk(&place)).collect()
}

fn disk(place: &Path) -> Finding {
    const CHECK: &str = "disk";
    match statvfs(place) {
        Ok(disk) => {
            let free = disk.fragment_size().saturating_mul(disk.blocks_available());
            let found = format!("{} MB free in {}", free / (1024 * 1024), place.display());
            if free < LITTLE_DISK_BYTES {
                return Finding::warn(
                    CHECK,
                    found,
                    "make room: recordings stream through memory, but workbooks and the embedded engines need disk",
                );
            }
            Finding::ok(CHECK, found)
        }
        Err(error) => {
            Finding::warn(CHECK, format!("{} cannot be looked at: {error}", place.display()), "set `TMPDIR` to a directory that is there")
        }
    }
}

fn certificates(network: &NetworkSettings) -> Finding {
    const CHECK: &str = "way out";
    let through = if network.https_proxy.is_some() { "through the proxy of `HTTPS_PROXY`" } else { "directly" };
    match outbound::Client::through(network, "doctor", outbound::Limits::API).map(|client| client.tls_trouble().map(str::to_owned)) {
        Ok(None) => Finding::ok(CHECK, format!("vendors are asked {through}, and their certificates can be checked")),
        Ok(Some(why)) => Finding::warn(
            CHECK,
            format!("no certificates to check vendors by: {why}"),
            "install `ca-certificates`, or name authorities in `CALLSCRIBE_CA_BUNDLE`; plain http on this machine works without",
        ),
        Err(error) => Finding::fail(CHECK, callscribe::telemetry::chain(&error), "look at `HTTPS_PROXY` and `CALLSCRIBE_CA_BUNDLE`"),
    }
}

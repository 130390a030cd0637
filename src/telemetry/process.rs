//! What a process uses of its machine, as the operating system counts it.

use nix::sys::{
    resource::{Resource, UsageWho, getrlimit, getrusage},
    time::{TimeVal, TimeValLike},
};

/// What this process uses; `None` where this system does not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessUsage {
    /// Processor time, in seconds.
    pub cpu_seconds: Option<f64>,
    /// Memory held in RAM.
    pub resident_bytes: Option<f64>,
    /// Addresses in use.
    pub virtual_bytes: Option<f64>,
    /// Threads.
    pub threads: Option<f64>,
    /// Open files, sockets and the like.
    pub open_fds: Option<f64>,
    /// How many may be open.
    pub max_fds: Option<f64>,
}

impl ProcessUsage {
    /// As it is now.
    #[must_use]
    pub fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok();
        Self {
            cpu_seconds: usage.map(|usage| seconds(usage.user_time()) + seconds(usage.system_time())),
            resident_bytes: field(&status, "VmRSS:").map(|kibibytes| kibibytes * 1024.0),
            virtual_bytes: field(&status, "VmSize:").map(|kibibytes| kibibytes * 1024.0),
            threads: field(&status, "Threads:"),
            open_fds: open_fds(),
            max_fds: getrlimit(Resource::RLIMIT_NOFILE).ok().map(|(soft, _)| number(soft)),
        }
    }
}

fn seconds(time: TimeVal) -> f64 {
    std::time::Duration::from_micros(u64::try_from(time.num_microseconds()).unwrap_or(0)).as_secs_f64()
}

/// A line of `/proc/self/status`, such as `VmRSS:     5312 kB`.
fn field(status: &str, name: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

fn open_fds() -> Option<f64> {
    // the directory that is read is open itself
    let open = std::fs::read_dir("/proc/self/fd").or_else(|_| std::fs::read_dir("/dev/fd")).ok()?.count();
    u32::try_from(open.saturating_sub(1)).ok().map(f64::from)
}

#[expect(clippy::as_conversions, clippy::cast_precision_loss, reason = "limits of open files stay far below 2^53, or mean no limit")]
fn number(of: u64) -> f64 {
    of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_and_time_spent_are_seen() {
        let before = ProcessUsage::now();
        let files: Vec<_> = (0..64).map(|_| tempfile::tempfile().unwrap()).collect();
        let mut after = ProcessUsage::now();
        assert!(after.open_fds.unwrap() >= 64.0 && after.open_fds <= after.max_fds, "{after:?}");
        while after.cpu_seconds <= before.cpu_seconds {
            after = ProcessUsage::now();
        }
        drop(files);
    }

    #[test]
    fn memory_is_read_in_bytes() {
        let status = "Name:\tcallscribe\nVmSize:\t  2048 kB\nVmRSS:\t    1024 kB\nThreads:\t7\n";
        assert_eq!(field(status, "VmRSS:"), Some(1024.0));
        assert_eq!(field(status, "Threads:"), Some(7.0));
        assert_eq!(field(status, "VmSwap:"), None);
    }
}

//! The directory the private servers live in: its owner, its parts, and where the sockets go.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError},
    io::{Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink},
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use super::{EmbeddedError, process::Account};

/// A socket's path has room for 107 bytes on Linux and 103 on macOS, the closing zero apart.
const LONGEST_SOCKET_PATH: usize = 100;
/// The longest name among the sockets; PostgreSQL also makes a lock beside it, which may be longer.
const LONGEST_SOCKET_NAME: &str = "/.s.PGSQL.5432";
const LOCK: &str = "callscribe.lock";
/// Where the servers live when they, who are not root, cannot enter a directory that is root's.
const FALLBACK_HOME: &str = "/var/lib/callscribe";
/// A log that is larger at a start is put aside, and the one put aside before is dropped.
const LARGEST_LOG_BYTES: u64 = 10 * 1024 * 1024;

/// The directory, ours until this is dropped.
#[derive(Debug)]
pub(super) struct DataDir {
    home: PathBuf,
    sockets: PathBuf,
    account: Option<Account>,
    /// Held for its lock.
    _lock: File,
}

impl DataDir {
    /// Takes the directory, making what is missing of it.
    pub(super) fn take(path: &Path) -> Result<Self, EmbeddedError> {
        let account = Account::to_drop_to()?;
        fs::create_dir_all(path).map_err(EmbeddedError::io(format!("make data directory `{}`", path.display())))?;
        let root = path.canonicalize().map_err(EmbeddedError::io(format!("find data directory `{}`", path.display())))?;
        let is_new = root.read_dir().is_ok_and(|mut entries| entries.next().is_none());
        let lock = lock(&root)?;
        if is_new {
            give(&root, account)?;
        }
        let home = home_for(&root, account)?;
        for part in ["redis", "run"] {
            make_private(&home.join(part), account)?;
        }
        let sockets = socket_dir(&home, account)?;
        Ok(Self { home, sockets, account, _lock: lock })
    }

    /// The cluster.
    pub(super) fn postgres(&self) -> PathBuf {
        self.home.join("postgres")
    }

    /// Where a cluster is made before it takes its place.
    pub(super) fn unfinished_postgres(&self) -> PathBuf {
        self.home.join("postgres.tmp")
    }

    /// Redis's working directory.
    pub(super) fn redis(&self) -> PathBuf {
        self.home.join("redis")
    }

    /// Redis's settings.
    pub(super) fn redis_conf(&self) -> PathBuf {
        self.home.join("redis.conf")
    }

    /// Where both sockets are.
    pub(super) fn sockets(&self) -> &Path {
        &self.sockets
    }

    /// Redis's socket.
    pub(super) fn redis_socket(&self) -> PathBuf {
        self.sockets.join("redis.sock")
    }

    /// Where the named server logs.
    pub(super) fn log(&self, server: &str) -> PathBuf {
        self.home.join(format!("{server}.log"))
    }

    /// As whom the servers run, unless as ourselves.
    pub(super) fn account(&self) -> Option<Account> {
        self.account
    }

    /// Makes an empty directory that only the servers may enter.
    pub(super) fn make_empty(&self, path: &Path) -> Result<(), EmbeddedError> {
        if path.exists() {
            fs::remove_dir_all(path).map_err(EmbeddedError::io(format!("remove `{}`", path.display())))?;
        }
        make_private(path, self.account)
    }

    /// Moves the finished cluster to its place, for good.
    pub(super) fn keep_postgres(&self) -> Result<(), EmbeddedError> {
        let place = self.postgres();
        let kept = fs::rename(self.unfinished_postgres(), &place).and_then(|()| File::open(&self.home)?.sync_all());
        kept.map_err(EmbeddedError::io(format!("move the new cluster to `{}`", place.display())))
    }

    /// Writes everything to disk, in one call for the whole file system where there is one: `initdb` syncs each of its
    /// thousand files by itself, which takes seconds.
    pub(super) fn sync(&self) -> Result<(), EmbeddedError> {
        let home = File::open(&self.home);
        #[cfg(target_os = "linux")]
        let synced = home.and_then(|home| Ok(nix::unistd::syncfs(home)?));
        #[cfg(not(target_os = "linux"))]
        let synced = home.and_then(|home| {
            nix::unistd::sync();
            home.sync_all()
        });
        synced.map_err(EmbeddedError::io(format!("write `{}` to disk", self.home.display())))
    }

    /// Opens a log to go on with.
    pub(super) fn open_log(&self, server: &str) -> Result<File, EmbeddedError> {
        let path = self.log(server);
        if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > LARGEST_LOG_BYTES) {
            fs::rename(&path, path.with_extension("log.1")).map_err(EmbeddedError::io(format!("put aside `{}`", path.display())))?;
        }
        OpenOptions::new().create(true).append(true).open(&path).map_err(EmbeddedError::io(format!("open `{}`", path.display())))
    }
}

/// The lock ends with the process, however that ends; the number in the file is only for the message.
fn lock(root: &Path) -> Result<File, EmbeddedError> {
    let path = root.join(LOCK);
    let what = || format!("lock `{}`", path.display());
    let mut file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(&path).map_err(EmbeddedError::io(what()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut text = String::new();
            let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse().ok());
            return Err(EmbeddedError::InUse { dir: root.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(EmbeddedError::Io { what: what(), source }),
    }
    let written = file.set_len(0).and_then(|()| file.rewind()).and_then(|()| writeln!(file, "{}", std::process::id()));
    written.map_err(EmbeddedError::io(what()))?;
    Ok(file)
}

/// The directory itself, or, when the account the servers run as cannot get there (a checkout in `/root`), one of root's that
/// it can reach. A link in the directory says which, so that a directory that was removed and made again starts afresh.
fn home_for(root: &Path, account: Option<Account>) -> Result<PathBuf, EmbeddedError> {
    let Some(account) = account else { return Ok(root.to_owned()) };
    if root.ancestors().all(|dir| account.may_enter(dir)) {
        return Ok(root.to_owned());
    }
    let link = root.join("servers");
    if let Ok(home) = fs::read_link(&link) {
        return Ok(home);
    }
    let home = Path::new(FALLBACK_HOME).join(short_hash(Path::new(&uuid::Uuid::new_v4().to_string())));
    fs::create_dir_all(FALLBACK_HOME).map_err(EmbeddedError::io(format!("make `{FALLBACK_HOME}`")))?;
    make_private(&home, Some(account))?;
    symlink(&home, &link).map_err(EmbeddedError::io(format!("link `{}` to `{}`", link.display(), home.display())))?;
    tracing::info!(dir = %home.display(), "the servers' data goes here: the user they run as cannot enter `{}`", root.display());
    Ok(home)
}

/// Sockets rather than ports: nothing to collide with, no password to keep, and permission bits say who may connect.
/// When the directory's path is too long for a socket, or has letters that would need quoting in addresses and settings,
/// they go to a short directory of our own in `/tmp` (a fixed place: another `TMPDIR` must not hide the sockets of a running server).
fn socket_dir(home: &Path, account: Option<Account>) -> Result<PathBuf, EmbeddedError> {
    let inside = home.join("run");
    if is_plain(&inside) && inside.as_os_str().len() + LONGEST_SOCKET_NAME.len() <= LONGEST_SOCKET_PATH {
        return Ok(inside);
    }
    let uid = geteuid().as_raw();
    let outside = PathBuf::from(format!("/tmp/callscribe-{uid}-{}", short_hash(home)));
    make_private(&outside, account)?;
    let metadata = fs::symlink_metadata(&outside).map_err(EmbeddedError::io(format!("look at `{}`", outside.display())))?;
    let owner = account.map_or(uid, |account| account.uid);
    if metadata.is_dir() && metadata.uid() == owner { Ok(outside) } else { Err(EmbeddedError::ForeignSocketDir(outside)) }
}

fn is_plain(path: &Path) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    path.as_os_str().as_encoded_bytes().iter().all(plain)
}

fn short_hash(path: &Path) -> String {
    let digest = Sha256::digest(path.as_os_str().as_encoded_bytes());
    hex::encode(digest.iter().take(6).copied().collect::<Vec<u8>>())
}

/// Makes the directory unless something of that name is there, which stays as it is.
fn make_private(path: &Path, account: Option<Account>) -> Result<(), EmbeddedError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Ok(()) => give(path, account),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(source) => Err(EmbeddedError::Io { what: format!("make `{}`", path.display()), source }),
    }
}

/// Hands a directory of ours to the account the servers run as.
fn give(path: &Path, account: Option<Account>) -> Result<(), EmbeddedError> {
    let Some(account) = account else { return Ok(()) };
    let given = chown(path, Some(account.uid), Some(account.gid)).and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o700)));
    given.map_err(EmbeddedError::io(format!("hand `{}` to the servers' user", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_owner_is_refused_and_told_who_the_first_is() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::take(dir.path()).unwrap();
        let text = DataDir::take(dir.path()).unwrap_err().to_string();
        assert!(text.contains(&format!("in use by process {}", std::process::id())), "{text}");
        drop(first);
        DataDir::take(dir.path()).unwrap();
    }

    #[test]
    fn sockets_leave_a_directory_whose_path_is_too_long_or_needs_quoting() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("a".repeat(90));
        let quoted = dir.path().join("my, calls");
        for path in [long, quoted] {
            let taken = DataDir::take(&path).unwrap();
            let sockets = taken.sockets().to_owned();
            assert!(sockets.starts_with("/tmp") && is_plain(&sockets) && sockets.as_os_str().len() < 60, "{}", sockets.display());
            drop(taken);
            assert_eq!(DataDir::take(&path).unwrap().sockets(), sockets, "the next start finds them again");
            fs::remove_dir_all(sockets).unwrap();
        }
    }

    #[test]
    fn root_keeps_the_data_where_the_servers_may_go_and_finds_it_again() {
        if !geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o700)).unwrap();
        let inside = dir.path().join("data");
        let first = DataDir::take(&inside).unwrap().home;
        assert!(first.starts_with(FALLBACK_HOME), "{}", first.display());
        assert_eq!(DataDir::take(&inside).unwrap().home, first);
        fs::remove_dir_all(&inside).unwrap();
        let afresh = DataDir::take(&inside).unwrap().home;
        assert_ne!(afresh, first, "a directory that was removed starts afresh");
        for home in [first, afresh] {
            fs::remove_dir_all(home).unwrap();
        }
    }
}

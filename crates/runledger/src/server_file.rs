//! `server.json` in the data directory: where the server that holds it can be reached.
//!
//! The server keeps a lock on the file for as long as it lives, and the lock ends with the process, however that ends.
//! So a file whose lock is free is left over from a server that is gone; no process id needs to be believed.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The name of the file.
pub(crate) const FILE_NAME: &str = "server.json";
/// The largest file that is read.
const BYTES_MAX: u64 = 64 * 1024;

/// What a server says about itself.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct ServerInfo {
    /// Where it listens.
    pub(crate) url: String,
    /// Its process.
    pub(crate) pid: u32,
    /// Its version.
    pub(crate) version: String,
    /// Lets whoever can read this file in as the operator: they could open the ledger itself as well.
    #[serde(default)]
    pub(crate) operator_key: Secret,
}

/// A text that is written into the file and shown nowhere.
#[derive(Clone, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The file of this process; dropping it removes the file, then frees the lock.
#[derive(Debug)]
pub(crate) struct ServerFile {
    path: PathBuf,
    _locked: File,
}

impl ServerFile {
    /// Writes the file, readable for this user alone. The caller must hold the store.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn write(directory: &Path, info: &ServerInfo) -> io::Result<Self> {
        let path = directory.join(FILE_NAME);
        let draft = directory.join("server.json.new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let mut file = options.open(&draft)?;
        // Locked before anybody can see it under its name.
        file.try_lock()?;
        serde_json::to_writer(&mut file, info)?;
        file.write_all(b"\n")?;
        fs::rename(&draft, &path)?;
        Ok(Self { path, _locked: file })
    }
}

impl Drop for ServerFile {
    fn drop(&mut self) {
        // A file that stays is recognised as left over by its free lock.
        let _ = fs::remove_file(&self.path);
    }
}

/// The server that holds this data directory; `None` when there is none, whatever files there are.
pub(crate) fn find(directory: &Path) -> Option<ServerInfo> {
    let file = File::open(directory.join(FILE_NAME)).ok()?;
    match file.try_lock_shared() {
        // Its server is gone. The lock ends with this handle.
        Ok(()) => None,
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => {
            let mut text = String::new();
            file.take(BYTES_MAX).read_to_string(&mut text).ok()?;
            serde_json::from_str(&text).ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_found_while_it_lives_and_not_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let info = ServerInfo {
            url: "http://127.0.0.1:1".into(),
            pid: 7,
            version: "0".into(),
            operator_key: Secret("rlo_1".into()),
        };
        assert_eq!(find(directory.path()), None);
        let held = ServerFile::write(directory.path(), &info).unwrap();
        assert_eq!(find(directory.path()), Some(info.clone()));
        drop(held);
        assert_eq!(find(directory.path()), None);
        assert!(!directory.path().join(FILE_NAME).exists());
        // Left over, as after SIGKILL: the file is there, its lock is free.
        fs::write(directory.path().join(FILE_NAME), serde_json::to_string(&info).unwrap()).unwrap();
        assert_eq!(find(directory.path()), None);
        let _held = ServerFile::write(directory.path(), &info).unwrap();
        assert_eq!(find(directory.path()), Some(info));
    }
}

//! Running the driver under the shim, and reading what the shim recorded.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The compiled shim.
pub(crate) struct Shim {
    _directory: TempDir,
    library: PathBuf,
}

/// One thing that was asked of the disk.
pub(crate) struct Event {
    pub(crate) kind: char,
    pub(crate) offset: usize,
    /// The name of the file in the data directory; `acks` for acknowledgements, empty for the directory itself.
    pub(crate) file: String,
    pub(crate) data: Vec<u8>,
}

impl Event {
    pub(crate) fn is_acknowledgement(&self) -> bool {
        self.kind == 'W' && self.file == "acks"
    }
}

/// What a run of the driver asked of the disk.
pub(crate) struct Recording {
    pub(crate) events: Vec<Event>,
    pub(crate) succeeded: bool,
    pub(crate) complaint: String,
    pub(crate) directory: TempDir,
}

impl Shim {
    pub(crate) fn build() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let library = directory.path().join("shim.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("power_loss/shim.c");
        let built = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(source)
            .arg("-ldl")
            .output()
            .unwrap();
        assert!(
            built.status.success(),
            "the shim needs a C compiler: {}",
            String::from_utf8_lossy(&built.stderr)
        );
        Self {
            _directory: directory,
            library,
        }
    }

    /// Runs the driver; with `fail_sync` the sync of that number fails.
    pub(crate) fn record(&self, mode: &str, count: usize, fail_sync: Option<u32>) -> Recording {
        let directory = tempfile::tempdir().unwrap();
        let (root, log) = (directory.path().join("data"), directory.path().join("log"));
        fs::create_dir(&root).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_ledger-driver"));
        command.args([
            mode,
            root.to_str().unwrap(),
            root.join("acks").to_str().unwrap(),
            &count.to_string(),
        ]);
        command
            .env("LD_PRELOAD", &self.library)
            .env("SHIM_LOG", &log)
            .env("SHIM_ROOT", &root);
        if let Some(sync) = fail_sync {
            command.env("SHIM_FAIL_SYNC", sync.to_string());
        }
        let ended = command.output().unwrap();
        Recording {
            events: parse(&fs::read(&log).unwrap(), &root),
            succeeded: ended.status.success(),
            complaint: String::from_utf8_lossy(&ended.stderr).into_owned(),
            directory,
        }
    }
}

fn parse(mut log: &[u8], root: &Path) -> Vec<Event> {
    let mut events = Vec::new();
    while log.len() >= 17 {
        let number = |at: usize| u32::from_le_bytes(log[at..at + 4].try_into().unwrap()) as usize;
        let (path_length, data_length) = (number(9), number(13));
        let path = PathBuf::from(String::from_utf8(log[17..17 + path_length].to_vec()).unwrap());
        let file = path
            .strip_prefix(root)
            .map_or_else(|_| String::new(), |file| file.to_string_lossy().into_owned());
        events.push(Event {
            kind: char::from(log[0]),
            offset: usize::try_from(u64::from_le_bytes(log[1..9].try_into().unwrap())).unwrap(),
            file,
            data: log[17 + path_length..17 + path_length + data_length].to_vec(),
        });
        log = &log[17 + path_length + data_length..];
    }
    events
}

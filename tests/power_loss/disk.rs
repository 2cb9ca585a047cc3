//! Images of a disk after a power cut, made from a recording.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::recording::{Event, Recording};

const SECTOR: usize = 512;

/// What is on the disk, and what had been acknowledged.
pub(crate) struct Image {
    files: BTreeMap<String, Vec<u8>>,
    pub(crate) acknowledged: BTreeMap<String, u64>,
    pub(crate) cut: usize,
}

/// A reproducible sequence of numbers (xorshift), so that a seed names an image.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound.max(1) as u64).unwrap()
    }
}

/// A file: what is certainly on the disk, and what was asked since the last sync.
#[derive(Default)]
struct Pending<'a> {
    synced: Vec<u8>,
    since: Vec<&'a Event>,
}

impl Image {
    /// The disk after a cut at a point that the seed chooses: of what was not synced, any part is there.
    pub(crate) fn after_power_cut(recording: &Recording, seed: u64) -> Self {
        let mut numbers = Numbers(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        for _ in 0..8 {
            numbers.below(2);
        }
        let cut = numbers.below(recording.events.len() + 1);
        Self::make(recording, cut, |numbers| numbers.below(4), &mut numbers)
    }

    /// The disk at the end, with nothing on it that was not synced.
    pub(crate) fn synced_only(recording: &Recording) -> Self {
        Self::make(recording, recording.events.len(), |_| 0, &mut Numbers(1))
    }

    fn make(recording: &Recording, cut: usize, luck: impl Fn(&mut Numbers) -> usize, numbers: &mut Numbers) -> Self {
        let mut files: BTreeMap<&str, Pending<'_>> = BTreeMap::new();
        let mut acknowledged = BTreeMap::new();
        // Names: which ones the directory surely holds, and what happened to it since its last sync.
        let mut named: BTreeMap<&str, bool> = BTreeMap::new();
        let mut renamed_since: Vec<&Event> = Vec::new();
        for event in &recording.events[..cut] {
            if event.is_acknowledgement() {
                note(&mut acknowledged, &event.data);
                continue;
            }
            match event.kind {
                'W' | 'T' => files.entry(&event.file).or_default().since.push(event),
                'S' => {
                    let file = files.entry(&event.file).or_default();
                    for event in std::mem::take(&mut file.since) {
                        apply(&mut file.synced, event, usize::MAX);
                    }
                }
                'C' | 'U' if event.file != "acks" => renamed_since.push(event),
                'D' => {
                    for event in renamed_since.drain(..) {
                        named.insert(&event.file, event.kind == 'C');
                    }
                }
                _ => {}
            }
        }
        for event in renamed_since {
            if luck(numbers) > 0 {
                named.insert(&event.file, event.kind == 'C');
            }
        }
        let mut image = BTreeMap::new();
        for (name, mut file) in files {
            for event in file.since {
                match luck(numbers) {
                    0 => {}
                    1 => apply(
                        &mut file.synced,
                        event,
                        numbers.below(event.data.len() / SECTOR + 1) * SECTOR,
                    ),
                    _ => apply(&mut file.synced, event, usize::MAX),
                }
            }
            if named.get(name).copied().unwrap_or(false) {
                image.insert(name.to_owned(), file.synced);
            }
        }
        Self {
            files: image,
            acknowledged,
            cut,
        }
    }

    pub(crate) fn write_to(&self, directory: &Path) {
        for (name, content) in &self.files {
            // The shared-memory index of the log is rebuilt by whoever opens it first after a crash.
            if !name.ends_with("-shm") {
                fs::write(directory.join(name), content).unwrap();
            }
        }
    }
}

fn apply(content: &mut Vec<u8>, event: &Event, limit: usize) {
    if event.kind == 'T' {
        content.resize(event.offset, 0);
        return;
    }
    let data = &event.data[..event.data.len().min(limit)];
    let end = event.offset + data.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[event.offset..end].copy_from_slice(data);
}

fn note(acknowledged: &mut BTreeMap<String, u64>, line: &[u8]) {
    let line = std::str::from_utf8(line).unwrap();
    let (key, version) = line.trim_end().split_once(' ').unwrap();
    let version: u64 = version.parse().unwrap();
    let highest = acknowledged.entry(key.to_owned()).or_insert(version);
    *highest = (*highest).max(version);
}

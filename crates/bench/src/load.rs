//! Closed-loop load in windows, medians and ratios.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How long and how often to measure.
pub(crate) struct Plan {
    pub(crate) window: Duration,
    pub(crate) rounds: usize,
    pub(crate) directory: PathBuf,
}

/// Now, for spans; this program measures time and nothing else depends on it.
#[expect(clippy::disallowed_methods, reason = "a benchmark measures time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Operations a second of `callers` tasks that each do one operation after the other.
pub(crate) async fn closed_loop<F, Fut>(callers: usize, window: Duration, operation: F) -> f64
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send,
{
    let operation = Arc::new(operation);
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let began = now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let (operation, stop, done) = (Arc::clone(&operation), Arc::clone(&stop), Arc::clone(&done));
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    operation(caller).await;
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(window).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("a caller does not panic");
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate, for people")]
    let count = done.load(Ordering::Relaxed) as f64;
    count / began.elapsed().as_secs_f64()
}

/// The middle of the values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The median of the ratios of pairs that were measured next to each other.
pub(crate) fn median_ratio(ours: &[f64], floor: &[f64]) -> f64 {
    median(
        &ours
            .iter()
            .zip(floor)
            .map(|(ours, floor)| ours / floor)
            .collect::<Vec<_>>(),
    )
}

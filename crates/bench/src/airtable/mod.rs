//! What showing records at Airtable costs, and how late they are shown, in a time that passes by itself: the projector as it
//! is, the store in memory, and a place that answers after 400 ms and takes four requests a second.

mod place;
mod world;

use std::sync::Arc;
use std::time::Duration;

use runledger_app::ProjectionOptions;
use runledger_domain::RunKey;
use tokio::time::sleep;

use self::place::{APART, Lags, ROWS};
use self::world::World;

/// Changes of a client run record between its creation and its end.
const CHANGES: u32 = 5;
/// Rows after an outage.
const OUTAGE_ROWS: u32 = 50_000;

/// What the older system needed for the same life of one client's record, measured: from its leanest service to its last.
const OLDER_CALLS: &str = "6 to 17";

/// How long work comes in at a rate, and how fast.
const LOADS: [(u32, u32); 2] = [(15, 600), (200, 120)];

/// Measures and prints.
pub(crate) fn run() -> anyhow::Result<()> {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
    };
    println!(
        "calls for the life of one client's record (create, {CHANGES} changes, completion), job rows included, and how"
    );
    println!("late its states (it is there, it has ended) and its progress are shown; the older system, measured:");
    println!("{OLDER_CALLS} calls, without its job");
    for (name, options) in settings() {
        println!("{name}");
        for clients in [1_u32, 10, 500] {
            let lives = f64::from(clients);
            let shown = runtime()?.block_on(together(&options, clients))?;
            say(&format!("{clients:>5} in step, a minute between steps"), lives, &shown);
            let shown = runtime()?.block_on(spread(&options, clients))?;
            say(
                &format!("{clients:>5} one every 7.2 s, 10 s between steps"),
                lives,
                &shown,
            );
        }
        for (a_second, seconds) in LOADS {
            let shown = runtime()?.block_on(load(&options, a_second, seconds))?;
            let lives = f64::from(a_second) * f64::from(seconds);
            say(
                &format!("{a_second:>5} a second for {seconds} s, 10 s between steps"),
                lives,
                &shown,
            );
        }
    }
    runtime()?.block_on(outage())
}

/// As it is, and as it would be.
fn settings() -> [(&'static str, ProjectionOptions); 3] {
    let as_it_is = ProjectionOptions::default();
    [
        ("as it is:", as_it_is.clone()),
        (
            "gather = \"30s\":",
            ProjectionOptions {
                gather: Duration::from_secs(30),
                ..as_it_is.clone()
            },
        ),
        (
            "every change within 5 s, where the limits allow it (gather_progress = \"0s\", fill = \"0s\"):",
            ProjectionOptions {
                gather_progress: Duration::ZERO,
                fill: Duration::ZERO,
                ..as_it_is
            },
        ),
    ]
}

fn say(what: &str, lives: f64, (requests, lags): &(u64, Lags)) {
    let late = |lags: &[Duration]| {
        let mut lags: Vec<f64> = lags.iter().map(Duration::as_secs_f64).collect();
        lags.sort_unstable_by(f64::total_cmp);
        let at = |place: usize| lags.get(place).copied().unwrap_or_default();
        (at(lags.len() / 2), at(lags.len().saturating_sub(1)))
    };
    let (states, progress) = (late(&lags.states), late(&lags.progress));
    println!(
        "{what:<45} {:>6.3} calls; states {:>3.0} s late, at most {:>3.0}; progress {:>3.0} s, at most {:>3.0}",
        share(*requests, lives),
        states.0,
        states.1,
        progress.0,
        progress.1
    );
}

/// All clients take each step at the same moment.
async fn together(options: &ProjectionOptions, clients: u32) -> anyhow::Result<(u64, Lags)> {
    let world = World::new(options)?;
    let _stop = world.begin().await?;
    let job = world.job().await?;
    let keys = world.start(1..clients + 1, &job).await?;
    for _ in 0..CHANGES {
        sleep(Duration::from_mins(1)).await;
        for key in &keys {
            world.note(key).await?;
        }
    }
    sleep(Duration::from_mins(1)).await;
    for key in &keys {
        world.complete(key).await?;
    }
    world.complete(&job).await?;
    world.rest().await?;
    world.figures()
}

/// One client after the other, each with its steps.
async fn spread(options: &ProjectionOptions, clients: u32) -> anyhow::Result<(u64, Lags)> {
    let world = Arc::new(World::new(options)?);
    let _stop = world.begin().await?;
    let job = world.job().await?;
    let mut lives = tokio::task::JoinSet::new();
    for number in 1..=clients {
        let (world, job) = (Arc::clone(&world), job.clone());
        lives.spawn(async move {
            sleep(Duration::from_millis(7_200) * number).await;
            let keys = world.start(number..number + 1, &job).await?;
            for key in &keys {
                for _ in 0..CHANGES {
                    sleep(Duration::from_secs(10)).await;
                    world.note(key).await?;
                }
                sleep(Duration::from_secs(10)).await;
                world.complete(key).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = lives.join_next().await {
        ended??;
    }
    world.complete(&job).await?;
    world.rest().await?;
    world.figures()
}

/// So many clients begin in each second; each lives for a minute.
async fn load(options: &ProjectionOptions, a_second: u32, seconds: u32) -> anyhow::Result<(u64, Lags)> {
    let world = World::new(options)?;
    let _stop = world.begin().await?;
    let job = world.job().await?;
    let mut begun: Vec<Vec<RunKey>> = Vec::new();
    let life = 10 * (CHANGES + 1);
    for second in 0..seconds + life {
        if second < seconds {
            let first = second * a_second + 1;
            begun.push(world.start(first..first + a_second, &job).await?);
        }
        for (keys, age) in begun.iter().zip((0..=second).rev()) {
            for key in keys {
                if age == life {
                    world.complete(key).await?;
                } else if age > 0 && age < life && age.is_multiple_of(10) {
                    world.note(key).await?;
                }
            }
        }
        sleep(Duration::from_secs(1)).await;
    }
    world.complete(&job).await?;
    world.rest().await?;
    world.figures()
}

/// Everything happened while nothing could be sent.
async fn outage() -> anyhow::Result<()> {
    let world = World::new(&ProjectionOptions::default())?;
    let job = world.job().await?;
    let keys = world.start(1..OUTAGE_ROWS, &job).await?;
    for key in &keys {
        world.note(key).await?;
    }
    let _stop = world.begin().await?;
    let took = world.rest().await?;
    let (requests, _) = world.figures()?;
    let rate = f64::from(OUTAGE_ROWS) / took.as_secs_f64();
    let allowed = f64::from(ROWS) / APART.as_secs_f64();
    println!(
        "after an outage, {OUTAGE_ROWS} rows: {requests} requests in {:.0} s, {rate:.1} rows/s of {allowed:.0} that 4 \
         requests/s allow: {:.1} % (at least 95)",
        took.as_secs_f64(),
        100.0 * rate / allowed
    );
    for key in &keys {
        world.complete(key).await?;
    }
    world.rest().await?;
    let calls = share(world.figures()?.0, f64::from(OUTAGE_ROWS));
    println!("a life that is shown at its beginning and its end: {calls:.3} calls (at most 0.2)");
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
fn share(part: u64, whole: f64) -> f64 {
    part as f64 / whole
}

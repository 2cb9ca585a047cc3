//! `events`: prints the lines of the activity log as the server streams them, and goes on where it was when the stream is
//! cut off.

use std::time::Duration;

use serde_json::value::RawValue;

use super::{Context, advise, unreadable};
use crate::cli::EventsArgs;
use crate::connect::{self, Need};
use crate::failure::{Exit, Failure, Outcome};
use crate::transport::{Request, Transport};
use crate::view::{ActivityView, activity_line};

/// How long to wait before a server that went away is tried again.
const PAUSE: Duration = Duration::from_secs(1);
/// The largest event, in bytes: far more than a line of the log can have.
const EVENT_BYTES_MAX: usize = 1 << 20;

/// Streams events.
///
/// # Errors
/// What the API refuses; with `--follow` also that no server holds the ledger.
pub(crate) async fn events(context: &Context<'_>, args: &EventsArgs) -> Outcome {
    let request = Request::get(&["events"])?
        .query("run_id", args.run.as_ref())
        .query("client_id", args.client.as_ref())
        .query("kind", args.kind.as_ref())
        .query("refused", refused(args));
    if !args.follow {
        let request = request.query("follow", Some(false));
        let connection = context.connect(Need::Exists).await?;
        let mut place = Place(Some(args.after.unwrap_or_default()));
        return print(context, &connection.transport, &request, &mut place).await;
    }
    let mut place = Place(args.after);
    let mut server = Some(find(context)?);
    loop {
        let ended = match server {
            Some(transport) => print(context, &transport, &request, &mut place).await,
            None => Ok(()),
        };
        match ended {
            // Before the first event nobody knows where to go on, so the caller decides.
            Err(failure) if place.0.is_none() || !is_passing(&failure) => return Err(failure),
            Err(_) | Ok(()) => {}
        }
        tokio::time::sleep(PAUSE).await;
        server = find(context).ok();
    }
}

fn refused(args: &EventsArgs) -> Option<&'static str> {
    match (args.refused, args.only_refused) {
        (_, true) => Some("only"),
        (true, false) => Some("true"),
        (false, false) => None,
    }
}

fn find(context: &Context<'_>) -> Outcome<Transport> {
    let server = connect::server(context.settings, context.remote)?;
    server.ok_or_else(|| {
        Failure::unavailable(format_args!(
            "no server holds the ledger in {}, so nothing new would come",
            context.settings.data.display()
        ))
        .advise("start `runledger serve`, or leave out --follow for the events up to now")
    })
}

/// Whether a server that is started again may do better.
fn is_passing(failure: &Failure) -> bool {
    failure.exit() == Exit::Unavailable && !failure.reader_left()
}

/// The last id that came, if one did.
struct Place(Option<u64>);

/// Prints what one stream brings, until it ends.
async fn print(context: &Context<'_>, transport: &Transport, request: &Request, place: &mut Place) -> Outcome {
    let request = request.clone().header("Last-Event-ID", place.0)?;
    let mut stream = transport.stream(&request).await.map_err(advise)?;
    let mut unread: Vec<u8> = Vec::new();
    while let Some(piece) = stream.piece().await? {
        unread.extend_from_slice(&piece);
        let mut read = 0;
        while let Some(length) = unread[read..].windows(2).position(|pair| pair == b"\n\n") {
            let block = String::from_utf8_lossy(&unread[read..read + length]);
            take(context, &block, place)?;
            read += length + 2;
        }
        unread.drain(..read);
        if unread.len() > EVENT_BYTES_MAX {
            let what = format_args!("the server sent an event of more than {EVENT_BYTES_MAX} bytes");
            return Err(Failure::new(Exit::Fault, what));
        }
        context.output.flush()?;
    }
    Ok(())
}

/// Takes one block of the stream: an event, or news of the place.
fn take(context: &Context<'_>, block: &str, place: &mut Place) -> Outcome {
    let field = |name: &str| {
        let mut lines = block.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    };
    if let Some(data) = field("data") {
        if context.output.is_json() {
            let data: &RawValue = serde_json::from_str(data).map_err(|error| unreadable(&error))?;
            context.output.json(data.get())?;
        } else {
            let line: ActivityView = serde_json::from_str(data).map_err(|error| unreadable(&error))?;
            context.output.line(&activity_line(&line))?;
        }
    }
    // Only now: what was not printed comes again.
    if let Some(id) = field("id").and_then(|id| id.parse().ok()) {
        place.0 = Some(id);
    }
    Ok(())
}

//! The run ledger's program: server and command line.
//!
//! It reads the configuration, chooses the adapters, wires them and runs. Commands about records are requests of the
//! HTTP API, whether a server holds the data directory or this process does (module `transport`): so their behaviour, their
//! errors and their exit codes are the same both ways. No rule is decided here.
#![forbid(unsafe_code)]

mod cli;
mod clock_watch;
mod commands;
mod connect;
mod demo;
mod duties;
mod failure;
mod ledger;
mod logging;
mod moving;
mod output;
mod projecting;
mod reconciling;
mod serve;
mod server_file;
mod settings;
mod spans;
mod sweeping;
mod transport;
mod view;
mod webhooks;

use std::env;
use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime;

use crate::cli::{Cli, ClientCommand, Command, ConfigCommand, Global, JobCommand, StageCommand};
use crate::commands::{
    Context, airtable, change, create, db, dev, duty, events, export, import, read, setup, sweep, token, webhook,
};
use crate::connect::Remote;
use crate::failure::{Exit, Failure, Outcome};
use crate::output::Output;
use crate::settings::{Given, Loaded, Settings};

/// Runs the program with the arguments and the environment of the process.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Nobody is left to tell when the help cannot be written.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let output = Output::new(cli.global.json);
    let ended = run(&cli, &output);
    let flushed = output.flush();
    match ended.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        // Whoever read the output has had enough.
        Err(failure) if failure.reader_left() => ExitCode::SUCCESS,
        Err(failure) => {
            output.report(&failure);
            failure.exit().into()
        }
    }
}

fn run(cli: &Cli, output: &Output) -> Outcome {
    let without_ledger = Settings::defaults(std::path::PathBuf::new());
    let bare = Context {
        settings: &without_ledger,
        remote: Remote::default(),
        source: None,
        output,
    };
    match &cli.command {
        Command::Demo => return block_on(demo::run(output)),
        Command::Dev(command) => return block_on(dev::dev(command, output)),
        Command::Completions { shell } => return setup::completions(&bare, *shell),
        Command::Man { directory } => return setup::man(&bare, directory.as_deref()),
        Command::Openapi => return setup::openapi(&bare),
        Command::Problems => return setup::problems(&bare),
        _ => {}
    }
    let loaded = settings::load(&given(cli)?)?;
    match &cli.command {
        Command::Serve(_) => serve::serve(&loaded.settings, output),
        Command::Config(ConfigCommand::Show) => settings::show(&loaded, output),
        command => {
            let _logging = logging::for_command(&loaded.settings.log)?;
            let Loaded { settings, .. } = &loaded;
            let context = Context {
                settings,
                remote: Remote {
                    url: cli.global.url.as_deref().filter(|url| !url.is_empty()),
                    token: cli.global.token.as_ref().filter(|token| !token.0.is_empty()),
                    ca_file: cli
                        .global
                        .ca_file
                        .as_deref()
                        .filter(|file| !file.as_os_str().is_empty()),
                },
                source: cli.global.source.as_deref().filter(|source| !source.is_empty()),
                output,
            };
            block_on(dispatch(command, &context))
        }
    }
}

async fn dispatch(command: &Command, context: &Context<'_>) -> Outcome {
    match command {
        Command::Job(JobCommand::Create(args)) => create::job(context, args).await,
        Command::Client(ClientCommand::Create(args)) => create::clients(context, args).await,
        Command::Get(key) => read::get(context, key).await,
        Command::List(args) => commands::list(context, args).await,
        Command::Update(args) => change::update(context, args).await,
        Command::Stage(StageCommand::Start(args)) => change::start_stage(context, args).await,
        Command::Stage(StageCommand::Finish(args)) => change::finish_stage(context, args).await,
        Command::Note(args) => change::note(context, args).await,
        Command::Heartbeat(args) => change::heartbeat(context, args).await,
        Command::Complete(args) => change::complete(context, args).await,
        Command::Summary { run } => read::summary(context, run).await,
        Command::Stalled(page) => commands::stalled(context, *page).await,
        Command::Sweep { grace } => sweep::sweep(context, *grace).await,
        Command::Activity(args) => commands::activity(context, args).await,
        Command::Events(args) => events::events(context, args).await,
        Command::Token(command) => token::token(context, command).await,
        Command::Duties => duty::list(context).await,
        Command::Webhook(command) => webhook::webhook(context, command).await,
        Command::Airtable(command) => airtable::airtable(context, command).await,
        Command::Import(command) => import::import(context, command).await,
        Command::Export(args) => export::export(context, args).await,
        Command::Verify { against: None } => setup::verify(context).await,
        Command::Verify { against: Some(other) } => moving::compare(context, other).await,
        Command::Db(command) => db::db(context, command).await,
        // These need no ledger and were done before.
        Command::Serve(_)
        | Command::Config(_)
        | Command::Demo
        | Command::Dev(_)
        | Command::Completions { .. }
        | Command::Man { .. }
        | Command::Openapi
        | Command::Problems => Ok(()),
    }
}

/// One thread is enough for one command.
fn block_on(work: impl Future<Output = Outcome>) -> Outcome {
    let runtime = runtime::Builder::new_current_thread().enable_all().build();
    runtime
        .map_err(|error| Failure::new(Exit::Fault, format_args!("cannot start the runtime: {error}")))?
        .block_on(work)
}

/// What the command line and the environment say about the configuration.
fn given(cli: &Cli) -> Outcome<Given> {
    let Global { data, config, .. } = &cli.global;
    let mut flags = Vec::new();
    if let Some(data) = data {
        let text = data
            .to_str()
            .filter(|text| !text.is_empty())
            .ok_or_else(|| Failure::usage(format_args!("--data {} is empty or not UTF-8", data.display())))?;
        flags.push(("data", "--data", text.to_owned()));
    }
    if let Command::Serve(args) = &cli.command
        && let Some(listen) = args.listen
    {
        flags.push(("listen", "--listen", listen.to_string()));
    }
    Ok(Given {
        environment: env::vars_os().collect(),
        file: config.clone().filter(|path| !path.as_os_str().is_empty()),
        flags,
    })
}

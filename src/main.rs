//! `anima`: arguments in, a running service or a conversation out.

use std::{
    io::Write,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anima::{
    app::Application,
    chat,
    convert::Convert,
    doctor,
    eval::Eval,
    knowledge::index,
    merge::Merge,
    providers, pull,
    settings::{Overrides, Settings, SettingsError, hide_secrets},
    telemetry,
};
use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

/// How long a service that is well may take to say so.
const HEALTH_DEADLINE: Duration = Duration::from_secs(2);

/// The brain of a digital human, as one service.
#[derive(Parser)]
#[command(version, about, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service (the default).
    Serve(Serve),
    /// Talk in the terminal; starts a service when none listens.
    Chat(Chat),
    /// Make an old model folder one that the local engine can load.
    Convert(Convert),
    /// Add a LoRA adapter to a model, as a new folder for a provider of kind "local".
    Merge(Merge),
    /// Measure models and turns on data of your own.
    Eval(Eval),
    /// Read the folders that personas know, so that they can be searched.
    Index(Index),
    /// Show the effective configuration.
    Config(Serve),
    /// Look whether a service would run well here, and say what to do where it would not.
    Doctor(Doctor),
    /// Say whether the configured service takes turns; fails when it does not.
    Health(Serve),
    /// Show how the providers of the running service are doing.
    Providers(Providers),
    /// Fetch a model from a hub, for a provider of kind "local".
    Pull(pull::Options),
}

#[derive(Args, Clone)]
struct Serve {
    /// Address to bind.
    #[arg(long)]
    host: Option<IpAddr>,
    /// Port to bind; 0 takes a free one.
    #[arg(long)]
    port: Option<u16>,
    /// Folder of the configuration files.
    #[arg(long, value_name = "DIR", default_value = "config", env = "ANIMA_CONFIG")]
    config: PathBuf,
    /// Folder of the embedded store.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Which `<profile>.toml` changes `base.toml`.
    #[arg(long, value_name = "NAME", default_value = "local", env = "ANIMA_PROFILE")]
    profile: String,
}

#[derive(Args)]
struct Chat {
    /// The service to talk to; without it, the one of the configuration, which is started when it
    /// does not listen.
    #[arg(long)]
    url: Option<String>,
    /// The key that the service of --url asks for; better given by the variable, which nobody sees.
    #[arg(long, env = "ANIMA_KEY", hide_env_values = true)]
    key: Option<SecretString>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Args)]
struct Providers {
    #[command(flatten)]
    options: providers::Options,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Args)]
struct Doctor {
    #[command(flatten)]
    options: doctor::Options,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Args)]
struct Index {
    #[command(flatten)]
    options: index::Options,
    #[command(flatten)]
    serve: Serve,
}

impl Serve {
    fn settings(&self) -> Result<Settings, SettingsError> {
        let overrides = Overrides { host: self.host, port: self.port, data: self.data.clone() };
        Settings::load(&self.config, &self.profile, &overrides)
    }
}

fn main() -> ExitCode {
    telemetry::watch_for_panics();
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        None => run(serve(&arguments.serve)),
        Some(Command::Serve(options)) => run(serve(&options)),
        Some(Command::Chat(options)) => run(converse(&options)),
        Some(Command::Convert(options)) => options.run(),
        Some(Command::Merge(options)) => options.run(),
        Some(Command::Eval(options)) => run(options.run()),
        Some(Command::Index(Index { options, serve })) => {
            run(async { index::run(&options, &serve.settings()?).await })
        }
        Some(Command::Config(options)) => show(&options),
        Some(Command::Doctor(Doctor { options, serve })) => {
            run(doctor::run(&options, serve.settings()))
        }
        Some(Command::Health(options)) => run(ask_health(&options)),
        Some(Command::Providers(Providers { options, serve })) => {
            run(async { providers::show(&options, &serve.settings()?).await })
        }
        Some(Command::Pull(options)) => run(async { Ok(pull::run(&options).await?) }),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line: what was attempted, and why it failed.
            let _ = writeln!(std::io::stderr(), "anima: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(task)
}

async fn serve(options: &Serve) -> anyhow::Result<()> {
    let settings = options.settings()?;
    let traces = telemetry::install(&settings.telemetry)?;
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let application = tokio::select! {
        application = Application::build(settings) => application?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    let address = application.address();
    writeln!(
        std::io::stdout(),
        "Anima listens on http://{address}\n\n\
         See it:   http://{address} in a browser\n\
         Ask it:   curl -X POST http://{address} -H 'Content-Type: application/json' -d '{{\"prompt\": \"如何应对压力\"}}'\n\
         Talk:     make chat          (in another terminal; or: anima chat --url ws://{address}/ws)\n\
         Stop:     Ctrl-C\n"
    )?;
    let (stop, stopped) = oneshot::channel();
    let impatience = async {
        let mut signals = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        signals().await;
        // The service may have ended by itself; then there is nothing to stop.
        let _ = stop.send(());
        signals().await;
    };
    let stopped = async {
        // A dropped sender means that a second signal came, which ends everything at once.
        let _ = stopped.await;
    };
    let ended = tokio::select! {
        ended = application.run_until_stopped(stopped) => Ok(ended?),
        () = impatience => Err(anyhow::anyhow!(
            "stopped at once; turns that were running can be asked for again"
        )),
    };
    if let Some(traces) = traces.filter(|_| ended.is_ok()) {
        traces.end().await;
    }
    ended
}

async fn converse(options: &Chat) -> anyhow::Result<()> {
    match &options.url {
        Some(url) => chat::talk(url, options.key.as_ref()).await,
        None => chat::talk_here(options.serve.settings()?).await,
    }
}

/// Asks the service on this machine whether it takes turns, as the health check of a container does.
async fn ask_health(options: &Serve) -> anyhow::Result<()> {
    let server = options.settings()?.server;
    // A service that is bound to every address is asked on this machine's own.
    let host = if server.host.is_unspecified() { Ipv4Addr::LOCALHOST.into() } else { server.host };
    let url = format!("http://{}/readyz", SocketAddr::new(host, server.port));
    let client = reqwest::Client::builder().no_proxy().timeout(HEALTH_DEADLINE).build()?;
    let answer = client.get(&url).send().await.map_err(reqwest::Error::without_url)?;
    let (ready, text) = (answer.status().is_success(), answer.text().await?);
    writeln!(std::io::stdout(), "{text}")?;
    if ready { Ok(()) } else { anyhow::bail!("the service takes no turns now") }
}

/// Shows what the files, the variables and the command line add up to.
fn show(options: &Serve) -> anyhow::Result<()> {
    let mut settings = toml::Value::try_from(options.settings()?)?;
    hide_secrets(&mut settings);
    Ok(write!(std::io::stdout(), "{}", toml::to_string_pretty(&settings)?)?)
}

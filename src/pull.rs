//! `anima pull`: fetches a model from a hub into a folder that a local provider can name.
//!
//! The hub is asked for the list of files, the engine's are chosen, and what is not here yet comes:
//! up to four files at once, each under another name until it is whole and adds up. What a hub says
//! is not trusted: paths must stay in the folder, sizes and checksums must be as declared.

mod choice;
mod client;
mod download;
mod error;
mod glob;
mod hub;
mod listing;
mod model;
mod part;
mod path;
mod plan;
mod record;
mod report;
mod retry;
mod screen;
mod verify;

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use secrecy::SecretString;
use tokio::signal::ctrl_c;

use self::{
    choice::Wanted,
    client::{Client, Patience},
    listing::RemoteFile,
    model::Model,
    plan::Plan,
    record::Record,
    report::Place,
    screen::Screen,
};
pub use self::{error::PullError, hub::Hub};
use crate::settings;

/// Files that come at once.
const AT_ONCE: usize = 4;

const VARIABLES: &str = "\
Variables: HF_ENDPOINT and MODELSCOPE_ENDPOINT name a mirror, HF_TOKEN and MODELSCOPE_API_TOKEN hold
a token for gated and private models, HTTPS_PROXY names a proxy.";

/// What `anima pull` is told.
#[derive(Debug, Args)]
#[command(after_help = VARIABLES)]
pub struct Options {
    /// The model: org/name, org/name@revision or modelscope:org/name.
    model: String,
    /// The folder to put it into; without it, models/NAME beside the configuration folder.
    #[arg(value_name = "OUT")]
    out: Option<PathBuf>,
    /// The same as OUT.
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    into: Option<PathBuf>,
    /// The hub; huggingface unless the model says otherwise.
    #[arg(long, value_enum)]
    from: Option<Hub>,
    /// Branch, tag or commit.
    #[arg(long)]
    revision: Option<String>,
    /// Fetch the files that match, and not what the engine needs; can be given several times.
    #[arg(long, value_name = "GLOB")]
    include: Vec<String>,
    /// Fetch this GGUF file (a name or a pattern), with the tokenizer if it is there.
    #[arg(long, value_name = "FILE", conflicts_with = "include")]
    gguf: Option<String>,
    /// Replace files that differ from the hub's and did not come from it.
    #[arg(long)]
    overwrite: bool,
    /// Most attempts in a row that bring nothing, after the first.
    #[arg(long, value_name = "COUNT", default_value_t = 5)]
    retries: u32,
    /// How long nothing may come.
    #[arg(long, value_name = "SECONDS", default_value_t = 30,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
    /// Folder of the configuration files.
    #[arg(long, value_name = "DIR", default_value = "config", env = "ANIMA_CONFIG")]
    config: PathBuf,
    #[command(flatten)]
    access: Access,
}

/// Where the hubs are and who asks. These come from variables; as options they would show in the
/// list of processes, so the help does not name them.
#[derive(Debug, Args)]
struct Access {
    #[arg(long, env = "HF_ENDPOINT", hide = true)]
    hf_endpoint: Option<String>,
    #[arg(long, env = "HF_TOKEN", hide = true, hide_env_values = true)]
    hf_token: Option<SecretString>,
    #[arg(long, env = "MODELSCOPE_ENDPOINT", hide = true)]
    modelscope_endpoint: Option<String>,
    #[arg(long, env = "MODELSCOPE_API_TOKEN", hide = true, hide_env_values = true)]
    modelscope_api_token: Option<SecretString>,
}

/// Fetches a model; tells about it on standard error, and on standard output writes what to put
/// into the configuration.
///
/// # Errors
/// When it is not there whole and right in the end. What came of it is kept, but for files whose
/// size or checksum is wrong.
pub async fn run(options: &Options) -> Result<(), PullError> {
    tokio::select! {
        outcome = Box::pin(pull(options)) => outcome,
        _ = ctrl_c() => Err(PullError::Interrupted),
    }
}

async fn pull(options: &Options) -> Result<(), PullError> {
    let client = options.client()?;
    let mut place = options.place(&client.model)?;
    let screen = Screen::new();
    let listed = listing::list(&client, &screen).await?;
    let (files, weights) = choice::choose(listed, options.wanted())?;
    create(&mut place)?;
    let outcome = fill(&client, &screen, &place, files, options.overwrite).await;
    drop(screen);
    if outcome.is_err() {
        // Nobody needs an empty folder; one that is not empty stays.
        let _ = fs::remove_dir(&place.folder);
    }
    outcome?;
    if let Some(report) = report::report(&client.model, &place, &weights) {
        // Apart, so that `>> config/local.toml` gets only what belongs there.
        let told = writeln!(io::stderr(), "\n{}", report.advice)
            .and_then(|()| write!(io::stdout(), "{}", report.block));
        told.map_err(PullError::file("write to", "the terminal"))?;
    }
    Ok(())
}

/// Says what is missing in the folder, and fetches it.
async fn fill(
    client: &Client,
    screen: &Screen,
    place: &Place,
    files: Vec<RemoteFile>,
    overwrite: bool,
) -> Result<(), PullError> {
    let mut record = Record::open(&place.folder);
    let plan = Plan::make(files, &place.folder, &mut record, screen, overwrite).await?;
    screen.note(&format!(
        "{} (revision {}) from {} into {}\n{}",
        client.model.id(),
        client.model.revision,
        client.address(),
        place.seen_from_here(),
        plan.describe()
    ));
    check_disk(&place.folder, plan.needed())?;
    fetch(client, screen, &plan, &mut record).await
}

/// Fetches what is missing. The first file that fails ends it; what came of the others is kept.
async fn fetch(
    client: &Client,
    screen: &Screen,
    plan: &Plan,
    record: &mut Record,
) -> Result<(), PullError> {
    screen.begin(plan.total());
    let folder = record.folder().to_owned();
    let folder = folder.as_path();
    let downloads = stream::iter(plan.missing()).map(async |file| {
        download::fetch(client, screen, folder, file).await?;
        Ok(file)
    });
    let mut arrived = downloads.buffer_unordered(AT_ONCE);
    while let Some(file) = arrived.try_next().await? {
        record.add(file)?;
    }
    Ok(())
}

impl Options {
    fn client(&self) -> Result<Client, PullError> {
        let model = Model::parse(&self.model, self.from, self.revision.as_deref())?;
        let (endpoint, token) = match model.hub {
            Hub::HuggingFace => (&self.access.hf_endpoint, &self.access.hf_token),
            Hub::ModelScope => {
                (&self.access.modelscope_endpoint, &self.access.modelscope_api_token)
            }
        };
        let endpoint = model.hub.endpoint(endpoint.as_deref())?;
        let patience =
            Patience { retries: self.retries, silence: Duration::from_secs(self.timeout) };
        Client::new(model, endpoint, token.as_ref(), patience)
    }

    fn wanted(&self) -> Wanted<'_> {
        match &self.gguf {
            Some(file) => Wanted::Gguf(file),
            None if self.include.is_empty() => Wanted::Model,
            None => Wanted::Matching(&self.include),
        }
    }

    /// Where the model goes. The configuration need not be there when the folder is named.
    fn place(&self, model: &Model) -> Result<Place, PullError> {
        let home = settings::home(&self.config);
        let here = std::env::current_dir().map_err(PullError::file("find", "."))?;
        // Said on the command line, it starts from where the command was given.
        let (folder, home) = match (self.out.as_ref().or(self.into.as_ref()), home) {
            (Some(out), home) => (here.join(out), home.ok()),
            (None, Ok(home)) => (home.join("models").join(&model.name), Some(home)),
            (None, Err(error)) => return Err(PullError::Home(error)),
        };
        Ok(Place { folder, home, here })
    }
}

/// Makes the folder, and finds out its one true name.
fn create(place: &mut Place) -> Result<(), PullError> {
    let folder = &place.folder;
    let canonical = fs::create_dir_all(folder).and_then(|()| folder.canonicalize());
    place.folder = canonical.map_err(PullError::file("create", folder))?;
    Ok(())
}

/// Refuses to begin what cannot end well.
fn check_disk(folder: &Path, needed: u64) -> Result<(), PullError> {
    let Ok(disk) = rustix::fs::statvfs(folder) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if needed > free {
        return Err(PullError::Disk { folder: folder.to_owned(), needed, free });
    }
    Ok(())
}

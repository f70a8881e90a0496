//! `[server]`: where and how the service listens.

use std::{
    iter,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use super::{ImageSettings, OpenAiSurfaceSettings};

/// `[server]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerSettings {
    /// Address to bind.
    pub host: IpAddr,
    /// Port to bind; 0 takes a free one.
    pub port: u16,
    /// Further addresses to bind, such as the ports that old callers have built in.
    pub listen: Vec<SocketAddr>,
    /// Allows an address that others can reach, although whoever calls needs no key.
    pub open: bool,
    /// The variable that holds the key of those who may call `/admin/…`.
    pub admin_key_env: Option<String>,
    /// The file that holds it.
    pub admin_key_file: Option<PathBuf>,
    /// Origins of web pages that may connect, beside those of this machine.
    pub origins: Vec<String>,
    /// Largest HTTP body and WebSocket message, in bytes.
    pub max_message_bytes: usize,
    /// Most WebSocket messages of one client in a minute.
    pub messages_per_minute: u32,
    /// Most WebSocket connections at a time.
    pub max_connections: usize,
    /// Most connections at a time that are no `WebSockets`.
    pub max_http_connections: usize,
    /// Most turns that are answered at a time, or wait for a provider.
    pub max_turns: usize,
    /// How long running turns may go on after a termination signal, in milliseconds.
    pub drain_ms: u64,
    /// Pictures that callers name by their address.
    pub images: ImageSettings,
    /// What callers of `OpenAI`'s API get.
    pub openai: OpenAiSurfaceSettings,
    /// Addresses that speak TLS.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
}

impl ServerSettings {
    /// The hosts of all addresses, each with the key that it stands under.
    pub fn hosts(&self) -> impl Iterator<Item = (&'static str, IpAddr)> {
        let further = self.listen.iter().map(|address| ("server.listen", address.ip()));
        let secure = self.tls.iter().flat_map(|tls| &tls.listen);
        let secure = secure.map(|address| ("server.tls.listen", address.ip()));
        iter::once(("server.host", self.host)).chain(further).chain(secure)
    }
}

/// `[server.tls]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// Addresses to bind beside those that speak plain text.
    pub listen: Vec<SocketAddr>,
    /// The certificate and those that it rests on, in PEM form.
    pub certificate_file: PathBuf,
    /// Its private key, in PEM form.
    pub key_file: PathBuf,
}

//! The listeners that speak TLS. The certificates in `tls/` belong to nobody, and neither do their
//! keys: they are for 127.0.0.1 and these tests.

use std::{fs, path::PathBuf, sync::Arc};

use futures::{SinkExt, StreamExt};
use reqwest::{Certificate, Client, Method, Version};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use anima::settings::{Settings, TlsSettings};

use crate::{
    helpers::{PATIENCE, TestApp},
    providers::answering,
};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/api/tls").join(name)
}

fn with_tls(settings: &mut Settings) {
    settings.server.tls = Some(TlsSettings {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        certificate_file: file("one.pem"),
        key_file: file("one.key.pem"),
    });
}

async fn app() -> TestApp {
    TestApp::start_with(vec![answering("demo", "你好。")], with_tls).await
}

/// A client that knows the certificate.
fn client() -> Client {
    let certificate = Certificate::from_pem(&fs::read(file("one.pem")).unwrap()).unwrap();
    let client = Client::builder().no_proxy().tls_certs_only([certificate]);
    client.timeout(PATIENCE).build().unwrap()
}

async fn connect(app: &TestApp) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(file("one.pem")).unwrap()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(app.secure[0]).await.unwrap();
    let name = ServerName::try_from("127.0.0.1").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

async fn socket(app: &TestApp, path: &str) -> WebSocketStream<TlsStream<TcpStream>> {
    let address = format!("wss://{}{path}", app.secure[0]);
    client_async(address, connect(app).await).await.unwrap().0
}

async fn next(socket: &mut WebSocketStream<TlsStream<TcpStream>>) -> Value {
    loop {
        let message = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
        if let Message::Text(text) = message {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

#[tokio::test]
async fn requests_over_tls_are_answered_by_http_1() {
    let (app, client) = (app().await, client());
    let address = format!("https://{}/healthz", app.secure[0]);
    let response = client.get(&address).send().await.unwrap();
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_11));
    // The plain listener goes on, and the other one speaks nothing plain.
    app.get("/healthz").await;
    let plain = client.get(address.replace("https", "http")).send().await;
    assert!(plain.is_err(), "{plain:?}");
}

/// What programs get at `/` without TLS.
async fn plain(app: &TestApp) -> String {
    app.request(Method::GET, "/").send().await.unwrap().text().await.unwrap()
}

#[tokio::test]
async fn the_examples_begin_as_the_caller_s_address_does() {
    let app = app().await;
    let (host, plain) = (app.secure[0], plain(&app).await);
    let secure = client().get(format!("https://{host}/")).send().await.unwrap();
    let secure = secure.text().await.unwrap();
    for example in [
        format!("  https://{host}/ in a browser"),
        format!("curl -X POST https://{host}/ "),
        format!("anima chat --url wss://{host}/ws"),
        format!("connect to wss://{host}/ws"),
    ] {
        assert!(secure.contains(&example), "{example} is not in {secure}");
    }
    assert!(!secure.contains("http://") && !secure.contains("ws://"), "{secure}");
    assert!(!plain.contains("https://") && !plain.contains("wss://"), "{plain}");
}

#[tokio::test]
async fn every_socket_is_there_over_tls() {
    let app = app().await;
    let mut native = socket(&app, "/ws").await;
    let say = json!({ "type": "say", "text": "你好" });
    native.send(Message::text(say.to_string())).await.unwrap();
    while next(&mut native).await["type"] != "finished" {}
    let mut realtime = socket(&app, "/v1/realtime").await;
    assert_eq!(next(&mut realtime).await["type"], "session.created");
    let mut vtuber = socket(&app, "/client-ws").await;
    assert_eq!(next(&mut vtuber).await["type"], "full-text");
}

#[tokio::test]
async fn what_bounds_a_plain_socket_bounds_one_over_tls() {
    let app = TestApp::start_with(vec![answering("demo", "你好。")], |settings| {
        with_tls(settings);
        settings.server.max_message_bytes = 1000;
    })
    .await;
    let mut native = socket(&app, "/ws").await;
    native.send(Message::text("x".repeat(1001))).await.unwrap();
    loop {
        let message = timeout(PATIENCE, native.next()).await.unwrap().unwrap().unwrap();
        if let Message::Close(frame) = message {
            assert_eq!(u16::from(frame.unwrap().code), 1009);
            break;
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_certificate_is_said_before_the_service_starts() {
    let start = |certificate: &str, key: &str| {
        let (certificate_file, key_file) = (file(certificate), file(key));
        let folder = tempfile::tempdir().unwrap();
        let mut settings = crate::helpers::settings(folder.path());
        with_tls(&mut settings);
        let tls = settings.server.tls.as_mut().unwrap();
        (tls.certificate_file, tls.key_file) = (certificate_file, key_file);
        let registry = anima::registry::Registry::of([answering("demo", "") as _], PATIENCE);
        let built = anima::app::Application::with_registry(settings, registry);
        format!("{:#}", built.err().expect("it starts"))
    };
    let missing = start("absent.pem", "one.key.pem");
    assert!(missing.contains("server.tls.certificate_file"), "{missing}");
    let swapped = start("one.pem", "one.pem");
    assert!(
        swapped.contains("server.tls.key_file") && swapped.contains("private key"),
        "{swapped}"
    );
    let other = start("one.pem", "two.key.pem");
    assert!(other.contains("server.tls") && other.contains("together"), "{other}");
}

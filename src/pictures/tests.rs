use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nrest";

fn settings(fetch: PictureSources, trusted: &[&str]) -> ImageSettings {
    let trusted = trusted.iter().map(ToString::to_string).collect();
    ImageSettings { fetch, trusted, max_bytes: 1000, timeout_ms: 500 }
}

/// A server on this machine that gives these responses, one for each connection, and its port.
async fn serve(responses: Vec<Vec<u8>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        for response in responses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(&response).await;
        }
    });
    port
}

fn response(head: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {head}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

fn picture() -> Vec<u8> {
    response("200 OK\r\nContent-Type: image/png; charset=x", PNG)
}

/// What is fetched from a server that is trusted by the name it is called here.
async fn fetched(responses: Vec<Vec<u8>>) -> Result<String, PictureError> {
    let port = serve(responses).await;
    let fetcher = PictureFetcher::new(settings(PictureSources::Http, &["localhost"]));
    fetcher.fetch(&format!("http://localhost:{port}/a.png"), 1000).await
}

#[tokio::test]
async fn nothing_is_fetched_unless_it_is_allowed() {
    let fetcher = PictureFetcher::new(settings(PictureSources::Off, &[]));
    assert_eq!(fetcher.fetch("https://example.org/a.png", 9).await, Err(PictureError::Off));
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused_however_they_are_written() {
    let port = serve((0..40).map(|_| picture()).collect()).await;
    let fetcher = PictureFetcher::new(settings(PictureSources::Http, &[]));
    for host in [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "0.0.0.0",
        "[::]",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "169.254.169.254",
    ] {
        let found = fetcher.fetch(&format!("http://{host}:{port}/a.png"), 1000).await;
        assert_eq!(found, Err(PictureError::Unreachable), "{host}");
    }
    for url in [
        "file:///etc/passwd",
        "ftp://example.org/a.png",
        "gopher://example.org",
        "https://me:secret@example.org/a.png",
        "https://",
        "not a URL",
        "//example.org/a.png",
    ] {
        let found = fetcher.fetch(url, 1000).await;
        assert!(matches!(found, Err(PictureError::Address(_))), "{url}: {found:?}");
    }
    let careful = PictureFetcher::new(settings(PictureSources::Https, &["localhost"]));
    let found = careful.fetch(&format!("http://localhost:{port}/a.png"), 1000).await;
    assert!(matches!(found, Err(PictureError::Address(_))), "{found:?}");
}

#[tokio::test]
async fn a_picture_becomes_a_data_url() {
    let url = format!("data:image/png;base64,{}", STANDARD.encode(PNG));
    assert_eq!(fetched(vec![picture()]).await, Ok(url.clone()));
    let moved = response("302 Found\r\nLocation: /b.png", b"");
    assert_eq!(fetched(vec![moved.clone(), moved, picture()]).await, Ok(url));
}

#[tokio::test]
async fn a_redirection_is_looked_at_like_any_address() {
    let inner = serve(vec![picture()]).await;
    for target in [format!("http://127.0.0.1:{inner}/"), "http://169.254.169.254/latest".to_owned()]
    {
        let moved = response(&format!("302 Found\r\nLocation: {target}"), b"");
        assert_eq!(fetched(vec![moved]).await, Err(PictureError::Unreachable), "{target}");
    }
    let file = response("302 Found\r\nLocation: file:///etc/passwd", b"");
    assert!(matches!(fetched(vec![file]).await, Err(PictureError::Address(_))));
    let round = response("302 Found\r\nLocation: /", b"");
    assert_eq!(fetched(vec![round; 9]).await, Err(PictureError::Unreachable));
}

#[tokio::test]
async fn what_is_no_picture_is_not_handed_on() {
    for (response, error) in [
        (response("200 OK\r\nContent-Type: text/html", PNG), PictureError::Format),
        (response("200 OK", PNG), PictureError::Format),
        (response("200 OK\r\nContent-Type: image/svg+xml", b"<svg/>"), PictureError::Format),
        (response("200 OK\r\nContent-Type: image/png", b"secret"), PictureError::Format),
        (response("404 Not Found\r\nContent-Type: image/png", PNG), PictureError::Unreachable),
        (
            response("200 OK\r\nContent-Type: image/png\r\nContent-Length: 1001", PNG),
            PictureError::TooLarge(1000),
        ),
        (
            response("200 OK\r\nContent-Type: image/png", &[PNG, &[0; 1000]].concat()),
            PictureError::TooLarge(1000),
        ),
    ] {
        let told = String::from_utf8_lossy(&response).into_owned();
        assert_eq!(fetched(vec![response]).await, Err(error), "{told}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let fetcher = PictureFetcher::new(settings(PictureSources::Http, &["127.0.0.1"]));
    let found = fetcher.fetch(&format!("http://127.0.0.1:{port}/"), 1000).await;
    assert_eq!(found, Err(PictureError::Unreachable));
}

//! A Redis of the tests' own: on a free port, without a file, and gone with whoever started it.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::LazyLock,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// How long a server may take to start or to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// Starts a server in the folder `$0`, and ends it when our end of its input closes, which happens
/// whatever becomes of us. The folder goes with it unless we say that it is to stay.
const KEEPER: &str = r#"
redis-server --dir "$0" "$@" >"$0/log" & echo $!
read -r order
kill -KILL $! 2>/dev/null; wait
[ "$order" = stay ] || rm -rf "$0"
"#;

/// A server that ends with this value, and with the process.
pub(crate) struct RedisServer {
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    keeper: Option<Child>,
    pid: u32,
}

impl RedisServer {
    /// The server of all tests of this process that do not disturb it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<RedisServer> = LazyLock::new(|| RedisServer::start(&[]));
        &SHARED
    }

    /// Starts a server with further arguments.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        // Somebody else may take the port that was free a moment ago.
        for _ in 0..10 {
            let port = free_port();
            let folder = tempfile::tempdir().unwrap();
            let mut server =
                Self { port, arguments: arguments.clone(), folder, keeper: None, pid: 0 };
            if server.launch() {
                return server;
            }
        }
        panic!("redis-server does not start; is it there? apt-get install redis-server");
    }

    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The same without its protocol.
    pub(crate) fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// A file in the folder that it works in.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        if let Some(mut keeper) = self.keeper.take() {
            if let Some(mut orders) = keeper.stdin.take() {
                writeln!(orders, "stay").unwrap();
            }
            keeper.wait().unwrap();
        }
    }

    /// Starts it again after [`RedisServer::kill`], with what it has on disk.
    pub(crate) fn restart(&mut self) {
        assert!(self.launch(), "redis-server does not start again");
    }

    /// Stops it without ending it: connections stay, and nothing is answered.
    pub(crate) fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub(crate) fn thaw(&self) {
        self.signal("CONT");
    }

    /// Sends a command in one line and gives the answer as it comes.
    pub(crate) fn command(&self, line: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        write!(stream, "{line}\r\nQUIT\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// How often a command was called since the last `CONFIG RESETSTAT`.
    pub(crate) fn calls(&self, command: &str) -> u64 {
        let stats = self.command("INFO commandstats");
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:")));
        let calls = line.and_then(|line| line.strip_prefix("calls=")?.split(',').next());
        calls.map_or(0, |calls| calls.parse().unwrap())
    }

    fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.pid.to_string()).status();
        assert!(sent.unwrap().success());
    }

    fn launch(&mut self) -> bool {
        let mut keeper = Command::new("sh")
            .arg("-c")
            .arg(KEEPER)
            .arg(self.folder.path())
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no"])
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pid = String::new();
        BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut pid).unwrap();
        self.pid = pid.trim().parse().unwrap();
        self.keeper = Some(keeper);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE && self.is_alive() {
            if self.answers() {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        self.kill();
        false
    }

    fn is_alive(&self) -> bool {
        let mut command = Command::new("kill");
        command.arg("-0").arg(self.pid.to_string()).stderr(Stdio::null());
        command.status().unwrap().success()
    }

    /// Whether it has read its data and answers, be it by asking for a password.
    fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)) else { return false };
        let mut answer = [0; 5];
        stream.write_all(b"PING\r\n").is_ok()
            && stream.read_exact(&mut answer).is_ok()
            && answer != *b"-LOAD"
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on at present.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

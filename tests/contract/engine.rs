//! Engines that speak DynamoDB: fetched once into a cache outside the clone, started on a free port, and gone
//! when the tests are.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

/// An engine that runs for as long as this process does.
pub(crate) struct Engine {
    /// Where it answers.
    pub(crate) url: String,
    // The engine's keeper kills it when this pipe closes, and it closes however this process ends.
    _lifeline: ChildStdin,
}

/// Amazon's DynamoDB Local, in memory.
pub(crate) fn dynamodb_local() -> Result<Engine, String> {
    cached(
        "dynamodb-local",
        "pom.xml",
        include_str!("dynamodb-local/pom.xml"),
        |home| {
            let mut mvn = Command::new("mvn");
            mvn.args(["-q", "-B", "-f"])
                .arg(home.join("pom.xml"))
                .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
                .arg(format!("-DoutputDirectory={}", home.join("lib").display()));
            vec![mvn]
        },
    )
    .and_then(|home| {
        let lib = home.join("lib");
        start(&home, |port| {
            let mut java = Command::new("java");
            java.arg(format!("-Djava.library.path={}", lib.display()))
                .arg("-cp")
                .arg(lib.join("*"))
                .arg("software.amazon.dynamodb.services.local.main.ServerRunner")
                .args(["-inMemory", "-disableTelemetry", "-port"])
                .arg(port.to_string());
            java
        })
    })
    .map_err(|why| format!("DynamoDB Local cannot be had: {why}"))
}

/// moto's server, which is somebody else's reading of the same service.
pub(crate) fn moto() -> Result<Engine, String> {
    cached(
        "moto",
        "requirements.txt",
        include_str!("moto/requirements.txt"),
        |home| {
            let mut venv = Command::new("python3");
            venv.args(["-m", "venv"]).arg(home.join("venv"));
            let mut pip = Command::new(home.join("venv/bin/python"));
            pip.args(["-m", "pip", "install", "-q", "-r"])
                .arg(home.join("requirements.txt"));
            vec![venv, pip]
        },
    )
    .and_then(|home| {
        start(&home, |port| {
            let mut python = Command::new(home.join("venv/bin/python"));
            python
                .args(["-m", "moto.server", "-H", "127.0.0.1", "-p"])
                .arg(port.to_string());
            python
        })
    })
    .map_err(|why| format!("moto cannot be had: {why}"))
}

/// The engine that a test needs. Without it the test fails.
#[track_caller]
pub(crate) fn running(engine: &Result<Engine, String>) -> &Engine {
    match engine {
        Ok(engine) => engine,
        Err(why) => panic!("{why}"),
    }
}

/// The folder of an engine, filled by `fetch` unless it was filled for the very same `list`.
fn cached(
    name: &str,
    file: &str,
    list: &str,
    fetch: impl FnOnce(&Path) -> Vec<Command>,
) -> Result<PathBuf, String> {
    let said = |error: std::io::Error| error.to_string();
    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        .ok_or("there is neither XDG_CACHE_HOME nor HOME")?
        .join("redrive-ci");
    fs::create_dir_all(&cache).map_err(said)?;
    // One process at a time; the lock goes with the file.
    let lock = File::create(cache.join(format!("{name}.lock"))).map_err(said)?;
    lock.lock().map_err(said)?;
    let home = cache.join(name);
    let fetched = home.join("fetched");
    if fs::read_to_string(&fetched).is_ok_and(|fetched| fetched == list) {
        return Ok(home);
    }
    if home.exists() {
        fs::remove_dir_all(&home).map_err(said)?;
    }
    fs::create_dir_all(&home).map_err(said)?;
    fs::write(home.join(file), list).map_err(said)?;
    for mut command in fetch(&home) {
        let program = command.get_program().display().to_string();
        let output = command
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("{program}: {error}"))?;
        if !output.status.success() {
            let lines = [output.stdout, output.stderr].concat();
            let lines = String::from_utf8_lossy(&lines);
            let last: Vec<&str> = lines.lines().take(3).collect();
            return Err(format!("{program} failed: {}", last.join(" | ")));
        }
    }
    fs::write(&fetched, list).map_err(said)?;
    Ok(home)
}

/// Starts an engine on a free port and waits until it answers.
fn start(home: &Path, command: impl FnOnce(u16) -> Command) -> Result<Engine, String> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|free| free.local_addr())
        .map_err(|error| error.to_string())?
        .port();
    let engine = command(port);
    let log = home.join("log");
    let output = || File::create(&log).map(Stdio::from);
    let mut keeper: Child = Command::new("sh")
        .arg("-c")
        // The interrupt of a terminal reaches the whole group; the keeper outlives it to do its work.
        .arg(r#"trap '' INT TERM; "$@" </dev/null & engine=$!; cat >/dev/null; kill -9 $engine"#)
        .arg("keeper")
        .arg(engine.get_program())
        .args(engine.get_args())
        .stdin(Stdio::piped())
        .stdout(output().map_err(|error| error.to_string())?)
        .stderr(output().map_err(|error| error.to_string())?)
        .spawn()
        .map_err(|error| format!("sh: {error}"))?;
    let lifeline = keeper.stdin.take().ok_or("no pipe")?;
    let began = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        if began.elapsed() > Duration::from_secs(60) {
            let log = fs::read_to_string(&log).unwrap_or_default();
            return Err(format!("it did not start within 60 s: {log}"));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(Engine {
        url: format!("http://127.0.0.1:{port}"),
        _lifeline: lifeline,
    })
}

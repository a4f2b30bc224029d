//! A real browser, without a screen, and the driver that clicks in it.

use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::json;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;
use std::{env, fs, process};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// How long the page may take to show something.
const PATIENCE: Duration = Duration::from_secs(30);
/// How often the driver looks.
const LOOK: Duration = Duration::from_millis(20);
const MISSING: &str = "install Debian's packages chromium and chromium-driver";

pub(crate) struct Browser {
    page: Client,
    driver: Child,
    profile: PathBuf,
}

impl Browser {
    /// None, after saying so, where there is no browser and none is required.
    pub(crate) async fn start() -> Option<Self> {
        if let Some(why) = missing().await {
            let required = env::var("BROWSER_TESTS").is_ok_and(|value| value == "required");
            assert!(!required, "the page cannot be tested: {why}; {MISSING}");
            // Past the test harness, which keeps what is printed by tests that pass.
            let _ = writeln!(io::stderr(), "\nthe page was NOT TESTED: {why}; {MISSING}\n");
            return None;
        }
        let (driver, port) = start_driver().await;
        let profile = format!("{}/profile-{}", env!("CARGO_TARGET_TMPDIR"), process::id());
        let mut capabilities = serde_json::Map::new();
        capabilities.insert(
            "goog:chromeOptions".into(),
            json!({ "args": [
            "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--window-size=900,700", format!("--user-data-dir={profile}"),
        ] }),
        );
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let connected = builder.capabilities(capabilities);
        let connected = connected.connect(&format!("http://127.0.0.1:{port}")).await;
        let page = connected.expect("the driver starts the browser");
        Some(Self { page, driver, profile: profile.into() })
    }

    /// For the story; the browser itself is ended by [`close`](Self::close).
    pub(crate) fn page(&self) -> Page {
        Page { client: self.page.clone() }
    }

    pub(crate) async fn close(mut self) {
        let closed = self.page.close().await;
        let ended = self.driver.kill().await;
        let removed = fs::remove_dir_all(&self.profile);
        closed.expect("the browser ends");
        ended.expect("so does its driver");
        removed.expect("and what they wrote is ours");
    }
}

async fn missing() -> Option<String> {
    for program in ["chromium", "chromedriver"] {
        let mut command = Command::new(program);
        let asked = command.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
        if let Err(error) = asked.status().await {
            return Some(format!("{program}: {error}"));
        }
    }
    None
}

async fn start_driver() -> (Child, u16) {
    let mut command = Command::new("chromedriver");
    let started = command.arg("--port=0").stdout(Stdio::piped()).kill_on_drop(true).spawn();
    let mut driver = started.expect("it is there");
    let stdout = driver.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(stdout).lines();
    while let Some(line) = lines.next_line().await.expect("readable") {
        let port = line.strip_prefix("ChromeDriver was started successfully on port ");
        if let Some(port) = port.and_then(|port| port.trim_end_matches('.').parse().ok()) {
            // Whatever else it says goes nowhere, but it may say it.
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return (driver, port);
        }
    }
    panic!("chromedriver did not say on which port it listens");
}

/// The page in the browser, as a user sees it.
pub(crate) struct Page {
    pub(crate) client: Client,
}

impl Page {
    /// Waits until something on the page is like that.
    pub(crate) async fn sees(&self, selector: &str) -> Element {
        let wait = self.client.wait().at_most(PATIENCE).every(LOOK);
        match wait.for_element(Locator::Css(selector)).await {
            Ok(element) => element,
            Err(CmdError::WaitTimeout) => {
                let path = self.picture("missing").await;
                panic!("the page never showed {selector}; see {path}");
            }
            Err(error) => panic!("{selector}: {error}"),
        }
    }

    /// Waits until the button can be clicked, and clicks it.
    pub(crate) async fn click(&self, selector: &str) {
        let button = self.sees(&format!("{selector}:enabled")).await;
        button.click().await.expect("what is enabled can be clicked");
    }

    pub(crate) async fn number(&self, selector: &str, attribute: &str) -> f64 {
        let found = self.sees(selector).await.attr(attribute).await;
        let text = found.expect("the browser answers").expect("it has the attribute");
        text.parse().expect("it is a number")
    }

    /// A picture for human eyes, beside what cargo builds.
    pub(crate) async fn picture(&self, name: &str) -> String {
        let path = format!("{}/{name}.png", env!("CARGO_TARGET_TMPDIR"));
        let picture = self.client.screenshot().await.expect("the browser has drawn the page");
        fs::write(&path, picture).expect("the folder is cargo's");
        path
    }
}

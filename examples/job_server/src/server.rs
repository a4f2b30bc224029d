//! The web server: one page, one socket, and how it all ends.

use crate::board::Board;
use crate::connection;
use axum::Router;
use axum::extract::{State, WebSocketUpgrade};
use axum::http::header::{CONTENT_SECURITY_POLICY, HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::serve::ListenerExt;
use isobar::Clock;
use std::future::pending;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

const PAGE: &str = include_str!("page.html");
/// The page brings all it needs along, and talks to nobody but its server.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; \
                      img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'";
/// No request is longer, in bytes.
const MESSAGE_LIMIT: usize = 4096;
/// How long connections may take to end.
const GRACE: Duration = Duration::from_secs(2);

/// Jobs on an address.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    board: Arc<Board>,
}

/// What each request may need; its sender lives as long as a connection does.
#[derive(Clone)]
struct Site {
    board: Arc<Board>,
    connected: mpsc::Sender<()>,
}

impl Server {
    /// A server that listens, whose jobs take a step whenever `clock` says so.
    ///
    /// # Errors
    /// If there is no listening on that address.
    pub async fn bind(address: &str, clock: &Clock) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, board: Arc::new(Board::new(clock)) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stop` is over; then workers end, and clients are told.
    ///
    /// # Errors
    /// If the listener fails.
    pub async fn run_until(
        self,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        let (connected, mut left) = mpsc::channel::<()>(1);
        let (announce, stopped) = oneshot::channel();
        let board = self.board.clone();
        let routes = Router::new().route("/", get(page)).route("/socket", get(socket));
        let routes = routes.with_state(Site { board: self.board, connected });
        let listener = self.listener.tap_io(|stream| {
            // An answer behind a frame does not wait for the client to acknowledge the frame. A
            // stream that refuses has failed, which its first read tells.
            let _ = stream.set_nodelay(true);
        });
        let stopping = async move {
            stop.await;
            board.close();
            let _ = announce.send(());
        };
        let served = async {
            axum::serve(listener, routes).with_graceful_shutdown(stopping).await?;
            // Nothing is ever sent: it ends when the last connection is gone.
            left.recv().await;
            Ok(())
        };
        tokio::select! {
            result = served => result,
            // Who does not read its goodbye, or never ends its request, is left behind.
            () = past_grace(stopped) => Ok(()),
        }
    }
}

async fn past_grace(stopped: oneshot::Receiver<()>) {
    if stopped.await.is_err() {
        // It was not stopped, it failed, and that is what counts.
        pending::<()>().await;
    }
    let _ = timeout(GRACE, pending::<()>()).await;
}

async fn page() -> impl IntoResponse {
    ([(CONTENT_SECURITY_POLICY, POLICY)], Html(PAGE))
}

async fn socket(
    State(site): State<Site>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    if is_foreign(&headers) {
        let refusal = "pages of other sites may not command the jobs; open this server's own";
        return (StatusCode::FORBIDDEN, refusal).into_response();
    }
    upgrade.max_message_size(MESSAGE_LIMIT).on_upgrade(async move |socket| {
        connection::serve(socket, site.board).await;
        drop(site.connected);
    })
}

/// A browser says which page asks; programs need not say anything.
fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(ORIGIN) else { return false };
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.is_none_or(|host| origin.as_bytes() != format!("http://{host}").as_bytes())
}

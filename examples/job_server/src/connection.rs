//! One client: an effect that makes frames when the client is ready for one, and its commands.

use crate::board::Board;
use crate::message::{Reply, RequestError};
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use isobar::{Effect, PendingRun, Signal};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// A client that takes nothing for this long is gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves one client until it leaves, or the graph is shut down.
pub(crate) async fn serve(mut socket: WebSocket, board: Arc<Board>) {
    let mut frames = Frames::of(&board);
    loop {
        let reply = tokio::select! {
            frame = frames.next() => match frame {
                Some(frame) => Message::Text(Utf8Bytes::from(&*frame)),
                None => break,
            },
            received = socket.recv() => match received {
                Some(Ok(Message::Text(text))) => Message::Text(board.answer(&text).text().into()),
                Some(Ok(Message::Binary(_))) => Message::Text(binary().text().into()),
                // The protocol's own, which the socket has answered.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        };
        // While this waits, no frame is made: a client that is slow skips those in between.
        let sent = timeout(PATIENCE, socket.send(reply)).await;
        if !matches!(sent, Ok(Ok(()))) {
            return;
        }
    }
    let reason = Utf8Bytes::from_static("the server ends");
    let goodbye = CloseFrame { code: close_code::AWAY, reason };
    // Who is gone already needs none.
    let _ = timeout(PATIENCE, socket.send(Message::Close(Some(goodbye)))).await;
}

fn binary() -> Reply {
    RequestError::Malformed("binary messages mean nothing here".into()).reply_to(None)
}

/// The frames for one client. What is due waits until it is asked for, and is made then, so it is
/// the newest, and newer than every answer before it.
struct Frames {
    /// The effect's; a change is announced by it, and only found and made by running it.
    due: mpsc::UnboundedReceiver<PendingRun>,
    made: watch::Receiver<Arc<str>>,
    clients: Signal<usize>,
    effect: Effect,
}

impl Frames {
    fn of(board: &Board) -> Self {
        // Unbounded, but an effect has one pending run at a time.
        let (announce, due) = mpsc::unbounded_channel();
        let (make, made) = watch::channel(Arc::from(""));
        let frame = board.frame().clone();
        let effect = Effect::builder(move || drop(make.send(frame.get())))
            .name("client")
            .graph(board.graph())
            .run_with(move |run| drop(announce.send(run)))
            .build();
        let clients = board.clients().clone();
        clients.update(|n| n + 1);
        Self { due, made, clients, effect }
    }

    /// None once the graph is shut down, which drops the effect's half of `made`.
    async fn next(&mut self) -> Option<Arc<str>> {
        loop {
            tokio::select! {
                Some(run) = self.due.recv() => {
                    run.run();
                    // Not by an await: a frame that is made is sent before anything newer.
                    if let Ok(true) = self.made.has_changed() {
                        break;
                    }
                }
                changed = self.made.changed() => {
                    changed.ok()?;
                    break;
                }
            }
        }
        Some(self.made.borrow_and_update().clone())
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        // First: what changes from here on is not for this client.
        self.effect.dispose();
        self.clients.update(|n| n - 1);
    }
}

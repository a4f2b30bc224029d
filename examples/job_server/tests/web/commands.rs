//! One client, or two, step by step.

use crate::client::{Board, Client, Reply};
use crate::site::{Site, in_time};
use job_server::CAPACITY;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::StatusCode;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};

#[test]
fn a_job_is_started_paused_resumed_and_cancelled() {
    in_time(|| async {
        let site = Site::open().await;
        let mut client = site.client().await;
        let job = client.add("report").await;
        let witness = client.add_started("witness").await;
        assert_eq!(client.tell("start", job).await.done().status, "running");
        for step in 1..=3 {
            site.step();
            client.progress(job, step).await;
        }
        let paused = client.tell("pause", job).await.done();
        assert_eq!((&*paused.status, paused.progress), ("paused", 3));
        client.stands(&paused);
        // The witness shows that time goes on.
        for step in 4..=8 {
            site.step();
            client.progress(witness, step).await;
        }
        client.goes_on(job);
        assert_eq!(client.tell("resume", job).await.done().status, "running");
        site.step();
        client.progress(job, 4).await;
        let cancelled = client.tell("cancel", job).await.done();
        assert_eq!(cancelled.status, "cancelled");
        client.stands(&cancelled);
        site.step();
        client.progress(witness, 10).await;
    });
}

#[test]
fn a_job_left_alone_is_done_after_a_hundred_steps() {
    in_time(|| async {
        let site = Site::open().await;
        let mut client = site.client().await;
        let job = client.add_started("left alone").await;
        for step in 1..=100 {
            site.step();
            client.progress(job, step).await;
        }
        let done = client.tell("cancel", job).await;
        assert_eq!(done.kind(), "refused");
        assert_eq!(done.job().status, "done");
        client.ask(json!({ "do": "clear" })).await;
        client.board(|board| board.jobs.is_empty()).await;
    });
}

#[test]
fn a_command_that_is_not_for_this_status_is_refused_with_the_job_as_it_is() {
    in_time(|| async {
        let site = Site::open().await;
        let mut client = site.client().await;
        let job = client.add("idle").await;
        for (command, becomes) in [
            ("pause", None),
            ("resume", None),
            ("start", Some("running")),
            ("start", None),
            ("resume", None),
            ("pause", Some("paused")),
            ("pause", None),
            ("start", None),
            ("cancel", Some("cancelled")),
            ("resume", None),
            ("cancel", None),
        ] {
            let reply = client.tell(command, job).await;
            match becomes {
                Some(status) => assert_eq!(reply.done().status, status),
                None => {
                    assert_eq!(reply.kind(), "refused", "{command}");
                    assert_eq!(reply.job().job, job);
                }
            }
        }
    });
}

#[test]
fn what_makes_no_sense_gets_a_named_error_and_the_server_goes_on() {
    in_time(|| async {
        let site = Site::open().await;
        let mut client = site.client().await;
        let long = "x".repeat(61);
        for (text, expected) in [
            ("".into(), "malformed"),
            ("pause".into(), "malformed"),
            ("{}".into(), "malformed"),
            ("[[[[[[[[[[[[[[[[[[[[[[[[[".into(), "malformed"),
            (r#"{"do":"explode","id":0}"#.into(), "malformed"),
            (r#"{"do":"pause","job":1}"#.into(), "malformed"),
            (r#"{"do":"pause","id":0}"#.into(), "malformed"),
            (r#"{"do":"pause","id":0,"job":-1}"#.into(), "malformed"),
            (r#"{"do":"pause","id":0,"job":"1"}"#.into(), "malformed"),
            (r#"{"do":"clear","id":0,"all":true}"#.into(), "malformed"),
            (r#"{"do":"pause","id":0,"job":99}"#.into(), "unknown_job"),
            (r#"{"do":"add","id":0,"name":" "}"#.into(), "name"),
            (format!(r#"{{"do":"add","id":0,"name":"{long}"}}"#), "name"),
        ] {
            client.send(Message::text(&*text)).await;
            let reply = client.answer().await;
            assert_eq!(reply.kind(), expected, "{text}: {reply:?}");
            let Reply::Error { id, .. } = reply else { unreachable!("it has a kind") };
            assert_eq!(id, text.contains(r#""id":0"#).then_some(0), "{text}");
        }
        client.send(Message::binary(vec![0, 159])).await;
        assert_eq!(client.answer().await.kind(), "malformed");
        client.add("after all that").await;
    });
}

#[test]
fn a_message_beyond_the_limit_ends_that_connection_only() {
    in_time(|| async {
        let site = Site::open().await;
        let (mut flooding, mut other) = (site.client().await, site.client().await);
        other.board(|board| board.clients == 2).await;
        // The server may hang up before it is all sent.
        let _ = flooding.try_send(Message::text("x".repeat(1 << 20))).await;
        other.board(|board| board.clients == 1).await;
        other.add("after that").await;
    });
}

#[test]
fn the_board_has_room_for_so_many_jobs() {
    in_time(|| async {
        let site = Site::open().await;
        let mut client = site.client().await;
        let first = client.add("first").await;
        for n in 1..CAPACITY {
            client.add(&format!("job {n}")).await;
        }
        let one_more = json!({ "do": "add", "name": "one more" });
        assert_eq!(client.ask(one_more.clone()).await.kind(), "full");
        client.tell("cancel", first).await.done();
        client.ask(json!({ "do": "clear" })).await;
        let job = client.ask(one_more).await.done();
        assert_eq!(job.job, CAPACITY as u64 + 1, "no number is given twice");
    });
}

#[test]
fn a_client_that_comes_later_sees_the_same() {
    in_time(|| async {
        let site = Site::open().await;
        let mut first = site.client().await;
        let job = first.add_started("seen by two").await;
        site.step();
        first.progress(job, 1).await;
        let mut second = site.client().await;
        let shown = second.board(|_| true).await;
        let board = first.board(|board| board.clients == 2).await;
        assert_eq!(shown.job(job), board.job(job));
        second.tell("pause", job).await.done();
        first.board(|board| board.job(job).is_some_and(|job| job.status == "paused")).await;
    });
}

#[test]
fn a_client_that_vanishes_in_mid_stream_is_forgotten() {
    in_time(|| async {
        let site = Site::open().await;
        let mut staying = site.client().await;
        let job = staying.add_started("long").await;
        for round in 1..=20 {
            let mut vanishing = site.client().await;
            vanishing.board(|_| true).await;
            staying.board(|board| board.clients == 2).await;
            site.step();
            // No goodbye: the connection is gone while frames are on their way.
            drop(vanishing);
            let gone = |board: &Board| board.clients == 1;
            let moved = |board: &Board| board.job(job).is_some_and(|it| it.progress == round);
            staying.board(|board| gone(board) && moved(board)).await;
        }
    });
}

#[test]
fn a_page_of_another_site_is_not_let_in() {
    in_time(|| async {
        let site = Site::open().await;
        let url = format!("ws://{}/socket", site.address);
        for (origin, is_foreign) in
            [("http://evil.example".into(), true), (format!("http://{}", site.address), false)]
        {
            let mut request = url.as_str().into_client_request().expect("a valid address");
            let value = origin.parse().expect("a valid value");
            request.headers_mut().insert("Origin", value);
            let stream = TcpStream::connect(site.address).await.expect("the server listens");
            match client_async(request, stream).await {
                Ok(_) => assert!(!is_foreign, "{origin} was let in"),
                Err(Error::Http(response)) => {
                    assert!(is_foreign, "{origin} was refused");
                    assert_eq!(response.status(), StatusCode::FORBIDDEN);
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
}

#[test]
fn the_end_of_the_server_is_told_to_its_clients() {
    in_time(|| async {
        let site = Site::open().await;
        let mut clients = vec![site.client().await, site.client().await];
        let job = clients[0].add_started("never done").await;
        clients[1].board(|board| board.job(job).is_some()).await;
        let address = site.address;
        site.close().await;
        for client in &mut clients {
            assert_eq!(goodbye(client).await, Some(CloseCode::Away));
        }
        assert!(TcpStream::connect(address).await.is_err(), "somebody still listens");
    });
}

#[test]
fn who_never_ends_its_request_does_not_hold_up_the_end() {
    in_time(|| async {
        let site = Site::open().await;
        let mut stream = TcpStream::connect(site.address).await.expect("the server listens");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: ").await.expect("the server reads");
        // Answered, so the one before it has been accepted.
        site.client().await.add("a job").await;
        site.close().await;
    });
}

async fn goodbye(client: &mut Client) -> Option<CloseCode> {
    while let Some(message) = client.next().await {
        if let Message::Close(frame) = message {
            return frame.map(|frame| frame.code);
        }
    }
    None
}

//! Jobs that take a stream.

use std::io::{Error, Result as IoResult};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{iter, pending, poll_fn, repeat_with};
use futures_util::{FutureExt, Stream};
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio_util::bytes::Bytes;

use super::*;
use crate::worker::protocol::MAX_DATA;

fn unpack() -> UnpackJob {
    UnpackJob { routes: Vec::new(), max_bytes: 0, max_entries: 0, keep_free: 0, max_window: 0 }
}

fn unpacked() -> Message {
    done::<UnpackJob>(Vec::new())
}

fn pieces(all: &[&'static [u8]]) -> impl Stream<Item = IoResult<Bytes>> + Send + use<> {
    iter(all.iter().map(|piece| Ok(Bytes::from_static(piece))).collect::<Vec<_>>())
}

impl Player {
    /// The next frame; `None` when it is the end of the stream.
    async fn receives(&mut self) -> Option<Vec<u8>> {
        let request = self.hears().await;
        let Request::Data { id: 1, length } = request else { panic!("{request:?}") };
        let mut bytes = vec![0; length as usize];
        self.requests.get_mut().read_exact(&mut bytes).await.unwrap();
        (length > 0).then_some(bytes)
    }
}

#[tokio::test]
async fn a_stream_comes_in_frames_and_with_an_end() {
    let (worker, mut player) = pair(SILENCE).await;
    let long: &'static [u8] = vec![7; MAX_DATA as usize + 5].leak();
    let play = async {
        assert_eq!(player.hears().await, start(1, unpack()));
        assert_eq!(player.receives().await.as_deref(), Some(&b"{\n}"[..]));
        assert_eq!(player.receives().await.as_deref(), Some(&long[..MAX_DATA as usize]));
        assert_eq!(player.receives().await.as_deref(), Some(&long[..5]));
        assert_eq!(player.receives().await, None);
        player.answers(1, unpacked());
    };
    let (answer, ()) = tokio::join!(worker.unpack(unpack(), pieces(&[b"{\n}", b"", long]), |_, _| {}), play);
    assert_eq!(answer.unwrap(), []);
}

#[tokio::test]
async fn requests_go_before_pieces_that_wait() {
    let (worker, mut player) = pair(SILENCE).await;
    let endless = repeat_with(|| Ok(Bytes::from_static(&[0; 100_000])));
    let unpacking = worker.unpack(unpack(), endless, |_, _| {});
    let play = async {
        assert_eq!(player.hears().await, start(1, unpack()));
        // The pipe is full, and so is what waits before it.
        let listening = worker.run(listen());
        let play = async {
            let mut pieces = 0;
            loop {
                let request = player.hears().await;
                let Request::Data { id: 1, length } = request else {
                    assert_eq!(request, start(2, listen()));
                    break;
                };
                let mut bytes = vec![0; length as usize];
                player.requests.get_mut().read_exact(&mut bytes).await.unwrap();
                pieces += 1;
            }
            // The one that was being written.
            assert!(pieces <= 1, "{pieces} pieces went first");
            player.answers(2, done::<ListenJob>(vec![1]));
        };
        tokio::join!(listening, play).0.unwrap();
        player.answers(1, unpacked());
    };
    assert_eq!(tokio::join!(unpacking, play).0.unwrap(), []);
}

/// The request that a piece is for may have come just after the look at the requests.
#[tokio::test]
async fn a_piece_is_never_before_its_request() {
    let (requests, mut lines) = channel::unbounded_channel();
    requests.send(b"request\n".to_vec()).unwrap();
    let frame = super::super::channel::Frame { line: b"data\n".to_vec(), bytes: Bytes::from_static(b"piece") };
    let mut written = Vec::new();
    super::super::channel::write_frame(&mut written, &mut lines, &frame).await.unwrap();
    assert_eq!(written, b"request\ndata\npiece");
}

#[tokio::test]
async fn an_answer_ends_the_stream() {
    let (worker, mut player) = pair(SILENCE).await;
    let (held, mut dropped) = oneshot::channel::<()>();
    let endless = repeat_with(move || {
        let _ = &held;
        Ok(Bytes::from_static(b"x"))
    });
    let play = async {
        assert_eq!(player.hears().await, start(1, unpack()));
        assert_eq!(player.receives().await.as_deref(), Some(&b"x"[..]));
        player.answers(1, Message::Failed(Failure::TooMany { max_entries: 1 }));
    };
    let (answer, ()) = tokio::join!(worker.unpack(unpack(), endless, |_, _| {}), play);
    assert!(matches!(answer, Err(JobError::Failed(Failure::TooMany { .. }))), "{answer:?}");
    dropped.close();
    assert!(dropped.try_recv().is_err(), "the source is let go");
}

#[tokio::test]
async fn what_waits_to_be_sent_is_bounded() {
    let (worker, mut player) = pair(SILENCE).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let endless = repeat_with(move || {
        count.fetch_add(1, Ordering::Relaxed);
        Ok(Bytes::from_static(&[0; 1_000_000]))
    });
    let mut unpacking = Box::pin(worker.unpack(unpack(), endless, |_, _| {}));
    // Nobody reads: all tasks come to rest. The worker still takes what is said to it.
    for _ in 0..1000 {
        assert!(unpacking.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    let asked = asked.load(Ordering::Relaxed);
    assert!((1..=6).contains(&asked), "{asked} pieces of 1 MB in memory");
    drop(unpacking);
    assert_eq!(player.hears().await, start(1, unpack()));
}

#[tokio::test]
async fn a_source_that_breaks_cancels_the_job() {
    let (worker, mut player) = pair(SILENCE).await;
    let broken = iter([Ok(Bytes::from_static(b"x")), Err(Error::other("restic: no such snapshot"))]);
    let result = worker.unpack(unpack(), broken, |_, _| {}).await;
    let Err(error @ JobError::Worker(WorkerError::Source(_))) = &result else { panic!("{result:?}") };
    assert_eq!(error.to_string(), "reading what the worker was to unpack: restic: no such snapshot");
    assert_eq!(player.hears().await, start(1, unpack()));
    // The piece that came before may have been overtaken, or not.
    loop {
        let request = player.hears().await;
        match request {
            Request::Cancel { id: 1 } => break,
            Request::Data { id: 1, length: 1 } => assert_eq!(player.requests.get_mut().read_u8().await.unwrap(), b'x'),
            other => panic!("{other:?}"),
        }
    }
}

/// As short as a loaded machine allows: what must not take it takes no time.
const SHORT: Duration = Duration::from_millis(500);

#[tokio::test]
async fn a_slow_source_is_no_silence() {
    let (worker, mut player) = pair(SHORT).await;
    let (go, mut wait) = oneshot::channel::<()>();
    let mut left = vec![Ok(Bytes::from_static(b"late")), Ok(Bytes::from_static(b"early"))];
    let source = poll_fn(move |context| {
        if left.len() == 1 {
            let _ = std::task::ready!(wait.poll_unpin(context));
        }
        std::task::Poll::Ready(left.pop())
    });
    let (heard, mut hears) = channel::unbounded_channel();
    let play = async {
        player.hears().await;
        assert_eq!(player.receives().await.as_deref(), Some(&b"early"[..]));
        player.answers(1, Message::Progress { amount: amount(1), total: None });
        hears.recv().await;
        tokio::time::sleep(SHORT * 3).await;
        go.send(()).unwrap();
        assert_eq!(player.receives().await.as_deref(), Some(&b"late"[..]));
        player.answers(1, unpacked());
    };
    let progress = move |_, _| heard.send(()).unwrap();
    let (answer, ()) = tokio::join!(worker.unpack(unpack(), source, progress), play);
    assert_eq!(answer.unwrap(), []);
}

#[tokio::test]
async fn a_worker_that_takes_and_says_nothing_is_silent() {
    let (worker, _player) = pair(Duration::from_millis(30)).await;
    let then_nothing = pieces(&[b"x"]).chain(pending());
    let result = worker.unpack(unpack(), then_nothing, |_, _| {}).await;
    assert!(matches!(result, Err(JobError::Worker(WorkerError::Silent(_)))), "{result:?}");
}

/// It spoke once while pieces were waiting for it, and then took no more.
#[tokio::test]
async fn a_worker_that_stops_taking_is_silent() {
    let (worker, mut player) = pair(Duration::from_millis(200)).await;
    let endless = repeat_with(|| Ok(Bytes::from_static(&[0; 100_000])));
    let (heard, mut hears) = channel::unbounded_channel();
    let play = async {
        player.hears().await;
        player.answers(1, Message::Progress { amount: amount(1), total: None });
        hears.recv().await;
        pending::<()>().next().await
    };
    tokio::select! {
        result = worker.unpack(unpack(), endless, move |_, _| heard.send(()).unwrap()) => {
            assert!(matches!(result, Err(JobError::Worker(WorkerError::Silent(_)))), "{result:?}");
        }
        _ = play => unreachable!("it waits for ever"),
    }
}

#[tokio::test]
async fn a_dropped_worker_does_not_finish_what_nobody_takes() {
    let (worker, mut player) = pair(SILENCE).await;
    let endless = repeat_with(|| Ok(Bytes::from_static(&[0; 100_000])));
    let mut unpacking = Box::pin(worker.unpack(unpack(), endless, |_, _| {}));
    for _ in 0..1000 {
        assert!(unpacking.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    drop(unpacking);
    drop(worker);
    // The pipe is full: a write that went on would be read to its end here.
    tokio::task::yield_now().await;
    let mut rest = Vec::new();
    player.requests.get_mut().read_to_end(&mut rest).await.unwrap();
    assert!(rest.len() < 100_000, "{} bytes", rest.len());
}

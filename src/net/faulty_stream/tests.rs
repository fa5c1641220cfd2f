//! Frames that are lost, bytes that are late, and links that are cut.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::time::timeout;

use super::*;
use crate::net::NodeFaults;
use crate::wire::ws::put_binary_header;

const LONG: Duration = Duration::from_secs(20);

/// A whole binary message.
fn message(payload: &[u8], mask: Option<[u8; 4]>) -> Vec<u8> {
    let mut frame = Vec::new();
    put_binary_header(payload.len(), mask, &mut frame);
    frame.extend_from_slice(payload);
    frame
}

fn link(carrier: LinkCarrier) -> Arc<LinkFaults> {
    NodeFaults::default().add_dialled("b", carrier)
}

/// A stream with these faults, and the far end.
fn connect(faults: &Arc<LinkFaults>) -> (FaultyStream<DuplexStream>, DuplexStream) {
    let (near, far) = duplex(1 << 20);
    (FaultyStream::new(near, faults, &[]), far)
}

async fn read(stream: &mut (impl AsyncRead + Unpin), count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    timeout(LONG, stream.read_exact(&mut bytes)).await.unwrap().unwrap();
    bytes
}

#[test]
fn whole_messages_are_left_out_however_the_bytes_come() {
    let ping = [0x89, 2, 7, 8];
    let frames = [
        message(b"", None),
        message(&[1; 125], None),
        message(&[2; 126], Some([1, 2, 3, 4])),
        ping.to_vec(),
        message(&[3; 70_000], None),
        vec![0x02, 1, 9],
        message(b"last", Some([5; 4])),
    ];
    let all = frames.concat();
    for size in [1, 2, 3, 7, 64, 1000, all.len()] {
        let mut filter = FrameFilter::default();
        let mut number = 0;
        let mut out = Vec::new();
        for bytes in all.chunks(size) {
            let every_second = || {
                number += 1;
                number % 2 == 0
            };
            filter.pass(bytes, every_second, &mut out);
        }
        // Of the five messages, the second and the fourth; never the ping or the fragment.
        let kept = [&frames[0], &frames[2], &frames[3], &frames[5], &frames[6]];
        assert_eq!(number, 5, "{size}");
        assert!(out == kept.map(Vec::as_slice).concat(), "{size}");
    }
}

#[tokio::test]
async fn a_frame_that_began_before_is_no_new_one() {
    let frame = message(&[0x82; 40], None);
    let (before, rest) = frame.split_at(17);
    let mut direction = Direction::new(LinkCarrier::Frames, before);
    let all = FaultSettings { drop_percent: 100, ..FaultSettings::default() };
    direction.push(rest, all, Instant::now());
    direction.push(&message(b"lost", None), all, Instant::now());
    let waiting: Vec<u8> = direction.waiting.iter().flat_map(|(_, bytes)| bytes.clone()).collect();
    assert_eq!(waiting, rest);
    assert_eq!(direction.waiting_bytes, rest.len());
}

#[tokio::test]
async fn bytes_pass_at_once_while_nothing_is_wrong() {
    let (mut near, mut far) = connect(&link(LinkCarrier::Frames));
    let sent = message(&[7; 5_000], None);
    near.write_all(&sent).await.unwrap();
    near.flush().await.unwrap();
    assert_eq!(read(&mut far, sent.len()).await, sent);
    far.write_all(&sent).await.unwrap();
    assert_eq!(read(&mut near, sent.len()).await, sent);
    drop(far);
    assert_eq!(
        timeout(LONG, near.read_u8()).await.unwrap().unwrap_err().kind(),
        io::ErrorKind::UnexpectedEof
    );
}

#[tokio::test]
async fn each_direction_is_late_until_the_delay_is_gone() {
    let faults = link(LinkCarrier::Bytes);
    let delay = Duration::from_millis(40);
    faults.change(|settings| settings.delay = delay);
    let (mut near, mut far) = connect(&faults);
    let began = Instant::now();
    near.write_all(b"there").await.unwrap();
    // Only the task of the near end moves its bytes.
    let moves = async {
        let mut none = [0; 8];
        near.read(&mut none).await
    };
    tokio::select! {
        bytes = read(&mut far, 5) => assert_eq!(bytes, b"there"),
        _ = moves => panic!("nothing was sent this way"),
    }
    assert!(began.elapsed() >= delay);
    let began = Instant::now();
    far.write_all(b"back").await.unwrap();
    assert_eq!(read(&mut near, 4).await, b"back");
    assert!(began.elapsed() >= delay);

    faults.change(|settings| settings.delay = LONG * 10);
    far.write_all(b"held").await.unwrap();
    let mut held = std::pin::pin!(read(&mut near, 4));
    let is_waiting = poll_fn(|cx| Poll::Ready(held.as_mut().poll(cx).is_pending())).await;
    assert!(is_waiting);
    faults.change(|settings| settings.delay = Duration::ZERO);
    assert_eq!(held.await, b"held", "what waits comes at once");
}

#[tokio::test]
async fn a_full_direction_stops_its_writer() {
    let faults = link(LinkCarrier::Bytes);
    faults.change(|settings| settings.delay = LONG * 10);
    let (mut near, _far) = connect(&faults);
    let chunk = vec![1; 1 << 20];
    for _ in 0..WAITING_BYTES_MAX >> 20 {
        near.write_all(&chunk).await.unwrap();
    }
    let mut more = std::pin::pin!(near.write_all(b"x"));
    assert!(poll_fn(|cx| Poll::Ready(more.as_mut().poll(cx).is_pending())).await);
}

/// Counts its wakes.
#[derive(Default)]
struct CountingWaker(AtomicUsize);

impl Wake for CountingWaker {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn bytes_that_the_network_does_not_take_wake_no_task_until_it_does() {
    for delay in [Duration::ZERO, Duration::from_nanos(1)] {
        let faults = link(LinkCarrier::Bytes);
        faults.change(|settings| settings.delay = delay);
        let (near, mut far) = duplex(4);
        let mut near = FaultyStream::new(near, &faults, &[]);
        let wakes = Arc::<CountingWaker>::default();
        let waker = Arc::clone(&wakes).into();
        let mut cx = Context::from_waker(&waker);
        let written = Pin::new(&mut near).poll_write(&mut cx, b"too much");
        assert!(matches!(written, Poll::Ready(Ok(8))));
        tokio::time::sleep_until(Instant::now() + delay).await;
        let mut none = [0; 8];
        let mut poll = |near: &mut FaultyStream<_>| {
            let is_read = Pin::new(&mut *near).poll_read(&mut cx, &mut ReadBuf::new(&mut none));
            (is_read.is_pending(), Pin::new(near).poll_flush(&mut cx).is_pending())
        };
        assert_eq!(poll(&mut near), (true, true));
        wakes.0.store(0, Ordering::Relaxed);
        for _ in 0..3 {
            assert_eq!(poll(&mut near), (true, true));
        }
        assert_eq!(wakes.0.load(Ordering::Relaxed), 0, "with a delay of {delay:?}");
        assert_eq!(read(&mut far, 4).await, b"too ");
        assert!(wakes.0.load(Ordering::Relaxed) > 0);
        assert_eq!(poll(&mut near), (true, false));
        assert_eq!(read(&mut far, 4).await, b"much");
    }
}

#[tokio::test]
async fn a_cut_ends_the_stream_and_its_waits() {
    let faults = link(LinkCarrier::Frames);
    let (mut near, _far) = connect(&faults);
    let mut reading = std::pin::pin!(near.read_u8());
    assert!(poll_fn(|cx| Poll::Ready(reading.as_mut().poll(cx).is_pending())).await);
    let mut until_cut = std::pin::pin!(faults.until_cut());
    assert!(poll_fn(|cx| Poll::Ready(until_cut.as_mut().poll(cx).is_pending())).await);
    faults.change(|settings| settings.is_cut = true);
    let error = timeout(LONG, reading).await.unwrap().unwrap_err();
    assert_eq!(error.to_string(), LINK_IS_CUT);
    timeout(LONG, until_cut).await.unwrap();
    let mut until_joined = std::pin::pin!(faults.until_joined());
    assert!(poll_fn(|cx| Poll::Ready(until_joined.as_mut().poll(cx).is_pending())).await);
    faults.change(|settings| settings.is_cut = false);
    timeout(LONG, until_joined).await.unwrap();
}

//! What an attacker sends that makes no sense: answers to nothing, broken frames, floods, and the same again.

use ilp_connector::wire::Amount;
use ilp_connector::wire::btp::{
    BtpErrorCode, FrameBody, ProtocolEntry, RequestId, put_error, put_frame,
};
use rand::RngExt;

use super::carrier::Carrier;
use super::frames::{fulfill, fulfillment_of, reject};
use super::plan::Noise;
use super::program::{Attacker, SessionEnd};

impl Attacker {
    pub(super) async fn make_noise(
        &mut self,
        noise: Noise,
        carrier: &mut Carrier,
    ) -> Result<(), SessionEnd> {
        match noise {
            Noise::Unasked(count) => {
                let frames = (0..count).map(|_| match self.rng.random_range(0..3) {
                    0 => fulfill(self.rng.random(), fulfillment_of(0), &[]),
                    1 => reject(self.rng.random()),
                    _ => {
                        let mut frame = Vec::new();
                        let (id, at) = (RequestId(self.rng.random()), self.time_of_day());
                        put_error(
                            id,
                            BtpErrorCode::UNREACHABLE,
                            "UnreachableError",
                            at,
                            b"no",
                            &mut frame,
                        );
                        frame
                    }
                });
                let frames = frames.collect();
                self.send(carrier, frames).await
            }
            Noise::BadFrames(count) => {
                let frames = (0..count).map(|number| {
                    let mut frame = Vec::new();
                    let id = RequestId(self.rng.random());
                    let no_ilp = [ProtocolEntry::octets("unknown", &[1, 2, 3])];
                    match number % 4 {
                        0 => put_frame(id, &FrameBody::Message, &no_ilp, &mut frame),
                        1 => {
                            let body = FrameBody::Transfer { amount: Amount(u64::MAX) };
                            put_frame(id, &body, &no_ilp, &mut frame);
                        }
                        2 => {
                            frame.resize(self.rng.random_range(0..200), 0);
                            self.rng.fill(frame.as_mut_slice());
                        }
                        _ => {
                            let broken = [ProtocolEntry::octets("ilp", &[12, 0xff, 0xff])];
                            put_frame(id, &FrameBody::Message, &broken, &mut frame);
                        }
                    }
                    frame
                });
                let frames = frames.collect();
                self.send(carrier, frames).await
            }
            Noise::HalfFrame => {
                carrier.send_half().await;
                Err(SessionEnd)
            }
            Noise::Pings(count) => carrier.ping(count).await,
            Noise::Sessions(count) => {
                carrier.open_more(count, self).await;
                Ok(())
            }
            Noise::WrongTokens(count) => {
                for _ in 0..count {
                    let is_taken = carrier.takes_wrong_token(self).await;
                    assert!(!is_taken, "node {} takes a wrong token", self.place.node);
                }
                Ok(())
            }
            Noise::Again => {
                let frames: Vec<_> = self.recent.iter().rev().cloned().collect();
                for frame in &frames {
                    self.note_again(frame);
                }
                self.send(carrier, frames).await
            }
        }
    }
}

//! Streams of bytes that are one of several kinds of streams.

/// Makes an enum of streams a stream: each call goes to the stream inside.
macro_rules! forward_stream {
    ($stream:ident: $($(#[$attribute:meta])* $kind:ident),+) => {
        const _: () = {
            use std::io::{IoSlice, Result};
            use std::pin::Pin;
            use std::task::{Context, Poll};

            use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

            impl AsyncRead for $stream {
                fn poll_read(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    buffer: &mut ReadBuf<'_>,
                ) -> Poll<Result<()>> {
                    match self.get_mut() {
                        $($(#[$attribute])* Self::$kind(inner) => {
                            Pin::new(inner).poll_read(cx, buffer)
                        })+
                    }
                }
            }

            impl AsyncWrite for $stream {
                fn poll_write(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    bytes: &[u8],
                ) -> Poll<Result<usize>> {
                    match self.get_mut() {
                        $($(#[$attribute])* Self::$kind(inner) => {
                            Pin::new(inner).poll_write(cx, bytes)
                        })+
                    }
                }

                fn poll_write_vectored(
                    self: Pin<&mut Self>,
                    cx: &mut Context<'_>,
                    slices: &[IoSlice<'_>],
                ) -> Poll<Result<usize>> {
                    match self.get_mut() {
                        $($(#[$attribute])* Self::$kind(inner) => {
                            Pin::new(inner).poll_write_vectored(cx, slices)
                        })+
                    }
                }

                fn is_write_vectored(&self) -> bool {
                    match self {
                        $($(#[$attribute])* Self::$kind(inner) => inner.is_write_vectored(),)+
                    }
                }

                fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                    match self.get_mut() {
                        $($(#[$attribute])* Self::$kind(inner) => {
                            Pin::new(inner).poll_flush(cx)
                        })+
                    }
                }

                fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
                    match self.get_mut() {
                        $($(#[$attribute])* Self::$kind(inner) => {
                            Pin::new(inner).poll_shutdown(cx)
                        })+
                    }
                }
            }
        };
    };
}

pub(crate) use forward_stream;

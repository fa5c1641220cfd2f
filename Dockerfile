# One image for every node. `docker build -t ilp-connector .` needs nothing but this repository, and no
# BuildKit. It deliberately lacks a shell, a package manager and a configuration file. A container
# starts with the program's defaults; docker-compose.yml describes a network of containers.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build

# The dependencies have a layer of their own, which changes only with the manifests: they are built for an
# empty program. Then cargo's record of that program is removed, because the real sources are older than
# this build, and cargo would treat them as unchanged.
COPY Cargo.toml Cargo.lock ./
COPY crates/oer-codec/Cargo.toml crates/oer-codec/Cargo.toml
# Not built, but named by the manifest.
COPY benches benches
RUN mkdir -p src crates/oer-codec/src \
    && echo 'fn main() {}' > src/main.rs \
    && touch src/lib.rs crates/oer-codec/src/lib.rs \
    && cargo build --release --locked --bin ilp-connector \
    && cargo clean --release --locked -p ilp-connector -p oer-codec \
    && rm -r src crates/oer-codec/src

COPY crates crates
COPY src src
RUN cargo build --release --locked --bin ilp-connector
RUN mkdir -p /empty/ilp-connector

FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="ilp-connector" \
      org.opencontainers.image.description="An Interledger v4 connector that speaks BTP" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /build/target/release/ilp-connector /usr/local/bin/ilp-connector

# The mount point of a volume for the balances. A new volume takes over its owner, so that the node can write there.
COPY --from=build --chown=65532:65532 /empty /var/lib

# The mount point of a configuration directory, so that relative paths on the command line name its files.
WORKDIR /etc/ilp-connector
# By number, so that an orchestrator can see that it is not root.
USER 65532:65532
# BTP, and health with metrics. BTP_SERVER_PORT and HEALTH_CHECK_PORT change them.
EXPOSE 3000 8080
# Reads the same configuration as the node and so finds its port. The start period is the 30 s for which
# a node may call itself starting while its peers come up.
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s --retries=3 \
    CMD ["ilp-connector", "healthcheck"]
# In exec form the program is process 1 and gets the signals of `docker stop` itself.
ENTRYPOINT ["ilp-connector"]
CMD ["run"]

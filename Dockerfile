# syntax=docker/dockerfile:1

# One image for every process: `docker run callscribe worker transcribe`, `docker run callscribe scheduler`, …
# `docker build --target with-servers` adds the server programs that `demo` and `standalone` start for themselves.

FROM rust:1.95-slim-bookworm AS build
WORKDIR /build
COPY . .
# The caches keep dependencies between builds; the executable is copied out because a cache mount is not part of a layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/build/target,sharing=locked \
    cargo build --release --locked --package callscribe-cli \
    && install --mode 755 target/release/callscribe /callscribe

FROM debian:bookworm-slim AS runtime
# tini reaps children and passes signals on; the certificates are for PostgreSQL, S3 and the vendors over TLS
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --home-dir /var/lib/callscribe --create-home --shell /usr/sbin/nologin callscribe \
    && install --directory --owner 10001 --group 10001 /var/lib/callscribe/scratch
COPY --from=build /callscribe /usr/local/bin/callscribe
COPY --chmod=755 deploy/healthy /usr/local/bin/healthy
USER 10001:10001
WORKDIR /var/lib/callscribe
# `docker stop` sends SIGTERM: workers finish or hand back what they hold, within DRAIN_TIMEOUT
STOPSIGNAL SIGTERM
ENTRYPOINT ["tini", "--", "callscribe"]
CMD ["--help"]

FROM runtime AS with-servers
USER root
# the packages must not make a cluster or start anything: Callscribe runs private servers in its own data directory
RUN mkdir -p /etc/postgresql-common/createcluster.d \
    && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.d/callscribe.conf \
    && apt-get update \
    && apt-get install --yes --no-install-recommends postgresql redis-server \
    && rm -rf /var/lib/apt/lists/*
USER 10001:10001

# the last stage is what `docker build .` makes
FROM runtime

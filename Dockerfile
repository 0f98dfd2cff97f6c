# Headwater and ffmpeg, as a user without privileges. See docs/operations.md.
#
#   docker build -t headwater .
#   docker run -p 8080:8080 --cap-add LEASE -v ~/Videos:/media:ro -v headwater:/var/lib/headwater headwater

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
COPY web web
RUN cargo build --release --locked --bin headwater

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates ffmpeg \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=65532 --group=65532 --mode=700 /var/lib/headwater
COPY --from=build /src/target/release/headwater /usr/local/bin/headwater
USER 65532:65532
ENV HEADWATER_LISTEN=0.0.0.0:8080 \
    HEADWATER_DATA=/var/lib/headwater
EXPOSE 8080
VOLUME /var/lib/headwater
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["headwater", "health"]
# Longer than drain_s: responses in progress finish after SIGTERM.
STOPSIGNAL SIGTERM
ENTRYPOINT ["headwater"]
CMD ["serve", "/media"]

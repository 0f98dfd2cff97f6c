# Headwater and ffmpeg, as a user without privileges. See docs/operations.md.
#
#   docker build --build-arg USER_ID=$(id -u) -t headwater .
#   docker run -p 8080:8080 -v ~/Videos:/media:ro -v headwater:/var/lib/headwater headwater

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY build build
COPY src src
COPY web web
# For --version: --build-arg HEADWATER_COMMIT=$(git rev-parse --short=12 HEAD)
ARG HEADWATER_COMMIT
RUN cargo build --release --locked --bin headwater

# The purged packages are the drivers of OpenGL, which ffmpeg never loads here: a third of the image.
FROM debian:bookworm-slim
# The owner of your videos, if that is one user: Headwater then sends them without copying.
ARG USER_ID=65532
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates ffmpeg \
    && dpkg --purge --force-depends libgl1-mesa-dri libllvm15 libz3-4 \
    && rm -rf /var/lib/apt/lists/* \
    && install --directory --owner=$USER_ID --group=$USER_ID --mode=700 /var/lib/headwater /var/cache/headwater
COPY --from=build /src/target/release/headwater /usr/local/bin/headwater
USER $USER_ID:$USER_ID
ENV HEADWATER_LISTEN=0.0.0.0:8080 \
    HEADWATER_DATA=/var/lib/headwater
EXPOSE 8080
VOLUME /var/lib/headwater
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s CMD ["headwater", "health"]
ENTRYPOINT ["headwater"]
CMD ["serve", "/media"]

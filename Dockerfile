# syntax=docker/dockerfile:1
# docker build -t hostler .
# For Python pipelines: --build-arg PACKAGES="python3 python3-venv"; what a model needs goes into its folder's .venv.
# Jobs and values of pipelines are in /srv/hostler/data: mount a volume there to keep them.
# For GPUs: --build-arg ONNXRUNTIME=--cuda --build-arg RUNTIME=nvidia/cuda:13.0.1-cudnn-runtime-ubuntu24.04
ARG RUNTIME=debian:bookworm-slim

FROM rust:1-slim-bookworm AS build
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3-pip \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /src
# The library first: it changes far less often than the server.
COPY scripts/onnxruntime.sh scripts/
ARG ONNXRUNTIME=--cpu
RUN scripts/onnxruntime.sh ${ONNXRUNTIME}
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --package hostler \
 && cp target/release/hostler /usr/local/bin/

FROM ${RUNTIME}
ARG PACKAGES=
RUN if [ -n "${PACKAGES}" ]; then \
      apt-get update \
      && apt-get install --yes --no-install-recommends ${PACKAGES} \
      && rm -rf /var/lib/apt/lists/*; \
    fi
# The number, not the name: Kubernetes takes only a number as proof that a container does not run as root.
RUN groupadd --gid 10001 hostler \
 && useradd --uid 10001 --gid hostler --no-create-home --home-dir /srv/hostler --shell /usr/sbin/nologin hostler \
 && install --directory --owner hostler --group hostler /srv/hostler /srv/hostler/data /srv/hostler/model_cache
# The server looks for the library beside itself.
COPY --from=build /src/onnxruntime/ /opt/hostler/
COPY --from=build /usr/local/bin/hostler /opt/hostler/
# Slim images have no certificates of authorities; https webhooks and uploads are checked against these.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY deploy/healthcheck.sh LICENSE-MIT LICENSE-APACHE /opt/hostler/
COPY models/ /srv/hostler/models/
ENV PATH=/opt/hostler:$PATH \
    SERVER_MODELS_DIR=/srv/hostler/models \
    SERVER_MODEL_CACHE_DIR=/srv/hostler/model_cache
WORKDIR /srv/hostler
USER 10001:10001
# Starts from compiled models; what was compiled for another processor is not used but made anew at start.
RUN hostler compile
EXPOSE 8100 8101
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["/opt/hostler/healthcheck.sh"]
ENTRYPOINT ["hostler"]

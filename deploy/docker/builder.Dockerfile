# Builds and publishes OS images, in Jobs: node /opt/monoroot/builder.js build, or publish DIGEST. Built by hack/images, or by hand:
#   npm ci && npm run build && hack/cluster binaries crane cosign syft && mkdir -p dist/linux &&
#   cp ~/.cache/monoroot/bin/current/{crane,cosign,syft} dist/linux/ && docker build -f deploy/docker/builder.Dockerfile .
# Needs root with a few capabilities (docs/operations.md), and a volume at /work.
ARG BASE=debian:12-slim

FROM ${BASE} AS node
RUN apt-get update \
 && apt-get install -y --no-install-recommends binutils \
 && rm -rf /var/lib/apt/lists/*
ARG NODE=node_modules/node/bin/node
COPY ${NODE} /node
RUN strip /node && chmod 755 /node

FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends acl attr ca-certificates debian-archive-keyring gzip libarchive-tools libcap2-bin \
      mmdebstrap perl-base xz-utils zstd \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt /var/cache/debconf/*-old /var/log/*.log /var/log/apt \
      /usr/share/doc /usr/share/man /usr/share/info /usr/share/locale
COPY --from=node /node /usr/local/bin/node
# Written in Go and linked statically: for any Linux of this architecture.
ARG TOOLS=dist/linux
COPY ${TOOLS}/crane ${TOOLS}/cosign ${TOOLS}/syft /usr/bin/
COPY package.json dist/builder.js /opt/monoroot/
ENV NODE_ENV=production
ENTRYPOINT ["/usr/local/bin/node", "/opt/monoroot/builder.js"]

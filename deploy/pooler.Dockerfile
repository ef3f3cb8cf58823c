# PgBouncer before the replica: Debian's, of whatever release the base image is.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
RUN apt-get update \
    && apt-get install -y --no-install-recommends pgbouncer \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/pulse
COPY deploy/pooler.ini deploy/pooler.sh ./
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Pulse: PgBouncer" org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" org.opencontainers.image.licenses="Apache-2.0"
USER nobody
CMD ["sh", "-eu", "pooler.sh"]

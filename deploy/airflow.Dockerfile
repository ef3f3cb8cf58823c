# Airflow's processes, the init jobs and the sandbox.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
RUN useradd --uid 50000 --create-home pulse && install -d -o pulse -g pulse /var/lib/pulse
WORKDIR /opt/pulse
# Or kubernetes, with what runs tasks in pods, or scale, with what runs them on several workers.
ARG LOCK=airflow
COPY constraints/${LOCK}-py311.txt lock.txt
# Tests run in a checkout: no image has their tools. A lock names every package, so pip looks for no more; with hashes it would refuse
# what a package asks for with an extra (celery[redis]).
RUN grep -vE '^(pytest|iniconfig)==' lock.txt > image.txt \
    && pip install --no-cache-dir --require-hashes --no-deps -r image.txt \
    && pip check
COPY alembic.ini pyproject.toml ./
COPY dags dags
COPY deploy deploy
COPY include include
COPY migrations migrations
COPY plugins plugins
COPY sandbox sandbox
COPY stack stack
# The dashboards that sync_clients puts into Superset.
COPY superset/assets superset/assets
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Pulse: Airflow" org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" org.opencontainers.image.licenses="Apache-2.0"
USER pulse

# Superset under gunicorn, and its init job.
ARG PYTHON_IMAGE=python:3.11-slim
FROM ${PYTHON_IMAGE}
RUN useradd --uid 50001 --create-home pulse && install -d -o pulse -g pulse /var/lib/pulse/superset
WORKDIR /opt/pulse
COPY constraints/superset-py311.txt ./
RUN pip install --no-cache-dir --require-hashes -r superset-py311.txt
COPY superset superset
COPY plugins/pulse/__init__.py plugins/pulse/addresses.py plugins/pulse/environ.py plugins/pulse/scrape.py \
     plugins/pulse/sso.py plugins/pulse/tenancy.py plugins/pulse/texts.py plugins/pulse/
COPY plugins/pulse/clients/__init__.py plugins/pulse/clients/passwords.py plugins/pulse/clients/weak_passwords.py \
     plugins/pulse/clients/
COPY plugins/pulse/languages/__init__.py plugins/pulse/languages/de.po plugins/pulse/languages/
COPY stack/probes.py stack/
ARG VERSION=unreleased
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Pulse: Superset" org.opencontainers.image.version="$VERSION" \
    org.opencontainers.image.revision="$REVISION" org.opencontainers.image.licenses="Apache-2.0"
USER pulse
WORKDIR /var/lib/pulse/superset
CMD ["gunicorn", "--config", "/opt/pulse/superset/gunicorn.conf.py", "--workers", "2", "--bind", "0.0.0.0:8088", \
     "superset.app:create_app()"]

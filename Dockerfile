FROM python:3.12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends gcc libc6-dev
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/fundwatch && /opt/fundwatch/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY compiled compiled
COPY schemas schemas
COPY detectors detectors
COPY clickhouse clickhouse
COPY streams streams
COPY grafana grafana
COPY console console
COPY fundwatch fundwatch
RUN /opt/fundwatch/bin/pip install --no-cache-dir --no-deps --no-build-isolation . && cd / && /opt/fundwatch/bin/python -m compiled

FROM python:3.12-slim
COPY --from=build /opt/fundwatch /opt/fundwatch
RUN useradd --system fundwatch
USER fundwatch
ENTRYPOINT ["/opt/fundwatch/bin/fundwatch"]

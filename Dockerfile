FROM python:3.12-slim
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN python -m pip install --no-cache-dir --require-hashes -r requirements.lock
COPY schemas schemas
COPY detectors detectors
COPY clickhouse clickhouse
COPY streams streams
COPY grafana grafana
COPY console console
COPY fundwatch fundwatch
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation . && useradd --system fundwatch
USER fundwatch
ENTRYPOINT ["fundwatch"]

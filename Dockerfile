# The image of every Fundwatch process: built with a compiler, shipped without one.
FROM python:3.12.12-bookworm AS build
WORKDIR /app
# the lock without what only tests and the embedded servers need (make lock)
COPY deploy/requirements.lock deploy/requirements.lock
RUN python -m venv /opt/fundwatch \
    && /opt/fundwatch/bin/python -m pip install --no-cache-dir --require-hashes -r deploy/requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY compiled compiled
COPY schemas schemas
COPY detectors detectors
COPY clickhouse clickhouse
COPY streams streams
COPY grafana grafana
COPY console console
COPY fundwatch fundwatch
# a module that could not be compiled would run from source, slowly and unnoticed: here it fails the build;
# what builds goes again, so that no compiler's input is left in what is shipped
RUN /opt/fundwatch/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation .
WORKDIR /
RUN /opt/fundwatch/bin/python -m compiled \
    && /opt/fundwatch/bin/python -c "import compiled, sys; sys.exit(any(not compiled.target(*one).exists() for one in compiled.modules().items()))" \
    && /opt/fundwatch/bin/python -m pip uninstall --yes cython setuptools hatchling pip

FROM python:3.12.12-slim-bookworm
# folders of volumes: a new named volume takes the owner of what it covers
RUN groupadd --gid 10001 fundwatch \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin fundwatch \
    && install -d -o fundwatch -g fundwatch -m 0750 /city /secrets \
        /secrets/fundwatch /secrets/clickhouse /secrets/grafana /secrets/tokens /secrets/operator
COPY --from=build /opt/fundwatch /opt/fundwatch
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /city
ENTRYPOINT ["/opt/fundwatch/bin/fundwatch"]
CMD ["--help"]

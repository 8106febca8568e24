# The dashboard as an image: slim, not root, one volume. Build: docker build -t cellucid-dashboard .
FROM python:3.12-slim AS packages
# Some scientific packages have no wheel for every platform.
RUN apt-get update && apt-get install -y --no-install-recommends build-essential && rm -rf /var/lib/apt/lists/*
COPY requirements.txt .
RUN python -m venv /opt/venv && /opt/venv/bin/pip install --no-cache-dir --upgrade pip \
    && /opt/venv/bin/pip install --no-cache-dir -r requirements.txt "psycopg[binary]>=3.2"

FROM python:3.12-slim
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY LICENSE requirements.txt app.py ./
COPY .streamlit ./.streamlit
COPY cellucid_core ./cellucid_core
COPY pages ./pages
# Compiled once here, because the root file system is read-only when it runs; numba keeps what it compiles on the volume.
RUN /opt/venv/bin/python -m compileall -q cellucid_core pages app.py \
    && mkdir /data && chown 10001:10001 /data
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/data \
    NUMBA_CACHE_DIR=/data/numba \
    MPLCONFIGDIR=/data/matplotlib \
    CELLUCID_HOME=/data/cellucid \
    CELLUCID_LOG=json
USER 10001:10001
VOLUME ["/data"]
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/healthz', timeout=4)"]
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true"]

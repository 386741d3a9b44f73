# cxrkit: the dashboard and the API from one image, with the models inside. No network is needed at run time.
#   docker build -t cxrkit .
#   docker compose up        (see compose.yaml for what each service needs)

FROM python:3.12.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONDONTWRITEBYTECODE=1
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
COPY requirements.txt /build/requirements.txt
RUN pip install -r /build/requirements.txt
COPY . /opt/cxrkit
WORKDIR /opt/cxrkit
# The compiled form of each model is built now, so that a file system without writing suffices later.
RUN CXRKIT_CACHE=/opt/cache TF_CPP_MIN_LOG_LEVEL=3 python scripts/export.py --cache

FROM python:3.12.11-slim-bookworm
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin cxrkit
COPY --from=build /opt/venv /opt/venv
COPY --from=build /opt/cxrkit /opt/cxrkit
COPY --from=build /opt/cache /opt/cache
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=3 \
    HOME=/tmp \
    CXRKIT_CACHE=/opt/cache
WORKDIR /opt/cxrkit
USER 10001:10001
EXPOSE 8501 8600
# The API by default; the dashboard's service in compose.yaml has a check of its own.
HEALTHCHECK --interval=30s --timeout=10s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import json, urllib.request; r = urllib.request.urlopen('http://127.0.0.1:8600/health', timeout=8); raise SystemExit(not json.load(r)['model_loaded'])"]
STOPSIGNAL SIGTERM
CMD ["python", "scripts/serve.py", "--host", "0.0.0.0", "--port", "8600"]

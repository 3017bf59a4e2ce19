# One image for every program; the command chooses. The health check is the edge proxy's, so the others bring theirs:
#   docker run -p 8787:8787 -e COORDINATOR_URL=http://coordinator:8080 edgeproxy
#   docker run -p 8090:8090 --health-cmd "edgeproxy healthcheck balance" ... edgeproxy edgeproxy balance
#   docker run -p 8080:8080 --no-healthcheck -e API_KEY_FILE=/run/secrets/key edgeproxy coordinator serve
#   docker run --no-healthcheck -e COORDINATOR_URL=http://coordinator:8080 -e API_KEY_FILE=... edgeproxy coordinator agent
# The root file system may be read-only (--read-only --tmpfs /tmp).

ARG PYTHON=3.13

# the full image has the compiler that the request's way is compiled with
FROM python:${PYTHON} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /opt/edgeproxy
WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY edgeproxy ./edgeproxy
COPY coordinator ./coordinator
RUN /opt/edgeproxy/bin/pip install .

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="edgeproxy" \
      org.opencontainers.image.description="Edge proxy, load balancer and coordinator that make lent machines one service" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/edgeproxy/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY --from=build /opt/edgeproxy /opt/edgeproxy
USER 65532:65532
WORKDIR /tmp
EXPOSE 8080 8787 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-m", "edgeproxy", "healthcheck"]
CMD ["edgeproxy", "serve"]

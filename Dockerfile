# The one image of every machine, `universal-worker`; the command chooses what it is. With none it is an agent:
#   docker run -d -e COORDINATOR_URL=https://fleet.example -e API_KEY=... universal-worker
#   docker run -d --gpus all ...                                       with NVIDIA's cards
#   docker run -d -p 8080:8080 -e API_KEY=... universal-worker coordinator serve
#   docker run -d -p 8787:8787 -e COORDINATOR_URL=... universal-worker edgeproxy serve
#   docker run -d -p 8090:8090 -e COORDINATOR_URL=... universal-worker edgeproxy balance
# The root file system may be read-only (--read-only --tmpfs /tmp); /data is where services keep what they store.

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
LABEL org.opencontainers.image.title="universal-worker" \
      org.opencontainers.image.description="Edge proxy, load balancer, coordinator and agent that make lent machines one service" \
      org.opencontainers.image.licenses="Apache-2.0"
ENV PATH=/opt/edgeproxy/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 AGENT_DATA=/data \
    NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility
COPY --from=build /opt/edgeproxy /opt/edgeproxy
RUN install -d -o 65532 -g 65532 /data
USER 65532:65532
WORKDIR /tmp
VOLUME /data
EXPOSE 8080 8787 8090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-m", "coordinator", "healthcheck"]
CMD ["coordinator", "agent"]

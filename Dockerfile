# syntax=docker/dockerfile:1
# The gsn command on CPUs:
#
#   docker build --tag gsn .
#   docker run --rm --user "$(id -u)" --volume "$PWD:/data" gsn score original.png compressed.jpg
#
# For NVIDIA GPUs add --build-arg EXTRAS=cuda,weights,report,parquet, and run with --gpus all.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim
ARG EXTRAS=weights,report,parquet
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir "$(ls /wheels/*.whl)[${EXTRAS}]"
# The cache of compiled programs, writable by any user that runs the container.
RUN useradd --create-home --uid 1000 gsn && install --directory --mode=1777 /cache
ENV XDG_CACHE_HOME=/cache MPLCONFIGDIR=/cache/matplotlib
# A number, because Kubernetes cannot verify that a user name is not root.
USER 1000
WORKDIR /data
ENTRYPOINT ["gsn"]
CMD ["--help"]

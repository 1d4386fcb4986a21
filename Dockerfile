# docker build -t noiseproof .                                     on a CPU
# docker build -t noiseproof --build-arg BASE=pytorch/pytorch:2.6.0-cuda12.4-cudnn9-runtime .      with its torch on a GPU
ARG BASE=python:3.12-slim
FROM ${BASE}
WORKDIR /noiseproof
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY tools tools
# PyTorch's own index has the build for CPUs, 2 GB smaller; of a base that has torch already, that torch is kept
RUN python -m pip install --no-cache-dir --extra-index-url https://download.pytorch.org/whl/cpu . && useradd --create-home noiseproof
USER noiseproof
WORKDIR /work
ENTRYPOINT ["noiseproof"]
CMD ["--help"]

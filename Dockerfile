# MetaLyra with all that it needs, in the versions of the lock:
#   docker build --tag metalyra .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/work" metalyra --cores all
# docs/environments.md says more, of Apptainer too.

# The digest is that of the index of python:3.11.16-slim-bookworm, for all platforms.
ARG BASE=python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${BASE} AS build
WORKDIR /opt/metalyra
# "requirements.txt requirements-gpu.txt" for GPUs.
ARG LOCKS=requirements.txt
COPY requirements*.txt ./
RUN python -m venv .venv \
    && for lock in ${LOCKS}; do \
        .venv/bin/python -m pip install --no-cache-dir --quiet --require-hashes --no-deps --requirement "${lock}" \
        || exit 1; \
    done
COPY . ./
RUN .venv/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation --editable .

FROM ${BASE}
LABEL org.opencontainers.image.title="MetaLyra" \
    org.opencontainers.image.description="Metallicities of RR Lyrae stars from the shapes of their light curves" \
    org.opencontainers.image.licenses="MIT"
COPY --from=build /opt/metalyra /opt/metalyra
# Anybody's results are theirs: any user may be given, and has a home that can be written to.
RUN useradd --uid 1000 --no-log-init --create-home metalyra \
    && mkdir /work \
    && chown metalyra /work
ENV PATH=/opt/metalyra/.venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1
USER 1000
WORKDIR /work
ENTRYPOINT ["snakemake", "--snakefile", "/opt/metalyra/Snakefile"]
CMD ["--cores", "all"]

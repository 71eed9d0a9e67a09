# The image that manifests/deployment.yaml runs:
#   docker build -t registry.example.com/capscan:0.1.0 .

# Python 3.11.15 on Debian 13, of 2026-08-05. A tag may lead to another image tomorrow, a digest may
# not. This one is the index of all platforms, as docker-library/repo-info on GitHub records it. Take
# a newer one there for fixes of Debian and Python, here or with --build-arg PYTHON_IMAGE=...
ARG PYTHON_IMAGE=python:3.11-slim@sha256:90744cff8f32887f075c47d747a173ff333e9e98801667af93c357fa9f5e28ff

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
# The packages first: they change less often than the source, and this layer takes the time.
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN pip install --require-hashes -r requirements/build.txt \
 && python -m venv --without-pip /opt/capscan \
 && pip --python /opt/capscan install --require-hashes -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE ./
COPY operator/ operator/
COPY crds/ crds/
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /tmp/dist . \
 && pip --python /opt/capscan install --no-deps /tmp/dist/capscan-*.whl

FROM ${PYTHON_IMAGE}
# The operator installs nothing. What the image brings for that is hidden, though its layer stays.
RUN python -m pip uninstall --yes pip setuptools wheel
COPY --from=build /opt/capscan /opt/capscan
ENV PATH=/opt/capscan/bin:$PATH PYTHONUNBUFFERED=1
# A number, not a name: runAsNonRoot can only check a number.
USER 65532:65532
ENTRYPOINT ["capscan"]
CMD ["operator"]

# The server in an image: no compiler, no pip, an account of its own.
FROM python:3.13.15-slim-trixie AS build
WORKDIR /src
# Every downloaded file must have the hash in these lists (scripts/lock).
COPY deploy/requirements.txt deploy/build-requirements.txt ./
RUN python -m venv /opt/ayes && python -m venv /opt/build \
    && /opt/ayes/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements.txt \
    && /opt/build/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r build-requirements.txt
COPY pyproject.toml LICENSE README.md ./
COPY protocol protocol
COPY persistence persistence
COPY handlers handlers
COPY server server
COPY web web
COPY clients/js clients/js
RUN /opt/build/bin/python -m hatchling build --target wheel \
    && /opt/ayes/bin/pip install --no-cache-dir --disable-pip-version-check --no-index --no-deps dist/*.whl \
    && /opt/ayes/bin/pip uninstall --yes pip

FROM python:3.13.15-slim-trixie
# A new volume gets the owner of the folder it is mounted on.
RUN useradd --system --uid 10001 --home-dir /var/lib/ayes --create-home ayes \
    && install -d -o ayes -m 700 /var/lib/ayes-exports
COPY --from=build /opt/ayes /opt/ayes
ENV PATH=/opt/ayes/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    AYES_HOST=0.0.0.0 \
    AYES_PORT=8400 \
    AYES_DATA_DIR=/var/lib/ayes
USER 10001
VOLUME /var/lib/ayes
EXPOSE 8400
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['AYES_PORT'] + '/readyz', timeout=2)"]
# exec form: the server is process 1, and SIGTERM reaches it.
ENTRYPOINT ["ayes"]
CMD ["serve"]

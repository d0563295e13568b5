# syntax=docker/dockerfile:1
# The console is built in a stage of its own; what runs has neither its tools nor a compiler, and a user without rights.
FROM node:24-bookworm-slim AS console
WORKDIR /app
COPY package.json package-lock.json ./
# the scripts of packages fetch a Node of their own, which this image is already
RUN npm ci --ignore-scripts
COPY dashboards/console dashboards/console
RUN node node_modules/vite/bin/vite.js build dashboards/console

FROM node:24-bookworm-slim
ENV NODE_ENV=production
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force \
  && install -d -o node -g node -m 700 /data
COPY src src
COPY simulators simulators
COPY devices devices
COPY --from=console /app/dashboards/console/dist dashboards/console/dist
USER node
ENV MEIZHEN_DATA_DIR=/data MEIZHEN_DEVICES_DIR=/app/devices
VOLUME /data
EXPOSE 1883 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=15s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8080/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "src/main.ts"]

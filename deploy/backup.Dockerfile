# The image of the services with the client programs of PostgreSQL, for `tocsin backup`; their major version is that of the server:
#   docker build --file deploy/backup.Dockerfile --build-arg IMAGE=tocsin:local --tag tocsin-backup:local deploy
ARG IMAGE=tocsin:local
FROM ${IMAGE}
ARG POSTGRES_VERSION=17
USER root
RUN apt-get update \
 && apt-get install --yes --no-install-recommends postgresql-client-${POSTGRES_VERSION} \
 && rm -rf /var/lib/apt/lists/* \
 && install -d -o 10001 -g 10001 -m 0700 /var/backups/tocsin
USER 10001:10001
HEALTHCHECK NONE
CMD ["backup", "/var/backups/tocsin/", "--keep", "14"]

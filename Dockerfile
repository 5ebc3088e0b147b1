# Both applications for use: prediction, web pages and the DICOM node, without torch. Nothing is trained in it.
#   docker build --tag medtl .
#   docker run --rm --volume "$PWD:/data" medtl predict scan.dcm
# For training: docker build --build-arg EXTRAS=train,serve,listen --tag medtl-train .
FROM python:3.11-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
    && sed -E '/^ +--hash/d; s/ *\\$//' requirements.lock > /wheels/versions.txt

FROM python:3.11-slim
ARG EXTRAS=serve,listen
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --constraint /wheels/versions.txt "$(ls /wheels/medtl-*.whl)[${EXTRAS}]" \
    && useradd --create-home --uid 1000 medtl \
    && install --directory --owner medtl /data /data/spool /data/runs
USER 1000
WORKDIR /data
EXPOSE 8000 11112
ENTRYPOINT ["medtl"]
CMD ["--help"]

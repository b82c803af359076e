# The personality is a library (for the daemon and its tests) and a main().
LIBS += docker
docker_DIR := personality/docker
docker_SRC := apierr.c app.c archive.c authheader.c changes.c config.c confine.c containers.c \
              containers_attach.c containers_create.c containers_inspect.c containers_life.c \
              containers_list.c containers_logs.c containers_pause.c containers_update.c \
              containers_wait.c convert.c events.c exec.c exec_doc.c export.c fields.c filters.c \
              health.c hijack.c image_json.c images.c images_change.c images_inspect.c \
              images_list.c images_prune.c images_pull.c intent.c join.c keys.c list_cache.c \
              log_config.c moment.c mux.c networks.c prune.c ps.c refuse.c relay.c reply.c req.c \
              router.c routes.c server.c sink.c size.c stats.c stats_doc.c sweep.c system.c \
              text.c top.c version.c volumes.c
docker_LIBS := docker plclient imagec oci host rpc confine json base
docker_LDLIBS := -lmicrohttpd -lcurl -lcrypto -luv -lnghttp2 -lcjson -lm

PROGS += vic-docker
vic-docker_DIR := personality/docker
vic-docker_SRC := main.c
vic-docker_LIBS := $(docker_LIBS)
vic-docker_LDLIBS := $(docker_LDLIBS)

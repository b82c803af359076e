LIBS += imagec
imagec_DIR := imagec
imagec_LIB_SRC := blob.c challenge.c client.c document.c endpoint.c pull.c put.c reference.c registry.c

PROGS += imagec
imagec_SRC := content.c main.c
imagec_LIBS := imagec oci host rpc json base
imagec_LDLIBS := -lcurl -lcrypto -luv -lnghttp2 -lcjson -lm

# The port layer is one library (for the daemon and its tests); its folders add their sources.
LIBS += portlayer
portlayer_DIR := portlayer
portlayer_SRC += config.c events.c info.c wipe.c

PROGS += vic-portlayer
vic-portlayer_DIR := portlayer
vic-portlayer_SRC := main.c
vic-portlayer_LIBS := portlayer plclient oci host rpc confine json base
vic-portlayer_LDLIBS := -lvirt -luv -lnghttp2 -lcjson -lnftables -lcrypto -lm

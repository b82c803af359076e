# Everything but main() is a library, so that tests can link it.
LIBS += machine
machine_DIR := vic-machine
machine_SRC := apparmor.c ask.c create.c daemon.c delete.c deploy.c forward.c inspect.c libvirtd.c listen_url.c ls.c start.c stop.c \
               validate.c vch.c

PROGS += vic-machine
vic-machine_DIR := vic-machine
vic-machine_SRC := main.c
vic-machine_LIBS := machine host rpc json base
vic-machine_LDLIBS := -lcurl -lcrypto -luv -lnghttp2 -lcjson -lm

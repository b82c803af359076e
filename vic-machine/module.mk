PROGS += vic-machine
vic-machine_DIR := vic-machine
vic-machine_SRC := ask.c create.c daemon.c delete.c deploy.c inspect.c libvirtd.c listen_url.c ls.c main.c \
                   start.c stop.c validate.c vch.c
vic-machine_LIBS := host rpc json base
vic-machine_LDLIBS := -lcurl -lcrypto -luv -lnghttp2 -lcjson -lm

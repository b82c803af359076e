# The library is all of tether but main(), so that tests can drive it.
LIBS += guest
guest_DIR := tether
guest_SRC := boot.c caps.c child.c command.c device.c devices.c env.c input.c loop.c machine.c mounts.c net.c output.c \
    port.c process.c service.c spec.c tether.c user.c
PRIVATE_PROGS += tether
tether_DIR := tether
tether_SRC := main.c
tether_LIBS := guest rpc json base
tether_LDLIBS := -lnghttp2 -lcjson

# The library is all of tether but main(), so that tests can drive it.
LIBS += guest
guest_DIR := tether
guest_SRC := boot.c bounds.c caps.c child.c command.c copies.c copy_ring.c device.c devices.c env.c exec.c \
    init.c input.c loop.c machine.c mounts.c net.c nodes.c output.c port.c process.c processes.c \
    service.c spec.c stats.c tether.c user.c
PRIVATE_PROGS += tether
tether_DIR := tether
tether_SRC := main.c
tether_LIBS := guest rpc confine json base
tether_LDLIBS := -lnghttp2 -lcjson

# Copies in and out of the container.  libarchive is linked in: its shared library would bring a dozen others,
# and without what is not reached (its other formats) none of theirs is asked for.
LIBS += copy
copy_DIR := tether
copy_SRC := changes.c copy_in.c copy_out.c copy_ring.c copy_stat.c device.c user.c
copy_LDLIBS := -l:libarchive.a -lacl -lz -lcjson
copy_LDFLAGS := -Wl,--gc-sections
PRIVATE_PROGS += tether-copy
tether-copy_DIR := tether
tether-copy_SRC := copy_main.c
tether-copy_LIBS := copy json base
tether-copy_LDLIBS := $(copy_LDLIBS)
tether-copy_LDFLAGS := $(copy_LDFLAGS)

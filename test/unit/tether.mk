TESTS += test_tether_parts test_tether
test_tether_parts_DIR := test/unit
test_tether_parts_SRC := test_tether_parts.c
test_tether_parts_LIBS := guest rpc json base
test_tether_parts_LDLIBS := -lcmocka -lnghttp2 -lcjson -lm
test_tether_DIR := test
test_tether_SRC := unit/test_tether.c lib/tether_drive.c
test_tether_LIBS := guest rpc json base
test_tether_LDLIBS := -lcmocka -lnghttp2 -lcjson -lm
# Drives a tether by hand or from a script, over a connected unix socket.
PRIVATE_PROGS += tether-drive
tether-drive_DIR := test/lib
tether-drive_SRC := drive_main.c tether_drive.c
tether-drive_LIBS := rpc json base
tether-drive_LDLIBS := -lnghttp2 -lcjson -lm

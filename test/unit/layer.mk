TESTS += test_layer_tar
test_layer_tar_DIR := test/unit
test_layer_tar_SRC := test_layer_tar.c
test_layer_tar_LIBS := layermem viclayer base
test_layer_tar_LDLIBS = -lcmocka $(viclayer_LDLIBS)

TESTS += test_layer
test_layer_DIR := test/unit
test_layer_SRC := test_layer.c
test_layer_LDFLAGS := -Wl,--wrap=statvfs
test_layer_LIBS := portlayer host confine json base
test_layer_LDLIBS := -lcmocka -lcjson -lcrypto

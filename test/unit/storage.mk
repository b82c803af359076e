# The layer maker and the journal are replaced: what they do has tests of its own.
TESTS += test_storage test_index
test_storage_DIR := test/unit
test_storage_SRC := test_storage.c storage_world.c storage_rpc.c
test_storage_LIBS := portlayer host oci confine json base
test_storage_LDFLAGS := -Wl,--wrap=pl_layer_apply,--wrap=pl_layer_create_base,--wrap=pl_events_emit,--wrap=statvfs
test_storage_LDLIBS := -lcmocka -lcjson -lcrypto -luv -lm
test_index_DIR := test/unit
test_index_SRC := test_index.c
test_index_LIBS := portlayer oci confine json base
test_index_LDLIBS := -lcmocka -lcjson -lm

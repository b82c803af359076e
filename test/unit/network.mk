TESTS += test_network
test_network_DIR := test/unit
test_network_SRC := test_network.c
test_network_LIBS := portlayer confine json base
test_network_LDLIBS := -lcmocka -lcjson -lnftables -lm

# The personality's tests link what the program links.
TESTS += test_docker_pure test_docker_docs test_docker_convert test_docker_sink
test_docker_pure_DIR := test/unit
test_docker_pure_SRC := test_docker_pure.c
test_docker_pure_LIBS = $(docker_LIBS)
test_docker_pure_LDLIBS = -lcmocka $(docker_LDLIBS)
test_docker_docs_DIR := test/unit
test_docker_docs_SRC := test_docker_docs.c
test_docker_docs_LIBS = $(docker_LIBS)
test_docker_docs_LDLIBS = -lcmocka $(docker_LDLIBS)
test_docker_convert_DIR := test/unit
test_docker_convert_SRC := test_docker_convert.c
test_docker_convert_LIBS = $(docker_LIBS)
test_docker_convert_LDLIBS = -lcmocka $(docker_LDLIBS)
test_docker_sink_DIR := test/unit
test_docker_sink_SRC := test_docker_sink.c
test_docker_sink_LIBS = $(docker_LIBS)
test_docker_sink_LDFLAGS := -Wl,--wrap=host_rpc_open,--wrap=rpc_stream_write
test_docker_sink_LDLIBS = -lcmocka $(docker_LDLIBS)
PRIVATE_PROGS += fake-portlayer
fake-portlayer_DIR := test/unit
fake-portlayer_SRC := fake_portlayer_main.c fake_portlayer.c
fake-portlayer_LIBS = $(docker_LIBS)
fake-portlayer_LDLIBS = $(docker_LDLIBS)

ifneq ($(findstring pull.c,$(imagec_SRC)$(imagec_LIB_SRC)$(img_SRC)),)
FUZZERS += fuzz_filters fuzz_create_body fuzz_route
fuzz_filters_DIR := test/fuzz
fuzz_filters_SRC := fuzz_filters.c
fuzz_filters_LIBS = $(docker_LIBS)
fuzz_filters_LDLIBS = $(docker_LDLIBS)
fuzz_filters_LDFLAGS := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer)
fuzz_create_body_DIR := test/fuzz
fuzz_create_body_SRC := fuzz_create_body.c
fuzz_create_body_LIBS = $(docker_LIBS)
fuzz_create_body_LDLIBS = $(docker_LDLIBS)
fuzz_create_body_LDFLAGS := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer)
fuzz_route_DIR := test/fuzz
fuzz_route_SRC := fuzz_route.c
fuzz_route_LIBS = $(docker_LIBS)
fuzz_route_LDLIBS = $(docker_LDLIBS)
fuzz_route_LDFLAGS := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer)
endif

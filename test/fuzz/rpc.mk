FUZZERS += fuzz_rpc fuzz_sync
fuzz_rpc_DIR := test/fuzz
fuzz_rpc_SRC := fuzz_rpc.c
fuzz_rpc_LIBS := rpc json base
fuzz_rpc_LDLIBS := -lnghttp2 -lcjson -lm
fuzz_sync_DIR := test/fuzz
fuzz_sync_SRC := fuzz_sync.c
fuzz_sync_LIBS := rpc json base
fuzz_sync_LDLIBS := -lnghttp2 -lcjson -lm
fuzz_rpc_LDFLAGS := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer)
fuzz_sync_LDFLAGS := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer)

FUZZERS += fuzz_reference fuzz_challenge
fuzz_reference_DIR := test/fuzz
fuzz_reference_SRC := fuzz_reference.c
fuzz_reference_LIBS := imagec oci host rpc json base
fuzz_reference_LDLIBS := -lcurl -lcrypto -luv -lnghttp2 -lcjson -lm
fuzz_reference_LDFLAGS := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer)
fuzz_challenge_DIR := test/fuzz
fuzz_challenge_SRC := fuzz_challenge.c
fuzz_challenge_LIBS := imagec json base
fuzz_challenge_LDLIBS := -lcjson -lm
fuzz_challenge_LDFLAGS := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer)

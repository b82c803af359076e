FUZZERS += fuzz_output fuzz_spec
fuzz_output_DIR := test/fuzz
fuzz_output_SRC := fuzz_output.c
fuzz_output_LIBS := portlayer json base
fuzz_output_LDLIBS := -lcjson -lm
fuzz_output_LDFLAGS := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer)
fuzz_spec_DIR := test/fuzz
fuzz_spec_SRC := fuzz_spec.c
fuzz_spec_LIBS := portlayer json base
fuzz_spec_LDLIBS := -lcjson -lm
fuzz_spec_LDFLAGS := $(if $(findstring fuzzer,$(SAN)),-fsanitize=fuzzer)

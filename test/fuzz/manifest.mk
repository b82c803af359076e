FUZZERS += fuzz_manifest
fuzz_manifest_DIR := test/fuzz
fuzz_manifest_SRC := fuzz_manifest.c
fuzz_manifest_LIBS := oci json base
fuzz_manifest_LDLIBS := -lcjson -lm

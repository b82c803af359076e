FUZZERS += fuzz_image_index
fuzz_image_index_DIR := test/fuzz
fuzz_image_index_SRC := fuzz_image_index.c
fuzz_image_index_LIBS := portlayer oci confine json base
fuzz_image_index_LDLIBS := -lcjson -lm

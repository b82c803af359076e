FUZZERS += fuzz_layer
fuzz_layer_DIR := test/fuzz
fuzz_layer_SRC := fuzz_layer.c
fuzz_layer_LIBS := layermem viclayer base
fuzz_layer_LDLIBS = $(viclayer_LDLIBS)

FUZZERS += fuzz_user
fuzz_user_DIR := test/fuzz
fuzz_user_SRC := fuzz_user.c
fuzz_user_LIBS := guest json base
fuzz_user_LDLIBS := -lcjson -lm

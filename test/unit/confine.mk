TESTS += test_confine
test_confine_DIR := test/unit
test_confine_SRC := test_confine.c
test_confine_LIBS := confine json base
test_confine_LDLIBS := -lcmocka -lcjson -lm

TESTS += test_base test_file test_json
test_base_DIR := test/unit
test_base_SRC := test_base.c
test_base_LIBS := base
test_base_LDLIBS := -lcmocka
test_file_DIR := test/unit
test_file_SRC := test_file.c
test_file_LDFLAGS := -Wl,--wrap=copy_file_range
test_file_LIBS := base
test_file_LDLIBS := -lcmocka
test_json_DIR := test/unit
test_json_SRC := test_json.c
test_json_LIBS := json base
test_json_LDLIBS := -lcmocka -lcjson -lm

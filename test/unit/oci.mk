TESTS += test_oci
test_oci_DIR := test/unit
test_oci_SRC := test_oci.c
test_oci_LIBS := oci json base
test_oci_LDLIBS := -lcmocka -lcjson -lm

TESTS += test_imagec
test_imagec_DIR := test/unit
test_imagec_SRC := test_imagec.c
test_imagec_LIBS := imagec oci host rpc json base
test_imagec_LDLIBS := -lcmocka -lcurl -lcrypto -luv -lnghttp2 -lcjson -lm

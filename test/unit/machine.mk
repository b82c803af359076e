TESTS += test_machine
test_machine_DIR := test/unit
test_machine_SRC := test_machine.c
test_machine_LIBS := machine host rpc json base
test_machine_LDLIBS := -lcmocka -lcurl -lcrypto -luv -lnghttp2 -lcjson -lm

TESTS += test_execution test_output test_plclient
test_execution_DIR := test/unit
test_execution_SRC := test_execution.c
test_execution_LIBS := portlayer plclient oci host rpc confine json base
test_execution_LDLIBS := -lcmocka -lvirt -luv -lnghttp2 -lcjson -lnftables -lcrypto -lm
TESTS += test_health test_keys
test_health_DIR := test/unit
test_health_SRC := test_health.c
test_health_LIBS := portlayer docker confine json base
test_health_LDLIBS := -lcmocka -lcjson -lm
test_keys_DIR := test/unit
test_keys_SRC := test_keys.c
test_keys_LIBS := portlayer confine json base
test_keys_LDLIBS := -lcmocka -lcjson -lm
test_output_DIR := test/unit
test_output_SRC := test_output.c
test_output_LIBS := portlayer confine json base
test_output_LDLIBS := -lcmocka -lcjson -lm
test_plclient_DIR := test/unit
test_plclient_SRC := test_plclient.c
test_plclient_LIBS := plclient json base
test_plclient_LDLIBS := -lcmocka -lcjson -lm
# The flows of execution; all they call of libvirt, guests, network and storage is a fake.
FLOWS := test_flows test_flows_pause test_flows_policy
TESTS += $(FLOWS)
define flow_rules
$1_DIR := test/unit
$1_SRC := $1.c flows_world.c fake_vm.c storage_rpc.c
$1_LIBS := portlayer host confine json base
$1_LDFLAGS := -Wl,--wrap=pl_container_deadline
$1_LDLIBS := -lcmocka -luv -lcjson -lm
endef
$(foreach t,$(FLOWS),$(eval $(call flow_rules,$t)))
# The guest and the journal are the test's; what leads to libvirt is linked and not called.
TESTS += test_exec
test_exec_DIR := test/unit
test_exec_SRC := test_exec.c
test_exec_LIBS := portlayer plclient oci host rpc confine json base
test_exec_LDFLAGS := -Wl,--wrap=pl_channel_session,--wrap=pl_channel_call,--wrap=pl_events_emit
test_exec_LDLIBS := -lcmocka -lvirt -luv -lnghttp2 -lcjson -lnftables -lcrypto -lm

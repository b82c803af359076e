# Programs that only tests start.
PRIVATE_PROGS += layer-apply
layer-apply_DIR := test/lib
layer-apply_SRC := layer_apply.c
layer-apply_LIBS := portlayer host confine json base
layer-apply_LDLIBS := -lcjson -lcrypto
LIBS += layermem
layermem_DIR := test/lib
layermem_SRC := layer_mem.c

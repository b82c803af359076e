LIBS += host
host_DIR := lib/host
host_SRC := digest.c http.c listen.c loop.c rpc_conn.c rpc_port.c rpc_uv.c work.c

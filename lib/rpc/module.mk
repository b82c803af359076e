LIBS += rpc
rpc_DIR := lib/rpc
rpc_SRC := client.c path.c server.c session.c stream.c sync.c

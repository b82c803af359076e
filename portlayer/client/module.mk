# The contract's client helpers: personalities and vic-machine link these.
LIBS += plclient
plclient_DIR := portlayer/client
plclient_SRC := lines.c records.c

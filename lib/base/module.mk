LIBS += base
base_DIR := lib/base
base_SRC := alloc.c buf.c clock.c err.c file.c id.c log.c map.c opts.c record.c str.c utf8.c

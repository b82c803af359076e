LIBS += confine
confine_DIR := lib/confine
confine_SRC := capability.c confine.c cpuset.c limit.c tmpfs.c

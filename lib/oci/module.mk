LIBS += oci
oci_DIR := lib/oci
oci_SRC := detect.c index.c manifest.c media.c platform.c

# vic-layer's own parts are a library, so that tests and the fuzzer run them on a disk in memory.
LIBS += viclayer
viclayer_DIR := portlayer/storage
viclayer_SRC := vl_content.c vl_dir.c vl_fs.c vl_htree.c vl_input.c vl_io.c vl_mem.c vl_nbd.c \
                vl_sandbox.c vl_tar.c vl_tree.c
viclayer_LDLIBS := -lext2fs -lcom_err -lnbd -larchive -lzstd -lz -lcrypto -lseccomp
PROGS += vic-layer
vic-layer_DIR := portlayer/storage
vic-layer_SRC := vl_main.c
vic-layer_LIBS := viclayer json base
vic-layer_LDLIBS := $(viclayer_LDLIBS) -lcjson
# The port layer's end of it.
portlayer_SRC += storage/layer.c storage/room.c storage/spawn.c
# Content store, images and disks.
portlayer_SRC += storage/blobs.c storage/commit.c storage/content.c storage/disk.c storage/facts.c \
                 storage/gc.c storage/image.c storage/images.c storage/index.c storage/storage.c

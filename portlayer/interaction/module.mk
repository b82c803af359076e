portlayer_SRC += interaction/attach.c interaction/channel.c interaction/logs.c \
    interaction/output.c interaction/tail.c interaction/watch.c

portlayer_SRC += interaction/attach.c interaction/channel.c interaction/copy.c interaction/logs.c \
    interaction/output.c interaction/relay.c interaction/tail.c interaction/watch.c

portlayer_SRC += interaction/attach.c interaction/channel.c interaction/copy.c interaction/exec.c \
    interaction/exec_doc.c interaction/exec_flow.c interaction/keys.c interaction/log_limit.c \
    interaction/log_trim.c interaction/logs.c interaction/output.c interaction/probe.c \
    interaction/processes.c interaction/relay.c interaction/stats.c interaction/tail.c \
    interaction/watch.c

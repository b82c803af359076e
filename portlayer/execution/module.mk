portlayer_SRC += execution/accel.c execution/container.c execution/create.c execution/create_doc.c \
    execution/document.c execution/domain_xml.c execution/execution.c execution/fingerprint.c \
    execution/guest_files.c execution/handlers.c execution/health.c execution/index.c \
    execution/lifecycle.c execution/list.c execution/nap.c execution/pause.c execution/qemu_log.c \
    execution/record.c execution/recover.c execution/remove.c execution/restart.c execution/run.c \
    execution/signals.c execution/spec.c execution/stall.c execution/start.c execution/update.c \
    execution/virt.c execution/virt_event.c execution/vm_size.c execution/wait.c

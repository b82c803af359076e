/* A cgroup device program, put together instruction by instruction. */
#include "tether/devices.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/base/cleanup.h"

#define PTY_MAJOR 136

static const struct {
    uint8_t major, minor;
} allowed[] = {
    {1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, /* null zero full random urandom */
    {5, 0}, {5, 1}, {5, 2},                 /* tty console ptmx */
};

static struct bpf_insn load(uint8_t reg, size_t offset)
{
    return (struct bpf_insn){.code = BPF_LDX | BPF_MEM | BPF_W,
                             .dst_reg = reg,
                             .src_reg = BPF_REG_1,
                             .off = (int16_t)offset};
}

static struct bpf_insn compute(uint8_t op, uint8_t reg, int32_t value)
{
    return (struct bpf_insn){.code = BPF_ALU64 | op | BPF_K, .dst_reg = reg, .imm = value};
}

static struct bpf_insn jump(uint8_t op, uint8_t reg, int32_t value, size_t from, size_t to)
{
    return (struct bpf_insn){.code = BPF_JMP | op | BPF_K,
                             .dst_reg = reg,
                             .off = (int16_t)(to - from - 1),
                             .imm = value};
}

static int run_bpf(int command, union bpf_attr *attr)
{
    int r = (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
    return r < 0 ? -errno : r;
}

int tether_devices_restrict(int cgroup_fd, struct vic_err *err)
{
    enum {
        HEAD = 8,
        DENY = HEAD + 2 * ARRAY_SIZE(allowed),
        ALLOW = DENY + 2,
        N = ALLOW + 2
    };
    struct bpf_insn p[N] = {
        load(BPF_REG_2, offsetof(struct bpf_cgroup_dev_ctx, access_type)),
        load(BPF_REG_3, offsetof(struct bpf_cgroup_dev_ctx, major)),
        load(BPF_REG_4, offsetof(struct bpf_cgroup_dev_ctx, minor)),
        /* access_type is (access << 16) | type; making a node opens nothing. */
        jump(BPF_JEQ, BPF_REG_2, BPF_DEVCG_ACC_MKNOD << 16 | BPF_DEVCG_DEV_BLOCK, 3, ALLOW),
        jump(BPF_JEQ, BPF_REG_2, BPF_DEVCG_ACC_MKNOD << 16 | BPF_DEVCG_DEV_CHAR, 4, ALLOW),
        compute(BPF_AND, BPF_REG_2, 0xffff),
        jump(BPF_JNE, BPF_REG_2, BPF_DEVCG_DEV_CHAR, 6, DENY),
        jump(BPF_JEQ, BPF_REG_3, PTY_MAJOR, 7, ALLOW),
    };
    for (size_t i = 0; i < ARRAY_SIZE(allowed); i++) {
        size_t at = HEAD + 2 * i;
        p[at] = jump(BPF_JNE, BPF_REG_3, allowed[i].major, at, at + 2);
        p[at + 1] = jump(BPF_JEQ, BPF_REG_4, allowed[i].minor, at + 1, ALLOW);
    }
    p[DENY] = compute(BPF_MOV, BPF_REG_0, 0);
    p[ALLOW] = compute(BPF_MOV, BPF_REG_0, 1);
    p[DENY + 1] = p[ALLOW + 1] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
    union bpf_attr attr = {
        .prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
        .insns = (uint64_t)(uintptr_t)p,
        .insn_cnt = N,
        .license = (uint64_t)(uintptr_t) "Apache-2.0",
    };
    auto_close int prog = run_bpf(BPF_PROG_LOAD, &attr);
    if (prog < 0)
        return vic_fail_errno(err, -prog, "load the device program");
    union bpf_attr attach = {
        .target_fd = (uint32_t)cgroup_fd,
        .attach_bpf_fd = (uint32_t)prog,
        .attach_type = BPF_CGROUP_DEVICE,
    };
    int r = run_bpf(BPF_PROG_ATTACH, &attach);
    return r < 0 ? vic_fail_errno(err, -r, "attach the device program") : 0;
}

int tether_devices_allow(int cgroup_fd, struct vic_err *err)
{
    union bpf_attr detach = {.target_fd = (uint32_t)cgroup_fd, .attach_type = BPF_CGROUP_DEVICE};
    int r = run_bpf(BPF_PROG_DETACH, &detach);
    return r < 0 && r != -ENOENT ? vic_fail_errno(err, -r, "detach the device program") : 0;
}

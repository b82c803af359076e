/* What the port layer asks for, out of its JSON and checked. */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/id.h"
#include "lib/confine/confine.h"
#include "lib/json/json.h"

#define TETHER_INTERFACES_MAX 32 /* root ports of a VM end far below */
#define TETHER_HOSTNAME_MAX 64   /* __NEW_UTS_LEN */

struct tether_interface {
    uint8_t mac[6];
    struct in_addr address;
    unsigned prefix_len;
    struct in_addr gateway; /* INADDR_ANY: no default route here */
};

struct tether_config {
    char *hostname; /* owned, as the strings below; "" when absent */
    char *domainname;
    char *hosts;       /* whole file; NULL leaves the image's */
    char *resolv_conf; /* whole file; NULL leaves the image's */
    char *disk;        /* serial of the container's disk */
    struct tether_interface interfaces[TETHER_INTERFACES_MAX];
    size_t n_interfaces;
};

struct tether_spec {
    char **args; /* owned vector, at least one */
    char **env;  /* owned vector of KEY=value; KEY alone removes a default */
    char *cwd;   /* owned, absolute */
    char *user;  /* owned; "name|uid[:group|gid]" or "" */
    bool has_tty;
    bool has_stdin;
    uint16_t width; /* 0: unknown */
    uint16_t height;
    struct confine confine; /* of the first process: the others have the same */
};

/* A process beside the container's first one. */
struct tether_exec_spec {
    char id[VIC_ID_LEN + 1]; /* chosen by the port layer */
    bool is_privileged;
    struct tether_spec process;
};

/* *ret is to be released in any case. */
int tether_config_parse(const cJSON *doc, struct tether_config *ret, struct vic_err *err);
void tether_config_release(struct tether_config *c);

int tether_spec_parse(const cJSON *doc, struct tether_spec *ret, struct vic_err *err);
void tether_spec_release(struct tether_spec *s);

int tether_exec_spec_parse(const cJSON *doc, struct tether_exec_spec *ret, struct vic_err *err);
void tether_exec_spec_release(struct tether_exec_spec *s);

/* {"width","height"} under path. */
int tether_size_parse(const cJSON *doc, const char *path, uint16_t *ret_width, uint16_t *ret_height,
                      struct vic_err *err);

/* Refuses a member that is not in the list: nothing is accepted and then ignored. */
int tether_check_members(const cJSON *doc, const char *path, const char *const *names,
                         size_t n_names, struct vic_err *err);

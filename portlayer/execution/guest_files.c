/* The text of hosts and resolv.conf. */
#include "portlayer/execution/guest_files.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

void pl_guest_hostname(const struct pl_record *rec, char ret[64])
{
    if (vic_str_is_empty(rec->spec.hostname))
        (void)snprintf(ret, 64, "%.*s", VIC_ID_SHORT_LEN, rec->id);
    else
        (void)snprintf(ret, 64, "%s", rec->spec.hostname);
}

char *pl_guest_hosts(const struct pl_record *rec)
{
    auto_buf struct vic_buf b = {0};
    char hostname[64];
    pl_guest_hostname(rec, hostname);
    vic_buf_add_str(&b, "127.0.0.1\tlocalhost\n"
                        "::1\tlocalhost ip6-localhost ip6-loopback\n"
                        "fe00::\tip6-localnet\n"
                        "ff00::\tip6-mcastprefix\n"
                        "ff02::1\tip6-allnodes\n"
                        "ff02::2\tip6-allrouters\n");
    const char *gateway = rec->n_endpoints > 0 ? rec->endpoints[0].gateway : NULL;
    for (char **v = rec->spec.extra_hosts; v && *v; v++) {
        const char *colon = strchr(*v, ':');
        const char *address = colon + 1;
        if (vic_str_eq(address, "host-gateway"))
            address = gateway;
        if (address)
            vic_buf_addf(&b, "%s\t%.*s\n", address, (int)(colon - *v), *v);
    }
    for (size_t i = 0; i < rec->n_endpoints; i++) {
        vic_buf_addf(&b, "%s\t", rec->endpoints[i].address);
        if (!vic_str_is_empty(rec->spec.domainname))
            vic_buf_addf(&b, "%s.%s ", hostname, rec->spec.domainname);
        vic_buf_addf(&b, "%s\n", hostname);
    }
    return vic_buf_take(&b);
}

static void add_line(struct vic_buf *b, const char *keyword, char *const *words)
{
    if (!words || !*words)
        return;
    vic_buf_add_str(b, keyword);
    for (; *words; words++)
        vic_buf_addf(b, " %s", *words);
    vic_buf_add_char(b, '\n');
}

char *pl_guest_resolv_conf(const struct pl_record *rec)
{
    auto_buf struct vic_buf b = {0};
    if (rec->spec.dns)
        for (char **v = rec->spec.dns; *v; v++)
            vic_buf_addf(&b, "nameserver %s\n", *v);
    else if (rec->n_endpoints > 0)
        vic_buf_addf(&b, "nameserver %s\n", rec->endpoints[0].gateway);
    /* Docker's way of saying "no search list at all" is a single dot. */
    if (!(vic_strv_len(rec->spec.dns_search) == 1 && vic_str_eq(rec->spec.dns_search[0], ".")))
        add_line(&b, "search", rec->spec.dns_search);
    add_line(&b, "options", rec->spec.dns_options);
    return vic_buf_take(&b);
}

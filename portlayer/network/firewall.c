/* nftables text, and libnftables to run it. */
#include "portlayer/network/firewall.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/cleanup.h"
#include "lib/base/str.h"
#include "lib/json/json.h"

/*
 * Chains are flushed and filled again, sets keep what is in them: applied while containers run, this
 * changes nothing for them.  Guests reach the host itself, its DNS on the gateway included, as with
 * Docker: there is no input chain.
 */
char *pl_filter_tables(const struct pl_filter *f)
{
    char subnet[PL_PREFIX_TEXT_MAX];
    pl_prefix_to_string(f->subnet, subnet);
    const char *id = f->vch_id;
    const char *br = f->bridge;
    struct vic_buf b = {0};
    vic_buf_addf(&b, "add table inet vic_%s\n", id);
    vic_buf_addf(&b,
                 "add chain inet vic_%s forward { type filter hook forward priority filter; policy "
                 "accept; }\n",
                 id);
    vic_buf_addf(&b,
                 "add chain inet vic_%s postrouting { type nat hook postrouting priority srcnat; "
                 "policy accept; }\n",
                 id);
    vic_buf_addf(&b, "flush chain inet vic_%s forward\n", id);
    vic_buf_addf(&b, "flush chain inet vic_%s postrouting\n", id);
    /* Frames between ports of one bridge come here only where br_netfilter is on. */
    vic_buf_addf(&b, "add rule inet vic_%s forward iifname \"%s\" oifname \"%s\" accept\n", id, br,
                 br);
    /* Networks do not see each other, whichever VCH they belong to. */
    vic_buf_addf(&b, "add rule inet vic_%s forward iifname \"%s\" oifname \"vb*\" drop\n", id, br);
    vic_buf_addf(&b, "add rule inet vic_%s forward iifname \"vb*\" oifname \"%s\" drop\n", id, br);
    vic_buf_addf(&b,
                 "add rule inet vic_%s forward oifname \"%s\" ct state established,related "
                 "accept\n",
                 id, br);
    vic_buf_addf(&b, "add rule inet vic_%s forward oifname \"%s\" drop\n", id, br);
    vic_buf_addf(&b, "add rule inet vic_%s forward iifname \"%s\" accept\n", id, br);
    vic_buf_addf(&b, "add rule inet vic_%s postrouting ip saddr %s oifname != \"%s\" masquerade\n",
                 id, subnet, br);
    vic_buf_addf(&b, "add table bridge vic_%s\n", id);
    vic_buf_addf(&b, "add set bridge vic_%s taps { type ifname; }\n", id);
    vic_buf_addf(&b, "add set bridge vic_%s endpoints { type ifname . ether_addr . ipv4_addr; }\n",
                 id);
    vic_buf_addf(&b,
                 "add chain bridge vic_%s prerouting { type filter hook prerouting priority "
                 "filter; policy accept; }\n",
                 id);
    vic_buf_addf(&b, "flush chain bridge vic_%s prerouting\n", id);
    vic_buf_addf(&b, "add rule bridge vic_%s prerouting iifname != @taps accept\n", id);
    vic_buf_addf(&b,
                 "add rule bridge vic_%s prerouting ether type ip iifname . ether saddr . ip saddr "
                 "@endpoints accept\n",
                 id);
    vic_buf_addf(&b,
                 "add rule bridge vic_%s prerouting ether type arp iifname . ether saddr . arp "
                 "saddr ip @endpoints iifname . arp saddr ether . arp saddr ip @endpoints accept\n",
                 id);
    vic_buf_addf(&b, "add rule bridge vic_%s prerouting drop\n", id);
    return vic_buf_take(&b);
}

static char *change_elements(const char *verb, const char *vch_id,
                             const struct pl_filter_endpoint *e)
{
    return vic_xasprintf("%s element bridge vic_%s endpoints { \"%s\" . %s . %s }\n"
                         "%s element bridge vic_%s taps { \"%s\" }\n",
                         verb, vch_id, e->tap, e->mac, e->address, verb, vch_id, e->tap);
}

char *pl_filter_add(const char *vch_id, const struct pl_filter_endpoint *e)
{
    return change_elements("add", vch_id, e);
}

char *pl_filter_remove(const char *vch_id, const struct pl_filter_endpoint *e)
{
    return change_elements("delete", vch_id, e);
}

/* Added first, so that a table that is not there is no error. */
char *pl_filter_destroy(const char *vch_id)
{
    return vic_xasprintf("add table inet vic_%s\ndelete table inet vic_%s\n"
                         "add table bridge vic_%s\ndelete table bridge vic_%s\n",
                         vch_id, vch_id, vch_id, vch_id);
}

static const cJSON *set_elements(const cJSON *doc)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, json_member(doc, "nftables"))
    {
        const cJSON *set = json_member(item, "set");
        if (set)
            return json_member(set, "elem");
    }
    return NULL;
}

void pl_filter_each(const char *json, bool (*fn)(void *arg, const struct pl_filter_endpoint *e),
                    void *arg)
{
    auto_json cJSON *doc = NULL;
    if (json_parse(json, strlen(json), &doc, NULL) < 0)
        return;
    const cJSON *e;
    cJSON_ArrayForEach(e, set_elements(doc))
    {
        const cJSON *parts = json_member(e, "concat");
        const cJSON *tap = cJSON_GetArrayItem(parts, 0);
        const cJSON *mac = cJSON_GetArrayItem(parts, 1);
        const cJSON *address = cJSON_GetArrayItem(parts, 2);
        if (!cJSON_IsString(tap) || !cJSON_IsString(mac) || !cJSON_IsString(address))
            continue;
        const struct pl_filter_endpoint endpoint = {
            .tap = tap->valuestring, .mac = mac->valuestring, .address = address->valuestring};
        if (!fn(arg, &endpoint))
            return;
    }
}

struct search {
    const char *address;
    char *tap;
    char *mac;
    int n_found;
};

static bool is_elsewhere(void *arg, const struct pl_filter_endpoint *e)
{
    struct search *s = arg;
    if (strcmp(e->address, s->address) != 0)
        return true;
    (void)snprintf(s->tap, 16, "%s", e->tap);
    (void)snprintf(s->mac, 18, "%s", e->mac);
    s->n_found = 1;
    return false;
}

int pl_filter_find(const char *json, const char *address, char *tap, char *mac)
{
    struct search s = {.address = address, .tap = tap, .mac = mac};
    pl_filter_each(json, is_elsewhere, &s);
    return s.n_found;
}

/* ---- applying ---------------------------------------------------------------------------------- */

static void free_nft(struct nft_ctx **ctx)
{
    if (*ctx)
        nft_ctx_free(*ctx);
}

static struct nft_ctx *open_nft(void)
{
    struct nft_ctx *ctx = nft_ctx_new(NFT_CTX_DEFAULT);
    if (ctx && (nft_ctx_buffer_output(ctx) != 0 || nft_ctx_buffer_error(ctx) != 0)) {
        nft_ctx_free(ctx);
        ctx = NULL;
    }
    return ctx;
}

/* libnftables quotes the text below its complaint; one line is enough. */
static int fail_nft(struct nft_ctx *ctx, struct vic_err *err)
{
    const char *said = nft_ctx_get_error_buffer(ctx);
    size_t n = strcspn(said ? said : "", "\n");
    if (said && strstr(said, "Operation not supported"))
        return vic_fail(err, VIC_ERR_UNAVAILABLE, ENOTSUP,
                        "packet filter: this kernel lacks an nftables feature (nf_tables with inet "
                        "and bridge families, NAT and connection tracking are needed): %.*s",
                        (int)n, said);
    return vic_fail(err, VIC_ERR_INTERNAL, EIO, "packet filter: %.*s", (int)n, said ? said : "");
}

int pl_filter_apply(const char *text, struct vic_err *err)
{
    auto_(free_nft) struct nft_ctx *ctx = open_nft();
    if (!ctx)
        return vic_fail_errno(err, ENOMEM, "packet filter");
    return nft_run_cmd_from_buffer(ctx, text) == 0 ? 0 : fail_nft(ctx, err);
}

int pl_filter_list(const char *vch_id, char **ret_json, struct vic_err *err)
{
    auto_(free_nft) struct nft_ctx *ctx = open_nft();
    if (!ctx)
        return vic_fail_errno(err, ENOMEM, "packet filter");
    nft_ctx_output_set_flags(ctx, NFT_CTX_OUTPUT_JSON);
    auto_free char *cmd = vic_xasprintf("list set bridge vic_%s endpoints\n", vch_id);
    if (nft_run_cmd_from_buffer(ctx, cmd) != 0)
        return vic_fail(err, VIC_ERR_NOT_FOUND, 0, "packet filter: no table vic_%s", vch_id);
    *ret_json = vic_xstrdup(nft_ctx_get_output_buffer(ctx));
    return 0;
}

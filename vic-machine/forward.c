/* Finds other packet filters whose policy drops what containers send and get. */
#include "vic-machine/forward.h"

#include <string.h>

#include "lib/base/alloc.h"
#include "lib/base/str.h"
#include "lib/json/json.h"

#define OUR_TABLE "vic_"

static bool drops_forwarded(const cJSON *chain)
{
    /* Not bridge: what bridges forward themselves never leaves its network. */
    const char *family = json_str(chain, "family", "");
    return (strcmp(family, "ip") == 0 || strcmp(family, "inet") == 0) &&
           strcmp(json_str(chain, "hook", ""), "forward") == 0 &&
           strcmp(json_str(chain, "policy", ""), "drop") == 0 &&
           !vic_str_starts_with(json_str(chain, "table", ""), OUR_TABLE);
}

static char *warning(const cJSON *chain)
{
    auto_free char *where =
        vic_xasprintf("%s %s %s", json_str(chain, "family", ""), json_str(chain, "table", ""),
                      json_str(chain, "name", ""));
    return vic_xasprintf(
        "the packet filter '%s' drops what it does not accept, so containers may not "
        "reach the outside: run 'nft insert rule %s iifname \"vb*\" accept' and 'nft "
        "insert rule %s oifname \"vb*\" accept'",
        where, where, where);
}

void mach_forward_warnings(const char *nft_json, char ***warnings)
{
    auto_json cJSON *doc = NULL;
    if (json_parse(nft_json, strlen(nft_json), &doc, NULL) < 0)
        return;
    const cJSON *item;
    cJSON_ArrayForEach(item, json_member(doc, "nftables"))
    {
        const cJSON *chain = json_member(item, "chain");
        if (!chain || !drops_forwarded(chain))
            continue;
        auto_free char *text = warning(chain);
        *warnings = vic_strv_append(*warnings, text);
    }
}

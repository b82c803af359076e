/* Builds network XML. */
#include "portlayer/network/network_xml.h"

#include "lib/base/alloc.h"
#include "lib/base/buf.h"

char *pl_network_libvirt_name(const char *vch_id, const char *name)
{
    return vic_xasprintf("vic-%s-%s", vch_id, name);
}

/* Nothing here needs escaping: ids are hex, names and addresses are checked. */
char *pl_network_xml(const struct pl_network_spec *spec)
{
    char gateway[INET_ADDRSTRLEN];
    pl_address_to_string(spec->gateway, gateway);
    struct vic_buf b = {0};
    vic_buf_addf(&b, "<network>\n  <name>vic-%s-%s</name>\n", spec->vch_id, spec->name);
    vic_buf_addf(&b, "  <uuid>%.8s-%.4s-4%.3s-8%.3s-%.12s</uuid>\n", spec->id, spec->id + 8,
                 spec->id + 12, spec->id + 15, spec->id + 18);
    vic_buf_add_str(&b, "  <forward mode='open'/>\n");
    vic_buf_addf(&b, "  <bridge name='%s' stp='off' delay='0'/>\n", spec->bridge);
    vic_buf_add_str(&b, "  <dns enable='yes'/>\n");
    vic_buf_addf(&b, "  <ip address='%s' prefix='%u'/>\n</network>\n", gateway, spec->subnet.len);
    return vic_buf_take(&b);
}

char *pl_network_dns_xml(const char *address, char *const *names)
{
    struct vic_buf b = {0};
    vic_buf_addf(&b, "<host ip='%s'>", address);
    for (char *const *name = names; name && *name; name++)
        vic_buf_addf(&b, "<hostname>%s</hostname>", *name);
    vic_buf_add_str(&b, "</host>");
    return vic_buf_take(&b);
}

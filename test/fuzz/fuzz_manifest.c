/* Every parser of lib/oci over the same bytes. */
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/oci/oci.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void select_from(const struct oci_index *x)
{
    struct oci_platform want;
    oci_platform_host(&want);
    const struct oci_entry *entry;
    (void)oci_index_select(x, &want, &entry, NULL);
    oci_platform_release(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data;
    struct vic_err err;
    struct oci_manifest m;
    struct oci_index x;
    struct oci_config c;
    enum oci_kind kind;
    const char *type;
    (void)oci_detect(text, len, "application/json; charset=utf-8", &kind, &type, &err);
    if (oci_manifest_parse(text, len, NULL, &m, &err) == 0)
        oci_manifest_release(&m);
    if (oci_index_parse(text, len, NULL, &x, &err) == 0) {
        select_from(&x);
        oci_index_release(&x);
    }
    if (oci_config_parse(text, len, &c, &err) == 0)
        oci_config_release(&c);
    return 0;
}

/* What tether is asked to start, as the first process or beside it: documents of any bytes, refused or read. */
#include <stdint.h>

#include "tether/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    auto_json cJSON *doc = NULL;
    struct tether_spec spec;
    struct tether_exec_spec exec;
    if (json_parse((const char *)data, len, &doc, NULL) < 0)
        return 0;
    (void)tether_spec_parse(doc, &spec, NULL);
    tether_spec_release(&spec);
    (void)tether_exec_spec_parse(doc, &exec, NULL);
    tether_exec_spec_release(&exec);
    return 0;
}

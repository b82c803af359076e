/* The create document: whatever is accepted survives the trip through a record.  And that of an exec. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/alloc.h"
#include "portlayer/execution/create_doc.h"
#include "portlayer/execution/guest_files.h"
#include "portlayer/interaction/exec_doc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void fuzz_exec(const cJSON *doc)
{
    char root[] = "/";
    char nobody[] = "";
    const struct pl_spec container = {.cwd = root, .user = nobody};
    struct pl_exec_spec s;
    if (pl_exec_spec_from_json(doc, &s, NULL) < 0)
        return;
    auto_free char *command = pl_exec_command(&s);
    cJSON_Delete(pl_exec_process_json(&s));
    cJSON_Delete(pl_exec_guest_json(&s, "id", &container, true, 80, 24));
    pl_exec_spec_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    auto_json cJSON *doc = NULL;
    struct pl_record rec = {0};
    if (json_parse((const char *)data, len, &doc, NULL) < 0)
        return 0;
    fuzz_exec(doc);
    if (pl_create_read(doc, &rec, NULL) < 0)
        return 0;
    rec.chain_id = vic_xstrdup("sha256:chain");
    auto_free char *text = pl_record_to_text(&rec);
    auto_free char *hosts = pl_guest_hosts(&rec);
    auto_free char *resolv = pl_guest_resolv_conf(&rec);
    struct pl_record back = {0};
    if (pl_record_from_text(text, strlen(text), &back, NULL) < 0)
        abort();
    pl_record_release(&back);
    pl_record_release(&rec);
    return 0;
}

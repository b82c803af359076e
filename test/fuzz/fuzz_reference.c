/* Image references: what parses, prints and parses again as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "imagec/imagec.h"
#include "lib/base/alloc.h"
#include "lib/base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct vic_err err;
    struct img_reference a;
    struct img_reference b;
    auto_free char *text = vic_xstrndup(len > 0 ? (const char *)data : "", len);
    if (img_reference_parse(text, &a, &err) < 0)
        return 0;
    auto_free char *whole = img_reference_to_string(&a);
    auto_free char *familiar = img_reference_to_familiar(&a);
    (void)familiar; /* made for the sanitizers to watch */
    if (img_reference_parse(whole, &b, &err) < 0)
        abort();
    auto_free char *again = img_reference_to_string(&b);
    if (strcmp(whole, again) != 0)
        abort();
    img_reference_release(&a);
    img_reference_release(&b);
    return 0;
}

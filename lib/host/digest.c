/* SHA-256 by OpenSSL. */
#include "lib/host/digest.h"

#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "lib/base/str.h"

#define PREFIX "sha256:"
#define SHA256_BYTES 32

struct host_digest {
    EVP_MD_CTX *ctx; /* owned */
};

struct host_digest *host_digest_new(void)
{
    struct host_digest *d = calloc(1, sizeof(*d));
    if (!d || !(d->ctx = EVP_MD_CTX_new()) || EVP_DigestInit_ex(d->ctx, EVP_sha256(), NULL) != 1)
        abort(); /* out of memory, or an OpenSSL without SHA-256 */
    return d;
}

void host_digest_update(struct host_digest *d, const void *data, size_t len)
{
    if (EVP_DigestUpdate(d->ctx, data, len) != 1)
        abort();
}

void host_digest_finish(struct host_digest *d, char text[HOST_DIGEST_MAX])
{
    unsigned char raw[EVP_MAX_MD_SIZE];
    if (EVP_DigestFinal_ex(d->ctx, raw, NULL) != 1)
        abort();
    memcpy(text, PREFIX, sizeof(PREFIX));
    vic_str_hex(raw, SHA256_BYTES, text + sizeof(PREFIX) - 1);
    host_digest_free(d);
}

void host_digest_free(struct host_digest *d)
{
    if (d)
        EVP_MD_CTX_free(d->ctx);
    free(d);
}

void host_digest_of(const void *data, size_t len, char text[HOST_DIGEST_MAX])
{
    struct host_digest *d = host_digest_new();
    host_digest_update(d, data, len);
    host_digest_finish(d, text);
}

bool host_digest_is_valid(const char *text)
{
    return text && vic_str_starts_with(text, PREFIX) &&
           vic_str_is_hex(text + sizeof(PREFIX) - 1, (size_t)2 * SHA256_BYTES);
}

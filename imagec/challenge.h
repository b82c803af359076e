/* WWW-Authenticate: what a registry asks for before it answers.  Pure parsing of hostile text. */
#pragma once

#include "lib/base/err.h"

#define IMG_CHALLENGE_MAX 8192 /* bytes of one header */

enum img_scheme {
    IMG_SCHEME_NONE, /* nothing that is known here */
    IMG_SCHEME_BASIC,
    IMG_SCHEME_BEARER,
};

struct img_challenge {
    enum img_scheme scheme;
    char *realm;   /* owned; of Bearer; NULL if absent */
    char *service; /* owned; of Bearer; NULL if absent */
};

/* One header's value, which may hold several challenges: Bearer wins, then Basic.  INVALID when it is
 * malformed or too long. */
int img_challenge_parse(const char *text, struct img_challenge *ret_challenge, struct vic_err *err);
void img_challenge_release(struct img_challenge *c);

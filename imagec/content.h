/* A local OCI image layout as a sink: blobs/sha256, index.json, one writer process at a time. */
#pragma once

#include "imagec/imagec.h"

struct img_content;

/* Waits for nobody: CONFLICT if another process writes to it now. */
int img_content_open(uv_loop_t *loop, const char *root, struct img_content **ret_content,
                     struct vic_err *err);
/* Call when the loop has nothing left to do for it. */
void img_content_free(struct img_content *c);

const struct img_sink *img_content_sink(struct img_content *c); /* borrowed */

/* Makes name lead to the manifest, durably.  Blocks. */
int img_content_tag(struct img_content *c, const char *name, const char *digest,
                    const char *media_type, struct vic_err *err);
/* Removes what this process has added: after a pull that failed. */
void img_content_undo(struct img_content *c);

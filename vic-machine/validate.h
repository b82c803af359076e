/* What must hold before a VCH is created: everything is checked, and every problem is told at once. */
#pragma once

#include "vic-machine/vch.h"

/* Appends one sentence with a suggestion for each problem; none means the VCH can be made. */
void mach_validate(const struct mach_vch *v, const char *iso_dir, char ***problems);

/* The files of the containerVM's ISO that a VCH keeps a copy of. */
extern const char *const mach_iso_files[];
extern const size_t mach_n_iso_files;

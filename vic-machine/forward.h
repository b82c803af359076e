/*
 * Packet filters of others that end what we let through.
 *
 * A packet passes only if every chain that hooks `forward` lets it: ours cannot overrule Docker's or ufw's whose
 * policy is to drop.  They are the operator's: we look, and say what to add.
 */
#pragma once

/* Appends a sentence with a suggestion for each such chain in the answer of `nft -j list chains`, except those of
 * VCHs.  An answer that is none has none. */
void mach_forward_warnings(const char *nft_json, char ***warnings);

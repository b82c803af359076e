/* Signal names as Docker takes them: "SIGTERM", "term", "15", "RTMIN+3". */
#pragma once

/* The number on Linux (1 to 64), or -EINVAL. */
int pl_signal_from_string(const char *text);

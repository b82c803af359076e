/* Looks for the AppArmor rule that container output needs. */
#include "vic-machine/apparmor.h"

#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "lib/base/str.h"

#define ENABLED_MAX 16
#define RULES_MAX (1u << 20)

/* The rule as a line of its own: one in a comment does not count. */
static bool has_rule(const char *rules)
{
    auto_strv char **lines = vic_strv_split(rules, '\n');
    for (char **line = lines; line && *line; line++)
        if (strcmp(*line + strspn(*line, " \t"), MACH_APPARMOR_RULE) == 0)
            return true;
    return false;
}

bool mach_apparmor_lacks_rule(const char *enabled_path, const char *rules_path)
{
    auto_free char *enabled = NULL;
    auto_free char *rules = NULL;
    if (vic_file_read(enabled_path, ENABLED_MAX, &enabled, NULL, NULL) < 0 || enabled[0] != 'Y')
        return false;
    return vic_file_read(rules_path, RULES_MAX, &rules, NULL, NULL) < 0 || !has_rule(rules);
}

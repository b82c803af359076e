#include "lib/base/utf8.h"

#include "lib/base/alloc.h"
#include "lib/base/buf.h"
#include "lib/base/cleanup.h"

size_t vic_utf8_len(const unsigned char *s, size_t left)
{
    static const struct {
        unsigned char first_min, first_max, second_min, second_max, len;
    } forms[] = {
        {0x01, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (s[0] < forms[i].first_min || s[0] > forms[i].first_max)
            continue;
        size_t len = forms[i].len;
        if (len > left || (len > 1 && (s[1] < forms[i].second_min || s[1] > forms[i].second_max)))
            return 0;
        for (size_t k = 2; k < len; k++)
            if ((s[k] & 0xc0) != 0x80)
                return 0;
        return len;
    }
    return 0;
}

char *vic_utf8_clean(const char *data, size_t len)
{
    struct vic_buf b = {0};
    vic_buf_reserve(&b, len + 1);
    for (size_t i = 0; i < len;) {
        size_t n = vic_utf8_len((const unsigned char *)data + i, len - i);
        if (n == 0)
            vic_buf_add_str(&b, "\xef\xbf\xbd");
        else
            vic_buf_add(&b, data + i, n);
        i += n ? n : 1;
    }
    char *text = vic_buf_take(&b);
    return text ? text : vic_xstrdup("");
}

/* Encodes and decodes output-file records. */
#include "lib/base/record.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

static const uint8_t magic[4] = {'V', 'R', 'E', 'C'};

void vic_record_encode(const struct vic_record *r, uint8_t header[VIC_RECORD_HEADER])
{
    uint64_t when = htole64((uint64_t)r->wall_ns);
    uint32_t len = htole32(r->len);
    memset(header, 0, VIC_RECORD_HEADER);
    memcpy(header, magic, sizeof(magic));
    header[4] = (uint8_t)r->type;
    memcpy(header + 8, &when, sizeof(when));
    memcpy(header + 16, &len, sizeof(len));
}

int vic_record_decode(const uint8_t *data, size_t len, struct vic_record *ret_record)
{
    if (len && memcmp(data, magic, len < sizeof(magic) ? len : sizeof(magic)) != 0)
        return -EBADMSG;
    if (len < VIC_RECORD_HEADER)
        return 0;
    uint64_t when;
    uint32_t payload;
    memcpy(&when, data + 8, sizeof(when));
    memcpy(&payload, data + 16, sizeof(payload));
    payload = le32toh(payload);
    if (data[4] < VIC_RECORD_STDOUT || data[4] > VIC_RECORD_GAP || data[5] || data[6] || data[7] ||
        payload > VIC_RECORD_PAYLOAD_MAX)
        return -EBADMSG;
    *ret_record = (struct vic_record){
        .type = (enum vic_record_type)data[4],
        .wall_ns = (int64_t)le64toh(when),
        .len = payload,
    };
    return 1;
}

/* Domain XML from a description. */
#include "portlayer/execution/domain_xml.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/buf.h"
#include "lib/base/id.h"
#include "lib/json/json.h"

/* Attribute or text: both are safe with these five. */
static void add_escaped(struct vic_buf *b, const char *s)
{
    for (; *s; s++)
        switch (*s) {
        case '&':
            vic_buf_add_str(b, "&amp;");
            break;
        case '<':
            vic_buf_add_str(b, "&lt;");
            break;
        case '>':
            vic_buf_add_str(b, "&gt;");
            break;
        case '\'':
            vic_buf_add_str(b, "&apos;");
            break;
        case '"':
            vic_buf_add_str(b, "&quot;");
            break;
        default:
            vic_buf_add_char(b, *s);
        }
}

/* before, value (escaped), after. */
static void add_value(struct vic_buf *b, const char *before, const char *value, const char *after)
{
    vic_buf_add_str(b, before);
    add_escaped(b, value);
    vic_buf_add_str(b, after);
}

void pl_domain_name(const char *vch_id, const char *container_id, char ret[64])
{
    (void)snprintf(ret, 64, "vic-%.32s-%.*s", vch_id, VIC_ID_SHORT_LEN, container_id);
}

void pl_domain_tap(const char *container_id, size_t index, char ret[PL_TAP_MAX])
{
    (void)snprintf(ret, PL_TAP_MAX, "vt%.12s%zx", container_id, index & 15);
}

/* Software emulation runs `rep movsb` a byte at a time.  Without ERMS and FSRM the guest's kernel copies and clears
 * by eight bytes, its libc by vectors: what goes through a port costs a quarter. */
#define EMULATED_CPU                                                                               \
    "  <cpu mode='maximum'>\n"                                                                     \
    "    <feature policy='disable' name='erms'/>\n"                                                \
    "    <feature policy='disable' name='fsrm'/>\n"                                                \
    "  </cpu>\n"

static void add_head(struct vic_buf *b, const struct pl_domain *d)
{
    char name[64];
    pl_domain_name(d->vch_id, d->container_id, name);
    vic_buf_addf(b, "<domain type='%s' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>\n",
                 d->kvm ? "kvm" : "qemu");
    add_value(b, "  <name>", name, "</name>\n");
    add_value(b, "  <uuid>", d->uuid, "</uuid>\n");
    add_value(b, "  <metadata>\n    <vic:container xmlns:vic='" PL_METADATA_URI "' vch='",
              d->vch_id, "'");
    add_value(b, " id='", d->container_id, "'");
    vic_buf_addf(b, " run='%u'/>\n  </metadata>\n", d->run);
    vic_buf_addf(b, "  <memory unit='KiB'>%" PRIu64 "</memory>\n", d->memory_bytes / 1024);
    vic_buf_addf(b, "  <vcpu>%u</vcpu>\n", d->cpus);
    vic_buf_addf(b, "  <os>\n    <type arch='x86_64' machine='q35'>hvm</type>\n");
    if (d->iso) {
        vic_buf_add_str(b, "    <boot dev='cdrom'/>\n");
    } else {
        add_value(b, "    <kernel>", d->kernel, "</kernel>\n");
        add_value(b, "    <initrd>", d->initrd, "</initrd>\n");
        add_value(b, "    <cmdline>", d->cmdline, "</cmdline>\n");
    }
    vic_buf_add_str(b, "  </os>\n  <features><acpi/></features>\n");
    vic_buf_add_str(b, d->kvm ? "  <cpu mode='host-passthrough'/>\n" : EMULATED_CPU);
    vic_buf_add_str(b, "  <clock offset='utc'/>\n"
                       "  <on_poweroff>destroy</on_poweroff>\n"
                       "  <on_reboot>destroy</on_reboot>\n"
                       "  <on_crash>destroy</on_crash>\n");
}

/* On the root bus itself: left to libvirt, each device gets a PCIe root port for hot-unplug, and the guest
 * needs 0.3 s to set those up without KVM.  Slot 0 is the host bridge's, 31 the chipset's. */
enum {
    SLOT_SERIAL = 2,
    SLOT_DISK,
    SLOT_RNG,
    SLOT_IMAGE,
    SLOT_NICS /* and up */
};

static void add_slot(struct vic_buf *b, size_t slot)
{
    vic_buf_addf(b, "      <address type='pci' bus='0' slot='%zu'/>\n", slot);
}

static void add_nic(struct vic_buf *b, const struct pl_domain_nic *nic, size_t slot)
{
    vic_buf_add_str(b, "    <interface type='bridge'>\n");
    add_value(b, "      <mac address='", nic->mac, "'/>\n");
    add_value(b, "      <source bridge='", nic->bridge, "'/>\n");
    add_value(b, "      <target dev='", nic->tap, "'/>\n");
    vic_buf_add_str(b, "      <model type='virtio'/>\n"
                       "      <rom enabled='no'/>\n");
    add_slot(b, slot);
    vic_buf_add_str(b, "    </interface>\n");
}

static void add_devices(struct vic_buf *b, const struct pl_domain *d)
{
    vic_buf_add_str(b, "  <devices>\n"
                       "    <controller type='usb' model='none'/>\n"
                       "    <controller type='virtio-serial' index='0'>\n");
    add_slot(b, SLOT_SERIAL);
    vic_buf_add_str(b, "    </controller>\n"
                       "    <disk type='file' device='disk'>\n"
                       "      <driver name='qemu' type='qcow2' discard='unmap'/>\n");
    /* libvirt must not change the owner of the disk nor of the shared layers below it. */
    add_value(b, "      <source file='", d->disk,
              "'><seclabel model='dac' relabel='no'/></source>\n");
    vic_buf_add_str(b, "      <target dev='vda' bus='virtio'/>\n"
                       "      <serial>rootfs</serial>\n");
    add_slot(b, SLOT_DISK);
    vic_buf_add_str(b, "    </disk>\n"
                       "    <disk type='file' device='disk'>\n"
                       "      <driver name='qemu' type='qcow2'/>\n");
    add_value(b, "      <source file='", d->image,
              "'><seclabel model='dac' relabel='no'/></source>\n");
    vic_buf_add_str(b, "      <target dev='vdb' bus='virtio'/>\n"
                       "      <readonly/>\n"
                       "      <serial>image</serial>\n");
    add_slot(b, SLOT_IMAGE);
    vic_buf_add_str(b, "    </disk>\n");
    if (d->iso) {
        vic_buf_add_str(b, "    <disk type='file' device='cdrom'>\n"
                           "      <driver name='qemu' type='raw'/>\n");
        add_value(b, "      <source file='", d->iso,
                  "'><seclabel model='dac' relabel='no'/></source>\n");
        vic_buf_add_str(b, "      <target dev='sda' bus='sata'/>\n"
                           "      <readonly/>\n"
                           "    </disk>\n");
    }
    for (size_t i = 0; i < d->n_nics; i++)
        add_nic(b, &d->nics[i], SLOT_NICS + i);
    vic_buf_add_str(b, "    <channel type='unix'>\n");
    add_value(b, "      <source mode='bind' path='", d->channel_path, "'/>\n");
    vic_buf_add_str(b, "      <target type='virtio' name='vic.tether.0'/>\n"
                       "    </channel>\n"
                       "    <rng model='virtio'>\n"
                       "      <backend model='random'>/dev/urandom</backend>\n");
    add_slot(b, SLOT_RNG);
    vic_buf_add_str(b, "    </rng>\n"
                       "    <memballoon model='none'/>\n"
                       "  </devices>\n");
}

/* QEMU's option syntax: a comma in a value is doubled. */
static void add_qemu_path(struct vic_buf *b, const char *path)
{
    for (; *path; path++) {
        char c[] = {*path, *path == ',' ? ',' : '\0', '\0'};
        add_escaped(b, c);
    }
}

/* The output port: a plain file that QEMU appends to.  libvirt's own file channel goes through
 * virtlogd, which rotates; and QEMU finds the bus only in the JSON form of -device. */
static void add_output(struct vic_buf *b, const struct pl_domain *d)
{
    auto_json cJSON *device = json_new_obj();
    json_add_str(device, "driver", "virtserialport");
    json_add_str(device, "bus", "virtio-serial0.0");
    json_add_i64(device, "nr", 2);
    json_add_str(device, "chardev", "vicout");
    json_add_str(device, "id", "vicport");
    json_add_str(device, "name", "vic.output.0");
    auto_free char *text = json_print(device);
    vic_buf_add_str(b, "  <qemu:commandline>\n"
                       "    <qemu:arg value='-chardev'/>\n"
                       "    <qemu:arg value='file,id=vicout,path=");
    add_qemu_path(b, d->output_path);
    vic_buf_add_str(b, ",append=on'/>\n"
                       "    <qemu:arg value='-device'/>\n");
    add_value(b, "    <qemu:arg value='", text, "'/>\n  </qemu:commandline>\n");
}

char *pl_domain_to_xml(const struct pl_domain *d)
{
    auto_buf struct vic_buf b = {0};
    add_head(&b, d);
    add_devices(&b, d);
    add_output(&b, d);
    vic_buf_add_str(&b, "</domain>\n");
    return vic_buf_take(&b);
}

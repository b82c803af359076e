/* portlayer/network: prefixes, pools, the choice of a subnet, and the texts for libvirt and nftables. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/cleanup.h"
#include "lib/base/file.h"
#include "portlayer/network/firewall.h"
#include "portlayer/network/ipam.h"
#include "portlayer/network/network_xml.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct pl_prefix prefix(const char *text)
{
    struct pl_prefix p = {0};
    assert_int_equal(pl_prefix_from_string(text, &p), 0);
    return p;
}

/* Compares with test/golden/<name>; UPDATE_GOLDEN=1 rewrites it. */
static void golden(const char *name, const char *text)
{
    char path[128];
    (void)snprintf(path, sizeof(path), "test/golden/%s", name);
    if (getenv("UPDATE_GOLDEN"))
        assert_int_equal(vic_file_replace(path, text, strlen(text), 0644, NULL), 0);
    auto_free char *want = NULL;
    assert_int_equal(vic_file_read(path, 65536, &want, NULL, NULL), 0);
    assert_string_equal(text, want);
}

static void test_prefix_text(void **state)
{
    (void)state;
    static const char *const bad[] = {"",         "1.2.3.4",    "1.2.3.4/33",  "1.2.3.4/24",
                                      "1.2.3/24", "1.2.3.0/-1", "1.2.3.0/24x", "a/8"};
    struct pl_prefix p;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(pl_prefix_from_string(bad[i], &p) < 0);
    char text[PL_PREFIX_TEXT_MAX];
    pl_prefix_to_string(prefix("255.255.255.255/32"), text);
    assert_string_equal(text, "255.255.255.255/32");
    assert_true(pl_prefix_overlaps(prefix("10.0.0.0/8"), prefix("10.1.0.0/16")));
    assert_false(pl_prefix_overlaps(prefix("10.0.0.0/16"), prefix("10.1.0.0/16")));
    assert_true(pl_prefix_overlaps(prefix("0.0.0.0/0"), prefix("10.1.0.0/16")));
}

static void test_subnet_is_chosen_past_what_is_used(void **state)
{
    (void)state;
    struct pl_prefix p;
    assert_int_equal(pl_subnet_choose(NULL, 0, &p, NULL), 0);
    assert_int_equal(p.address, prefix("172.17.0.0/16").address);
    struct pl_prefix used[40] = {prefix("172.17.3.0/24"), prefix("172.18.0.0/15")};
    assert_int_equal(pl_subnet_choose(used, 2, &p, NULL), 0);
    assert_int_equal(p.address, prefix("172.20.0.0/16").address);
    used[2] = prefix("172.16.0.0/12");
    assert_int_equal(pl_subnet_choose(used, 3, &p, NULL), 0);
    assert_int_equal(p.address, prefix("192.168.0.0/20").address);
    assert_int_equal(p.len, 20);
    used[3] = prefix("192.168.0.0/16");
    struct vic_err err;
    assert_true(pl_subnet_choose(used, 4, &p, &err) < 0);
    assert_int_equal(err.kind, VIC_ERR_UNAVAILABLE);
}

static void test_routes_and_networks_are_read(void **state)
{
    (void)state;
    static const char routes[] =
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "vbown\t000012AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n"
        "garbage\n";
    static const char xml[] =
        "<network><name>a</name><ip family='ipv4' address='172.19.0.1' prefix='16'><dhcp/></ip>"
        "<ip address=\"10.9.8.7\" netmask=\"255.255.255.0\"/><ip family='ipv6' address='fd00::1' "
        "prefix='64'/><ip broken";
    struct pl_prefix *used = NULL;
    size_t n = 0;
    pl_routes_parse(routes, "vbown", &used, &n);
    pl_network_xml_parse(xml, &used, &n);
    static const char *const want[] = {"192.0.2.0/24", "172.17.0.0/16", "172.19.0.0/16",
                                       "10.9.8.0/24"};
    assert_int_equal(n, ARRAY_SIZE(want));
    for (size_t i = 0; i < n; i++) {
        char text[PL_PREFIX_TEXT_MAX];
        pl_prefix_to_string(used[i], text);
        assert_string_equal(text, want[i]);
    }
    free(used);
}

static void test_pool_gives_every_address_once_and_then_refuses(void **state)
{
    (void)state;
    struct pl_prefix p = prefix("10.0.0.0/28");
    struct pl_pool *pool = pl_pool_new(p, p.address + 1);
    uint32_t a;
    for (uint32_t i = 2; i < 15; i++) {
        assert_int_equal(pl_pool_take(pool, &a), 0);
        assert_int_equal(a, p.address + i);
    }
    assert_int_equal(pl_pool_take(pool, &a), -ENOSPC);
    pl_pool_release(pool, p.address + 7);
    pl_pool_release(pool, p.address + 5);
    assert_int_equal(pl_pool_take_this(pool, p.address + 5), 0);
    assert_int_equal(pl_pool_take_this(pool, p.address + 5), -EEXIST);
    assert_int_equal(pl_pool_take_this(pool, p.address + 1), -EEXIST);
    assert_int_equal(pl_pool_take_this(pool, p.address), -ERANGE);
    assert_int_equal(pl_pool_take_this(pool, p.address + 15), -ERANGE);
    assert_int_equal(pl_pool_take_this(pool, p.address + 16), -ERANGE);
    assert_int_equal(pl_pool_take(pool, &a), 0);
    assert_int_equal(a, p.address + 7);
    pl_pool_release(pool, p.address + 99); /* not of this pool: nothing */
    pl_pool_free(pool);
}

static void test_a_released_address_rests(void **state)
{
    (void)state;
    struct pl_prefix p = prefix("172.17.0.0/16");
    struct pl_pool *pool = pl_pool_new(p, p.address + 1);
    uint32_t first;
    uint32_t second;
    assert_int_equal(pl_pool_take(pool, &first), 0);
    pl_pool_release(pool, first);
    assert_int_equal(pl_pool_take(pool, &second), 0);
    assert_int_not_equal(first, second);
    pl_pool_free(pool);
}

static void test_network_xml(void **state)
{
    (void)state;
    const struct pl_network_spec spec = {.vch_id = "89abcdef",
                                         .name = "bridge",
                                         .id = ID,
                                         .bridge = "vb01234567",
                                         .subnet = prefix("172.17.0.0/16"),
                                         .gateway = prefix("172.17.0.1/32").address};
    auto_free char *xml = pl_network_xml(&spec);
    golden("network-bridge.xml", xml);
    char web[] = "web";
    char full[] = "web.example";
    char *names[] = {web, full, NULL};
    auto_free char *dns = pl_network_dns_xml("172.17.0.9", names);
    assert_string_equal(dns, "<host ip='172.17.0.9'><hostname>web</hostname>"
                             "<hostname>web.example</hostname></host>");
}

static void test_filter_texts(void **state)
{
    (void)state;
    const struct pl_filter f = {
        .vch_id = "89abcdef", .bridge = "vb01234567", .subnet = prefix("172.17.0.0/16")};
    const struct pl_filter_endpoint e = {
        .tap = "vnet3", .mac = "02:42:ac:11:00:02", .address = "172.17.0.2"};
    auto_free char *tables = pl_filter_tables(&f);
    golden("firewall-tables.nft", tables);
    auto_free char *add = pl_filter_add("89abcdef", &e);
    golden("firewall-add.nft", add);
    auto_free char *removal = pl_filter_remove("89abcdef", &e);
    golden("firewall-remove.nft", removal);
    auto_free char *destroy = pl_filter_destroy("89abcdef");
    golden("firewall-destroy.nft", destroy);
}

static void test_endpoints_are_found_in_a_listing(void **state)
{
    (void)state;
    static const char json[] =
        "{\"nftables\":[{\"metainfo\":{}},{\"set\":{\"name\":\"endpoints\",\"elem\":["
        "{\"concat\":[\"vnet1\",\"02:42:ac:11:00:02\",\"172.17.0.2\"]},"
        "{\"concat\":[\"vnet2\",\"02:42:ac:11:00:03\",\"172.17.0.3\"]},7,{\"concat\":[1,2,3]}]}}]}";
    char tap[16];
    char mac[18];
    assert_int_equal(pl_filter_find(json, "172.17.0.3", tap, mac), 1);
    assert_string_equal(tap, "vnet2");
    assert_string_equal(mac, "02:42:ac:11:00:03");
    assert_int_equal(pl_filter_find(json, "172.17.0.4", tap, mac), 0);
    assert_int_equal(pl_filter_find("nonsense", "172.17.0.4", tap, mac), 0);
    assert_int_equal(pl_filter_find("{\"nftables\":[{\"set\":{}}]}", "172.17.0.4", tap, mac), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prefix_text),
        cmocka_unit_test(test_subnet_is_chosen_past_what_is_used),
        cmocka_unit_test(test_routes_and_networks_are_read),
        cmocka_unit_test(test_pool_gives_every_address_once_and_then_refuses),
        cmocka_unit_test(test_a_released_address_rests),
        cmocka_unit_test(test_network_xml),
        cmocka_unit_test(test_filter_texts),
        cmocka_unit_test(test_endpoints_are_found_in_a_listing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

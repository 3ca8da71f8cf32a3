/* SPDX-License-Identifier: BSD-2-Clause */
/* config.json: any bytes, and any JSON of the right outline, are parsed or refused. */
#include "container/cgroup_devices.h"
#include "container/config.h"
#include "container/mount_options.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(const char *text, size_t n)
{
    struct config c;
    struct err e;
    static struct device_rule rules[DEVICE_RULES_MAX];
    static struct bpf_insn code[DEVICE_PROGRAM_MAX];
    unsigned count;
    if (config_parse(&c, text, n, &e))
        return;
    for (size_t i = 0; i < c.mount_count; i++) {
        struct mount_options o;
        (void)!mount_options_parse(c.mounts[i].options, &o, &e);
    }
    if (!device_rules_parse(c.resources, rules, &count, &e))
        (void)!device_rules_compile(rules, count, code);
    config_free(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const values[] = {"null",
                                         "1",
                                         "-1",
                                         "18446744073709551615",
                                         "1e300",
                                         "\"x\"",
                                         "\"/a\"",
                                         "[]",
                                         "{}",
                                         "true",
                                         "[{}]",
                                         "[\"ro\",\"rbind\"]",
                                         "[{\"type\":\"pid\"}]",
                                         "[{\"type\":\"uts\",\"path\":\"/x\"}]",
                                         "{\"path\":\"r\"}",
                                         "{\"args\":[\"a\"],\"cwd\":\"/\"}",
                                         "[{\"destination\":\"/p\",\"options\":[\"ro\"]}]"};
    static const char *const keys[] = {"process", "root",     "mounts",     "hooks",
                                       "linux",   "hostname", "annotations"};
    static const char *const inner[] = {"namespaces", "devices",     "resources",   "seccomp",
                                        "sysctl",     "uidMappings", "maskedPaths", "timeOffsets"};
    static char text[65536];
    parse((const char *)data, size);
    size_t n =
        (size_t)snprintf(text, sizeof text, "{\"ociVersion\":\"1.0.2\",\"root\":{\"path\":\"r\"}");
    for (size_t i = 0; i + 2 < size && i < 300 && n < sizeof text - 512; i += 3) {
        const char *value = values[data[i + 1] % ARRAY_LEN(values)];
        if (data[i] & 1)
            n += (size_t)snprintf(text + n, sizeof text - n, ",\"%s\":%s",
                                  keys[data[i] / 2 % ARRAY_LEN(keys)], value);
        else
            n += (size_t)snprintf(text + n, sizeof text - n, ",\"linux\":{\"%s\":%s}",
                                  inner[data[i] / 2 % ARRAY_LEN(inner)], value);
    }
    text[n++] = '}';
    parse(text, n);
    return 0;
}

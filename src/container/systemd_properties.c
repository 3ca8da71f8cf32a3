/* SPDX-License-Identifier: BSD-2-Clause */
/* What config.json limits, as properties of a unit. The group's files are written as well, since
 * systemd has no words for some of it; the properties keep systemd from undoing the rest. */
#include "container/systemd_properties.h"

#include "container/cgroup.h"
#include "container/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void properties_check(struct properties *p, int status)
{
    if (status < 0 && p->status >= 0)
        p->status = status;
}

static void begin(struct properties *p, const char *name, const char *type)
{
    properties_check(p, p->bus->open(p->message, 'r', "sv"));
    properties_check(p, p->bus->append(p->message, "s", name));
    properties_check(p, p->bus->open(p->message, 'v', type));
}

static void end(struct properties *p)
{
    properties_check(p, p->bus->close(p->message));
    properties_check(p, p->bus->close(p->message));
}

void property_add(struct properties *p, const char *name, const char *type, ...)
{
    if (p->status < 0)
        return;
    va_list ap;
    va_start(ap, type);
    begin(p, name, type);
    if (*type == 's')
        properties_check(p, p->bus->append(p->message, type, va_arg(ap, const char *)));
    else if (*type == 't' || *type == 'x')
        properties_check(p, p->bus->append(p->message, type, va_arg(ap, u64)));
    else
        properties_check(p, p->bus->append(p->message, type, va_arg(ap, int)));
    end(p);
    va_end(ap);
}

void property_add_array(struct properties *p, const char *name, char type, const void *data,
                        size_t size)
{
    const char signature[] = {'a', type, '\0'};
    if (p->status < 0)
        return;
    begin(p, name, signature);
    properties_check(p, p->bus->append_array(p->message, type, data, size));
    end(p);
}

/* -1 and 0 mean no limit; false when the member is not there. */
static bool get_limit(json_t *section, const char *key, u64 *out)
{
    i64 v = 0;
    bool found = false;
    if (json_get_i64(section, "resources", key, &v, &found, NULL) || !found || !v)
        return false;
    *out = v < 0 ? UINT64_MAX : (u64)v;
    return true;
}

/* "0-3,7" as the bytes of a mask; the number of bytes, 0 when it is no list. */
static size_t parse_cpus(const char *list, u8 *mask, size_t room)
{
    size_t used = 0;
    memset(mask, 0, room);
    while (list && *list) {
        char *after;
        unsigned long a = strtoul(list, &after, 10), b = a;
        if (after == list)
            return 0;
        if (*after == '-') {
            list = after + 1;
            b = strtoul(list, &after, 10);
            if (after == list)
                return 0;
        }
        for (; a <= b; a++) {
            if (a / 8 >= room)
                return 0;
            mask[a / 8] |= (u8)(1u << a % 8);
            used = MAX(used, a / 8 + 1);
        }
        if (*after && *after != ',')
            return 0;
        list = after + (*after == ',');
    }
    return used;
}

static void add_cpu(struct properties *p, json_t *cpu, bool v2)
{
    u64 shares = 0, quota = 0, period = 0;
    u8 mask[128];
    const char *list = NULL;
    if (get_limit(cpu, "shares", &shares))
        property_add(p, v2 ? "CPUWeight" : "CPUShares", "t",
                     v2 ? cgroup_weight_of_shares(shares) : shares);
    if (get_limit(cpu, "period", &period) && v2)
        property_add(p, "CPUQuotaPeriodUSec", "t", period);
    if (get_limit(cpu, "quota", &quota)) {
        /* systemd counts in percents: what is not a whole one is rounded up, as it does itself. */
        u64 each = quota == UINT64_MAX ? quota : quota * 1000000 / (period ? period : 100000);
        property_add(p, "CPUQuotaPerSecUSec", "t",
                     each == UINT64_MAX ? each : (each + 9999) / 10000 * 10000);
    }
    if (!v2)
        return;
    if (!json_get_string(cpu, "cpu", "cpus", &list, NULL) && list) {
        size_t n = parse_cpus(list, mask, sizeof mask);
        if (n)
            property_add_array(p, "AllowedCPUs", 'y', mask, n);
    }
    list = NULL;
    if (!json_get_string(cpu, "cpu", "mems", &list, NULL) && list) {
        size_t n = parse_cpus(list, mask, sizeof mask);
        if (n)
            property_add_array(p, "AllowedMemoryNodes", 'y', mask, n);
    }
}

void properties_of_resources(struct properties *p, json_t *resources, bool v2)
{
    json_t *memory = json_object_get(resources, "memory"), *cpu = json_object_get(resources, "cpu");
    json_t *pids = json_object_get(resources, "pids"), *io = json_object_get(resources, "blockIO");
    u64 limit = 0, value = 0;
    if (get_limit(memory, "limit", &limit))
        property_add(p, v2 ? "MemoryMax" : "MemoryLimit", "t", limit);
    if (v2 && get_limit(memory, "reservation", &value))
        property_add(p, "MemoryLow", "t", value);
    if (v2 && get_limit(memory, "swap", &value))
        property_add(p, "MemorySwapMax", "t",
                     value == UINT64_MAX || limit == UINT64_MAX ? UINT64_MAX
                                                                : value - MIN(value, limit));
    if (cpu)
        add_cpu(p, cpu, v2);
    if (pids && !json_is_null(json_object_get(pids, "limit")) && json_object_get(pids, "limit"))
        property_add(p, "TasksMax", "t", get_limit(pids, "limit", &value) ? value : UINT64_MAX);
    if (get_limit(io, "weight", &value))
        property_add(p, v2 ? "IOWeight" : "BlockIOWeight", "t",
                     v2 ? MIN(cgroup_weight_of_io(value), (u64)10000) : value);
}

/* 'text', "text", true, false, 12, uint64 12, int32 -1: what the annotations of real users hold. */
static bool add_text(struct properties *p, const char *name, const char *text)
{
    char buf[512], *after;
    size_t n = strlen(text);
    static const struct {
        const char *word, *type;
    } numbers[] = {{"uint64 ", "t"}, {"int64 ", "x"}, {"uint32 ", "u"}, {"int32 ", "i"}, {"", "i"}};
    if (!strcmp(text, "true") || !strcmp(text, "false")) {
        property_add(p, name, "b", *text == 't');
        return true;
    }
    if (n >= 2 && n < sizeof buf && (*text == '\'' || *text == '"') && text[n - 1] == *text) {
        snprintf(buf, sizeof buf, "%.*s", (int)n - 2, text + 1);
        property_add(p, name, "s", buf);
        return !strchr(buf, *text) && !strchr(buf, '\\');
    }
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        size_t word = strlen(numbers[i].word);
        if (strncmp(text, numbers[i].word, word))
            continue;
        bool wide = strchr("tx", *numbers[i].type), negative = text[word] == '-';
        u64 v =
            negative ? (u64)strtoll(text + word, &after, 10) : strtoull(text + word, &after, 10);
        if (after == text + word || *after || (negative && strchr("tu", *numbers[i].type)))
            return false;
        if (wide)
            property_add(p, name, numbers[i].type, v);
        else
            property_add(p, name, numbers[i].type, (int)v);
        return true;
    }
    return false;
}

void properties_of_annotations(struct properties *p, json_t *annotations)
{
    static const char prefix[] = "org.systemd.property.";
    const char *key;
    json_t *value;
    json_object_foreach(annotations, key, value)
    {
        if (strncmp(key, prefix, sizeof prefix - 1) || p->status < 0)
            continue;
        const char *name = key + sizeof prefix - 1, *text = json_string_value(value);
        char usec[128];
        size_t n = strlen(name);
        bool ok;
        /* Times are in seconds in unit files and in microseconds on the bus. */
        if (n > 3 && n < 100 && !strcmp(name + n - 3, "Sec") && strcmp(name + n - 4, "USec")) {
            char *after;
            const char *digits = !strncmp(text, "uint64 ", 7) ? text + 7 : text;
            u64 v = strtoull(digits, &after, 10);
            snprintf(usec, sizeof usec, "%.*sUSec", (int)n - 3, name);
            ok = after != digits && !*after && v < UINT64_MAX / 1000000;
            if (ok)
                property_add(p, usec, "t", v * 1000000);
        } else {
            ok = add_text(p, name, text);
        }
        if (!ok) {
            p->status = -EINVAL;
            p->wrong = key;
        }
    }
}

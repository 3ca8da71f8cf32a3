/* SPDX-License-Identifier: BSD-2-Clause */
/* linux.memoryPolicy: from which NUMA nodes the program's memory comes [set_mempolicy(2)]. */
#include "container/memory_policy.h"

#include "container/json.h"

#include <linux/mempolicy.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

enum { NODES_MAX = 1024, WORD_BITS = 8 * sizeof(unsigned long) };

struct policy {
    int mode; /* with its flags */
    unsigned long nodes[NODES_MAX / WORD_BITS];
};

struct named {
    const char *name;
    int value;
};

static int find(const struct named *table, size_t n, const char *name)
{
    for (size_t i = 0; name && i < n; i++)
        if (!strcmp(table[i].name, name))
            return table[i].value;
    return -1;
}

/* "0-3,7" */
static int parse_nodes(const char *list, struct policy *p, struct err *e)
{
    for (const char *s = list; *s;) {
        char *end;
        unsigned long a = strtoul(s, &end, 10), b = a;
        bool good = end != s && *s >= '0' && *s <= '9';
        if (good && *end == '-') {
            s = end + 1;
            b = strtoul(s, &end, 10);
            good = end != s && *s >= '0' && *s <= '9';
        }
        if (!good || a > b || b >= NODES_MAX || (*end && (*end != ',' || !end[1])))
            return err_set(e, -EINVAL, "config: `linux.memoryPolicy.nodes` \"%s\" is no list",
                           list);
        for (; a <= b; a++)
            p->nodes[a / WORD_BITS] |= 1ul << a % WORD_BITS;
        s = *end ? end + 1 : end;
    }
    return 0;
}

static int parse(json_t *o, struct policy *p, struct err *e)
{
    static const struct named modes[] = {
        {"MPOL_DEFAULT", MPOL_DEFAULT},
        {"MPOL_PREFERRED", MPOL_PREFERRED},
        {"MPOL_BIND", MPOL_BIND},
        {"MPOL_INTERLEAVE", MPOL_INTERLEAVE},
        {"MPOL_LOCAL", MPOL_LOCAL},
        {"MPOL_PREFERRED_MANY", MPOL_PREFERRED_MANY},
        {"MPOL_WEIGHTED_INTERLEAVE", 6 /* Linux 6.9 */},
    };
    static const struct named flags[] = {{"MPOL_F_STATIC_NODES", MPOL_F_STATIC_NODES},
                                         {"MPOL_F_RELATIVE_NODES", MPOL_F_RELATIVE_NODES},
                                         {"MPOL_F_NUMA_BALANCING", MPOL_F_NUMA_BALANCING}};
    const char *w = "linux.memoryPolicy", *mode = NULL, *nodes = NULL;
    json_t *list, *item;
    size_t i;
    int r;
    *p = (struct policy){0};
    if ((r = json_get_string(o, w, "mode", &mode, e)) ||
        (r = json_get_string(o, w, "nodes", &nodes, e)) ||
        (r = json_get_array(o, w, "flags", &list, e)))
        return r;
    if ((p->mode = find(modes, ARRAY_LEN(modes), mode)) < 0)
        return err_set(e, -EINVAL, "config: unknown `linux.memoryPolicy.mode` `%s`",
                       mode ? mode : "");
    json_array_foreach(list, i, item)
    {
        int flag = find(flags, ARRAY_LEN(flags), json_string_value(item));
        if (flag < 0)
            return err_set(e, -EINVAL, "config: unknown `linux.memoryPolicy.flags[%zu]`", i);
        p->mode |= flag;
    }
    return nodes ? parse_nodes(nodes, p, e) : 0;
}

int memory_policy_check(json_t *o, struct err *e)
{
    struct policy p;
    return o ? parse(o, &p, e) : 0;
}

int memory_policy_apply(json_t *o, struct err *e)
{
    struct policy p;
    int r = o ? parse(o, &p, e) : 0;
    if (r || !o)
        return r;
    bool any = false;
    for (size_t i = 0; i < ARRAY_LEN(p.nodes); i++)
        any |= p.nodes[i] != 0;
    /* The kernel wants no mask, not an empty one, for the modes without nodes; and one bit more. */
    if (syscall(SYS_set_mempolicy, p.mode, any ? p.nodes : NULL, any ? NODES_MAX + 1 : 0))
        return fail(e, "set the memory policy");
    return 0;
}

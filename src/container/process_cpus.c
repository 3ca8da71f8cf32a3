/* SPDX-License-Identifier: BSD-2-Clause */
/* CPU affinity from lists. */
#include "container/process_cpus.h"

#include <sched.h>
#include <stdlib.h>

int process_set_cpus(pid_t pid, const char *list, struct err *e)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    const char *p = list;
    while (*p) {
        char *end;
        unsigned long a = strtoul(p, &end, 10), b = a;
        if (end == p)
            return err_set(e, -EINVAL, "invalid CPU list `%s`", list);
        if (*end == '-') {
            p = end + 1;
            b = strtoul(p, &end, 10);
            if (end == p)
                return err_set(e, -EINVAL, "invalid CPU list `%s`", list);
        }
        if (a > b || b >= CPU_SETSIZE || (*end && *end != ','))
            return err_set(e, -EINVAL, "invalid CPU list `%s`", list);
        for (; a <= b; a++)
            CPU_SET(a, &set);
        p = *end ? end + 1 : end;
    }
    return sched_setaffinity(pid, sizeof set, &set) ? fail(e, "set the CPU affinity to `%s`", list)
                                                    : 0;
}

void process_reset_cpus(void)
{
    cpu_set_t all;
    for (int i = 0; i < CPU_SETSIZE; i++)
        CPU_SET(i, &all);
    (void)!sched_setaffinity(0, sizeof all, &all); /* the kernel leaves those of our cpuset */
}

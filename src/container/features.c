/* SPDX-License-Identifier: BSD-2-Clause */
/* `features`: what this runtime understands, for clients that ask before they create. */
#include "container/runtime.h"

#include "container/config.h"
#include "container/mount_options.h"
#include "container/seccomp_filter.h"

#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>

static json_t *names(const char *const *list)
{
    json_t *a = json_array();
    for (; *list; list++)
        json_array_append_new(a, json_string(*list));
    return a;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static json_t *mount_names(void)
{
    const char *list[128] = {NULL};
    unsigned n = 0;
    while (n + 1 < ARRAY_LEN(list) && mount_option_name(n)) {
        list[n] = mount_option_name(n);
        n++;
    }
    qsort(list, n, sizeof *list, by_name);
    return names(list);
}

static json_t *capability_names(void)
{
    json_t *a = json_array();
    for (cap_value_t c = 0; c <= CAP_LAST_CAP; c++) {
        char *name = cap_to_name(c);
        for (char *p = name; p && *p; p++)
            *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
        if (name)
            json_array_append_new(a, json_string(name));
        cap_free(name);
    }
    return a;
}

json_t *features_json(void)
{
    static const char *const namespaces[] = {"cgroup", "ipc",  "mount", "network", "pid",
                                             "time",   "user", "uts",   NULL};
    json_t *hooks = json_array();
    for (unsigned i = 0; i < HOOK_KINDS; i++)
        json_array_append_new(hooks, json_string(hook_names[i]));
    json_t *seccomp = json_pack(
        "{sb so so so so so}", "enabled", 1, "actions", names(seccomp_action_names), "operators",
        names(seccomp_operator_names), "archs", names(seccomp_arch_names), "knownFlags",
        names(seccomp_flag_names), "supportedFlags", names(seccomp_flag_names));
    json_t *linux_ = json_pack(
        "{so so s{sb sb sb sb sb} so s{sb} s{sb} s{sb sb sb} s{s{sb}} s{sb}}", "namespaces",
        names(namespaces), "capabilities", capability_names(), "cgroup", "v1", 1, "v2", 1,
        "systemd", 1, "systemdUser", 1, "rdma", 1, "seccomp", seccomp, "apparmor", "enabled", 1,
        "selinux", "enabled", 1, "intelRdt", "enabled", 1, "schemata", 1, "monitoring", 1,
        "mountExtensions", "idmap", "enabled", 1, "netDevices", "enabled", 1);
    return json_pack("{ss ss so so so s{ss}}", "ociVersionMin", "1.0.0", "ociVersionMax",
                     OCI_VERSION, "hooks", hooks, "mountOptions", mount_names(), "linux", linux_,
                     "annotations", "org.doppel.version", DOPPEL_VERSION);
}

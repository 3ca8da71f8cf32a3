/* SPDX-License-Identifier: BSD-2-Clause */
/* config.json: the process object, also read alone for exec. */
#include "container/config_priv.h"

#include "base/log.h"
#include <linux/ioprio.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>

static const struct {
    const char *name;
    int resource;
} rlimit_names[] = {
    {"RLIMIT_AS", RLIMIT_AS},
    {"RLIMIT_CORE", RLIMIT_CORE},
    {"RLIMIT_CPU", RLIMIT_CPU},
    {"RLIMIT_DATA", RLIMIT_DATA},
    {"RLIMIT_FSIZE", RLIMIT_FSIZE},
    {"RLIMIT_LOCKS", RLIMIT_LOCKS},
    {"RLIMIT_MEMLOCK", RLIMIT_MEMLOCK},
    {"RLIMIT_MSGQUEUE", RLIMIT_MSGQUEUE},
    {"RLIMIT_NICE", RLIMIT_NICE},
    {"RLIMIT_NOFILE", RLIMIT_NOFILE},
    {"RLIMIT_NPROC", RLIMIT_NPROC},
    {"RLIMIT_RSS", RLIMIT_RSS},
    {"RLIMIT_RTPRIO", RLIMIT_RTPRIO},
    {"RLIMIT_RTTIME", RLIMIT_RTTIME},
    {"RLIMIT_SIGPENDING", RLIMIT_SIGPENDING},
    {"RLIMIT_STACK", RLIMIT_STACK},
};

int cap_number(const char *name)
{
    char lower[48];
    size_t n = strlen(name);
    cap_value_t v;
    if (n >= sizeof lower)
        return -1;
    for (size_t i = 0; i <= n; i++)
        lower[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    if (cap_from_name(lower, &v) || v < 0 || v > 63)
        return -1;
    return v;
}

int caps_from_names(json_t *names, const char *where, u64 *set, struct err *e)
{
    *set = 0;
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (!name)
            return err_set(e, -EINVAL, "config: `%s[%zu]` is not a string", where, i);
        int n = cap_number(name);
        if (n < 0)
            log_warn("oci", "%s: ignoring unknown capability `%s`", where, name);
        else
            *set |= (u64)1 << n;
    }
    return 0;
}

/* The kernel's rule; to ask for more is no reason to fail. */
static int limit_ambient(struct process *p)
{
    u64 can = p->caps[CAP_SET_INHERITABLE] & p->caps[CAP_SET_PERMITTED];
    for (int c = 0; c < 64; c++)
        if (p->caps[CAP_SET_AMBIENT] >> c & 1 && !(can >> c & 1)) {
            char *name = cap_to_name(c);
            for (char *s = name; s && *s; s++)
                *s = (char)(*s >= 'a' && *s <= 'z' ? *s - 32 : *s);
            log_warn("oci",
                     "can't raise ambient capability %s: it is not inheritable and permitted",
                     name ? name : "?");
            cap_free(name);
        }
    p->caps[CAP_SET_AMBIENT] &= can;
    return 0;
}

static int parse_caps(json_t *o, struct process *p, struct err *e)
{
    static const char *const names[CAP_SETS] = {"bounding", "effective", "inheritable", "permitted",
                                                "ambient"};
    json_t *caps;
    int r = json_get_object(o, "process", "capabilities", &caps, e);
    for (unsigned i = 0; !r && caps && i < CAP_SETS; i++) {
        json_t *a;
        char where[64];
        snprintf(where, sizeof where, "process.capabilities.%s", names[i]);
        if (!(r = json_get_array(caps, "process.capabilities", names[i], &a, e)) && a)
            r = caps_from_names(a, where, &p->caps[i], e);
    }
    return r ? r : limit_ambient(p);
}

static int parse_rlimits(struct config *c, json_t *o, struct process *p, struct err *e)
{
    json_t *a;
    int r = json_get_array(o, "process", "rlimits", &a, e);
    if (r || !a)
        return r;
    size_t n = json_array_size(a);
    p->rlimits = config_alloc(c, n, sizeof *p->rlimits);
    if (!p->rlimits)
        return err_set(e, -ENOMEM, "config: out of memory");
    for (size_t i = 0; i < n; i++) {
        json_t *l = json_array_get(a, i);
        struct rlimit_request *q = &p->rlimits[i];
        u64 soft = 0, hard = 0;
        bool has_soft = false, has_hard = false;
        if (!json_is_object(l))
            return err_set(e, -EINVAL, "config: `process.rlimits[%zu]` is not an object", i);
        if ((r = json_get_string(l, "process.rlimits", "type", &q->name, e)) ||
            (r = json_get_u64(l, "process.rlimits", "soft", &soft, &has_soft, e)) ||
            (r = json_get_u64(l, "process.rlimits", "hard", &hard, &has_hard, e)))
            return r;
        q->resource = -1;
        for (size_t k = 0; q->name && k < ARRAY_LEN(rlimit_names); k++)
            if (!strcmp(q->name, rlimit_names[k].name))
                q->resource = rlimit_names[k].resource;
        if (q->resource < 0)
            return err_set(e, -EINVAL, "config: invalid rlimit type `%s`", q->name ? q->name : "");
        for (size_t k = 0; k < i; k++)
            if (p->rlimits[k].resource == q->resource)
                return err_set(e, -EINVAL, "config: rlimit `%s` is given twice", q->name);
        if (!has_soft || !has_hard)
            return err_set(e, -EINVAL, "config: rlimit `%s` needs soft and hard", q->name);
        q->limit = (struct rlimit){soft, hard};
    }
    p->rlimit_count = n;
    return 0;
}

static int parse_user(struct config *c, json_t *o, struct process *p, struct err *e)
{
    json_t *user, *groups;
    int r = json_get_object(o, "process", "user", &user, e);
    if (r || !user)
        return r;
    if ((r = json_get_u32(user, "process.user", "uid", &p->uid, NULL, e)) ||
        (r = json_get_u32(user, "process.user", "gid", &p->gid, NULL, e)) ||
        (r = json_get_u32(user, "process.user", "umask", &p->umask, &p->has_umask, e)) ||
        (r = json_get_array(user, "process.user", "additionalGids", &groups, e)))
        return r;
    if (p->uid == UINT32_MAX || p->gid == UINT32_MAX)
        return err_set(e, -EINVAL, "config: `process.user`: 4294967295 is no user or group");
    size_t n = groups ? json_array_size(groups) : 0;
    p->groups = config_alloc(c, n, sizeof *p->groups);
    if (!p->groups)
        return err_set(e, -ENOMEM, "config: out of memory");
    for (size_t i = 0; i < n; i++) {
        json_t *g = json_array_get(groups, i);
        json_int_t v = json_is_real(g) ? (json_int_t)json_real_value(g) : json_integer_value(g);
        if (!json_is_number(g) || v < 0 || v >= UINT32_MAX)
            return err_set(e, -EINVAL, "config: `process.user.additionalGids[%zu]` is no group", i);
        p->groups[i] = (u32)v;
    }
    p->group_count = n;
    return 0;
}

static const struct {
    const char *name;
    u32 value;
} policies[] = {{"SCHED_OTHER", 0}, {"SCHED_FIFO", 1}, {"SCHED_RR", 2},      {"SCHED_BATCH", 3},
                {"SCHED_ISO", 4},   {"SCHED_IDLE", 5}, {"SCHED_DEADLINE", 6}},
  sched_flags[] = {{"SCHED_FLAG_RESET_ON_FORK", 1},  {"SCHED_FLAG_RECLAIM", 2},
                   {"SCHED_FLAG_DL_OVERRUN", 4},     {"SCHED_FLAG_KEEP_POLICY", 8},
                   {"SCHED_FLAG_KEEP_PARAMS", 16},   {"SCHED_FLAG_UTIL_CLAMP_MIN", 32},
                   {"SCHED_FLAG_UTIL_CLAMP_MAX", 64}};

static int parse_scheduler(struct config *c, json_t *o, struct process *p, struct err *e)
{
    json_t *s;
    int r = json_get_object(o, "process", "scheduler", &s, e);
    if (r || !s)
        return r;
    struct sched_request *q = &p->scheduler;
    const char *policy = "", **flags = NULL, *where = "process.scheduler";
    if ((r = json_get_string(s, where, "policy", &policy, e)) ||
        (r = json_get_i64(s, where, "nice", &q->nice, NULL, e)) ||
        (r = json_get_u64(s, where, "priority", &q->priority, NULL, e)) ||
        (r = json_get_u64(s, where, "runtime", &q->runtime, NULL, e)) ||
        (r = json_get_u64(s, where, "deadline", &q->deadline, NULL, e)) ||
        (r = json_get_u64(s, where, "period", &q->period, NULL, e)) ||
        (r = config_strings(c, s, where, "flags", &flags, e)))
        return r;
    bool known = false;
    for (size_t i = 0; i < ARRAY_LEN(policies); i++)
        if (!strcmp(policy, policies[i].name)) {
            q->policy = policies[i].value;
            known = true;
        }
    if (!known)
        return err_set(e, -EINVAL, "config: unknown scheduler policy `%s`", policy);
    for (; flags && *flags; flags++) {
        u32 bit = 0;
        for (size_t i = 0; i < ARRAY_LEN(sched_flags); i++)
            if (!strcmp(*flags, sched_flags[i].name))
                bit = sched_flags[i].value;
        if (!bit)
            return err_set(e, -EINVAL, "config: unknown scheduler flag `%s`", *flags);
        q->flags |= bit;
    }
    if (q->nice < -20 || q->nice > 19)
        return err_set(e, -EINVAL, "config: `process.scheduler.nice` is not in -20..19");
    q->wanted = true;
    return 0;
}

static int parse_io_priority(json_t *o, struct process *p, struct err *e)
{
    static const char *const classes[] = {"", "IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE",
                                          "IOPRIO_CLASS_IDLE"};
    json_t *io;
    const char *class = "";
    int r = json_get_object(o, "process", "ioPriority", &io, e);
    p->io_class = -1;
    if (r || !io)
        return r;
    if ((r = json_get_string(io, "process.ioPriority", "class", &class, e)) ||
        (r = json_get_u32(io, "process.ioPriority", "priority", &p->io_priority, NULL, e)))
        return r;
    for (int i = 1; i < (int)ARRAY_LEN(classes); i++)
        if (!strcmp(class, classes[i]))
            p->io_class = i;
    if (p->io_class < 0)
        return err_set(e, -EINVAL, "config: unknown I/O priority class `%s`", class);
    if (p->io_priority > 7)
        return err_set(e, -EINVAL, "config: `process.ioPriority.priority` is not in 0..7");
    return 0;
}

int config_parse_process(struct config *c, json_t *o, struct process *p, struct err *e)
{
    json_t *size, *affinity;
    int r;
    *p = (struct process){.io_class = -1};
    if ((r = json_get_bool(o, "process", "terminal", &p->terminal, e)) ||
        (r = json_get_object(o, "process", "consoleSize", &size, e)) ||
        (r = config_strings(c, o, "process", "args", &p->args, e)) ||
        (r = config_strings(c, o, "process", "env", &p->env, e)) ||
        (r = json_get_string(o, "process", "cwd", &p->cwd, e)) ||
        (r = json_get_bool(o, "process", "noNewPrivileges", &p->no_new_privileges, e)) ||
        (r = json_get_string(o, "process", "apparmorProfile", &p->apparmor, e)) ||
        (r = json_get_string(o, "process", "selinuxLabel", &p->selinux, e)) ||
        (r = json_get_i64(o, "process", "oomScoreAdj", &p->oom_score, &p->has_oom_score, e)) ||
        (r = json_get_object(o, "process", "execCPUAffinity", &affinity, e)) ||
        (r = parse_user(c, o, p, e)) || (r = parse_caps(o, p, e)) ||
        (r = parse_rlimits(c, o, p, e)) || (r = parse_scheduler(c, o, p, e)) ||
        (r = parse_io_priority(o, p, e)))
        return r;
    if (size && ((r = json_get_u64(size, "process.consoleSize", "height", &p->rows, NULL, e)) ||
                 (r = json_get_u64(size, "process.consoleSize", "width", &p->columns, NULL, e))))
        return r;
    if (affinity &&
        ((r = json_get_string(affinity, "process.execCPUAffinity", "initial", &p->cpus_initial,
                              e)) ||
         (r = json_get_string(affinity, "process.execCPUAffinity", "final", &p->cpus_final, e))))
        return r;
    if (p->rows > UINT16_MAX || p->columns > UINT16_MAX)
        return err_set(e, -EINVAL, "config: `process.consoleSize` is out of range");
    if (!p->cwd || p->cwd[0] != '/')
        return err_set(e, -EINVAL, "config: `process.cwd` is not an absolute path");
    if (!p->args || !p->args[0])
        return err_set(e, -EINVAL, "config: `process.args` is empty");
    if (p->has_oom_score && (p->oom_score < -1000 || p->oom_score > 1000))
        return err_set(e, -EINVAL, "config: `process.oomScoreAdj` is not in -1000..1000");
    static const char *const no_env[] = {NULL};
    if (!p->env)
        p->env = (const char **)no_env;
    return 0;
}

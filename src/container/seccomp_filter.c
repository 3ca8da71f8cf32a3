/* SPDX-License-Identifier: BSD-2-Clause */
/* seccomp profiles. */
#include "container/seccomp_filter.h"

#include "base/log.h"
#include "container/json.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

const char *const seccomp_action_names[] = {"SCMP_ACT_ALLOW",  "SCMP_ACT_ERRNO",
                                            "SCMP_ACT_KILL",   "SCMP_ACT_KILL_PROCESS",
                                            "SCMP_ACT_LOG",    "SCMP_ACT_KILL_THREAD",
                                            "SCMP_ACT_NOTIFY", "SCMP_ACT_TRACE",
                                            "SCMP_ACT_TRAP",   NULL};
const char *const seccomp_operator_names[] = {"SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT",
                                              "SCMP_CMP_LE", "SCMP_CMP_LT", "SCMP_CMP_MASKED_EQ",
                                              "SCMP_CMP_NE", NULL};
const char *const seccomp_flag_names[] = {
    "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_SPEC_ALLOW", "SECCOMP_FILTER_FLAG_LOG",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV", NULL};
const char *const seccomp_arch_names[] = {
    "SCMP_ARCH_AARCH64",  "SCMP_ARCH_ARM",         "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64",   "SCMP_ARCH_MIPS64N32",   "SCMP_ARCH_MIPSEL",
    "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32", "SCMP_ARCH_PPC",
    "SCMP_ARCH_PPC64",    "SCMP_ARCH_PPC64LE",     "SCMP_ARCH_RISCV64",
    "SCMP_ARCH_S390",     "SCMP_ARCH_S390X",       "SCMP_ARCH_X32",
    "SCMP_ARCH_X86",      "SCMP_ARCH_X86_64",      NULL};

static int parse_action(const char *name, const char *key, u32 errno_value, u32 *out, struct err *e)
{
    if (!strcmp(name, "SCMP_ACT_KILL") || !strcmp(name, "SCMP_ACT_KILL_THREAD"))
        *out = SCMP_ACT_KILL_THREAD;
    else if (!strcmp(name, "SCMP_ACT_KILL_PROCESS"))
        *out = SCMP_ACT_KILL_PROCESS;
    else if (!strcmp(name, "SCMP_ACT_TRAP"))
        *out = SCMP_ACT_TRAP;
    else if (!strcmp(name, "SCMP_ACT_ERRNO"))
        *out = SCMP_ACT_ERRNO(errno_value & 0xffff);
    else if (!strcmp(name, "SCMP_ACT_TRACE"))
        *out = SCMP_ACT_TRACE(errno_value & 0xffff);
    else if (!strcmp(name, "SCMP_ACT_ALLOW"))
        *out = SCMP_ACT_ALLOW;
    else if (!strcmp(name, "SCMP_ACT_LOG"))
        *out = SCMP_ACT_LOG;
    else if (!strcmp(name, "SCMP_ACT_NOTIFY"))
        *out = SCMP_ACT_NOTIFY;
    else
        return err_set(e, -EINVAL, "seccomp: unknown %s `%s`", key, name);
    return 0;
}

static int parse_argument(json_t *o, struct scmp_arg_cmp *out, struct err *e)
{
    static const enum scmp_compare ops[] = {SCMP_CMP_EQ, SCMP_CMP_GE, SCMP_CMP_GT,
                                            SCMP_CMP_LE, SCMP_CMP_LT, SCMP_CMP_MASKED_EQ,
                                            SCMP_CMP_NE};
    const char *w = "seccomp.syscalls.args", *op = "";
    u32 index = 0;
    u64 value = 0, two = 0;
    int r;
    if ((r = json_get_u32(o, w, "index", &index, NULL, e)) ||
        (r = json_get_u64(o, w, "value", &value, NULL, e)) ||
        (r = json_get_u64(o, w, "valueTwo", &two, NULL, e)) ||
        (r = json_get_string(o, w, "op", &op, e)))
        return r;
    if (index > 5)
        return err_set(e, -EINVAL, "seccomp: argument index %u is above 5", index);
    for (unsigned i = 0; seccomp_operator_names[i]; i++)
        if (!strcmp(op, seccomp_operator_names[i])) {
            /* libseccomp's masked form wants the mask first. */
            bool masked = ops[i] == SCMP_CMP_MASKED_EQ;
            *out = (struct scmp_arg_cmp){index, ops[i], value, masked ? two : 0};
            return 0;
        }
    return err_set(e, -EINVAL, "seccomp: unknown operator `%s`", op);
}

static int add_rule(scmp_filter_ctx ctx, u32 action, const char *name, json_t *args, struct err *e)
{
    int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR) {
        log_debug("oci", "seccomp: leaving out `%s`: unknown to libseccomp", name);
        return 0;
    }
    struct scmp_arg_cmp cmp[6];
    size_t n = json_array_size(args);
    if (n > 6)
        return err_set(e, -EINVAL, "seccomp: `%s` has more than 6 argument conditions", name);
    bool used[6] = {false}, twice = false;
    for (size_t i = 0; i < n; i++) {
        int r = parse_argument(json_array_get(args, i), &cmp[i], e);
        if (r)
            return r;
        twice |= used[cmp[i].arg];
        used[cmp[i].arg] = true;
    }
    int r = 0;
    /* Two conditions on one argument cannot stand in one rule: then each is a rule of its own. */
    for (size_t i = 0; twice && i < n && !r; i++)
        r = seccomp_rule_add_array(ctx, action, number, 1, &cmp[i]);
    if (!twice)
        r = seccomp_rule_add_array(ctx, action, number, (unsigned)n, cmp);
    return r && r != -EEXIST ? err_set(e, r, "seccomp: add a rule for `%s`: %s", name, err_name(r))
                             : 0;
}

static int add_syscalls(scmp_filter_ctx ctx, json_t *section, u32 fallback, bool *notify,
                        struct err *e)
{
    json_t *list;
    int r = json_get_array(section, "seccomp", "syscalls", &list, e);
    for (size_t i = 0; !r && i < json_array_size(list); i++) {
        json_t *o = json_array_get(list, i), *names, *args;
        const char *name = NULL, *action_name = "";
        u32 action, code = EPERM;
        if (!json_is_object(o))
            return err_set(e, -EINVAL, "config: `seccomp.syscalls[%zu]` is not an object", i);
        if ((r = json_get_array(o, "seccomp.syscalls", "names", &names, e)) ||
            (r = json_get_array(o, "seccomp.syscalls", "args", &args, e)) ||
            (r = json_get_string(o, "seccomp.syscalls", "name", &name, e)) ||
            (r = json_get_string(o, "seccomp.syscalls", "action", &action_name, e)) ||
            (r = json_get_u32(o, "seccomp.syscalls", "errnoRet", &code, NULL, e)) ||
            (r = parse_action(action_name, "action", code, &action, e)))
            return r;
        *notify |= action == SCMP_ACT_NOTIFY;
        if (action == fallback) /* libseccomp refuses rules that change nothing */
            continue;
        if (name && (r = add_rule(ctx, action, name, args, e)))
            return r;
        for (size_t k = 0; k < json_array_size(names); k++) {
            name = json_string_value(json_array_get(names, k));
            if (!name)
                return err_set(e, -EINVAL, "config: `seccomp.syscalls[%zu].names` is no string", i);
            if (action == SCMP_ACT_NOTIFY && !strcmp(name, "write"))
                return err_set(e, -EINVAL,
                               "seccomp: SCMP_ACT_NOTIFY cannot be used for the write syscall");
            if ((r = add_rule(ctx, action, name, args, e)))
                return r;
        }
    }
    return r;
}

static int add_architectures(scmp_filter_ctx ctx, json_t *section, struct err *e)
{
    json_t *list;
    int r = json_get_array(section, "seccomp", "architectures", &list, e);
    for (size_t i = 0; !r && i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        char lower[32];
        size_t n = name ? strlen(name) : 0;
        if (n < 11 || n >= sizeof lower || strncmp(name, "SCMP_ARCH_", 10))
            return err_set(e, -EINVAL, "seccomp: unknown architecture `%s`", name ? name : "");
        for (size_t k = 10; k <= n; k++)
            lower[k - 10] = (char)(name[k] >= 'A' && name[k] <= 'Z' ? name[k] + 32 : name[k]);
        u32 arch = seccomp_arch_resolve_name(lower);
        if (!arch)
            return err_set(e, -EINVAL, "seccomp: unknown architecture `%s`", name);
        r = seccomp_arch_add(ctx, arch);
        if (r == -EEXIST)
            r = 0;
        else if (r)
            return err_set(e, r, "seccomp: add architecture `%s`: %s", name, err_name(r));
    }
    return r;
}

static int parse_flags(json_t *section, unsigned *out, struct err *e)
{
    static const unsigned bits[] = {SECCOMP_FILTER_FLAG_TSYNC, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                                    SECCOMP_FILTER_FLAG_LOG, 1u << 5 /* WAIT_KILLABLE_RECV */};
    json_t *list;
    int r = json_get_array(section, "seccomp", "flags", &list, e);
    for (size_t i = 0; !r && i < json_array_size(list); i++) {
        const char *name = json_string_value(json_array_get(list, i));
        unsigned bit = 0;
        for (unsigned k = 0; name && seccomp_flag_names[k]; k++)
            if (!strcmp(name, seccomp_flag_names[k]))
                bit = bits[k];
        if (!bit)
            return err_set(e, -EINVAL, "seccomp: unknown flag `%s`", name ? name : "");
        *out |= bit;
    }
    /* One thread loads the filter, so TSYNC adds nothing; with a listener it is refused. */
    *out &= ~(unsigned)SECCOMP_FILTER_FLAG_TSYNC;
    return r;
}

/* The greatest number on an architecture of the system calls that a profile names; -1: none. */
static int greatest_number(json_t *section, u32 arch)
{
    json_t *list = json_object_get(section, "syscalls"), *o, *v;
    size_t i, k;
    int greatest = -1;
    json_array_foreach(list, i, o)
    {
        json_array_foreach(json_object_get(o, "names"), k, v)
        {
            const char *name = json_string_value(v);
            int n = name ? seccomp_syscall_resolve_name_arch(arch, name) : -1;
            greatest = MAX(greatest, n);
        }
    }
    return greatest;
}

static bool has_architecture(json_t *section, const char *name)
{
    json_t *v;
    size_t i;
    json_array_foreach(json_object_get(section, "architectures"), i, v)
    {
        if (json_string_value(v) && !strcmp(json_string_value(v), name))
            return true;
    }
    return false;
}

/* A profile knows nothing of system calls younger than itself. To refuse them with its default
 * error would stop the fallbacks of C libraries: they expect ENOSYS of what a kernel does not have.
 */
static size_t young_calls(json_t *section, u32 fallback, struct sock_filter *out)
{
    static const struct {
        u32 token, audit;
        const char *name;
    } archs[] = {{SCMP_ARCH_X86_64, AUDIT_ARCH_X86_64, NULL},
                 {SCMP_ARCH_X86, AUDIT_ARCH_I386, "SCMP_ARCH_X86"}};
    enum { X32_BIT = 0x40000000, BLOCK = 6 };
    size_t n = 0;
    if (fallback == SCMP_ACT_ALLOW || fallback == SCMP_ACT_LOG ||
        fallback == SCMP_ACT_ERRNO(ENOSYS))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(archs); i++) {
        int greatest = archs[i].name && !has_architecture(section, archs[i].name)
                           ? -1
                           : greatest_number(section, archs[i].token);
        if (greatest < 0)
            continue;
        const struct sock_filter block[BLOCK] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, archs[i].audit, 0, 4),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, X32_BIT, 2, 0),
            BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, (u32)greatest, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        };
        memcpy(out + n, block, sizeof block);
        n += BLOCK;
    }
    return n;
}

/* libseccomp writes programs to descriptors only. */
static int export_code(scmp_filter_ctx ctx, json_t *section, u32 fallback,
                       struct seccomp_program *p, struct err *e)
{
    struct sock_filter prologue[12];
    size_t extra = young_calls(section, fallback, prologue) * sizeof *prologue;
    auto_close int fd = memfd_create("seccomp", MFD_CLOEXEC);
    struct stat st;
    int r;
    if (fd < 0)
        return fail(e, "seccomp: memfd_create");
    if ((r = seccomp_export_bpf(ctx, fd)))
        return err_set(e, r, "seccomp: compile the filter: %s", err_name(r));
    if (fstat(fd, &st))
        return fail(e, "seccomp: fstat");
    size_t n = (size_t)st.st_size;
    p->code = malloc(extra + n + 1);
    if (!p->code || pread(fd, (char *)p->code + extra, n, 0) != (ssize_t)n)
        return err_set(e, -ENOMEM, "seccomp: read the compiled filter");
    memcpy(p->code, prologue, extra);
    p->count = (extra + n) / sizeof(struct sock_filter);
    if (p->count > BPF_MAXINSNS)
        return err_set(e, -E2BIG, "seccomp: the filter is too long");
    return 0;
}

int seccomp_program_compile(json_t *section, struct seccomp_program *out, struct err *e)
{
    const char *name = NULL;
    u32 fallback, code = EPERM;
    bool notify = false;
    struct seccomp_program p = {0};
    int r;
    if ((r = json_get_string(section, "seccomp", "defaultAction", &name, e)) ||
        (r = json_get_u32(section, "seccomp", "defaultErrnoRet", &code, NULL, e)) ||
        (r = json_get_string(section, "seccomp", "listenerPath", &p.listener_path, e)) ||
        (r = json_get_string(section, "seccomp", "listenerMetadata", &p.listener_metadata, e)) ||
        (r = parse_flags(section, &p.flags, e)))
        return r;
    if (!name)
        return err_set(e, -EINVAL, "config: `seccomp.defaultAction` is missing");
    if ((r = parse_action(name, "defaultAction", code, &fallback, e)))
        return r;
    if (fallback == SCMP_ACT_NOTIFY)
        return err_set(e, -EINVAL, "seccomp: SCMP_ACT_NOTIFY cannot be the default action");
    scmp_filter_ctx ctx = seccomp_init(fallback);
    if (!ctx)
        return err_set(e, -EINVAL, "seccomp: libseccomp refuses the default action");
    /* The no-new-privileges bit is process.noNewPrivileges' business. */
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_NNP, 0);
    seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a binary tree: shorter paths */
    (void)((r = add_architectures(ctx, section, e)) ||
           (r = add_syscalls(ctx, section, fallback, &notify, e)) ||
           (r = export_code(ctx, section, fallback, &p, e)));
    seccomp_release(ctx);
    if (!r && notify && !p.listener_path)
        r = err_set(e, -EINVAL, "seccomp: SCMP_ACT_NOTIFY needs `listenerPath`");
    p.notifies = notify;
    if (r)
        seccomp_program_free(&p);
    else
        *out = p;
    return r;
}

void seccomp_program_free(struct seccomp_program *p)
{
    free(p->code);
    *p = (struct seccomp_program){0};
}

int seccomp_program_load(const struct seccomp_program *p, int *listener, struct err *e)
{
    struct sock_fprog prog = {(unsigned short)p->count, p->code};
    *listener = -1;
    long r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, p->flags, &prog);
    if (r < 0)
        return fail(e, "load the seccomp filter");
    if (p->flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)
        *listener = (int)r;
    return 0;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Device control for both versions of control groups. */
#include "container/cgroup_devices.h"

#include "container/json.h"

#include "base/log.h"
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

static const struct device_rule always_allowed[] = {
    {true, 'c', -1, -1, DEVICE_MKNOD},  {true, 'b', -1, -1, DEVICE_MKNOD},
    {true, 'c', 1, 3, 7} /* null */,    {true, 'c', 1, 5, 7} /* zero */,
    {true, 'c', 1, 7, 7} /* full */,    {true, 'c', 1, 8, 7} /* random */,
    {true, 'c', 1, 9, 7} /* urandom */, {true, 'c', 5, 0, 7} /* tty */,
    {true, 'c', 5, 2, 7} /* ptmx */,    {true, 'c', 136, -1, 7} /* pts */,
};

/* Letters in any order, also repeated. An `a`, which is no access but common beside others and of
 * no effect with other runtimes either, is passed over. */
static int parse_access(const char *text, size_t index, u32 *access, struct err *e)
{
    bool stray = false;
    *access = 0;
    for (const char *p = text; *p; p++) {
        stray |= *p == 'a';
        *access |= *p == 'r'   ? DEVICE_READ
                   : *p == 'w' ? DEVICE_WRITE
                   : *p == 'm' ? DEVICE_MKNOD
                               : 0;
        if (!strchr("rwma", *p))
            return err_set(e, -EINVAL,
                           "resources: `devices[%zu].access`: `%c` in `%s` is none of r (read), w "
                           "(write) and m (mknod)",
                           index, *p, text);
    }
    if (stray && !*access)
        return err_set(
            e, -EINVAL,
            "resources: `devices[%zu].access`: `%s` names none of r (read), w (write) and "
            "m (mknod); leave it out to mean all",
            index, text);
    if (stray)
        log_warn("oci", "resources: `devices[%zu].access`: the `a` in `%s` has no meaning", index,
                 text);
    if (!*access)
        *access = DEVICE_READ | DEVICE_WRITE | DEVICE_MKNOD;
    return 0;
}

int device_rules_parse(json_t *resources, struct device_rule *rules, unsigned *n, struct err *e)
{
    json_t *a = NULL;
    int r = resources ? json_get_array(resources, "resources", "devices", &a, e) : 0;
    unsigned count = 0;
    if (r)
        return r;
    if (json_array_size(a) + ARRAY_LEN(always_allowed) + 1 > DEVICE_RULES_MAX)
        return err_set(e, -E2BIG, "resources: too many device rules");
    rules[count++] = (struct device_rule){false, 'a', -1, -1, 7};
    for (size_t i = 0; i < json_array_size(a); i++) {
        json_t *o = json_array_get(a, i);
        const char *type = "a", *access = "", *w = "resources.devices";
        struct device_rule *q = &rules[count++];
        *q = (struct device_rule){.major = -1, .minor = -1};
        if (!json_is_object(o))
            return err_set(e, -EINVAL, "resources: `devices[%zu]` is not an object", i);
        if ((r = json_get_bool(o, w, "allow", &q->allow, e)) ||
            (r = json_get_string(o, w, "type", &type, e)) ||
            (r = json_get_i64(o, w, "major", &q->major, NULL, e)) ||
            (r = json_get_i64(o, w, "minor", &q->minor, NULL, e)) ||
            (r = json_get_string(o, w, "access", &access, e)))
            return r;
        if (strlen(type) > 1 || (*type && !strchr("acbu", *type)))
            return err_set(e, -EINVAL,
                           "resources: `devices[%zu].type`: `%s` is none of a (all), c (character) "
                           "and b (block)",
                           i, type);
        if ((r = parse_access(access, i, &q->access, e)))
            return r;
        if (q->major < -1 || q->minor < -1 || q->major > INT32_MAX || q->minor > INT32_MAX)
            return err_set(e, -EINVAL, "resources: `devices[%zu]`: device number out of range", i);
        q->type = !*type ? 'a' : *type == 'u' ? 'c' : *type;
    }
    memcpy(&rules[count], always_allowed, sizeof always_allowed);
    *n = count + (unsigned)ARRAY_LEN(always_allowed);
    return 0;
}

bool device_rules_allow(const struct device_rule *rules, unsigned n, char type, i64 major,
                        i64 minor, u32 access)
{
    /* Each kind of access is decided by the last rule that names it. */
    for (u32 bit = 1; bit <= 4; bit <<= 1) {
        if (!(access & bit))
            continue;
        bool allowed = false;
        for (unsigned i = n; i-- > 0;) {
            const struct device_rule *q = &rules[i];
            if ((q->type == 'a' || q->type == type) && (q->major < 0 || q->major == major) &&
                (q->minor < 0 || q->minor == minor) && (q->access & bit)) {
                allowed = q->allow;
                break;
            }
        }
        if (!allowed)
            return false;
    }
    return true;
}

/* Registers: r2 type, r3 access still undecided, r4 major, r5 minor. Going from the last rule to
 * the first, a matching allow removes its accesses from r3 and allows when none is left; a
 * matching deny that names one of them denies. */
unsigned device_rules_compile(const struct device_rule *rules, unsigned n, struct bpf_insn *out)
{
    unsigned k = 0;
#define EMIT(c, d, s, o, i)                                                                        \
    (out[k++] = (struct bpf_insn){                                                                 \
         .code = (c), .dst_reg = (d), .src_reg = (s), .off = (i16)(o), .imm = (i32)(i)})
    EMIT(BPF_LDX | BPF_MEM | BPF_W, 2, 1, 0, 0);
    EMIT(BPF_ALU | BPF_AND | BPF_K, 2, 0, 0, 0xffff);
    EMIT(BPF_LDX | BPF_MEM | BPF_W, 3, 1, 0, 0);
    EMIT(BPF_ALU | BPF_RSH | BPF_K, 3, 0, 0, 16);
    EMIT(BPF_LDX | BPF_MEM | BPF_W, 4, 1, 4, 0);
    EMIT(BPF_LDX | BPF_MEM | BPF_W, 5, 1, 8, 0);
    for (unsigned i = n; i-- > 0;) {
        const struct device_rule *q = &rules[i];
        unsigned skip[4], skips = 0;
        if (q->type != 'a') {
            skip[skips++] = k;
            EMIT(BPF_JMP | BPF_JNE | BPF_K, 2, 0, 0,
                 q->type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR);
        }
        if (q->major >= 0) {
            skip[skips++] = k;
            EMIT(BPF_JMP | BPF_JNE | BPF_K, 4, 0, 0, q->major);
        }
        if (q->minor >= 0) {
            skip[skips++] = k;
            EMIT(BPF_JMP | BPF_JNE | BPF_K, 5, 0, 0, q->minor);
        }
        if (q->allow) {
            EMIT(BPF_ALU | BPF_AND | BPF_K, 3, 0, 0, ~q->access & 7);
            EMIT(BPF_JMP | BPF_JNE | BPF_K, 3, 0, 2, 0);
            EMIT(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 1);
        } else {
            EMIT(BPF_ALU64 | BPF_MOV | BPF_X, 1, 3, 0, 0);
            EMIT(BPF_ALU | BPF_AND | BPF_K, 1, 0, 0, q->access);
            EMIT(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 2, 0);
            EMIT(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
        }
        EMIT(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
        for (unsigned s = 0; s < skips; s++)
            out[skip[s]].off = (i16)(k - skip[s] - 1);
    }
    EMIT(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, 0);
    EMIT(BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
#undef EMIT
    return k;
}

static int bpf(int command, union bpf_attr *attr)
{
    return (int)syscall(SYS_bpf, command, attr, sizeof *attr);
}

/* All programs of a group must agree, so those of an earlier update are taken away after the new
 * one is in force: there is no moment without control. */
static int attach_program(int dir, int program, struct err *e)
{
    u32 old[64] = {0};
    union bpf_attr query = {.query = {.target_fd = (u32)dir,
                                      .attach_type = BPF_CGROUP_DEVICE,
                                      .prog_ids = (u64)(uintptr_t)old,
                                      .prog_cnt = ARRAY_LEN(old)}};
    u32 had = bpf(BPF_PROG_QUERY, &query) ? 0 : query.query.prog_cnt;
    union bpf_attr attach = {.target_fd = (u32)dir,
                             .attach_bpf_fd = (u32)program,
                             .attach_type = BPF_CGROUP_DEVICE,
                             .attach_flags = BPF_F_ALLOW_MULTI};
    if (bpf(BPF_PROG_ATTACH, &attach))
        return fail(e, "attach the device filter to the control group");
    for (u32 i = 0; i < had; i++) {
        union bpf_attr get = {.prog_id = old[i]};
        auto_close int fd = bpf(BPF_PROG_GET_FD_BY_ID, &get);
        union bpf_attr detach = {
            .target_fd = (u32)dir, .attach_bpf_fd = (u32)fd, .attach_type = BPF_CGROUP_DEVICE};
        if (fd < 0 || bpf(BPF_PROG_DETACH, &detach))
            return fail(e, "detach the old device filter from the control group");
    }
    return 0;
}

static int set_v2(const struct cgroup_hierarchy *h, const char *path,
                  const struct device_rule *rules, unsigned n, struct err *e)
{
    auto_c_free struct bpf_insn *code = calloc(DEVICE_PROGRAM_MAX, sizeof *code);
    if (!code)
        return err_set(e, -ENOMEM, "out of memory");
    union bpf_attr load = {.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE,
                           .insns = (u64)(uintptr_t)code,
                           .insn_cnt = device_rules_compile(rules, n, code),
                           .license = (u64)(uintptr_t) "Dual BSD/GPL"};
    auto_close int program = bpf(BPF_PROG_LOAD, &load);
    if (program < 0)
        return fail(e, "load the device filter");
    auto_close int dir = cgroup_open(h, path, e);
    return dir < 0 ? dir : attach_program(dir, program, e);
}

int device_rules_check(json_t *resources, struct err *e)
{
    auto_c_free struct device_rule *rules = calloc(DEVICE_RULES_MAX, sizeof *rules);
    unsigned n;
    return rules ? device_rules_parse(resources, rules, &n, e)
                 : err_set(e, -ENOMEM, "out of memory");
}

int cgroup_set_devices(const struct cgroup_host *host, const char *path, json_t *resources,
                       struct err *e)
{
    auto_c_free struct device_rule *rules = calloc(DEVICE_RULES_MAX, sizeof *rules);
    unsigned n = 0;
    if (!rules)
        return err_set(e, -ENOMEM, "out of memory");
    int r = device_rules_parse(resources, rules, &n, e);
    if (r)
        return r;
    const struct cgroup_hierarchy *h = cgroup_find(host, "devices");
    if (h && !h->v2)
        return cgroup_set_devices_v1(h, path, rules, n, e);
    h = cgroup_v2(host);
    return h ? set_v2(h, path, rules, n, e)
             : err_set(e, -ENOTSUP, "resources: no control group can restrict devices");
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds a machine from its configuration and takes it apart. */
#include "machine/machine.h"
#include "base/mem.h"
#include "base/str.h"
#include "host/ram.h"
#include "hypercall/kvm/para_kvm.h"
#include "machine/boot/boot.h"
#include "machine/machine_priv.h"
#include "machine/pc_map.h"

#include <errno.h>

enum { SAMPLE_NS = 1000000 }; /* no host is much more exact, and nobody waits longer for a share */

/* The processor model: what was asked for, as far as the engine can. A named model is a promise,
 * "host" is whatever there is. */
static int choose_model(struct x86_cpu_model *model, const struct engine_ops *engine,
                        const struct machine_config *c, struct err *e)
{
    struct x86_cpu_model offer;
    const char *name = c->cpu ? c->cpu : "host";
    int r = x86_model_find(model, name, e);
    if (!r)
        r = engine->model(&offer, e);
    if (!r)
        r = x86_model_intersect(model, &offer, !str_equal(name, "host"), e);
    if (!r)
        x86_model_build_leaves(model, c->cpus, true);
    return r;
}

static int wants_para(const struct machine_config *c, bool *wanted, struct err *e)
{
    *wanted = !c->para || !str_equal(c->para, "none");
    return *wanted ? para_kvm_check(c->para, e) : 0;
}

static int check_lockstep(const struct machine_config *c, const struct engine_ops *engine,
                          struct err *e)
{
    if (!c->lockstep || ((engine->caps & ENGINE_LOCKSTEP) && c->cpus == 1))
        return 0;
    err_set(e, -EINVAL, "making a machine: engine %s with %u CPU%s can't run in lockstep",
            engine->name, c->cpus, c->cpus == 1 ? "" : "s");
    err_hint(e, "lockstep compares engine translate with the interpreter, on one CPU");
    return -EINVAL;
}

static int create_vm(struct machine *m, const struct machine_config *c, struct err *e)
{
    static const struct ram_provider ram = {host_ram_allocate, host_ram_release};
    const struct engine_ops *engine;
    struct x86_cpu_model model;
    bool para;
    int r = machine_choose_engine(c->engine, &engine, m->engine_reason, sizeof m->engine_reason, e);
    if (!r)
        r = check_lockstep(c, engine, e);
    if (!r)
        r = wants_para(c, &para, e);
    if (!r)
        r = choose_model(&model, engine, c, e);
    if (r)
        return r;
    struct vm_config v = {
        .cpus = c->cpus,
        .engine = engine,
        .model = &model,
        .ram = &ram,
        .no_reboot = c->no_reboot,
        .time_exits = c->time_exits,
        .sample_ns = c->sample ? SAMPLE_NS : 0,
        .symbols = c->symbols,
        .trace = c->trace,
        .lockstep = c->lockstep,
        .code_cache = c->code_cache,
        .code_drop = c->code_drop,
        .code_hot = c->code_hot,
        .engine_para = para,
    };
    r = vm_create(&m->vm, &v, e);
    if (!r && para && !(engine->caps & ENGINE_PARA))
        r = para_kvm_create(&m->para, m->vm, c->para, e);
    return r ? r : memory_map_add(m, c->memory, e);
}

/* "file arguments": splits copies at the first space. */
static int split_modules(const struct machine_config *c, struct boot_module *out, char **copies,
                         struct err *e)
{
    for (unsigned i = 0; i < c->modules; i++) {
        copies[i] = str_dup(c->module[i]);
        if (!copies[i])
            return err_set(e, -ENOMEM, "preparing the boot: no memory");
        char *s = copies[i];
        while (*s && *s != ' ')
            s++;
        out[i] = (struct boot_module){.path = copies[i], .text = *s ? s + 1 : NULL};
        *s = '\0';
    }
    return 0;
}

static int load_kernel(struct machine *m, const struct machine_config *c, struct err *e)
{
    struct boot_module modules[MACHINE_MODULES];
    char *copies[MACHINE_MODULES] = {0};
    struct boot_request r = {
        .kernel = c->kernel,
        .initrd = c->initrd,
        .cmdline = c->append,
        .mode = c->boot,
        .modules = modules,
        .module_count = c->modules,
        .rsdp = PC_TABLES,
        .progress = c->progress,
        .progress_ctx = c->progress_ctx,
    };
    if (!c->kernel) {
        err_set(e, -EINVAL, "making a machine: nothing to start");
        err_hint(e, "--kernel FILE");
        return -EINVAL;
    }
    r.e820_count = memory_map_e820(c->memory, r.e820);
    int ret = split_modules(c, modules, copies, e);
    if (!ret)
        ret = boot_prepare(&m->plan, &r, e);
    for (unsigned i = 0; i < MACHINE_MODULES; i++)
        mem_free(copies[i]);
    return ret;
}

static int reset_machine(void *ctx, struct err *e)
{
    return firmware_start(ctx, e);
}

static int build(struct machine *m, const struct machine_config *c, struct err *e)
{
    int r = create_vm(m, c, e);
    if (!r)
        r = load_kernel(m, c, e);
    if (!r)
        r = pc_create(m, c, e);
    if (!r)
        r = firmware_build_tables(m, c, e);
    if (!r)
        r = vm_create_vcpus(m->vm, e);
    if (!r)
        r = firmware_start(m, e);
    if (r)
        return r;
    m->vm->machine_reset = reset_machine;
    m->vm->machine_ctx = m;
    return 0;
}

int machine_create(struct machine **out, const struct machine_config *c, struct err *e)
{
    struct machine *m = mem_alloc(sizeof *m);
    if (!m)
        return err_set(e, -ENOMEM, "making a machine: no memory");
    int r = build(m, c, e);
    if (r) {
        machine_destroy(m);
        return r;
    }
    *out = m;
    return 0;
}

void machine_destroy(struct machine *m)
{
    if (!m)
        return;
    if (m->vm) {
        /* No processor may be inside a device when it goes away. */
        vm_request_end(m->vm, VM_STOPPED, 0);
        vm_wait(m->vm, NULL, NULL);
    }
    pc_destroy(m);
    vm_destroy(m->vm);
    para_kvm_destroy(m->para);
    boot_plan_destroy(m->plan);
    mem_free(m->tables);
    mem_free(m);
}

struct vm *machine_vm(struct machine *m)
{
    return m->vm;
}

const char *machine_engine_reason(const struct machine *m)
{
    return m->engine_reason;
}

const char *machine_boot_description(const struct machine *m)
{
    return boot_describe(m->plan);
}

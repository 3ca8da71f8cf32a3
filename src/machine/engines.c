/* SPDX-License-Identifier: BSD-2-Clause */
/* The engines of this build and the choice among them. */
#include "base/mem.h"
#include "base/str.h"
#include "engine/interpret/interpret.h"
#include "engine/kvm/kvm.h"
#include "engine/translate/translate.h"
#include "machine/machine.h"

#include <errno.h>

static const struct engine_ops *const engines[] = {&engine_kvm, &engine_translate,
                                                   &engine_interpret, NULL};

const struct engine_ops *const *machine_engines(void)
{
    return engines;
}

/* KVM where it is real and fast, else the translator, else what runs everywhere. */
static void choose_best(const struct engine_ops **out, char *reason, size_t size)
{
    struct kvm_probe probe;
    struct err why = {0};
    kvm_probe_host(&probe, &why);
    if (probe.kind == KVM_HARDWARE) {
        *out = &engine_kvm;
        str_format(reason, size, "kvm: the processor's own virtualization is available");
        return;
    }
    bool code = engine_translate.probe(NULL) == 0;
    *out = code ? &engine_translate : &engine_interpret;
    str_format(reason, size, "%s: %s", (*out)->name, why.text);
}

int machine_choose_engine(const char *name, const struct engine_ops **out, char *reason,
                          size_t reason_size, struct err *e)
{
    if (!name || str_equal(name, "auto")) {
        choose_best(out, reason, reason_size);
        return 0;
    }
    char names[64] = "auto";
    size_t n = 4;
    for (unsigned i = 0; engines[i]; i++) {
        if (!str_equal(engines[i]->name, name)) {
            n += str_format(names + n, sizeof names - n, ", %s", engines[i]->name);
            continue;
        }
        int r = engines[i]->probe ? engines[i]->probe(e) : 0;
        if (r)
            return err_wrap(e, "using engine %s", name);
        if (e)
            *e = (struct err){0}; /* a probe that succeeds may have left a remark */
        *out = engines[i];
        str_format(reason, reason_size, "%s: asked for", name);
        return 0;
    }
    int r = err_set(e, -ENOENT, "there is no engine '%s'", name);
    err_hint(e, "one of %s", names);
    return r;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* A machine with nothing but RAM, vCPUs and two ports, to run the guests of guests.S on an engine.
 */
#ifndef TESTS_ENGINE_RIG_H
#define TESTS_ENGINE_RIG_H

#include "vm/device.h"
#include "vm/vm.h"

enum { RIG_CODE = 0x10000, RIG_COUNTER = 0x9000, RIG_RAM = 16 << 20 };

struct rig {
    struct vm *vm;
    struct device *port;
    char text[256]; /* what was printed to port 0xe9 */
    unsigned length;
    struct x86_cpu_model model;
    bool lockstep;                /* rig_open_model() makes such a machine */
    void (*reload)(struct rig *); /* for machine resets */
};

struct guest {
    const u8 *start, *end;
    bool real_mode;
};
#define GUEST_OF(name, real)                                                                       \
    ({                                                                                             \
        extern const u8 name[], name##_end[];                                                      \
        (struct guest){name, name##_end, real};                                                    \
    })

/* Makes the machine and puts the guest into it; fails the test when that fails. */
void rig_open(struct rig *r, const struct engine_ops *engine, unsigned cpus, bool no_reboot,
              struct guest g);
/* The same with the processor model in r->model instead of the most the engine can do, and with
 * r->lockstep, which rig_open() clears. */
void rig_open_model(struct rig *r, const struct engine_ops *engine, unsigned cpus, bool no_reboot,
                    struct guest g);
/* The state the guest starts with. */
void rig_entry(struct rig *r, struct guest g, struct x86_state *s);
void rig_start(struct rig *r);
/* Waits for the end; the exit status or -why. */
int rig_wait(struct rig *r);
u64 rig_peek(struct rig *r, u64 pa);
void rig_poke(struct rig *r, u64 pa, u64 value);
void rig_close(struct rig *r);

/* The dirty log sees what a guest that counts at RIG_COUNTER stores, and again after each fetch. */
void rig_check_dirty_log(const struct engine_ops *engine, struct guest counts);

#endif

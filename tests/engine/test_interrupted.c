/* SPDX-License-Identifier: BSD-2-Clause */
/* A Debian kernel boots while its machine is stopped all the time: every vCPU's state goes out of
 * the engine and in again, and now and then a page of its code is rewritten with the same bytes.
 * What the canonical state lacks, or an event lost between two runs, shows as a kernel that hangs
 * or dies. Arguments: kernel, initramfs, processors. */
#include "base/mem.h"
#include "base/os.h"
#include "machine/machine.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct console {
    struct chardev chardev;
    struct vm *vm;
    size_t length;
    char text[1 << 20];
};

static size_t console_write(struct chardev *c, const u8 *data, size_t n)
{
    struct console *k = (struct console *)c;
    size_t fits = sizeof k->text - 1 - k->length;
    memcpy(k->text + k->length, data, n < fits ? n : fits);
    k->length += n < fits ? n : fits;
    if (strstr(k->text + (k->length > 4096 ? k->length - 4096 : 0), "Run /init as init process"))
        vm_request_end(k->vm, VM_STOPPED, 0);
    return n;
}

static void failed(const char *what, const struct err *e)
{
    fprintf(stderr, "%s: %s\n", what, e->text);
    exit(1);
}

static u32 next_random(u32 *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void rewrite_code(struct vm *vm, const struct x86_state *s)
{
    u8 page[4096];
    u64 start = s->rip & 0x1ffff000; /* the kernel's text is mapped at its physical address */
    if (!guest_memory_read(vm->memory, gpa(start), page, sizeof page) &&
        guest_memory_write(vm->memory, gpa(start), page, sizeof page))
        exit(1);
}

static void take_out_and_put_back(struct vm *vm, struct x86_state *s, u32 *seed)
{
    struct err e = {0};
    for (unsigned i = 0; i < vm->cpus; i++) {
        if (vm_get_state(vm, i, s, &e))
            failed("reading the state", &e);
        if (next_random(seed) % 8 == 0)
            rewrite_code(vm, s);
        if (vm_set_state(vm, i, s, &e))
            failed("setting the state", &e);
    }
}

struct disturber {
    struct vm *vm;
    u32 seed, stops;
    bool end; /* atomic */
};

static void *disturb(void *ctx)
{
    struct disturber *d = ctx;
    struct x86_state *s = mem_alloc_aligned(64, sizeof *s);
    while (s && !__atomic_load_n(&d->end, __ATOMIC_ACQUIRE)) {
        vm_pause(d->vm);
        if (!__atomic_load_n(&d->end, __ATOMIC_ACQUIRE))
            take_out_and_put_back(d->vm, s, &d->seed);
        vm_resume(d->vm);
        d->stops++;
        u64 until = os_clock_ns() + 200000 + next_random(&d->seed) % 3000000;
        while (os_clock_ns() < until)
            usleep(200);
    }
    mem_free(s);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4 || access(argv[1], R_OK) || access(argv[2], R_OK)) {
        printf("skipped: no kernel in the cache (tools/fetch-kernel)\n");
        return 77;
    }
    static const struct chardev_ops ops = {.write = console_write};
    static struct console console = {.chardev.ops = &ops};
    struct machine_config c = {.engine = "interpret",
                               .cpu = "host",
                               .memory = 256 * MiB,
                               .cpus = (unsigned)atoi(argv[3]),
                               .kernel = argv[1],
                               .initrd = argv[2],
                               .append = "console=ttyS0 nokaslr panic=-1",
                               .serial = {&console.chardev},
                               .no_reboot = true};
    struct err e = {0};
    struct machine *m;
    struct os_thread *t = NULL;
    if (machine_create(&m, &c, &e))
        failed("making the machine", &e);
    console.vm = machine_vm(m);
    struct disturber d = {.vm = console.vm, .seed = (u32)os_clock_ns()};
    printf("seed %u\n", d.seed);
    if (vm_start(d.vm, &e) || os_thread_create(&t, "disturb", disturb, &d, &e))
        failed("starting", &e);
    enum vm_end why = vm_wait(d.vm, NULL, &e);
    __atomic_store_n(&d.end, true, __ATOMIC_RELEASE);
    os_thread_join(t);
    bool good =
        why == VM_STOPPED && !strstr(console.text, "Call Trace") && !strstr(console.text, "BUG:");
    if (!good)
        printf("%s\nend %d %s\n", console.text, (int)why, e.text);
    printf("%u stops, %zu bytes printed\n", d.stops, console.length);
    machine_destroy(m);
    return good ? 0 : 1;
}

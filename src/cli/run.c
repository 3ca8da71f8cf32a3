/* SPDX-License-Identifier: BSD-2-Clause */
/* doppel run: from the command line to a request. */
#include "cli/run.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "machine/agent_protocol.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    OPT_APPEND_ = 1,
    OPT_BOOT,
    OPT_CODE_CACHE,
    OPT_CPU,
    OPT_CPUS,
    OPT_DISK,
    OPT_DRY_RUN,
    OPT_ENGINE,
    OPT_INITRD,
    OPT_JSON,
    OPT_KERNEL,
    OPT_LOCKSTEP,
    OPT_MEMORY,
    OPT_MODULE,
    OPT_NAME,
    OPT_NO_REBOOT,
    OPT_PARA,
    OPT_NO_SANDBOX,
    OPT_QUIET,
    OPT_SERIAL,
    OPT_STAT,
    OPT_SYMBOLS,
    OPT_TRACE,
    OPT_TRACE_FILE,
    OPT_VERBOSE,
};

static int set_cpus(struct machine_config *m, const char *value, struct err *e)
{
    u64 n;
    if (str_to_u64(value, &n) || n < 1 || n > VM_CPUS_MAX) {
        err_set(e, -EINVAL, "--cpus %s: not a number of processors", value);
        err_hint(e, "1 to %d", VM_CPUS_MAX);
        return -EINVAL;
    }
    m->cpus = (unsigned)n;
    return 0;
}

static int set_memory(struct machine_config *m, const char *value, struct err *e)
{
    u64 size;
    int err = str_to_size(value, &size);
    if (err || size < 2 * MiB) {
        err_set(e, -EINVAL, "--memory %s: %s", value,
                err == -ERANGE ? "too large"
                : err          ? "not a size"
                               : "a machine needs at least 2M");
        err_hint(e, "a number of bytes, or with a suffix: 512M, 2G");
        return -EINVAL;
    }
    m->memory = align_up(size, MiB);
    return 0;
}

/* drop=N or hot=N, up to a comma or the end. */
static bool set_code_word(struct machine_config *m, const char *word, size_t n)
{
    char text[32];
    u64 number;
    if (n >= sizeof text)
        return false;
    str_copy(text, word, n + 1);
    const char *value = strchr(text, '=');
    if (!value || str_to_u64(value + 1, &number) || !number || number > 1000000)
        return false;
    if (!strncmp(text, "drop=", 5))
        m->code_drop = (unsigned)number;
    else if (!strncmp(text, "hot=", 4))
        m->code_hot = (unsigned)MIN(number, (u64)UINT16_MAX);
    else
        return false;
    return true;
}

/* --code-cache SIZE[,drop=N][,hot=N] */
static int set_code_cache(struct machine_config *m, const char *value, struct err *e)
{
    char size[32];
    const char *word = strchrnul(value, ',');
    size_t n = (size_t)(word - value);
    str_copy(size, value, MIN(n + 1, sizeof size));
    bool good = n < sizeof size && !str_to_size(size, &m->code_cache) && m->code_cache >= 4 * MiB &&
                m->code_cache <= 16 * GiB;
    while (good && *word) {
        const char *end = strchrnul(++word, ',');
        good = set_code_word(m, word, (size_t)(end - word));
        word = end;
    }
    if (good)
        return 0;
    err_set(e, -EINVAL, "--code-cache %s: not a size of 4M to 16G", value);
    err_hint(e, "256M; or for debugging 256M,drop=100: everything goes at one in 100 chances; or "
                "256M,hot=1: code is translated when it runs for the first time");
    return -EINVAL;
}

static int set_boot(struct machine_config *m, const char *value, struct err *e)
{
    static const char *const names[] = {"auto", "pvh", "linux", "multiboot"};
    static const enum boot_mode kinds[] = {BOOT_AUTO, BOOT_PVH, BOOT_LINUX, BOOT_MULTIBOOT};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!strcmp(value, names[i])) {
            m->boot = kinds[i];
            return 0;
        }
    }
    err_set(e, -EINVAL, "--boot %s: no such boot protocol", value);
    err_hint(e, "one of auto, pvh, linux, multiboot");
    return -EINVAL;
}

static int set_para(struct machine_config *m, const char *value, struct err *e)
{
    m->para = value;
    if (!strcmp(value, "kvm") || !strncmp(value, "kvm,", 4) || !strcmp(value, "none"))
        return 0;
    err_set(e, -EINVAL, "--para %s: no such paravirtual interface", value);
    err_hint(e, "kvm or none");
    return -EINVAL;
}

/* --disk FILE[,readonly=on|off][,serial=TEXT]; value is the process's own argument and may be cut.
 */
static int set_disk(struct machine_config *m, char *value, struct err *e)
{
    if (m->disks == MACHINE_DISKS)
        return err_set(e, -E2BIG, "--disk %s: at most %d disks", value, MACHINE_DISKS);
    struct machine_disk *d = &m->disk[m->disks];
    d->path = value;
    for (char *comma = strchr(value, ','); comma;) {
        *comma++ = '\0';
        char *option = comma;
        comma = strchr(option, ',');
        char *end = comma ? comma : option + strlen(option);
        if (!strncmp(option, "readonly=on", (size_t)(end - option)) && end - option == 11)
            d->read_only = true;
        else if (!strncmp(option, "readonly=off", (size_t)(end - option)) && end - option == 12)
            d->read_only = false;
        else if (!strncmp(option, "serial=", 7))
            d->serial = option + 7;
        else {
            err_set(e, -EINVAL, "--disk %s: unknown option '%.*s'", d->path, (int)(end - option),
                    option);
            err_hint(e, "readonly=on|off, serial=TEXT");
            return -EINVAL;
        }
    }
    if (!d->path[0])
        return err_set(e, -EINVAL, "--disk: the file's name is empty");
    m->disks++;
    return 0;
}

static int set_engine(struct machine_config *m, const char *value, struct err *e)
{
    m->engine = value;
    if (!strcmp(value, "auto"))
        return 0;
    for (const struct engine_ops *const *p = machine_engines(); *p; p++)
        if (!strcmp((*p)->name, value))
            return 0;
    err_set(e, -EINVAL, "--engine %s: there is no such engine", value);
    err_hint(e, "`doppel engines` shows them");
    return -EINVAL;
}

/* translate:blocks, translate:ADDRESS or translate:ADDRESS+LENGTH */
static int set_trace(struct machine_config *m, const char *value, struct err *e)
{
    static const char engine[] = "translate:";
    char text[64];
    u64 length = 1;
    m->trace = (struct vm_trace){.high = ~(u64)0};
    if (!strncmp(value, engine, sizeof engine - 1)) {
        str_format(text, sizeof text, "%s", value + sizeof engine - 1);
        if (!strcmp(text, "blocks"))
            return 0;
        char *plus = strchr(text, '+');
        if (plus)
            *plus++ = '\0';
        if (!str_to_u64(text, &m->trace.low) && (!plus || !str_to_u64(plus, &length)) && length) {
            m->trace.high = m->trace.low + length - 1;
            return 0;
        }
    }
    err_set(e, -EINVAL, "--trace %s: nothing of that kind can be traced", value);
    err_hint(e, "translate:blocks, translate:ADDRESS or translate:ADDRESS+LENGTH");
    return -EINVAL;
}

static int set_module(struct machine_config *m, const char *value, struct err *e)
{
    if (m->modules == MACHINE_MODULES)
        return err_set(e, -E2BIG, "--module %s: at most %d modules", value, MACHINE_MODULES);
    m->module[m->modules++] = value;
    return 0;
}

static int set_serial(struct run_request *r, const char *value, struct err *e)
{
    if (r->serials == MACHINE_SERIALS)
        return err_set(e, -E2BIG, "--serial %s: at most %d ports", value, MACHINE_SERIALS);
    r->serial[r->serials++] = value;
    return 0;
}

static int set_append(struct run_request *r, const char *value, struct err *e)
{
    size_t n = strlen(r->append);
    if (n + strlen(value) + 2 > sizeof r->append)
        return err_set(e, -E2BIG, "--append: the kernel command line is longer than %zu bytes",
                       sizeof r->append - 1);
    str_format(r->append + n, sizeof r->append - n, "%s%s", n ? " " : "", value);
    return 0;
}

static int set_option(void *ctx, int id, const char *value, struct err *e)
{
    struct run_request *r = ctx;
    struct machine_config *m = &r->machine;
    switch (id) {
    case OPT_APPEND_: return set_append(r, value, e);
    case OPT_BOOT: return set_boot(m, value, e);
    case OPT_CODE_CACHE: return set_code_cache(m, value, e);
    case OPT_CPU: m->cpu = value; return 0;
    case OPT_CPUS: return set_cpus(m, value, e);
    case OPT_DISK: return set_disk(m, (char *)value, e);
    case OPT_DRY_RUN: r->dry_run = true; return 0;
    case OPT_ENGINE: return set_engine(m, value, e);
    case OPT_INITRD: m->initrd = value; return 0;
    case OPT_JSON: r->json = true; return 0;
    case OPT_LOCKSTEP: m->lockstep = true; return 0;
    case OPT_KERNEL: m->kernel = value; return 0;
    case OPT_MEMORY: return set_memory(m, value, e);
    case OPT_MODULE: return set_module(m, value, e);
    case OPT_NAME: r->name = value; return 0;
    case OPT_NO_REBOOT: m->no_reboot = true; return 0;
    case OPT_PARA: return set_para(m, value, e);
    case OPT_NO_SANDBOX: r->no_sandbox = true; return 0;
    case OPT_QUIET: r->quiet = true; return 0;
    case OPT_SERIAL: return set_serial(r, value, e);
    case OPT_STAT: r->stat = m->time_exits = m->sample = true; return 0;
    case OPT_SYMBOLS:
        r->symbols = value;
        m->sample = true;
        return 0;
    case OPT_TRACE: r->trace = true; return set_trace(m, value, e);
    case OPT_TRACE_FILE: r->trace_file = value; return 0;
    case OPT_VERBOSE: r->verbose++; return 0;
    default: return -EINVAL;
    }
}

/* Looks for name in DOPPEL_CACHE, in cache/ beside the build folder of this program, and in the
 * user's cache. */
static bool find_cached(const char *name, char *path, size_t size)
{
    char self[PATH_MAX];
    const char *cache = getenv("DOPPEL_CACHE"), *home = getenv("HOME");
    const char *xdg = getenv("XDG_CACHE_HOME");
    if (cache)
        return str_format(path, size, "%s/%s", cache, name) < size - 1 && !access(path, R_OK);
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n > 0) {
        self[n] = '\0';
        for (int up = 0; up < 2; up++) {
            char *slash = strrchr(self, '/');
            if (slash)
                *slash = '\0';
        }
        str_format(path, size, "%s/cache/%s", self, name);
        if (!access(path, R_OK))
            return true;
    }
    if (xdg)
        str_format(path, size, "%s/doppel/%s", xdg, name);
    else
        str_format(path, size, "%s/.cache/doppel/%s", home ? home : "", name);
    return !access(path, R_OK);
}

/* Without --kernel: the Debian kernel and initramfs that `./run` has put into the cache. */
static int default_kernel(struct run_request *r, struct err *e)
{
    struct machine_config *m = &r->machine;
    if (m->kernel)
        return 0;
    if (!find_cached("amd64/vmlinuz", r->kernel_path, sizeof r->kernel_path)) {
        err_set(e, -ENOENT, "starting a machine: no --kernel given and none in the cache");
        err_hint(e, "give --kernel FILE, or let `./run` in doppel's source tree fetch one");
        return -ENOENT;
    }
    m->kernel = r->kernel_path;
    r->own_guest = !m->initrd;
    if (!m->initrd && find_cached("amd64/initramfs.cpio", r->initrd_path, sizeof r->initrd_path))
        m->initrd = r->initrd_path;
    return 0;
}

/* A Linux kernel says nothing on the serial port unless told to; another kind of kernel gets its
 * command line as the user wrote it. */
static int default_append(struct run_request *r, struct err *e)
{
    int err = 0;
    if (r->machine.boot != BOOT_MULTIBOOT && !strstr(r->append, "console="))
        err = set_append(r, "console=ttyS0", e);
    /* Nobody sits at the guest of a command: a panic must end it, not wait or start over. Two
     * thirds of an interpreted boot are the kernel's tests of its own ciphers, which this guest
     * does not need. */
    if (!err && r->command) {
        r->machine.no_reboot = true;
        err = set_append(r, "quiet panic=-1 cryptomgr.notests " AGENT_KERNEL_FLAG, e);
    }
    r->machine.append = r->append;
    return err;
}

static int check_request(struct run_request *r, struct err *e)
{
    if (r->command && !r->command[0])
        return err_set(e, -EINVAL, "run: nothing after \"--\"");
    unsigned stdio = 0;
    for (unsigned i = 0; i < r->serials; i++)
        stdio += !strcmp(r->serial[i], "stdio");
    if (stdio > 1 || (stdio && r->command)) {
        err_set(e, -EINVAL, "--serial stdio: standard input and output are already in use");
        err_hint(e, "use pty or file:PATH for the other port");
        return -EINVAL;
    }
    if (r->symbols && !r->stat && !r->name) {
        err_set(e, -EINVAL, "--symbols %s: nobody would see what they name", r->symbols);
        err_hint(e, "add --stat, or --name NAME for `doppel stat NAME`");
        return -EINVAL;
    }
    int err = default_kernel(r, e);
    return err ? err : default_append(r, e);
}

static int run(const struct cli_command *self, int argc, char **argv)
{
    struct err e = {0};
    auto_free struct run_request *r = mem_alloc(sizeof *r);
    int rest;
    bool dashes;
    if (!r)
        return STATUS_FAILURE;
    r->machine = (struct machine_config){
        .engine = "auto", .cpu = "host", .cpus = 1, .memory = 512 * MiB, .boot = BOOT_AUTO};
    int err = cli_parse(self, argc, argv, set_option, r, &rest, &dashes, &e);
    if (err > 0)
        return 0;
    if (!err && rest < argc && !dashes) {
        err = err_set(&e, -EINVAL, "run: unexpected '%s'", argv[rest]);
        err_hint(&e, "a command for the guest comes after \"--\"");
    }
    if (!err && dashes) {
        r->command = argv + rest; /* argv is NULL-terminated */
        r->command_length = argc - rest;
    }
    if (r->machine.lockstep && !strcmp(r->machine.engine, "auto"))
        r->machine.engine = "translate";
    if (!err)
        err = check_request(r, &e);
    if (err) {
        if (!e.hint[0])
            err_hint(&e, "`doppel run --help` says what it takes");
        cli_report(&e);
        return STATUS_USAGE;
    }
    if (r->verbose)
        log_threshold = MIN(LOG_WARN + r->verbose, (unsigned)LOG_TRACE);
    return session_run(r);
}

static const struct cli_option options[] = {
    {OPT_ENGINE, 'e', "engine", "NAME", "auto kvm translate interpret",
     "technique that runs the CPUs: auto, kvm, translate, interpret (auto)"},
    {OPT_CPUS, 'c', "cpus", "N", NULL, "number of virtual processors (1)"},
    {OPT_MEMORY, 'm', "memory", "SIZE", NULL, "guest memory: 512M, 2G ... (512M)"},
    {OPT_CPU, 0, "cpu", "MODEL", "host common", "processor model: host, common or a name (host)"},
    {OPT_PARA, 0, "para", "NAME", "kvm none",
     "paravirtual interface that the guest finds: kvm[,PART=off...], none (kvm)"},
    {OPT_CODE_CACHE, 0, "code-cache", "SIZE[,WORD=N]", NULL,
     "memory for decoded and translated code (512M); drop=N, hot=N: debugging"},
    {OPT_KERNEL, 'k', "kernel", "FILE", "@file", "bzImage, ELF vmlinux or multiboot kernel"},
    {OPT_INITRD, 'i', "initrd", "FILE", "@file", "initial RAM disk"},
    {OPT_APPEND_, 'a', "append", "TEXT", NULL, "add to the kernel command line"},
    {OPT_MODULE, 0, "module", "\"FILE ARGS\"", "@file", "multiboot module (repeatable)"},
    {OPT_BOOT, 0, "boot", "PROTOCOL", "auto pvh linux multiboot",
     "boot protocol: auto, pvh, linux, multiboot (auto)"},
    {OPT_DISK, 'd', "disk", "FILE[,OPTS]", "@file",
     "raw disk image; readonly=on, serial=TEXT (repeatable)"},
    {OPT_SERIAL, 's', "serial", "BACKEND",
     "stdio none null pty file:", "serial port: stdio, none, null, pty, file:PATH (repeatable)"},
    {OPT_NO_REBOOT, 0, "no-reboot", NULL, NULL, "end instead of restarting when the guest resets"},
    {OPT_NO_SANDBOX, 0, "no-sandbox", NULL, NULL, "do not confine the process (debugging)"},
    {OPT_NAME, 0, "name", "NAME", NULL, "name for `doppel stat NAME`"},
    {OPT_LOCKSTEP, 0, "lockstep", NULL, NULL,
     "check every translation against the interpreter (slow; one CPU)"},
    {OPT_STAT, 0, "stat", NULL, NULL,
     "print what was counted, and where the time went, at the end"},
    {OPT_SYMBOLS, 0, "symbols", "FILE", "@file",
     "System.map or vmlinux: --stat and `doppel stat` show where the guest's time goes"},
    {OPT_JSON, 0, "json", NULL, NULL, "print --stat and --dry-run as JSON"},
    {OPT_TRACE, 0, "trace", "WHAT", "translate:blocks translate:",
     "show guest code and the host's: translate:blocks, translate:ADDRESS+LENGTH"},
    {OPT_TRACE_FILE, 0, "trace-file", "FILE", "@file",
     "write --trace there, not to standard error"},
    {OPT_DRY_RUN, 0, "dry-run", NULL, NULL, "build the machine, say what would run, and end"},
    {OPT_QUIET, 'q', "quiet", NULL, NULL, "no line about the choice of engine, no progress"},
    {OPT_VERBOSE, 'v', "verbose", NULL, NULL, "more diagnostics (repeatable)"},
    {0},
};
static const struct cli_example examples[] = {
    {"doppel run", "start the cached Debian kernel with a shell on this terminal"},
    {"doppel run --kernel vmlinuz --initrd initrd.img --memory 1G --cpus 2",
     "start your own kernel with two processors"},
    {"echo hi | doppel run -- cat",
     "run a command in the guest; its input, output and status are ours"},
    {NULL, NULL},
};
const struct cli_command cli_run = {
    .name = "run",
    .synopsis = "[-- COMMAND...]",
    .summary = "Start a machine (and run COMMAND in it, its exit status ours)",
    .text =
        "Starts a machine with a kernel and, in a terminal, connects it to the first serial port. "
        "Ctrl-A x ends the machine at once, Ctrl-A Ctrl-A sends one Ctrl-A, Ctrl-A h shows these "
        "keys; every other key, Ctrl-C included, goes to the guest. `poweroff` in the guest ends "
        "it cleanly. Standard input that is no terminal is typed into that port when the guest's "
        "driver is ready; with the cached "
        "guest its end is Ctrl-D to the shell, which ends the guest. Commands from a script go "
        "better through COMMAND.\n\n"
        "With COMMAND, doppel's small initramfs runs it in the guest: standard input, output, "
        "error, end of file, signals and the exit status pass through unchanged.",
    .options = options,
    .examples = examples,
    .run = run,
};

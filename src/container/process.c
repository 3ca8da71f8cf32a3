/* SPDX-License-Identifier: BSD-2-Clause */
/* Becoming the container's program: limits, identity, capabilities, seccomp, execve. */
#include "container/inner.h"

#include "container/hooks.h"
#include "container/landlock.h"
#include "container/memory_policy.h"
#include "container/process_cpus.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/magic.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

static const char *env_value(const struct process *p, const char *name)
{
    size_t n = strlen(name);
    for (const char **v = p->env; *v; v++)
        if (!strncmp(*v, name, n) && (*v)[n] == '=')
            return *v + n + 1;
    return NULL;
}

static int program_error(const char *path)
{
    struct stat st;
    if (stat(path, &st))
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EACCES;
    return access(path, X_OK) ? -errno : 0;
}

int process_find_program(const struct process *p, char *path, size_t size, struct err *e)
{
    const char *name = p->args[0];
    int worst = -ENOENT;
    if (strchr(name, '/')) {
        /* Relative to the directory the program will start in. */
        bool relative = name[0] != '/';
        snprintf(path, size, "%s%s%s", relative ? p->cwd : "", relative ? "/" : "", name);
        int r = program_error(path);
        if (r == -EACCES && geteuid()) /* a user namespace's root; the user may still reach it */
            r = 0;
        snprintf(path, size, "%s", name);
        return r ? err_set(e, r, "executable file `%s`: %s", name, err_name(r)) : 0;
    }
    const char *search = env_value(p, "PATH");
    if (!search || !*search)
        search = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    for (const char *d = search;; d++) {
        size_t n = strcspn(d, ":");
        if (*name) {
            snprintf(path, size, "%.*s/%s", n ? (int)n : 1, n ? d : ".", name);
            int r = program_error(path);
            if (!r)
                return 0;
            if (r == -EACCES)
                worst = r;
        }
        d += n;
        if (!*d)
            break;
    }
    return err_set(e, worst, "executable file `%s` not found in $PATH: %s", name, err_name(worst));
}

static int set_rlimits(const struct process *p, struct err *e)
{
    for (size_t i = 0; i < p->rlimit_count; i++)
        if (setrlimit((__rlimit_resource_t)p->rlimits[i].resource, &p->rlimits[i].limit))
            return fail(e, "setrlimit `%s`", p->rlimits[i].name);
    return 0;
}

/* struct sched_attr of sched_setattr(2), which glibc 2.36 does not declare. */
struct sched_attributes {
    u32 size, policy;
    u64 flags;
    i32 nice;
    u32 priority;
    u64 runtime, deadline, period;
};

static int set_scheduling(struct inner *in, struct err *e)
{
    const struct process *p = in->process;
    const struct sched_request *s = &p->scheduler;
    if (s->wanted) {
        struct sched_attributes a = {.size = sizeof a,
                                     .policy = s->policy,
                                     .flags = s->flags,
                                     .nice = (i32)s->nice,
                                     .priority = (u32)s->priority,
                                     .runtime = s->runtime,
                                     .deadline = s->deadline,
                                     .period = s->period};
        if (syscall(SYS_sched_setattr, 0, &a, 0))
            return errno == EPERM && s->policy == SCHED_DEADLINE
                       ? fail(e,
                              "set the scheduler policy (the deadline process scheduler can't be "
                              "used together with AllowedCPUs)")
                       : fail(e, "set the scheduler policy");
    }
    int r = memory_policy_apply(in->config->memory_policy, e);
    if (r)
        return r;
    if (p->io_class >= 0 && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0,
                                    IOPRIO_PRIO_VALUE((u32)p->io_class, p->io_priority)))
        return fail(e, "set the I/O priority");
    if (in->config->has_personality && personality(in->config->personality) < 0)
        return fail(e, "set the personality");
    return p->cpus_final && in->joined ? process_set_cpus(0, p->cpus_final, e) : 0;
}

/* CVE-2024-21626: a working directory behind a leaked descriptor is outside the root; the kernel
 * says so in its name. */
static int change_directory(const struct process *p, bool *done, bool last, struct err *e)
{
    char here[4096];
    if (chdir(p->cwd)) {
        if (errno == EACCES && !last)
            return 0; /* the user may reach what root of this namespace cannot */
        return fail(e, "chdir to `%s`", p->cwd);
    }
    if (syscall(SYS_getcwd, here, sizeof here) < 0)
        return fail(e, "working directory `%s`", p->cwd);
    if (here[0] != '/')
        return err_set(e, -EPERM, "working directory `%s` is outside the container", p->cwd);
    *done = true;
    return 0;
}

static int make_directory(const struct process *p)
{
    char path[4096];
    snprintf(path, sizeof path, "%s", p->cwd);
    for (char *s = path + 1; *s; s++)
        if (*s == '/') {
            *s = '\0';
            mkdir(path, 0755);
            *s = '/';
        }
    return mkdir(path, 0755);
}

/* LSM labels take effect at execve. What takes them must be procfs, or a container could have us
 * write somewhere harmless (CVE-2019-19921). */
int process_write_label(int proc, const char *file, const char *label, struct err *e)
{
    struct statfs fs;
    auto_close int fd = proc < 0 ? -1 : openat(proc, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return fail(e, "open /proc/%s", file);
    if (fstatfs(fd, &fs) || fs.f_type != PROC_SUPER_MAGIC)
        return err_set(e, -EINVAL, "/proc/%s is not on procfs", file);
    int r = write_all(fd, label, strlen(label));
    return r ? err_set(e, r, "set label `%s`: %s", label, err_name(r)) : 0;
}

static int set_labels(const struct process *p, int proc, struct err *e)
{
    int r = 0;
    if (p->selinux && *p->selinux)
        r = process_write_label(proc, "thread-self/attr/exec", p->selinux, e);
    if (!r && p->apparmor && *p->apparmor && strcmp(p->apparmor, "unconfined")) {
        char text[512];
        snprintf(text, sizeof text, "exec %s", p->apparmor);
        r = process_write_label(proc, "thread-self/attr/apparmor/exec", text, NULL);
        if (r)
            r = process_write_label(proc, "thread-self/attr/exec", text, e);
    }
    return r;
}

static int load_seccomp(struct inner *in, struct err *e)
{
    int listener;
    if (!in->seccomp)
        return 0;
    int r = seccomp_program_load(in->seccomp, &listener, e);
    if (!r && listener >= 0) {
        r = fd_send(in->seccomp_agent, listener, in->notify_text, e);
        close(listener);
        if (r)
            r = err_wrap(e, "send the seccomp listener");
    }
    return r;
}

static int drop_bounding(u64 keep, struct err *e)
{
    for (unsigned long c = 0; c < 64; c++) {
        int has = prctl(PR_CAPBSET_READ, c);
        if (has < 0)
            break; /* beyond the last one of this kernel */
        if (has && !(keep >> c & 1) && prctl(PR_CAPBSET_DROP, c))
            return fail(e, "drop a capability from the bounding set");
    }
    return 0;
}

/* A set cannot hold what the kernel does not know, nor what we do not have ourselves. */
static int set_caps(const struct process *p, struct err *e)
{
    cap_t caps = cap_init();
    if (!caps)
        return err_set(e, -ENOMEM, "out of memory");
    static const struct {
        cap_flag_t flag;
        enum cap_set set;
    } sets[] = {{CAP_EFFECTIVE, CAP_SET_EFFECTIVE},
                {CAP_PERMITTED, CAP_SET_PERMITTED},
                {CAP_INHERITABLE, CAP_SET_INHERITABLE}};
    cap_t own = cap_get_proc();
    for (int c = 0; own && c < cap_max_bits(); c++)
        for (size_t i = 0; i < ARRAY_LEN(sets); i++) {
            cap_flag_value_t has = CAP_CLEAR;
            cap_get_flag(own, c, CAP_PERMITTED, &has);
            if (has == CAP_SET && p->caps[sets[i].set] >> c & 1)
                cap_set_flag(caps, sets[i].flag, 1, &c, CAP_SET);
        }
    int r = !own || cap_set_proc(caps) ? fail(e, "set the capabilities") : 0;
    cap_free(own);
    cap_free(caps);
    if (r)
        return r;
    cap_reset_ambient();
    for (int c = 0; c < cap_max_bits(); c++)
        if (p->caps[CAP_SET_AMBIENT] >> c & 1 && cap_set_ambient(c, CAP_SET) && errno != EPERM)
            return fail(e, "raise an ambient capability");
    return 0;
}

static int set_user(const struct inner *in, struct err *e)
{
    const struct process *p = in->process;
    gid_t *groups = (gid_t *)p->groups;
    if (!in->keep_groups && setgroups(p->group_count, groups) && (p->group_count || errno != EPERM))
        return fail(e, "set the additional groups");
    if (setresgid(p->gid, p->gid, p->gid))
        return fail(e, "set the group to %u", p->gid);
    if (setresuid(p->uid, p->uid, p->uid))
        return fail(e, "set the user to %u", p->uid);
    return 0;
}

/* The user's home from the container's own passwd file, as login would set it. */
static void home_of(u32 uid, char *out, size_t size)
{
    snprintf(out, size, "HOME=/");
    FILE *f = fopen("/etc/passwd", "re");
    if (!f)
        return;
    char line[1024];
    while (fgets(line, sizeof line, f)) {
        unsigned id;
        char home[512];
        if (sscanf(line, "%*[^:]:%*[^:]:%u:%*u:%*[^:]:%511[^:\n]", &id, home) == 2 ||
            sscanf(line, "%*[^:]:%*[^:]:%u:%*u::%511[^:\n]", &id, home) == 2)
            if (id == uid && home[0] == '/') {
                snprintf(out, size, "HOME=%s", home);
                break;
            }
    }
    fclose(f);
}

/* Of a variable given twice the last one counts, and an empty HOME is none. */
static size_t copy_env(const char **env, const char *const *from)
{
    size_t n = 0;
    for (size_t i = 0; from[i]; i++) {
        size_t name = strcspn(from[i], "=") + 1;
        bool again = !strcmp(from[i], "HOME=");
        for (size_t k = i + 1; from[k] && !again; k++)
            again = !strncmp(from[i], from[k], name);
        if (!again)
            env[n++] = from[i];
    }
    return n;
}

int process_environment(struct inner *in, struct err *e)
{
    static char home[600], fds[32];
    const struct process *p = in->process;
    size_t n = 0;
    while (p->env[n])
        n++;
    const char **env = calloc(n + 4, sizeof *env);
    if (!env)
        return err_set(e, -ENOMEM, "out of memory");
    n = copy_env(env, p->env);
    bool has_home = false;
    for (size_t i = 0; i < n; i++)
        has_home |= !strncmp(env[i], "HOME=", 5);
    if (!has_home) {
        home_of(p->uid, home, sizeof home);
        env[n++] = home;
    }
    if (in->listen_fds) {
        snprintf(fds, sizeof fds, "LISTEN_FDS=%u", in->kept.n);
        env[n++] = fds;
        env[n++] = "LISTEN_PID=1";
    }
    in->env = env;
    return 0;
}

static int keep_descriptors(const struct kept_fds *k, struct err *e)
{
    for (unsigned i = 0; i < k->n; i++) {
        int fd = (int)(FIRST_KEPT_FD + i);
        if (k->open[i / 8] >> i % 8 & 1 && fcntl(fd, F_SETFD, 0))
            return fail(e, "keep descriptor %d", fd);
    }
    return 0;
}

/* In the words that clients look for. */
static int exec_error(const char *program, int code, struct err *e)
{
    char why[64];
    snprintf(why, sizeof why, "%s", err_name(code));
    if (why[0] >= 'A' && why[0] <= 'Z')
        why[0] = (char)(why[0] + 32);
    return err_set(e, -code, "exec %s: %s", program, why);
}

int process_become(struct inner *in, int proc, struct err *e)
{
    const struct process *p = in->process;
    char program[4096];
    int r;
    if (chdir(p->cwd) && errno == ENOENT && !in->joined)
        make_directory(p);
    bool there = false;
    if ((r = set_rlimits(p, e)) || (r = set_scheduling(in, e)) ||
        (r = change_directory(p, &there, false, e)) || (r = set_labels(p, proc, e)))
        return r;
    /* Loading a filter needs CAP_SYS_ADMIN or no_new_privs: early without the one or the other. */
    if (!p->no_new_privileges && ((r = landlock_apply(in->config, e)) || (r = load_seccomp(in, e))))
        return r;
    if ((r = drop_bounding(p->caps[CAP_SET_BOUNDING], e)))
        return r;
    if (prctl(PR_SET_KEEPCAPS, 1))
        return fail(e, "keep capabilities");
    if ((r = set_user(in, e)))
        return r;
    umask(p->has_umask ? p->umask : 022);
    if ((!there && (r = change_directory(p, &there, true, e))) || (r = set_caps(p, e)) ||
        (r = process_find_program(p, program, sizeof program, e)) ||
        (r = keep_descriptors(&in->kept, e)))
        return r;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    if (p->no_new_privileges) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
            return fail(e, "set no_new_privs");
        if ((r = landlock_apply(in->config, e)) || (r = load_seccomp(in, e)))
            return r;
    }
    /* As late as can be: what an image brings runs with no more rights than its program. */
    if (in->waits && (r = hooks_run(in->config, HOOK_START_CONTAINER, in->state, in->env, e)))
        return r;
    execve(program, (char *const *)p->args, (char *const *)in->env);
    return exec_error(program, errno, e);
}

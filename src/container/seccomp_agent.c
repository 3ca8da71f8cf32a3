/* SPDX-License-Identifier: BSD-2-Clause */
#include "container/seccomp_agent.h"

#include "container/supervise.h"

#include <linux/seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { TEXT_SIZE = 64 << 10 };

int seccomp_agent_open(struct inner *in, struct seccomp_program *p, struct err *e)
{
    if (!p->listener_path)
        return 0;
    in->seccomp_agent = connect_to(p->listener_path, p->notifies ? e : NULL);
    if (in->seccomp_agent < 0)
        return p->notifies ? err_wrap(e, "failed to connect with seccomp agent") : 0;
    p->flags |= SECCOMP_FILTER_FLAG_NEW_LISTENER;
    /* The pid in the message is known only when the process that sends it runs already. */
    in->notify_text =
        mmap(NULL, TEXT_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return in->notify_text == MAP_FAILED ? fail(e, "mmap") : 0;
}

int seccomp_agent_describe(struct inner *in, const struct seccomp_program *p, const struct state *s,
                           enum status status, pid_t pid, struct err *e)
{
    if (in->seccomp_agent < 0)
        return 0;
    auto_json json_t *j =
        json_pack("{ss s[s] si ss so}", "ociVersion", OCI_VERSION, "fds", "seccompFd", "pid",
                  (int)pid, "metadata", p->listener_metadata ? p->listener_metadata : "", "state",
                  state_to_json(s, status, false));
    auto_c_free char *text = j ? json_dumps(j, JSON_COMPACT) : NULL;
    if (!text || strlen(text) >= TEXT_SIZE)
        return err_set(e, -E2BIG, "describe the container to the seccomp agent");
    strcpy(in->notify_text, text);
    return 0;
}

void seccomp_agent_close(struct inner *in)
{
    if (in->seccomp_agent >= 0)
        close(in->seccomp_agent);
    in->seccomp_agent = -1;
    if (in->notify_text && in->notify_text != MAP_FAILED)
        munmap(in->notify_text, TEXT_SIZE);
    in->notify_text = NULL;
}

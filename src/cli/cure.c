/* SPDX-License-Identifier: BSD-2-Clause */
/* What to try when the part that failed knew the cause but no cure. */
#include "cli/command.h"

#include <errno.h>

static const struct {
    int error;
    const char *cure;
} cures[] = {
    {EACCES, "as its owner, chmod gives access; doppel itself needs no root"},
    {EBADMSG, "the file is damaged: fetch or copy it again"},
    {EFBIG, "more guest memory may help: --memory"},
    {EISDIR, "name a file"},
    {EMFILE, "raise the limit of open files: ulimit -n"},
    {ENOENT, "check the name; a relative one starts from the current folder"},
    {ENOEXEC, "fetch or copy the file again if it should be a kernel; ./run fetches one"},
    {ENOMEM, "a smaller --memory, or end other programs"},
    {ENOSPC, "free some space, or a larger --memory if the guest has too little"},
    {ENOTDIR, "check the name: a part of it is a file, not a folder"},
    {EROFS, "its file system is read-only: readonly=on for a disk, or a copy elsewhere"},
};

void cli_hint_cure(struct err *e, int error)
{
    for (size_t i = 0; i < ARRAY_LEN(cures) && !e->hint[0]; i++)
        if (cures[i].error == -error)
            err_hint(e, "%s", cures[i].cure);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* `ps ID [PS OPTIONS]`: the host's ps(1), cut down to the container's processes. */
#include "cli/oci_ps.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Which word of the head line is "PID"; -1: none. */
static int pid_column(const char *head)
{
    int column = 0;
    for (const char *p = head + strspn(head, " "); *p && *p != '\n'; column++) {
        size_t n = strcspn(p, " \n");
        if (n == 3 && !strncmp(p, "PID", 3))
            return column;
        p += n;
        p += strspn(p, " ");
    }
    return -1;
}

static long word_number(const char *line, int column)
{
    const char *p = line + strspn(line, " ");
    for (; column > 0; column--) {
        p += strcspn(p, " \n");
        p += strspn(p, " ");
    }
    return strtol(p, NULL, 10);
}

static FILE *start_ps(char *const *options, size_t n, pid_t *child)
{
    int ends[2];
    const char *args[64] = {"ps", n ? NULL : "-ef"};
    if (n > 60 || pipe2(ends, O_CLOEXEC))
        return NULL;
    for (size_t i = 0; i < n; i++)
        args[i + 1] = options[i];
    *child = fork();
    if (!*child) {
        dup2(ends[1], 1);
        execvp("ps", (char *const *)args);
        _exit(127);
    }
    close(ends[1]);
    FILE *f = *child > 0 ? fdopen(ends[0], "r") : NULL;
    if (!f)
        close(ends[0]);
    return f;
}

int oci_ps_table(const pid_t *pid, size_t n, char *const *options, size_t option_count)
{
    pid_t child = -1;
    char *line = NULL;
    size_t size = 0;
    int column = -1, status = -1;
    FILE *f = start_ps(options, option_count, &child);
    if (f && getline(&line, &size, f) > 0 && (column = pid_column(line)) >= 0) {
        fputs(line, stdout);
        while (getline(&line, &size, f) > 0) {
            long number = word_number(line, column);
            for (size_t i = 0; i < n; i++)
                if (pid[i] == number)
                    fputs(line, stdout);
        }
    }
    free(line);
    if (f)
        fclose(f);
    if (child > 0)
        waitpid(child, &status, 0);
    if (column >= 0 && !status)
        return 0;
    if (option_count)
        return -1;
    puts("PID"); /* a host without ps */
    for (size_t i = 0; i < n; i++)
        printf("%d\n", (int)pid[i]);
    return 0;
}

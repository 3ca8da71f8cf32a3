/* SPDX-License-Identifier: BSD-2-Clause */
/* Finds ports by name in /sys/class/virtio-ports: the names arrive some time after the driver. */
#include "agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CLASS "/sys/class/virtio-ports"
enum { TRIES = 6000, PAUSE_NS = 10 * 1000 * 1000 };

static bool has_name(const char *device, const char *name)
{
    char path[512], text[64];
    snprintf(path, sizeof path, CLASS "/%s/name", device);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return false;
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return !strcmp(text, name);
}

static int open_port(const char *name, int mode)
{
    char path[512];
    int fd = -1;
    DIR *d = opendir(CLASS);
    if (!d)
        return -1;
    for (struct dirent *e; fd < 0 && (e = readdir(d));) {
        if (e->d_name[0] == '.' || !has_name(e->d_name, name))
            continue;
        snprintf(path, sizeof path, "/dev/%s", e->d_name);
        fd = open(path, mode | O_NONBLOCK | O_CLOEXEC);
    }
    closedir(d);
    return fd;
}

static int wait_port(const char *name, int mode)
{
    const struct timespec pause = {0, PAUSE_NS};
    for (unsigned i = 0; i < TRIES; i++) {
        int fd = open_port(name, mode);
        if (fd >= 0)
            return fd;
        nanosleep(&pause, NULL);
    }
    return -1;
}

int ports_open(struct ports *p)
{
    p->control = wait_port(AGENT_PORT_CONTROL, O_RDWR);
    if (p->control < 0)
        return -ENODEV;
    p->in = wait_port(AGENT_PORT_STDIN, O_RDONLY);
    p->out = wait_port(AGENT_PORT_STDOUT, O_WRONLY);
    p->error = wait_port(AGENT_PORT_STDERR, O_WRONLY);
    return p->in < 0 || p->out < 0 || p->error < 0 ? -ENODEV : 0;
}

int ports_parse(struct ports *p, const char *text)
{
    if (sscanf(text, "%d,%d,%d,%d", &p->control, &p->in, &p->out, &p->error) != 4)
        return -EINVAL;
    const int fds[] = {p->control, p->in, p->out, p->error};
    for (unsigned i = 0; i < 4; i++)
        if (fcntl(fds[i], F_SETFD, FD_CLOEXEC) || fcntl(fds[i], F_SETFL, O_NONBLOCK))
            return -errno;
    return 0;
}

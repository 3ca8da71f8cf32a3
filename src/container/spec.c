/* SPDX-License-Identifier: BSD-2-Clause */
/* `spec`: a configuration to start from. */
#include "container/runtime.h"

#include "container/cgroup.h"
#include "container/config.h"

static const char text[] =
    "{\"ociVersion\":\"" OCI_VERSION "\",\"process\":{\"terminal\":true,"
    "\"user\":{\"uid\":0,\"gid\":0},\"args\":[\"sh\"],"
    "\"env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/"
    "bin\",\"TERM=xterm\"],"
    "\"cwd\":\"/\",\"capabilities\":{"
    "\"bounding\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
    "\"effective\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"],"
    "\"permitted\":[\"CAP_AUDIT_WRITE\",\"CAP_KILL\",\"CAP_NET_BIND_SERVICE\"]},"
    "\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"hard\":1024,\"soft\":1024}],"
    "\"noNewPrivileges\":true},\"root\":{\"path\":\"rootfs\",\"readonly\":true},"
    "\"hostname\":\"doppel\",\"mounts\":["
    "{\"destination\":\"/proc\",\"type\":\"proc\",\"source\":\"proc\"},"
    "{\"destination\":\"/dev\",\"type\":\"tmpfs\",\"source\":\"tmpfs\","
    "\"options\":[\"nosuid\",\"strictatime\",\"mode=755\",\"size=65536k\"]},"
    "{\"destination\":\"/dev/pts\",\"type\":\"devpts\",\"source\":\"devpts\","
    "\"options\":[\"nosuid\",\"noexec\",\"newinstance\",\"ptmxmode=0666\",\"mode=0620\",\"gid=5\"]}"
    ","
    "{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\","
    "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"mode=1777\",\"size=65536k\"]},"
    "{\"destination\":\"/dev/mqueue\",\"type\":\"mqueue\",\"source\":\"mqueue\","
    "\"options\":[\"nosuid\",\"noexec\",\"nodev\"]},"
    "{\"destination\":\"/sys\",\"type\":\"sysfs\",\"source\":\"sysfs\","
    "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"ro\"]},"
    "{\"destination\":\"/sys/fs/cgroup\",\"type\":\"cgroup\",\"source\":\"cgroup\","
    "\"options\":[\"nosuid\",\"noexec\",\"nodev\",\"relatime\",\"ro\"]}],"
    "\"linux\":{\"resources\":{\"devices\":[{\"allow\":false,\"access\":\"rwm\"}]},"
    "\"namespaces\":[{\"type\":\"pid\"},{\"type\":\"network\"},{\"type\":\"ipc\"},"
    "{\"type\":\"uts\"},{\"type\":\"mount\"},{\"type\":\"cgroup\"}],"
    "\"maskedPaths\":[\"/proc/acpi\",\"/proc/asound\",\"/proc/kcore\",\"/proc/keys\","
    "\"/proc/latency_stats\",\"/proc/timer_list\",\"/proc/timer_stats\",\"/proc/sched_debug\","
    "\"/sys/firmware\",\"/proc/scsi\"],"
    "\"readonlyPaths\":[\"/proc/bus\",\"/proc/fs\",\"/proc/irq\",\"/proc/sys\","
    "\"/proc/sysrq-trigger\"]}}";

/* An ordinary user owns one id, no network namespace's sysfs, and no control group. */
static void make_rootless(json_t *j)
{
    json_t *linux_ = json_object_get(j, "linux");
    json_t *mounts = json_object_get(j, "mounts");
    json_object_set_new(
        linux_, "uidMappings",
        json_pack("[{si sI si}]", "containerID", 0, "hostID", (json_int_t)geteuid(), "size", 1));
    json_object_set_new(
        linux_, "gidMappings",
        json_pack("[{si sI si}]", "containerID", 0, "hostID", (json_int_t)getegid(), "size", 1));
    json_array_append_new(json_object_get(linux_, "namespaces"), json_pack("{ss}", "type", "user"));
    json_object_del(linux_, "resources");
    json_object_set_new(
        json_array_get(mounts, 2), "options",
        json_pack("[sssss]", "nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"));
    json_array_remove(mounts, 6);
}

/* In version 1 a container's group is seen as it is: its sub-groups are named by their paths. */
static void leave_cgroup_namespace(json_t *j)
{
    const struct cgroup_host *host;
    if (!cgroup_host_read(&host, NULL) && !host->pure_v2)
        json_array_remove(json_object_get(json_object_get(j, "linux"), "namespaces"), 5);
}

json_t *spec_default(bool rootless)
{
    json_t *j = json_loads(text, 0, NULL);
    if (j)
        leave_cgroup_namespace(j);
    if (j && rootless)
        make_rootless(j);
    return j;
}

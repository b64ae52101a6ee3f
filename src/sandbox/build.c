/* What a sandbox sees: its tree of mounts and its network. Runs in the sandbox's first process. */
#include "sandbox/sandbox_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of the machine, read-only, as far as it is there. What is a link stays one. */
static const char *const shared[] = {"/usr",
                                     "/bin",
                                     "/sbin",
                                     "/lib",
                                     "/lib32",
                                     "/lib64",
                                     "/libx32",
                                     "/etc/ssl",
                                     "/etc/ca-certificates",
                                     "/etc/pki",
                                     "/etc/ld.so.cache",
                                     "/etc/ld.so.conf",
                                     "/etc/ld.so.conf.d",
                                     "/etc/alternatives",
                                     "/etc/java-17-openjdk",
                                     "/etc/java-21-openjdk",
                                     "/dev/null",
                                     "/dev/zero",
                                     "/dev/full",
                                     "/dev/random",
                                     "/dev/urandom",
                                     "/etc/resolv.conf"};
#define SHARED (sizeof shared / sizeof shared[0])
_Static_assert(SHARED + SANDBOX_MAX_BINDS == 86, "as many as inside_run() has room for");

#define HOSTS "127.0.0.1 localhost sandbox.localdomain sandbox\n::1 localhost\n"

static const struct {
    const char *path, *text;
} written[] = {
    {"/etc/passwd", "root:x:0:0:root:/root:/sbin/nologin\n"
                    "sbx_user1051:x:993:990::/home/sbx_user1051:/sbin/nologin\n"},
    {"/etc/group", "root:x:0:\nsbx_user1051:x:990:\n"},
    {"/etc/hosts", HOSTS},
    {"/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
};

static const struct {
    const char *path, *to;
} links[] = {{"/dev/fd", "/proc/self/fd"},
             {"/dev/stdin", "/proc/self/fd/0"},
             {"/dev/stdout", "/proc/self/fd/1"},
             {"/dev/stderr", "/proc/self/fd/2"}};

static bool is_link(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISLNK(status.st_mode);
}

/* A copy of the mounts at path, that nobody sees yet. -1 when there is nothing at path. */
static int open_tree_at(const struct received *received, const char *path, bool needed)
{
    int tree = open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    if (tree < 0) {
        if (!needed && errno == ENOENT)
            return -1;
        inside_fail(received->socket, "open_tree", path);
    }
    bool device = strncmp(path, "/dev/", 5) == 0;
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID |
                                                (device ? 0 : MOUNT_ATTR_NODEV)};
    if (mount_setattr(tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) != 0)
        inside_fail(received->socket, "mount_setattr", path);
    return tree;
}

/* Links of the root directory (/bin -> usr/bin) are made anew. A link deeper (/etc/resolv.conf) is
 * followed. */
static bool root_link(const char *path)
{
    return strchr(path + 1, '/') == NULL && is_link(path);
}

static bool is_shared(const struct received *received, const char *path)
{
    if (strcmp(path, "/etc/resolv.conf") == 0)
        return received->order->network == SANDBOX_NETWORK_HOST;
    return !received->order->bare || strncmp(path, "/dev/", 5) == 0;
}

/* A link in the root directory that a system of its own has. */
static bool brings_link(const struct received *received, uint32_t bind)
{
    return received->order->bare && strchr(received->to[bind] + 1, '/') == NULL &&
           is_link(received->from[bind]);
}

void inside_open_trees(const struct received *received, int *trees)
{
    for (size_t i = 0; i < SHARED; i++) {
        bool wanted = is_shared(received, shared[i]);
        trees[i] = wanted && !root_link(shared[i]) ? open_tree_at(received, shared[i], false) : -1;
    }
    for (uint32_t i = 0; i < received->order->bind_count; i++)
        trees[SHARED + i] =
            brings_link(received, i) ? -1 : open_tree_at(received, received->from[i], true);
}

/* Makes the directories above path, and path itself: a directory, or an empty file. */
static void make_place(const struct received *received, const char *path, bool directory)
{
    char copy[PATH_MAX];
    size_t length = strlen(path);
    if (length >= sizeof copy) {
        errno = ENAMETOOLONG;
        inside_fail(received->socket, "bind", "");
    }
    memcpy(copy, path, length + 1);
    for (char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            inside_fail(received->socket, "mkdir", copy);
        *slash = '/';
    }
    if (directory) {
        if (mkdir(copy, 0755) != 0 && errno != EEXIST)
            inside_fail(received->socket, "mkdir", copy);
        return;
    }
    int fd = open(copy, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0444);
    if (fd >= 0)
        close(fd);
    else if (access(copy, F_OK) != 0)
        inside_fail(received->socket, "create", copy);
}

static void place_tree(const struct received *received, int tree, const char *to)
{
    struct stat status;
    if (fstat(tree, &status) != 0)
        inside_fail(received->socket, "fstat", to);
    make_place(received, to, S_ISDIR(status.st_mode));
    if (move_mount(tree, "", AT_FDCWD, to, MOVE_MOUNT_F_EMPTY_PATH) != 0)
        inside_fail(received->socket, "move_mount", to);
    close(tree);
}

static void place_texts(const struct received *received)
{
    size_t count = received->order->bare ? 0 : sizeof written / sizeof written[0];
    for (size_t i = 0; i < count; i++) {
        int fd = open(written[i].path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
        size_t length = strlen(written[i].text);
        if (fd < 0 || write(fd, written[i].text, length) != (ssize_t)length)
            inside_fail(received->socket, "write", written[i].path);
        close(fd);
    }
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++)
        if (symlink(links[i].to, links[i].path) != 0)
            inside_fail(received->socket, "symlink", links[i].path);
}

/* Below the working directory, which is to be the root. */
static void copy_link(const struct received *received, const char *from, const char *to)
{
    char text[PATH_MAX];
    ssize_t length = readlink(from, text, sizeof text - 1);
    if (length <= 0)
        return;
    text[length] = '\0';
    if (symlink(text, to + 1) != 0)
        inside_fail(received->socket, "symlink", to);
}

/* An empty root in the place of the old one. The old root's /proc must still be mounted when ours
 * is: the kernel gives a new one only to who has seen all of another. */
static void new_root(const struct received *received)
{
    int socket = received->socket;
    if (mount(NULL, "/", NULL, MS_PRIVATE | MS_REC, NULL) != 0)
        inside_fail(socket, "mount", "private /");
    if (mount("sandbox", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m,nr_inodes=512,mode=755") !=
            0 ||
        chdir("/tmp") != 0)
        inside_fail(socket, "mount", "root");
    if (mkdir("proc", 0555) != 0 ||
        mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) != 0)
        inside_fail(socket, "mount", "/proc");
    for (size_t i = 0; i < SHARED; i++)
        if (root_link(shared[i]) && is_shared(received, shared[i]))
            copy_link(received, shared[i], shared[i]);
    for (uint32_t i = 0; i < received->order->bind_count; i++)
        if (brings_link(received, i))
            copy_link(received, received->from[i], received->to[i]);
    if (syscall(SYS_pivot_root, ".", ".") != 0 || umount2(".", MNT_DETACH) != 0 || chdir("/") != 0)
        inside_fail(socket, "pivot_root", "/");
}

/* What a system of its own has a place for, below what it binds. */
static bool is_laid_over(const struct received *received, const char *path)
{
    return received->order->bare && strncmp(path, "/etc/", 5) == 0;
}

static bool is_file(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISREG(status.st_mode);
}

/* Names of this sandbox's network, as container engines have them: where the place is a file. */
static void lay_over(const struct received *received, const int *trees)
{
    int socket = received->socket;
    if (!received->order->bare)
        return;
    for (size_t i = 0; i < SHARED; i++)
        if (trees[i] >= 0 && is_laid_over(received, shared[i]) && is_file(shared[i]) &&
            move_mount(trees[i], "", AT_FDCWD, shared[i], MOVE_MOUNT_F_EMPTY_PATH) != 0)
            inside_fail(socket, "move_mount", shared[i]);
    if (!is_file("/etc/hosts"))
        return;
    static const char text[] = HOSTS;
    struct mount_attr attributes = {.attr_set =
                                        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV};
    int fd = open("/.hosts", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    if (fd < 0 || write(fd, text, sizeof text - 1) != (ssize_t)(sizeof text - 1) ||
        mount("/.hosts", "/etc/hosts", NULL, MS_BIND, NULL) != 0 ||
        mount_setattr(AT_FDCWD, "/etc/hosts", 0, &attributes, sizeof attributes) != 0 ||
        unlink("/.hosts") != 0)
        inside_fail(socket, "mount", "/etc/hosts");
    close(fd);
}

void inside_build(const struct received *received, const int *trees)
{
    int socket = received->socket;
    new_root(received);
    for (size_t i = 0; i < SHARED; i++)
        if (trees[i] >= 0 && !is_laid_over(received, shared[i]))
            place_tree(received, trees[i], shared[i]);
    if (!received->order->bare)
        make_place(received, "/etc/passwd", false);
    make_place(received, "/dev/fd", false);
    if (unlink("/dev/fd") != 0)
        inside_fail(socket, "unlink", "/dev/fd");
    place_texts(received);
    static const char *const directories[] = {"/tmp", "/var/task", "/var/runtime", "/opt"};
    size_t wanted = received->order->bare ? 1 : sizeof directories / sizeof directories[0];
    for (size_t i = 0; i < wanted; i++)
        make_place(received, directories[i], true);
    char options[96];
    snprintf(options, sizeof options, "size=%llu,nr_inodes=%llu,mode=1777",
             (unsigned long long)received->order->tmp_bytes,
             (unsigned long long)received->order->tmp_bytes / 4096 + 1024);
    if (mount("tmp", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options) != 0)
        inside_fail(socket, "mount", "/tmp");
    for (uint32_t i = 0; i < received->order->bind_count; i++)
        if (trees[SHARED + i] >= 0)
            place_tree(received, trees[SHARED + i], received->to[i]);
    lay_over(received, trees);
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY};
    if (mount_setattr(AT_FDCWD, "/", 0, &attributes, sizeof attributes) != 0)
        inside_fail(socket, "mount_setattr", "/");
    if (sethostname(received->hostname, strlen(received->hostname)) != 0)
        inside_fail(socket, "sethostname", received->hostname);
}

void inside_listen(const struct received *received, int *listeners)
{
    int socket_fd = received->socket;
    if (received->order->network != SANDBOX_NETWORK_NONE)
        return;
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    if (any < 0 || ioctl(any, SIOCSIFFLAGS, &request) != 0)
        inside_fail(socket_fd, "ioctl", "lo");
    close(any);
    for (uint32_t i = 0; i < received->order->port_count; i++) {
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons(received->order->ports[i]),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        listeners[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (listeners[i] < 0 ||
            bind(listeners[i], (const struct sockaddr *)&address, sizeof address) != 0 ||
            listen(listeners[i], 128) != 0)
            inside_fail(socket_fd, "listen", "127.0.0.1");
    }
}

/* The system calls that no function needs and that reach beyond its sandbox. A list of what is
 * refused, not of what is allowed: the programs are anybody's, and the namespaces already confine
 * what the rest can see. */
#include "sandbox/sandbox_int.h"

#include <errno.h>
#include <linux/netlink.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"

static const int refused[] = {
    /* mounts and roots */
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
    SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr), SCMP_SYS(quotactl),
    SCMP_SYS(name_to_handle_at), SCMP_SYS(open_by_handle_at), SCMP_SYS(swapon), SCMP_SYS(swapoff),
    /* namespaces */
    SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(sethostname), SCMP_SYS(setdomainname),
    /* other processes */
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd), SCMP_SYS(process_madvise),
    /* the kernel itself, and what has often been a way into it */
    SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(bpf),
    SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(init_module), SCMP_SYS(finit_module),
    SCMP_SYS(delete_module), SCMP_SYS(reboot), SCMP_SYS(acct), SCMP_SYS(syslog), SCMP_SYS(iopl),
    SCMP_SYS(ioperm), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime),
    SCMP_SYS(adjtimex), SCMP_SYS(vhangup), SCMP_SYS(lookup_dcookie), SCMP_SYS(modify_ldt),
    SCMP_SYS(uselib), SCMP_SYS(fanotify_init), SCMP_SYS(move_pages), SCMP_SYS(migrate_pages),
    SCMP_SYS(quotactl_fd)};

/* As if the kernel had none: programs fall back. clone3 hides its flags behind a pointer, so that
 * clone must do; memory of System V's and POSIX's queues and segments and of memfd_create belongs
 * to no process that could be counted. */
static const int unknown[] = {SCMP_SYS(clone3),         SCMP_SYS(io_uring_setup),
                              SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register),
                              SCMP_SYS(shmget),         SCMP_SYS(msgget),
                              SCMP_SYS(semget),         SCMP_SYS(mq_open),
                              SCMP_SYS(memfd_create),   SCMP_SYS(memfd_secret)};

static const unsigned long namespaces[] = {CLONE_NEWUSER,  CLONE_NEWNS,  CLONE_NEWPID,
                                           CLONE_NEWNET,   CLONE_NEWIPC, CLONE_NEWUTS,
                                           CLONE_NEWCGROUP};

/* Socket families below 16 but for unix, internet and none. Above netlink (16) all are refused
 * (Linux has 46): packets, vsock, which no namespace confines, and the kernel's ciphers. */
static const unsigned long families[] = {3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 15};

/* Only the lower half of the argument: what the kernel looks at, an int. */
static struct scmp_arg_cmp compare_int(unsigned argument, uint32_t value)
{
    return (struct scmp_arg_cmp){
        .arg = argument, .op = SCMP_CMP_MASKED_EQ, .datum_a = 0xffffffff, .datum_b = value};
}

static bool filter_rules(scmp_filter_ctx context)
{
    int bad = 0;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        bad |= seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
    for (size_t i = 0; i < sizeof unknown / sizeof unknown[0]; i++)
        bad |= seccomp_rule_add(context, SCMP_ACT_ERRNO(ENOSYS), unknown[i], 0);
    for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++)
        bad |= seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                SCMP_A0(SCMP_CMP_MASKED_EQ, namespaces[i], namespaces[i]));
    for (size_t i = 0; i < sizeof families / sizeof families[0]; i++)
        bad |= seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                compare_int(0, (uint32_t)families[i]));
    for (uint32_t family = AF_NETLINK + 1; family <= 63; family++)
        bad |= seccomp_rule_add(context, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                compare_int(0, family));
    /* Of netlink only what lists addresses and routes (0); the rest configures the kernel. */
    for (uint32_t protocol = 1; protocol < MAX_LINKS; protocol++)
        bad |= seccomp_rule_add(context, SCMP_ACT_ERRNO(EPROTONOSUPPORT), SCMP_SYS(socket), 2,
                                compare_int(0, AF_NETLINK), compare_int(2, protocol));
    /* Typing into a terminal that was inherited. */
    bad |= seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                            compare_int(1, TIOCSTI));
    bad |= seccomp_rule_add(context, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(ioctl), 1,
                            compare_int(1, TIOCLINUX));
    return bad == 0;
}

/* libseccomp writes to a descriptor only. */
static RESULT filter_export(scmp_filter_ctx context, struct sock_fprog *filter)
{
    int fd = memfd_create("filter", MFD_CLOEXEC);
    if (fd < 0)
        return FAULT("memfd_create: %s", strerror(errno));
    off_t size = seccomp_export_bpf(context, fd) == 0 ? lseek(fd, 0, SEEK_END) : 0;
    struct sock_filter *code = heap_alloc(size > 0 ? (size_t)size : 1);
    bool good = size > 0 && pread(fd, code, (size_t)size, 0) == size;
    close(fd);
    if (!good)
        return FAULT("seccomp_export_bpf failed");
    *filter =
        (struct sock_fprog){.len = (unsigned short)((size_t)size / sizeof *code), .filter = code};
    return RESULT_OK;
}

RESULT filter_make(struct sock_fprog *filter)
{
    scmp_filter_ctx context = seccomp_init(SCMP_ACT_ALLOW);
    if (context == NULL)
        return FAULT("seccomp_init failed");
    (void)seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    enum result result = RESULT_FAULT;
    /* Calls by way of the 32-bit tables would pass all of the above by. */
    if (seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS)) != 0 ||
        !filter_rules(context))
        result = FAULT("libseccomp refuses a rule");
    else
        result = filter_export(context, filter);
    seccomp_release(context);
    return result;
}

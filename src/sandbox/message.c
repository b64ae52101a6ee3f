/* One message over a unix socket, with descriptors. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#include "sandbox/sandbox_int.h"

union control {
    char bytes[CMSG_SPACE(sizeof(int) * ORDER_MAX_DESCRIPTORS)];
    struct cmsghdr align;
};

bool message_send(int socket, const struct iovec *parts, size_t count, const int *descriptors,
                  size_t descriptor_count, int flags)
{
    union control control = {0};
    struct iovec copy[2] = {parts[0], count > 1 ? parts[1] : (struct iovec){0}};
    struct msghdr message = {.msg_iov = copy, .msg_iovlen = count};
    if (descriptor_count > 0) {
        size_t size = sizeof(int) * descriptor_count;
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(size);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(size);
        memcpy(CMSG_DATA(header), descriptors, size);
    }
    ssize_t sent;
    do
        sent = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent >= 0;
}

ssize_t message_receive(int socket, void *data, size_t size, int *descriptors,
                        size_t *descriptor_count, int flags)
{
    union control control;
    struct iovec part = {.iov_base = data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t got;
    do
        got = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    size_t room = *descriptor_count;
    *descriptor_count = 0;
    if (got < 0)
        return got;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL;
         header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(header) + i * sizeof fd, sizeof fd);
            if (*descriptor_count < room)
                descriptors[(*descriptor_count)++] = fd;
            else
                close(fd);
        }
    }
    return got;
}
